/** Log likelihoods that say nothing at this temperature are left at it. */
const MAX_TEMPERATURE = 1000;

/** Halvings of the range of temperatures, to a part in 10⁵ of one. */
const HALVINGS = 20;

/**
 * log p(c | x) by Bayes' rule, log p(c) − (−log p(x | c)) / T less its logarithm's sum, at a temperature T: 1 where the
 * likelihoods are right, more where they are too sure (C. Guo et al., arXiv 1706.04599, equation 9).
 *
 * @param nlls −log p(x | c), `[n, classes]` in nats, up to what is the same for all classes of a sample.
 * @param prior log p(c) of each class.
 * @returns `[n, classes]` in nats.
 */
export function posterior(nlls: Float64Array, prior: readonly number[], temperature = 1): Float64Array {
  const k = prior.length, logs = nlls.map((nll, at) => prior[at % k] - nll / temperature);
  for (let at = 0; at < logs.length; at += k) {
    const row = logs.subarray(at, at + k), largest = Math.max(...row);
    const sum = largest + Math.log(row.reduce((sum, log) => sum + Math.exp(log - largest), 0));
    row.forEach((log, c) => row[c] = log - sum);
  }
  return logs;
}

/**
 * The temperature from 1 to 1000 of the smallest log loss on samples whose classes are known. The log loss is convex in 1/T,
 * so that there is one.
 *
 * @param nlls As {@link posterior} takes them.
 * @param truth The place of each sample's class, −1 where it is not known.
 *
 * @example
 * ```ts
 * import { equal, ok } from "assert";
 * import { fitTemperature } from "./temperature.ts";
 *
 * // Three of four are right where all were to be by 2 nats: the best are log 3.
 * const nlls = Float64Array.of(0, 2, 0, 2, 0, 2, 0, 2), even = [0.5, 0.5].map(Math.log);
 * ok(Math.abs(fitTemperature(nlls, even, [0, 0, 0, 1]) - 2 / Math.log(3)) < 1e-3);
 * equal(fitTemperature(nlls, even, [0, 0, 0, 0]), 1);
 * ```
 */
export function fitTemperature(nlls: Float64Array, prior: readonly number[], truth: readonly number[]): number {
  const k = prior.length;
  /** How much the log loss grows with 1/T, summed over the samples. */
  const slope = (temperature: number) => {
    const logs = posterior(nlls, prior, temperature);
    return truth.reduce((sum, own, i) => {
      if (own < 0) return sum;
      const [nll, log] = [nlls, logs].map((values) => values.subarray(i * k, (i + 1) * k));
      // What is ruled out has no part in it, however far.
      return sum + log.reduce((sum, log, c) => log > -Infinity ? sum + Math.exp(log) * (nll[own] - nll[c]) : sum, 0);
    }, 0);
  };
  let [low, high] = [1, MAX_TEMPERATURE];
  if (slope(low) <= 0) return low;
  if (slope(high) > 0) return high;
  for (let i = 0; i < HALVINGS; i++) {
    const middle = Math.sqrt(low * high);
    if (slope(middle) > 0) low = middle;
    else high = middle;
  }
  return high;
}
