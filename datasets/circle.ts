/**
 * Seventeen spots: 16 on a circle, of two weights, and one at its centre. Points of a 5 x 5 grid are divided by their
 * norm and displaced by less than 0.03; `ring` is the true ring.
 *
 * @module
 */
import { pointDataset, pointOptions } from "../core/plugins/point_dataset.ts";
import { numberOption } from "../core/options/defaults.ts";
import type { Dataset, OptionValues } from "../core/plugins/contracts.ts";
import type { Random } from "../core/random/random.ts";

/** The options of this data set. */
export const options = { ...pointOptions } as const;

const RADIUS = 0.03;

/**
 * Differential entropy in nats, before standardising: that of the choice of a spot (8 of probability 2/25, 9 of 1/25)
 * and that of the displacement, whose density 1 / (2πRr) has E[log r] = log R − 1. The spots do not overlap.
 */
export const rawEntropy = 16 / 25 * Math.log(25 / 2) + 9 / 25 * Math.log(25) + Math.log(2 * Math.PI) +
  2 * Math.log(RADIUS) - 1;

/** Loads the spots. Throws a `RangeError` for an option out of range. */
export function load(random: Random, values: OptionValues = {}): Dataset {
  const draw = (random: Random, n: number) => {
    const points = new Float64Array(2 * n);
    const cells = random.split("cells"), polar = random.split("displacement").fillUniform(new Float64Array(2 * n));
    for (let i = 0; i < points.length; i += 2) {
      const x = cells.integer(5) - 2, y = cells.integer(5) - 2, norm = Math.hypot(x, y) || 1;
      // The radius, not the area, is uniform: a spot is densest at its middle.
      const radius = RADIUS * polar[i], angle = 2 * Math.PI * polar[i + 1];
      points[i] = x / norm + radius * Math.cos(angle);
      points[i + 1] = y / norm + radius * Math.sin(angle);
    }
    return points;
  };
  return pointDataset({ draw, entropy: rawEntropy }, random, numberOption(options, values, "points"));
}
