import type { RunNumbers } from "./folder.ts";
import { finishedRuns, MAX_PAGE_RUNS, type SeedGroup, seedGroups, type SweepRun } from "./sweep_runs.ts";
import type { Sweep } from "./template.ts";

/** The numbers that a table of runs has. */
const NUMBERS = ["val_nll", "val_nll_stderr", "test_nll", "test_nll_stderr"] as const;

/** The cells of a run that is not finished. */
const NONE = [...NUMBERS, "seconds"].map(() => "");

/** Rows that the terminal shows. */
const MAX_ROWS = 50;

/** A row for each run, in the order of the sweep; one that is not finished has no numbers. */
export function sweepCsv({ variables }: Sweep, runs: readonly SweepRun[]): string {
  const rows = runs.map(({ name, values, state }) => [
    name,
    ...values,
    ...(state.kind === "finished" ? Object.values(numbersOf(state.numbers)) : NONE),
  ]);
  return csv([["run", ...variables, ...NUMBERS, "seconds"], ...rows]);
}

/** A row for each group of seeds. */
export function seedsCsv(sweep: Sweep, groups: readonly SeedGroup[]): string {
  const rows = groups.map(({ values, runs, validation, test }) => [
    ...values,
    runs,
    validation.mean,
    validation.deviation,
    test?.mean,
    test?.deviation,
  ]);
  return csv([
    [...othersThanSeed(sweep), "runs", "val_nll_mean", "val_nll_sd", "test_nll_mean", "test_nll_sd"],
    ...rows,
  ]);
}

function csv(rows: readonly (readonly (string | number | undefined)[])[]): string {
  const cell = (value: string | number | undefined = "") =>
    /[",\r\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value);
  return rows.map((row) => `${row.map(cell).join(",")}\n`).join("");
}

/** The comparison as the terminal shows it. */
export function comparisonLines(sweep: Sweep, runs: readonly SweepRun[]): string[] {
  const { variables } = sweep;
  const isNamed = variables.length > 0;
  const rows = runs.map(({ name, values, state }) => {
    const heads = isNamed ? values : [name];
    if (state.kind !== "finished") return [...heads, state.kind, "", ""];
    const { val_nll, val_nll_stderr, test_nll, test_nll_stderr = NaN, total_seconds } = state.numbers;
    const test = test_nll === undefined ? "" : plusMinus(test_nll, test_nll_stderr);
    return [...heads, plusMinus(val_nll, val_nll_stderr), test, total_seconds.toFixed(1)];
  });
  const likelihoods = ["NLL, validation", "NLL, fresh data"];
  const lines = textTable([...(isNamed ? variables : ["run"]), ...likelihoods, "seconds"], rows, "sweep.csv");
  if (finishedRuns(runs).length > MAX_PAGE_RUNS) {
    lines.push(`comparison.html has the ${MAX_PAGE_RUNS} with the lowest NLL on the validation data`);
  }
  const groups = seedGroups(sweep, runs).map(({ values, runs, validation, test }) => [
    ...values,
    String(runs),
    plusMinus(validation.mean, validation.deviation),
    test ? plusMinus(test.mean, test.deviation) : "",
  ]);
  if (groups.length === 0) return lines;
  const heads = [...othersThanSeed(sweep), "seeds", ...likelihoods];
  return [...lines, "", "Mean over seeds ± their standard deviation", ...textTable(heads, groups, "seeds.csv")];
}

function plusMinus(mean: number, error: number): string {
  return `${mean.toFixed(3)} ± ${error.toFixed(3)}`;
}

/** Rows in columns, of which the terminal gets the first; the file has all. */
function textTable(heads: readonly string[], rows: readonly (readonly string[])[], file: string): string[] {
  const all = [heads, ...rows.slice(0, MAX_ROWS)];
  const widths = heads.map((_, i) => Math.max(...all.map((row) => row[i].length)));
  const lines = all.map((row) => row.map((cell, i) => cell.padEnd(widths[i])).join("  ").trimEnd());
  return rows.length > MAX_ROWS ? [...lines, `… and ${rows.length - MAX_ROWS} more in ${file}`] : lines;
}

/** The comparison as JSON tells it. */
export function comparisonRecord(sweep: Sweep, runs: readonly SweepRun[]) {
  return {
    runs: runs.map(({ name, values, state }) => ({
      run: name,
      values: recordOf(sweep.variables, values),
      state: state.kind,
      ...(state.kind === "finished" ? numbersOf(state.numbers) : {}),
      ...(state.kind === "failed" ? { message: state.message } : {}),
    })),
    seeds: seedGroups(sweep, runs).map(({ values, runs, validation, test }) => ({
      values: recordOf(othersThanSeed(sweep), values),
      runs,
      val_nll_mean: validation.mean,
      val_nll_sd: validation.deviation,
      ...(test ? { test_nll_mean: test.mean, test_nll_sd: test.deviation } : {}),
    })),
  };
}

function numbersOf(numbers: RunNumbers): Readonly<Record<string, number | undefined>> {
  return { ...Object.fromEntries(NUMBERS.map((key) => [key, numbers[key]])), seconds: numbers.total_seconds };
}

function recordOf(names: readonly string[], values: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(names.map((name, i) => [name, values[i]]));
}

function othersThanSeed({ variables }: Sweep): string[] {
  return variables.filter((name) => name !== "seed");
}
