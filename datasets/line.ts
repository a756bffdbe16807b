/**
 * Uniform points of a rectangle of sides 1 and 2, which standardising makes a square of side √12.
 *
 * @module
 */
import { pointDataset, pointOptions } from "../core/plugins/point_dataset.ts";
import { numberOption } from "../core/options/defaults.ts";
import type { Dataset, OptionValues } from "../core/plugins/contracts.ts";
import type { Random } from "../core/random/random.ts";

/** The options of this data set. */
export const options = { ...pointOptions } as const;

/** Differential entropy in nats: the log of the area. Standardised with the true variances it is log 12 = 2.4849. */
export const rawEntropy = Math.log(2);

/** Loads the square. Throws a `RangeError` for an option out of range. */
export function load(random: Random, values: OptionValues = {}): Dataset {
  const draw = (random: Random, n: number) =>
    random.fillUniform(new Float64Array(2 * n)).map((u, i) => i % 2 === 0 ? u - 0.5 : 2 * u - 1);
  return pointDataset({ draw, entropy: rawEntropy }, random, numberOption(options, values, "points"));
}
