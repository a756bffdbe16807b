import type { Random } from "../random/random.ts";
import { spreadOf } from "./table.ts";

/**
 * Distances of two sets of rows, computed again for other weights of the same rows: how often each is there, once if left
 * out.
 */
export type Comparison = (first?: Uint16Array, second?: Uint16Array) => Float64Array;

/** Sets that are drawn anew for a standard error. */
const DRAWS = 24;

/**
 * Distances with their standard errors: the scatter of those of rows drawn anew, with replacement, from each set (B. Efron,
 * Annals of Statistics 7, 1979). The distances themselves are of the rows as they are: those of rows drawn anew are larger.
 *
 * @param first How many rows there are in the first set, `second` in the second.
 */
export function withErrors(
  compare: Comparison,
  first: number,
  second: number,
  random: Random,
): { readonly values: Float64Array; readonly stderrs: Float64Array } {
  const values = compare();
  const draws = Array.from({ length: DRAWS }, (_, t) => {
    const own = random.split(t);
    return compare(counts(first, own), counts(second, own));
  });
  return { values, stderrs: values.map((_, k) => sampleDeviation(draws.map((draw) => draw[k]))) };
}

/** How often each of n rows is there in n rows drawn with replacement. */
function counts(n: number, random: Random): Uint16Array {
  const out = new Uint16Array(n);
  for (let i = 0; i < n; i++) out[random.integer(n)]++;
  return out;
}

/** The standard deviation of what numbers are drawn from. */
export function sampleDeviation(values: readonly number[]): number {
  const n = values.length;
  return n > 1 ? spreadOf(values).sd * Math.sqrt(n / (n - 1)) : NaN;
}

/** Numbers of one set in order, to be compared with those of another. */
export interface Ordered {
  /** Ascending. */
  readonly values: Float64Array;
  /** The row of each. */
  readonly rows: Uint32Array;
}

/** Puts the numbers of a column in order; unknown ones are left out. */
export function ordered(column: ArrayLike<number>): Ordered {
  const rows = Uint32Array.from({ length: column.length }, (_, i) => i).filter((i) => !Number.isNaN(column[i]));
  rows.sort((a, b) => column[a] - column[b]);
  return { rows, values: Float64Array.from(rows, (i) => column[i]) };
}

/** How far apart the distributions of two columns of numbers are. */
export interface Distances {
  /** ∫ |F − G| dx, in the units of the numbers: the 1-Wasserstein distance. */
  readonly wasserstein: number;
  /** The square root of ∫ (F⁻¹ − G⁻¹)² du: the 2-Wasserstein distance. */
  readonly wasserstein2: number;
  /** max |F − G|: the Kolmogorov–Smirnov distance. */
  readonly ks: number;
}

/**
 * The distances of two columns of any sizes, by one way along both quantile functions. All are NaN where a column has no
 * number.
 *
 * @param weightsA How often each row is there, once if left out.
 */
export function distances(a: Ordered, b: Ordered, weightsA?: Uint16Array, weightsB?: Uint16Array): Distances {
  const total = ({ rows }: Ordered, weights?: Uint16Array) =>
    weights ? rows.reduce((sum, i) => sum + weights[i], 0) : rows.length;
  const [totalA, totalB] = [total(a, weightsA), total(b, weightsB)];
  if (totalA === 0 || totalB === 0) return { wasserstein: NaN, wasserstein2: NaN, ks: NaN };
  let i = 0, j = 0, upA = weightAt(a, 0, weightsA) / totalA, upB = weightAt(b, 0, weightsB) / totalB;
  let u = 0, first = 0, second = 0;
  while (i < a.rows.length && j < b.rows.length) {
    const until = Math.min(upA, upB), gap = Math.abs(a.values[i] - b.values[j]);
    first += (until - u) * gap;
    second += (until - u) * gap * gap;
    u = until;
    if (upA <= until) upA += weightAt(a, ++i, weightsA) / totalA;
    if (upB <= until) upB += weightAt(b, ++j, weightsB) / totalB;
  }
  return {
    wasserstein: first,
    wasserstein2: Math.sqrt(second),
    ks: largestGap(a, b, totalA, totalB, weightsA, weightsB),
  };
}

function weightAt({ rows }: Ordered, at: number, weights?: Uint16Array): number {
  if (at >= rows.length) return Infinity;
  return weights ? weights[rows[at]] : 1;
}

function largestGap(
  a: Ordered,
  b: Ordered,
  totalA: number,
  totalB: number,
  weightsA?: Uint16Array,
  weightsB?: Uint16Array,
): number {
  let i = 0, j = 0, belowA = 0, belowB = 0, most = 0;
  while (i < a.rows.length || j < b.rows.length) {
    const x = Math.min(a.values[i] ?? Infinity, b.values[j] ?? Infinity);
    // Both go past all values that are equal.
    for (; i < a.rows.length && a.values[i] === x; i++) belowA += weightAt(a, i, weightsA);
    for (; j < b.rows.length && b.values[j] === x; j++) belowB += weightAt(b, j, weightsB);
    most = Math.max(most, Math.abs(belowA / totalA - belowB / totalB));
  }
  return most;
}
