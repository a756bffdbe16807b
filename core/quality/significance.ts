/** What chance alone gives: tails of the normal distribution, and shares with their errors. */

/** A number with its standard error. */
export interface Estimate {
  /** The number. */
  readonly value: number;
  /** One standard error. */
  readonly stderr: number;
}

/**
 * The probability that a standard normal number is above z, to a relative error of 1.2e-7 (W. H. Press et al., Numerical
 * Recipes, erfc).
 *
 * @example
 * ```ts
 * import { ok } from "assert";
 * import { normalTail } from "./significance.ts";
 *
 * ok(Math.abs(normalTail(1.959964) - 0.025) < 1e-6 && Math.abs(normalTail(-1) + normalTail(1) - 1) < 1e-6);
 * ```
 */
export function normalTail(z: number): number {
  const x = Math.abs(z) * Math.SQRT1_2, t = 1 / (1 + x / 2);
  const beyond = t * Math.exp(-x * x + ERFC.reduce((sum, coefficient) => sum * t + coefficient, 0)) / 2;
  return z < 0 ? 1 - beyond : beyond;
}

/** From the highest power of t on. */
const ERFC = [
  ...[0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807],
  ...[-0.18628806, 0.09678418, 0.37409196, 1.00002368, -1.26551223],
];

/**
 * P(a < b) + ½·P(a = b) of values of two sets, which is the area under a classifier's curve (AUC) where the second set's
 * scores are the higher ones. Its standard error is E. R. DeLong et al.'s (Biometrics 44, 1988).
 *
 * @param a At least two values, and b too.
 *
 * @example
 * ```ts
 * import { equal } from "assert";
 * import { shareBelow } from "./significance.ts";
 *
 * equal(shareBelow([1, 2, 3], [2, 4, 5]).value, 7.5 / 9);
 * ```
 */
export function shareBelow(a: ArrayLike<number>, b: ArrayLike<number>): Estimate {
  const [low, high] = [sorted(a), sorted(b)];
  // Of each value the share of the other set that it is on the right side of.
  const ofB = Float64Array.from(high, (x) => (below(low, x) + atMost(low, x)) / (2 * low.length));
  const ofA = Float64Array.from(low, (x) => 1 - (below(high, x) + atMost(high, x)) / (2 * high.length));
  const mean = (values: Float64Array) => values.reduce((sum, x) => sum + x, 0) / values.length;
  const variance = (values: Float64Array, m: number) =>
    values.reduce((sum, x) => sum + (x - m) ** 2, 0) / (values.length * (values.length - 1));
  const value = mean(ofB);
  return { value, stderr: Math.sqrt(variance(ofA, mean(ofA)) + variance(ofB, value)) };
}

/** The standard error of {@linkcode shareBelow} where both sets are of one density (H. B. Mann and D. R. Whitney, 1947). */
export function chanceStderr(a: number, b: number): number {
  return Math.sqrt((a + b + 1) / (12 * a * b));
}

function sorted(values: ArrayLike<number>): Float64Array {
  return Float64Array.from(values).sort();
}

/** How many values of an ascending array are less than x. */
function below(values: Float64Array, x: number): number {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < x) low = middle + 1;
    else high = middle;
  }
  return low;
}

function atMost(values: Float64Array, x: number): number {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] <= x) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The middle value, of an even number the mean of both middle ones; not a number of none. */
export function median(values: ArrayLike<number>): number {
  const all = sorted(values), half = all.length >> 1;
  return all.length % 2 === 1 ? all[half] : (all[half - 1] + all[half]) / 2;
}
