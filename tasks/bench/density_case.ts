import { Progress, UsageError } from "../../core/cli/mod.ts";
import { renderSvg } from "../../core/figures/mod.ts";
import { claimFolder, RunFolder } from "../../core/run/folder.ts";
import { shown } from "../../core/run/result.ts";
import { compareDensities, RESULTS } from "./density.ts";
import { densityComparisonFigure } from "./density_figure.ts";
import type { OwnResult } from "./density_fit.ts";
import { ALL_SETS, isOwnSet, OWN_SETS, PEERS, type SetName } from "./density_names.ts";
import { packagesFor } from "./density_peers.ts";
import type { SetResult } from "./density_results.ts";
import { densityTable, resultLine, tableNotes } from "./density_table.ts";
import { namesOf } from "./names.ts";
import { requirePackages } from "./output.ts";

/** What the command line says of the case `density`. */
export interface DensityOptions {
  readonly vsPython: boolean;
  readonly sets: string | undefined;
  readonly peers: string;
  /** In seconds. */
  readonly limit: number;
  readonly out: string | undefined;
  readonly backend: string;
  readonly threads: number;
  readonly python: string;
  readonly json: boolean;
  readonly signal: AbortSignal;
}

const FIGURE = "density.svg";

/**
 * The NLL of our density on fresh points beside that of what users would fit instead: results set by set, a table and a
 * figure of all. Where it is interrupted, of those that are finished.
 *
 * @param fitOurs Fits ours to a file, in a process of its own; the NLL of each point goes to a folder.
 */
export async function measureDensities(
  options: DensityOptions,
  fitOurs: (file: string, folder: string) => Promise<OwnResult>,
): Promise<void> {
  const { vsPython, python, threads, limit, signal, backend, json } = options;
  const sets = setsOf(options), peers = vsPython ? namesOf("--peers", options.peers, PEERS) : [];
  // Said before minutes are spent.
  if (vsPython) await requirePackages(python, packagesFor(sets, peers), "--vs-python", signal);
  const folder = new RunFolder((await claimFolder(options.out, "runs/bench-density", () => false)).path);
  const results: SetResult[] = [];
  using progress = new Progress({ quiet: json });
  try {
    const machine = { python, threads, limit, signal };
    const onModel = (set: SetName, model: string, done: number, total: number) =>
      progress.update({ label: "density", done, total, fields: [`${model} on ${set}`] });
    const onResult: Parameters<typeof compareDensities>[0]["onResult"] = (set, result) =>
      progress.note(`${set} ${result.model}: ${resultLine(result)}`);
    const request = { sets, peers, pythonSets: vsPython, backend, machine, fitOurs, onModel, onResult };
    for await (const result of compareDensities(request, folder)) {
      results.push(result);
      if (json) console.log(JSON.stringify(result));
    }
  } finally {
    progress.finish();
    if (results.length > 0) await show(results, folder, json);
  }
}

async function show(results: readonly SetResult[], folder: RunFolder, json: boolean): Promise<void> {
  await folder.write(FIGURE, await renderSvg(densityComparisonFigure("NLL of fresh points above the best", results)));
  if (json) return;
  const wrote = `Wrote ${shown(folder.path)}, with ${RESULTS}, ${FIGURE}, sets and points`;
  console.log([densityTable(results), "", ...tableNotes(results), wrote].join("\n"));
}

function setsOf({ sets, vsPython }: DensityOptions): SetName[] {
  const chosen = sets === undefined ? [...vsPython ? ALL_SETS : OWN_SETS] : namesOf("--sets", sets, ALL_SETS);
  const real = chosen.find((name) => !isOwnSet(name));
  if (vsPython || real === undefined) return chosen;
  throw new UsageError(`--sets has ${real}, which Python makes. Add --vs-python, or leave it out.`);
}
