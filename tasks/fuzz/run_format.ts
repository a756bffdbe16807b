import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type ChildRequest, LIMITS, type Limits, type Line } from "./protocol.ts";

/** Failures of a format after which it is left. */
const MAX_FAILURES = 20;

/** What happened to the damaged files of a format. */
export interface FormatCounts {
  read: number;
  refused: number;
  readonly failures: { readonly number: number; readonly what: string; readonly path: string }[];
  /** The longest that one took, in seconds. */
  slowest: number;
}

/** What to try. */
export interface FormatRequest {
  readonly format: string;
  readonly seed: number;
  readonly runs: number;
  /** When to stop, on `performance.now()`'s clock. */
  readonly until: number;
  readonly out: string;
  readonly signal: AbortSignal;
  /** The URL of the module that has the format; the project's own if left out. */
  readonly targets?: string;
  readonly limits?: Limits;
  onCase(counts: FormatCounts): void;
}

/**
 * Tries the damaged files of a format, in processes of their own: one that hangs, runs out of memory or crashes is
 * ended and counts as a failure of its file, and another goes on after it.
 */
export async function runFormat(request: FormatRequest): Promise<FormatCounts> {
  const { format, seed, runs, until, out, signal, limits = LIMITS } = request;
  const { targets = new URL("targets.ts", import.meta.url).href } = request;
  const counts: FormatCounts = { read: 0, refused: 0, failures: [], slowest: 0 };
  const folder = await Deno.makeTempDir();
  const isOver = () => signal.aborted || performance.now() > until || counts.failures.length >= MAX_FAILURES;
  try {
    for (let next = 0; next < runs && !isOver();) {
      const child = start({ targets, limits, format, seed, first: next, last: runs, folder, out }), first = next;
      const end = await watch(child, limits.seconds, isOver, (line) => {
        next = line.number + 1;
        take(counts, line);
        request.onCase(counts);
      });
      if (end === undefined && (next > first || isOver())) continue;
      // The file of a process that ended by itself or was ended is the one after the last that it told of: if that is its
      // fault, and not of what a library kept of thousands before it, it happens again alone.
      const number = next, alone = start({ targets, limits, format, seed, first: next, last: next + 1, folder, out });
      const again = await watch(alone, limits.seconds, () => signal.aborted, (line) => {
        next = line.number + 1;
        take(counts, line);
      });
      if (again === undefined && next > number) continue;
      const path = join(out, `${format}-${seed}-${next}`);
      await Deno.mkdir(out, { recursive: true });
      await start({ targets, limits, format, seed, first: next, last: next + 1, folder, out, write: path }).output();
      counts.failures.push({
        number: next,
        what: end ?? "the process ended before it told anything",
        path: `${path}.*`,
      });
      next++;
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  return counts;
}

function take(counts: FormatCounts, { number, failure, path = "", isRead, seconds }: Line): void {
  counts.slowest = Math.max(counts.slowest, seconds);
  if (failure !== undefined) counts.failures.push({ number, what: failure, path });
  else if (isRead) counts.read++;
  else counts.refused++;
}

/** Reads what a process tells. Returns what was wrong with its end, if anything was. */
async function watch(
  command: Deno.Command,
  maxSeconds: number,
  isOver: () => boolean,
  onLine: (line: Line) => void,
): Promise<string | undefined> {
  const child = command.spawn();
  let isStuck = false, isEnded = false, timer: ReturnType<typeof setTimeout> | undefined, error = "";
  const kill = () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
  };
  const wait = (seconds: number) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      isStuck = true;
      kill();
    }, 1000 * seconds);
  };
  // A process needs some time to start, however short its files may take.
  wait(60);
  const errors = (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) error = (error + text).slice(0, 2000);
  })();
  let rest = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    // An empty line says that it has started.
    for (const line of lines) if (line !== "") onLine(JSON.parse(line));
    if (lines.length > 0) wait(maxSeconds);
    if (isOver() && !isEnded) {
      isEnded = true;
      kill();
    }
  }
  clearTimeout(timer);
  await errors;
  const { code, signal } = await child.status;
  if (isStuck && !isEnded) return `it takes more than ${maxSeconds} s`;
  if (isEnded || code === 0) return undefined;
  return `the process ended with ${signal ?? code}: ${firstLines(error)}`;
}

/** What a process said as it ended, without where it was. */
function firstLines(text: string): string {
  return text.trim().split("\n").slice(0, 2).join(" ");
}

function start(request: ChildRequest): Deno.Command {
  const config = fileURLToPath(new URL("../../deno.json", import.meta.url));
  return new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--allow-all", "--no-check", "--config", config],
      ...["--v8-flags=--max-old-space-size=1024", fileURLToPath(new URL("child.ts", import.meta.url))],
      JSON.stringify(request),
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  });
}
