import { setTimeout as byClock } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Backend } from "../../core/engine/mod.ts";
import type { BackendReport, CaseReport, ReportLine } from "./report.ts";

const SCRIPT = fileURLToPath(new URL("./run_backend.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

/** Those of the tasks. */
const PERMISSIONS = ["read", "write", "env", "sys", "ffi", "import"].map((name) => `--allow-${name}`);

export interface ProcessSettings {
  /** Threads on the processor. */
  readonly threads: number;
  /** What the cases' names have in them; without it the backend only starts. */
  readonly cases?: string;
  /** Called when a case is done. */
  readonly onCase?: (report: CaseReport) => void;
  /** Milliseconds without a result after which the process is ended: a driver may hang. */
  readonly silence?: number;
  /** What waits so long; a clock, unless a test has its own. */
  readonly wait?: (milliseconds: number, signal: AbortSignal) => Promise<unknown>;
  /** What the process runs. */
  readonly script?: string;
}

/** Runs the cases on a backend in a process of its own. */
export async function runBackend(
  backend: Backend,
  { threads, cases: wanted, onCase, silence = 600_000, wait = waitByClock, script = SCRIPT }: ProcessSettings,
): Promise<BackendReport> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--frozen", "--config", CONFIG, ...PERMISSIONS, script, backend, String(threads)],
      ...(wanted === undefined ? [] : [wanted]),
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const complaint = new Response(child.stderr).text();
  const cases: CaseReport[] = [];
  let start: Extract<ReportLine, { kind: "start" }> | undefined;
  let absent: string | undefined;
  let complete = false;
  let silent = false;
  // Each line calls off the wait for it, and begins the next.
  let heard = new AbortController();
  const listen = () => {
    heard.abort();
    const { signal } = heard = new AbortController();
    wait(silence, signal).then(() => {
      if (signal.aborted || silent) return;
      silent = true;
      child.kill("SIGKILL");
    }, () => {});
  };
  listen();
  for await (const line of linesOf(child.stdout)) {
    listen();
    const report = parseLine(line);
    if (report?.kind === "absent") absent = report.reason;
    if (report?.kind === "start") start = report;
    if (report?.kind === "end") complete = true;
    if (report?.kind === "case") {
      const { kind: _, ...rest } = report;
      cases.push(rest);
      onCase?.(rest);
    }
  }
  const { success, code, signal } = await child.status;
  heard.abort();
  const last = (await complaint).trim().split("\n").at(-1);
  const why = last ? `: ${last}` : "";
  const ended = silent
    ? `the process was ended after ${silence / 1000} s without a result`
    : !success
    ? `the process ended by ${signal ?? `code ${code}`}${why}`
    : !complete
    ? `the process ended before its time${why}`
    : undefined;
  if (absent !== undefined) return { backend, not_tried: absent, cases };
  return {
    backend,
    ...(start ? { threads: start.threads, versions: start.versions } : {}),
    cases,
    ...(ended === undefined ? {} : { ended }),
  };
}

/** Is over at once where it is called off. */
function waitByClock(milliseconds: number, signal: AbortSignal): Promise<void> {
  return byClock(milliseconds, undefined, { signal });
}

/** A line of the report; a library may print others. */
function parseLine(line: string): ReportLine | undefined {
  try {
    const value = JSON.parse(line) as Partial<ReportLine> | null;
    return typeof value === "object" && value?.kind ? value as ReportLine : undefined;
  } catch {
    return undefined;
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
  yield rest;
}
