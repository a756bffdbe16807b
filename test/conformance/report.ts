import { type Deviation, isWithin, type Reference, worst } from "./case.ts";

/** What came of a case on a backend. */
export interface CaseReport {
  readonly name: string;
  readonly reference: Reference;
  readonly seconds: number;
  readonly deviations: readonly Deviation[];
  /** The message of what it threw. */
  readonly failure?: string;
}

/** A line of what a backend's process prints. */
export type ReportLine =
  | {
    readonly kind: "start";
    readonly threads: number;
    readonly versions: Readonly<Record<string, string>>;
    /** The names of those that it will run. */
    readonly cases: readonly string[];
  }
  | { readonly kind: "absent"; readonly reason: string }
  | { readonly kind: "case" } & CaseReport
  | { readonly kind: "end" };

/** What came of a backend. */
export interface BackendReport {
  readonly backend: string;
  /** Why it was not tried. */
  readonly not_tried?: string;
  readonly threads?: number;
  readonly versions?: Readonly<Record<string, string>>;
  readonly cases: readonly CaseReport[];
  /** How its process ended before its time. */
  readonly ended?: string;
}

/** Everything that is wrong with a case, one line for each; none where it is within its tolerances. */
export function faultsOf({ name, deviations, failure }: Omit<CaseReport, "reference" | "seconds">): string[] {
  if (failure !== undefined) return [`${name}: ${failure.replaceAll(/\s*\n\s*/g, " ")}`];
  if (deviations.length === 0) return [`${name}: nothing was compared`];
  return deviations.filter((d) => !isWithin(d)).map(({ what, error, of_tolerance, tolerance: { rtol, atol } }) =>
    `${name}: ${what}: ` +
    (of_tolerance === null || error === null
      ? "a value is not a finite number"
      : `${number(of_tolerance)} times the tolerance, ${number(atol)} + ${number(rtol)} of the value; ` +
        `the largest error is ${number(error)}`)
  );
}

/** Everything that is wrong with a backend that was tried. */
export function faultsOfBackend({ cases, ended }: BackendReport): string[] {
  return [...cases.flatMap(faultsOf), ...(ended === undefined ? [] : [ended])];
}

/**
 * A table of the largest error of each case on each backend that was tried, as a part of its tolerance, with what is
 * wrong and what was not tried below it.
 */
export function reportTable(reports: readonly BackendReport[]): string {
  const tried = reports.filter(({ not_tried }) => not_tried === undefined);
  const names = [...new Set(tried.flatMap(({ cases }) => cases.map(({ name }) => name)))];
  const lines: string[] = [];
  if (names.length > 0) {
    // A backend's name takes two lines: eight columns fit on one.
    const heads = tried.map(({ backend }) => [backend.slice(0, 4), backend.slice(5)]);
    const widths = heads.map((head) => 2 + Math.max(6, ...head.map(({ length }) => length)));
    const row = (label: string, cells: readonly string[]) =>
      (label.padEnd(LABEL) + cells.map((cell, i) => cell.padStart(widths[i])).join("")).trimEnd();
    lines.push("The largest error over its tolerance; what is above 1 misses it.", "");
    for (const line of [0, 1]) {
      lines.push(row(line === 1 ? "case (reference)" : "", heads.map((head) => head[line])));
    }
    for (const name of names) {
      const found = tried.map(({ cases }) => cases.find((c) => c.name === name));
      const reference = found.find((c) => c !== undefined)!.reference;
      lines.push(row(`${name} (${SHORT[reference]})`, found.map(cellOf)));
    }
    const seconds = tried.map(({ cases }) => cases.reduce((sum, c) => sum + c.seconds, 0));
    lines.push(row("seconds", seconds.map((s) => s.toFixed(s < 10 ? 1 : 0))));
  }
  const faults = tried.flatMap((report) => faultsOfBackend(report).map((fault) => `${report.backend}: ${fault}`));
  const absent = reports.flatMap(({ backend, not_tried }) =>
    not_tried === undefined ? [] : [absence(backend, not_tried)]
  );
  const parts = [lines, faults.map(wrap), absent.map(wrap)].filter((part) => part.length > 0);
  return parts.map((part) => part.join("\n")).join("\n\n");
}

/** What is said of a backend that was not tried. */
export function absence(backend: string, reason: string): string {
  return `${backend}: not tried: ${reason}`;
}

/** The width of the table's first column, and of the whole. */
const LABEL = 34;
const COLUMNS = 100;

const SHORT: Readonly<Record<Reference, string>> = {
  "PyTorch": "PyTorch",
  "diffusers": "diffusers",
  "float64": "float64",
  "another engine": "engine",
};

function cellOf(report: CaseReport | undefined): string {
  if (report === undefined) return "";
  if (report.failure !== undefined || report.deviations.length === 0) return "failed";
  const { of_tolerance } = worst(report.deviations);
  return of_tolerance === null ? "NaN" : number(of_tolerance);
}

function number(x: number): string {
  return x === 0 || x >= 100 ? x.toFixed(0) : x.toPrecision(2);
}

/** Breaks a line between words; what goes on is indented. */
function wrap(line: string): string {
  const lines: string[] = [];
  for (const word of line.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= COLUMNS) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(last === undefined ? word : `  ${word}`);
  }
  return lines.join("\n");
}
