import { dirname, join, resolve } from "node:path";
import { storageError, writeFileAtomic } from "../io/atomic.ts";
import { requireWithin } from "../io/within.ts";
import { ReportError } from "./errors.ts";
import { MAX_SERIES } from "./overlay_figure.ts";
import { MARK, reportPage } from "./page.ts";
import { reportOf, type ReportOptions, type RunReport } from "./run_report.ts";

export { ReportError } from "./errors.ts";

/** A page that was written. */
export interface WrittenReport {
  readonly path: string;
  readonly bytes: number;
  readonly runs: readonly RunReport[];
}

/**
 * Writes the report page of one run, or of several that are compared.
 *
 * @param paths The folders of runs, or of checkpoints.
 * @param out The page's file: by default `report.html` in the run's folder, or in the folder that all runs are in, else in
 * the working folder. It must not exist, or be an earlier report.
 * @throws {UserError} When one is no run, or the file is something else or cannot be written; nothing is changed then.
 */
export async function writeReport(
  paths: readonly string[],
  out: string | undefined,
  { live, onRun = () => {}, signal }: Pick<ReportOptions, "live"> & {
    /** Called with the number of runs that are done. */
    readonly onRun?: (done: number) => void;
    /** Ends it before anything is written, with its reason as the error. */
    readonly signal?: AbortSignal;
  },
): Promise<WrittenReport> {
  if (paths.length > MAX_SERIES) {
    throw new ReportError(`Got ${paths.length} runs, but at most ${MAX_SERIES} can be told apart. Name fewer.`);
  }
  const full = paths.map((path) => resolve(path));
  const twice = full.find((path, i) => full.indexOf(path) < i);
  if (twice !== undefined) throw new ReportError(`The run ${twice} is named twice. Name each once.`);
  const labels = labelsOf(full);
  // Before anything is measured.
  if (out !== undefined) await requireOwn(resolve(out));
  const runs: RunReport[] = [];
  for (const [i, path] of paths.entries()) {
    signal?.throwIfAborted();
    runs.push(await reportOf(path, labels[i], { live, curves: paths.length > 1 }));
    onRun(i + 1);
  }
  const path = resolve(out ?? standardPath(runs.map(({ files }) => files.folder.path)));
  // Where the user has named no file, a link that lies there leads to somewhere that nobody named.
  if (out === undefined) await requireWithin(dirname(path), path);
  await requireOwn(path);
  const page = new TextEncoder().encode(await reportPage(runs));
  signal?.throwIfAborted();
  await writeFileAtomic(path, page);
  return { path, bytes: page.length, runs };
}

/** Where a report is written if no file is named. */
function standardPath(folders: readonly string[]): string {
  if (folders.length === 1) return join(folders[0], "report.html");
  const parent = dirname(folders[0]);
  return folders.every((folder) => dirname(folder) === parent) ? join(parent, "report.html") : "report.html";
}

/** The ends of the paths, as long as it takes to tell them apart. */
export function labelsOf(paths: readonly string[]): string[] {
  const parts = paths.map((path) => path.split(/[\\/]/).filter((part) => part !== ""));
  const end = (path: readonly string[], count: number) => path.slice(-count).join("/");
  return parts.map((path, i) => {
    let count = 1;
    const isTaken = () => parts.some((other, k) => k !== i && end(other, count) === end(path, count));
    while (count < path.length && isTaken()) count++;
    return end(path, count);
  });
}

/** A file that is something else than a report is not replaced. */
async function requireOwn(path: string): Promise<void> {
  let start = "";
  try {
    if (!(await Deno.stat(path)).isFile) throw new ReportError(`${path} is no file. Name a file with --out.`);
    using file = await Deno.open(path);
    const bytes = new Uint8Array(MARK.length);
    const length = await file.read(bytes) ?? 0;
    start = new TextDecoder().decode(bytes.subarray(0, length));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    if (error instanceof ReportError) throw error;
    throw storageError(path, error);
  }
  if (start !== MARK) {
    throw new ReportError(`${path} exists and is no report of this program. Name another file with --out.`);
  }
}
