import { meanAndStderr } from "../diffusion/likelihood.ts";
import type { RunNumbers, RunState } from "./folder.ts";
import type { Sweep, SweepCommand } from "./template.ts";

/** A run of a sweep, and how far it is. */
export type SweepRun = SweepCommand & { readonly state: RunState };

/** Runs that only the seed tells apart. */
export interface SeedGroup {
  /** Of the other variables, in their order. */
  readonly values: readonly string[];
  readonly runs: number;
  /** In nats; the standard deviation is that of single runs. */
  readonly validation: Spread;
  readonly test?: Spread;
}

/** The mean and the standard deviation over seeds. */
export interface Spread {
  readonly mean: number;
  readonly deviation: number;
}

/** A page compares so many runs at most. */
export const MAX_PAGE_RUNS = 10;

/** The runs that are finished, with their numbers. */
export function finishedRuns(runs: readonly SweepRun[]): (SweepRun & { readonly numbers: RunNumbers })[] {
  return runs.flatMap((run) => run.state.kind === "finished" ? [{ ...run, numbers: run.state.numbers }] : []);
}

/** The groups of two or more finished runs that only the seed tells apart; none where the seed does not vary. */
export function seedGroups({ variables }: Sweep, runs: readonly SweepRun[]): SeedGroup[] {
  const seed = variables.indexOf("seed");
  if (seed < 0) return [];
  const othersOf = ({ values }: SweepRun) => values.filter((_, i) => i !== seed);
  const groups = Map.groupBy(finishedRuns(runs), (run) => JSON.stringify(othersOf(run)));
  return [...groups.values()].filter(({ length }) => length > 1).map((group) => {
    const tests = group.flatMap(({ numbers: { test_nll } }) => test_nll === undefined ? [] : [test_nll]);
    return {
      values: othersOf(group[0]),
      runs: group.length,
      validation: spreadOf(group.map(({ numbers }) => numbers.val_nll)),
      ...(tests.length === group.length ? { test: spreadOf(tests) } : {}),
    };
  });
}

function spreadOf(values: readonly number[]): Spread {
  const { mean, stderr } = meanAndStderr(values);
  return { mean, deviation: stderr * Math.sqrt(values.length) };
}

/** What the page compares: all finished runs, or those of them with the lowest NLL, in the order of the sweep. */
export function pageRuns(runs: readonly SweepRun[]): readonly SweepRun[] {
  const all = finishedRuns(runs);
  const best = all.toSorted((a, b) => a.numbers.val_nll - b.numbers.val_nll).slice(0, MAX_PAGE_RUNS);
  return all.filter((run) => best.includes(run));
}
