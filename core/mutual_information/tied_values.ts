import { normalQuantile } from "../random/normal_quantile.ts";
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
