import { type Condition, conditionPlaces, conditionWidth } from "../data/condition.ts";
import { type Samples, toFloat32 } from "../data/samples.ts";
import { type Estimate, meanAndStderr } from "../diffusion/likelihood.ts";

/** What an information of samples and their classes means for the classes. Entropies are in nats. */
export interface ClassInformation {
  /** The classes that the samples have, or the combinations of them where there are several variables. */
  readonly classes: number;
  /** H(C), by the samples' shares. */
  readonly entropy: number;
  /** H(C | X) = H(C) − I(X; C): below 0 where the estimate of I is above H(C). */
  readonly conditionalEntropy: Estimate;
  /** No classifier errs less often on such data, if H(C | X) is as estimated (R. Fano, 1961). */
  readonly errorAtLeast: number;
  /** The best one errs no more often: H(C | X) / 2 in bits (M. Hellman and J. Raviv, 1970). */
  readonly errorAtMost: number;
}

/**
 * What is left of the classes' entropy when samples are known, and what classifiers make of it.
 *
 * @param perRow The information of each sample, log p(x | c) − log p(x) in nats.
 * @param places The class of each, as {@linkcode classesOf} gives it.
 *
 * @example
 * ```ts
 * import { ok } from "assert";
 * import { classInformation } from "./class_information.ts";
 *
 * // Samples that say all about which of two classes they are of.
 * const { entropy, conditionalEntropy, errorAtMost } = classInformation(new Float64Array(4).fill(Math.LN2), [0, 1, 1, 0]);
 * ok(Math.abs(entropy - Math.LN2) < 1e-12 && Math.abs(conditionalEntropy.mean) < 1e-12 && errorAtMost < 1e-12);
 * ```
 */
export function classInformation(perRow: Float64Array, places: readonly number[]): ClassInformation {
  const n = places.length, counts = new Map<number, number>();
  for (const place of places) counts.set(place, (counts.get(place) ?? 0) + 1);
  const shares = [...counts.values()].map((count) => count / n);
  const entropy = -shares.reduce((sum, share) => sum + share * Math.log(share), 0);
  const left = meanAndStderr(perRow.map((nats, i) => -Math.log(counts.get(places[i])! / n) - nats));
  return {
    ...{ classes: counts.size, entropy, conditionalEntropy: left },
    errorAtLeast: fanoBound(left.mean, counts.size),
    // Who always says the commonest class errs in the rest.
    errorAtMost: Math.min(Math.max(0, left.mean) / (2 * Math.LN2), 1 - Math.max(...shares)),
  };
}

/**
 * The least share of errors P that Fano's inequality leaves any classifier, H(C | X) ≤ h(P) + P·log(K − 1) with h the entropy of
 * one error in nats.
 *
 * @param conditionalEntropy H(C | X) in nats; below 0 it counts as 0.
 * @param classes K.
 *
 * @example
 * ```ts
 * import { equal } from "assert";
 * import { fanoBound } from "./class_information.ts";
 *
 * // Who knows nothing of ten classes errs in nine of ten cases.
 * equal(fanoBound(Math.log(10), 10).toFixed(3), "0.900");
 * equal(fanoBound(0, 10), 0);
 * ```
 */
export function fanoBound(conditionalEntropy: number, classes: number): number {
  if (!(conditionalEntropy > 0) || classes < 2) return 0;
  const most = 1 - 1 / classes;
  const left = (p: number) => p === 0 ? 0 : -p * Math.log(p) - (1 - p) * Math.log1p(-p) + p * Math.log(classes - 1);
  if (conditionalEntropy >= left(most)) return most;
  // It rises up to there, so that halving finds its inverse.
  let [low, high] = [0, most];
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (left(middle) < conditionalEntropy) low = middle;
    else high = middle;
  }
  return low;
}

/**
 * The class of each sample as a whole number, one for each combination of several; nothing where a number is known of
 * them, or not all are known.
 */
export function classesOf({ condition: known }: Samples, condition: Condition): number[] | undefined {
  if (!known || condition.some(({ kind }) => kind !== "class")) return undefined;
  const vectors = toFloat32(known), width = conditionWidth(condition), places = conditionPlaces(condition);
  const classes = new Array<number>(known.count).fill(0);
  for (const [k, variable] of condition.entries()) {
    if (variable.kind !== "class") continue;
    const size = variable.levels.length;
    for (let row = 0; row < known.count; row++) {
      const at = row * width + places[k] + 1, own = vectors.subarray(at, at + size).indexOf(1);
      if (own < 0) return undefined;
      classes[row] = classes[row] * size + own;
    }
  }
  return classes;
}
