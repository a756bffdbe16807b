import { requireWithin } from "../io/within.ts";
import { errorIn, runChild } from "./child.ts";
import type { SweepFolder } from "./folder.ts";
import { pageRuns, seedGroups, type SweepRun } from "./sweep_runs.ts";
import { seedsCsv, sweepCsv } from "./tables.ts";

/** What was written of a comparison. */
export interface WrittenComparison {
  /** The files' names. */
  readonly files: readonly string[];
  /** Why there is no page, if there is none though runs are finished. */
  readonly problem?: string;
}

/**
 * Writes the comparison of a sweep's finished runs: `sweep.csv`, `seeds.csv` where seeds vary, and `comparison.html`, the
 * page that `deno task report` makes of them. Processes that write it at once write the same.
 *
 * @throws {UserError} When a table cannot be written.
 */
export async function writeComparison(
  { folder, sweep }: SweepFolder,
  runs: readonly SweepRun[],
): Promise<WrittenComparison> {
  const files = ["sweep.csv"];
  await folder.write("sweep.csv", sweepCsv(sweep, runs));
  const groups = seedGroups(sweep, runs);
  if (groups.length > 0) {
    await folder.write("seeds.csv", seedsCsv(sweep, groups));
    files.push("seeds.csv");
  }
  const paths = pageRuns(runs).map(({ name }) => folder.file(name));
  if (paths.length === 0) return { files };
  // Models that are evaluated in the page would make it many times as large.
  const page = [`--out=${folder.file("comparison.html")}`, "--live=off", "--json"];
  await requireWithin(folder.path, folder.file("comparison.html"));
  const { ended, complaint } = await runChild("report", [...page, ...paths]);
  if (ended === 0) return { files: [...files, "comparison.html"] };
  return { files, problem: errorIn(complaint) || `It ended by ${ended}.` };
}
