import type { Random } from "../random/random.ts";

/** Rows that share a value, as a part of all: those of the most frequent value, and those that are not alone with theirs. */
const MOST_OF_ONE = 0.01, MOST_TIED = 0.1;

/** How often values of a column occur together. */
export interface Ties {
  /** The most frequent value. */
  readonly value: number;
  /** The share of its rows. */
  readonly share: number;
  /** The share of rows whose value others have too. */
  readonly tied: number;
  /** Different values. */
  readonly distinct: number;
}

/**
 * Tells whether a column has atoms: values that many rows share, which no density has.
 *
 * @param values One a row, finite.
 * @returns Nothing for a column without.
 */
export function tiesOf(values: Float64Array | Float32Array): Ties | undefined {
  const sorted = values.slice().sort(), n = values.length;
  let most = { value: NaN, count: 0 }, tied = 0, distinct = 0;
  for (let begin = 0, end = 0; begin < n; begin = end) {
    while (end < n && sorted[end] === sorted[begin]) end++;
    distinct++;
    if (end - begin > 1) tied += end - begin;
    if (end - begin > most.count) most = { value: sorted[begin], count: end - begin };
  }
  const share = most.count / n;
  if (most.count < 3 || share <= MOST_OF_ONE && tied / n <= MOST_TIED) return undefined;
  return { value: most.value, share, tied: tied / n, distinct };
}

/**
 * Normal scores: each value becomes the standard normal quantile of its rank. With `random` ties are broken at random:
 * since the tie-breaker U tells nothing of anything else, I(X, U; Y) = I(X; Y), and the scores have a density. Without it
 * equal values have equal scores, and the map is one to one.
 *
 * @param values One a row, finite.
 */
export function normalScores(values: Float64Array | Float32Array, random?: Random): Float64Array {
  const n = values.length, order = ascending(values, random);
  const scores = new Float64Array(n);
  for (let begin = 0, end = 0; begin < n; begin = end) {
    end = begin + 1;
    while (!random && end < n && values[order[end]] === values[order[begin]]) end++;
    const score = normalQuantile((begin + end) / (2 * n));
    for (let i = begin; i < end; i++) scores[order[i]] = score;
  }
  return scores;
}

/** The rank of each value, from 0. Ties are broken at random. */
export function ranksOf(values: Float64Array | Float32Array, random: Random): Uint32Array {
  const ranks = new Uint32Array(values.length);
  ascending(values, random).forEach((row, rank) => ranks[row] = rank);
  return ranks;
}

/** The rows in the order of their values. */
function ascending(values: Float64Array | Float32Array, random: Random | undefined): Uint32Array {
  const breaker = random?.fillUniform(new Float64Array(values.length));
  return Uint32Array.from(values, (_, i) => i)
    .sort((a, b) => values[a] - values[b] || (breaker ? breaker[a] - breaker[b] : 0));
}

const A = [
  -39.69683028665376,
  220.9460984245205,
  -275.9285104469687,
  138.3577518672690,
  -30.66479806614716,
  2.506628277459239,
];
const B = [-54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572, 1];
const C = [
  -0.007784894002430293,
  -0.3223964580411365,
  -2.400758277161838,
  -2.549732539343734,
  4.374664141464968,
  2.938163982698783,
];
const D = [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416, 1];

/** Where the middle of the approximation ends. */
const TAIL = 0.02425;

/** The standard normal quantile of a probability between 0 and 1, to a relative error of 1.2e-9 (P. J. Acklam 2003). */
export function normalQuantile(probability: number): number {
  if (probability > 0.5) return -normalQuantile(1 - probability);
  if (probability < TAIL) {
    const q = Math.sqrt(-2 * Math.log(probability));
    return polynomial(C, q) / polynomial(D, q);
  }
  const q = probability - 0.5, r = q * q;
  return polynomial(A, r) * q / polynomial(B, r);
}

function polynomial(coefficients: readonly number[], x: number): number {
  return coefficients.reduce((sum, coefficient) => sum * x + coefficient, 0);
}
