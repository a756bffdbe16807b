import { type Condition, levelsOf } from "../data/condition.ts";
import type { Samples } from "../data/samples.ts";
import { type Estimate, meanAndStderr } from "../diffusion/likelihood.ts";
import { type LabelInformation, labelInformation } from "./label_entropy.ts";

/**
 * What is left of the classes' entropy when samples are known, and what classifiers make of it. The standard errors are of the
 * samples, whose classes and information vary together.
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
 * const { entropy, conditional, mostError } = classInformation(new Float64Array(4).fill(Math.LN2), [0, 1, 1, 0]);
 * ok(Math.abs(entropy - Math.LN2) < 1e-12 && Math.abs(conditional.mean) < 1e-12 && mostError < 1e-12);
 * ```
 */
export function classInformation(perRow: Float64Array, places: readonly number[]): LabelInformation {
  const n = places.length, counts = new Map<number, number>();
  for (const place of places) counts.set(place, (counts.get(place) ?? 0) + 1);
  const conditional: Estimate = meanAndStderr(perRow.map((nats, i) => -Math.log(counts.get(places[i])! / n) - nats));
  return { ...labelInformation([...counts.values()], meanAndStderr(perRow)), conditional };
}

/**
 * The class of each sample as a whole number, one for each combination of several; nothing where a number is known of
 * them, or not all are known.
 */
export function classesOf(samples: Samples, condition: Condition): number[] | undefined {
  const classes = new Array<number>(samples.count).fill(0);
  for (const [k, variable] of condition.entries()) {
    const levels = variable.kind === "class" ? levelsOf(samples, condition, k) : undefined;
    if (variable.kind !== "class" || !levels || levels.includes(-1)) return undefined;
    levels.forEach((level, row) => classes[row] = classes[row] * variable.levels.length + level);
  }
  return classes;
}
