import { fileURLToPath } from "node:url";
import configuration from "../../deno.json" with { type: "json" };

const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

/** Those of a task that trains, as deno.json has them. */
export const TASK_PERMISSIONS: readonly string[] = configuration.tasks["train:2d"].split(" ").filter((word) =>
  /^-P=|^--allow-/.test(word)
);

/** Those of a test that trains on any backend. */
export const TEST_PERMISSIONS: readonly string[] = ["read", "write", "env", "sys", "ffi", "import"].map((name) =>
  `--allow-${name}`
);

/** How long a process that is killed may take to end; one that hangs in a driver may never. */
const GRACE = 2000;

export interface ChildLimits {
  /** What Deno allows it. */
  readonly permissions?: readonly string[];
  /** Milliseconds after which it is killed. */
  readonly milliseconds: number;
  /** What waits so long; a clock, unless a test has its own. */
  readonly wait?: (milliseconds: number, signal: AbortSignal) => Promise<unknown>;
  /** Whether each record gives it as long again. */
  readonly renewed?: boolean;
  /** Kills it at once, with its reason as the error. */
  readonly signal?: AbortSignal;
}

/** What is done with the lines that a script prints. */
export interface ChildLines<T> {
  /** The record in a line; by default an object of JSON that has a `kind`. */
  readonly read?: (line: string) => T | undefined;
  readonly onRecord?: (record: T) => void;
}

/** What a script's process printed, and what went wrong with it, as a clause. */
export interface ChildResult<T> {
  readonly records: readonly T[];
  readonly problem?: string;
  /** Whether a signal of the system ended it, as SIGSEGV, and not its own doing. */
  readonly crashed?: boolean;
}

/**
 * Runs a script that prints objects as lines of JSON, in a process of its own.
 *
 * @param script Beside this file.
 * @returns Its records; a library may print other lines.
 */
export async function runChild<T extends { readonly kind: string }>(
  script: string | URL,
  args: readonly string[],
  { milliseconds, renewed = false, signal, permissions = TASK_PERMISSIONS, wait = byClock }: ChildLimits,
  { read = parse<T>, onRecord }: ChildLines<T> = {},
): Promise<ChildResult<T>> {
  signal?.throwIfAborted();
  const path = fileURLToPath(new URL(script, import.meta.url));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--frozen", "--config", CONFIG, ...permissions, path, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  const records: T[] = [];
  let heard = Promise.withResolvers<void>();
  const output = readLines(child.stdout, (line) => {
    const record = read(line);
    if (!record) return;
    records.push(record);
    onRecord?.(record);
    heard.resolve();
  });
  const complaint = new Response(child.stderr).text();
  const ended = Promise.all([child.status, output, complaint]);

  const kill = () => child.kill("SIGKILL");
  signal?.addEventListener("abort", kill);
  // One that hangs in a driver is not waited for.
  const aborted = new Promise<void>((resolve) => signal?.addEventListener("abort", () => resolve()));
  const over = Promise.race([ended, aborted]).then(() => true);
  let [isOver, late] = [false, false];
  while (!isOver && !late) {
    heard = Promise.withResolvers();
    const next = renewed ? Promise.race([over, heard.promise.then(() => false)]) : over;
    late = await isLate(next.then((end) => isOver = end), milliseconds, wait);
  }
  signal?.throwIfAborted();
  if (late) kill();
  const result = late && await isLate(ended, GRACE, wait) ? undefined : await ended;
  signal?.removeEventListener("abort", kill);

  if (late) {
    const what = renewed ? "said nothing for" : "did not end within";
    return { records, problem: `it ${what} ${milliseconds / 1000} s and was stopped` };
  }
  const [{ success, code, signal: by }, , text] = result!;
  if (success) return { records };
  // Drivers warn of this and that as they start.
  const last = text.trim().split("\n").findLast((line) => !line.startsWith("Warning"))?.trim().slice(0, 300);
  const problem = `its process ended by ${by ?? `code ${code}`}${last ? `: ${last}` : ""}`;
  return { records, problem, ...(by === null ? {} : { crashed: true }) };
}

/** Whether a promise is still open after some time. */
async function isLate(
  promise: Promise<unknown>,
  milliseconds: number,
  wait: NonNullable<ChildLimits["wait"]>,
): Promise<boolean> {
  const over = new AbortController();
  try {
    return await Promise.race([promise.then(() => false), wait(milliseconds, over.signal).then(() => true)]);
  } finally {
    over.abort();
  }
}

/** Waits by the clock; where it is called off, for ever. */
function byClock(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => clearTimeout(timer));
  });
}

async function readLines(stream: ReadableStream<Uint8Array<ArrayBuffer>>, onLine: (line: string) => void) {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    lines.forEach(onLine);
  }
  onLine(rest);
}

function parse<T extends { readonly kind: string }>(line: string): T | undefined {
  try {
    const value = JSON.parse(line) as Partial<T> | null;
    return typeof value === "object" && typeof value?.kind === "string" ? value as T : undefined;
  } catch {
    return undefined;
  }
}
