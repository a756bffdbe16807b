import { requireAlike, type Table } from "./table.ts";

/** A column's values in bins, of held-out rows and of samples. */
export interface Histogram {
  readonly name: string;
  /** One more than there are bins; of classes 0, 1, … */
  readonly edges: readonly number[];
  /** What each bin is of, of classes. */
  readonly levels?: readonly string[];
  /** Shares of all rows, which sum to less than 1 where values are unknown. */
  readonly heldOut: readonly number[];
  readonly samples: readonly number[];
}

/** Bins of a column of numbers. */
const BINS = 32;

/** The part of the rows at either end that does not decide how wide a histogram is; what lies there is in the last bin. */
const TAIL = 0.002;

/** Classes that have bins of their own. */
const MOST_LEVELS = 12;

/**
 * The histograms of two tables' columns: of numbers 32 bins that hold nearly all of both, of classes one for each of the
 * twelve most frequent, and one for what is unknown.
 *
 * @throws {RangeError} Unless both have the same columns.
 *
 * @example
 * ```ts
 * import { deepEqual } from "assert";
 * import { histograms } from "./histograms.ts";
 *
 * const column = (...values: number[]) => ({ name: "c", kind: "class" as const, values: Float64Array.from(values) });
 * const [c] = histograms({ count: 2, columns: [column(1, 2)] }, { count: 2, columns: [column(2, NaN)] });
 * deepEqual([c.levels, c.heldOut, c.samples], [["2", "1", "?"], [0.5, 0.5, 0], [0.5, 0, 0.5]]);
 * ```
 */
export function histograms(heldOut: Table, samples: Table): Histogram[] {
  requireAlike(heldOut, samples);
  return heldOut.columns.map(({ name, kind, values }, k) => {
    const other = samples.columns[k].values;
    return { name, ...(kind === "class" ? ofClasses(values, other) : ofNumbers(values, other)) };
  });
}

function ofNumbers(heldOut: Float64Array, samples: Float64Array): Omit<Histogram, "name"> {
  const known = [heldOut, samples].map((values) => values.filter((x) => Number.isFinite(x)).sort());
  const ends = known.filter(({ length }) => length > 0).map((values) => {
    const cut = Math.floor(TAIL * values.length);
    return [values[cut], values[values.length - 1 - cut]];
  });
  let [low, high] = [Math.min(...ends.map(([first]) => first)), Math.max(...ends.map(([, last]) => last))];
  if (!(low < high)) [low, high] = Number.isFinite(low) ? [low - 0.5, low + 0.5] : [0, 1];
  const shares = (values: Float64Array) => {
    const out = new Array<number>(BINS).fill(0);
    for (const x of values) {
      if (!Number.isFinite(x)) continue;
      out[Math.max(0, Math.min(BINS - 1, Math.floor(BINS * (x - low) / (high - low))))] += 1 / values.length;
    }
    return out;
  };
  const edges = Array.from({ length: BINS + 1 }, (_, k) => low + (high - low) * k / BINS);
  return { edges, heldOut: shares(heldOut), samples: shares(samples) };
}

function ofClasses(heldOut: Float64Array, samples: Float64Array): Omit<Histogram, "name"> {
  const counts = new Map<number, number>();
  for (const values of [heldOut, samples]) {
    for (const x of values) if (!Number.isNaN(x)) counts.set(x, (counts.get(x) ?? 0) + 1 / values.length);
  }
  // The larger number stands first among equals.
  const levels = [...counts].sort(([a, p], [b, q]) => q - p || b - a).slice(0, MOST_LEVELS).map(([level]) => level);
  const share = (values: Float64Array, is: (x: number) => boolean) => values.filter(is).length / values.length;
  const bins = [
    ...levels.map((level) => ({ name: String(level), is: (x: number) => x === level })),
    ...([heldOut, samples].some((values) => values.some(Number.isNaN)) ? [{ name: "?", is: Number.isNaN }] : []),
  ];
  return {
    edges: Array.from({ length: bins.length + 1 }, (_, k) => k),
    levels: bins.map(({ name }) => name),
    heldOut: bins.map(({ is }) => share(heldOut, is)),
    samples: bins.map(({ is }) => share(samples, is)),
  };
}
