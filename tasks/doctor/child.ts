import { fileURLToPath } from "node:url";
import configuration from "../../deno.json" with { type: "json" };

const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

/** Those of a task that trains, as deno.json has them. */
export const TASK_PERMISSIONS: readonly string[] = configuration.tasks["train:2d"].split(" ").filter((word) =>
  /^-P=|^--allow-/.test(word)
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
  /** Kills it at once, with its reason as the error. */
  readonly signal?: AbortSignal;
}

/** What a script's process printed, and what went wrong with it, as a clause. */
export interface ChildResult<T> {
  readonly records: readonly T[];
  readonly problem?: string;
}

/**
 * Runs a script that prints objects as lines of JSON, in a process of its own.
 *
 * @param script Beside this file.
 * @returns The objects that have a `kind`; a library may print other lines.
 */
export async function runChild<T extends { readonly kind: string }>(
  script: string | URL,
  args: readonly string[],
  { milliseconds, signal, permissions = TASK_PERMISSIONS, wait = byClock }: ChildLimits,
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
  const output = readLines(child.stdout, (line) => {
    const record = parse<T>(line);
    if (record) records.push(record);
  });
  const complaint = new Response(child.stderr).text();
  const ended = Promise.all([child.status, output, complaint]);

  const kill = () => child.kill("SIGKILL");
  signal?.addEventListener("abort", kill);
  // One that hangs in a driver is not waited for.
  const aborted = new Promise<void>((resolve) => signal?.addEventListener("abort", () => resolve()));
  const late = await isLate(Promise.race([ended, aborted]), milliseconds, wait);
  signal?.throwIfAborted();
  if (late) kill();
  const result = late && await isLate(ended, GRACE, wait) ? undefined : await ended;
  signal?.removeEventListener("abort", kill);

  if (late) return { records, problem: `it did not end within ${milliseconds / 1000} s and was stopped` };
  const [{ success, code, signal: by }, , text] = result!;
  if (success) return { records };
  const last = text.trim().split("\n").at(-1)?.trim().slice(0, 300);
  return { records, problem: `its process ended by ${by ?? `code ${code}`}${last ? `: ${last}` : ""}` };
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
