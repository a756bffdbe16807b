/**
 * The dinosaur: 142 points, drawn from with replacement and jittered.
 *
 * @module
 */
import { addNoise, pointDataset, pointOptions } from "../../core/plugins/point_dataset.ts";
import { numberOption } from "../../core/options/defaults.ts";
import type { Dataset, OptionValues } from "../../core/plugins/contracts.ts";
import type { Random } from "../../core/random/random.ts";
import { dinoPoints } from "./points.ts";

/** The options of this data set. */
export const options = {
  ...pointOptions,
  noise: { default: 0.15, help: "standard deviation of the jitter, where the dinosaur is 80 by 96", min: 0, max: 1e3 },
} as const;

/**
 * Differential entropy in nats, before standardising, of the mixture of 142 Gaussians of standard deviation 0.15: the
 * mean over them of the expectation of −log p under each, by Gauss–Hermite quadrature.
 */
export const rawEntropy = 3.999_320;

/** Loads the dinosaur. Its entropy is known at the default noise. Throws a `RangeError` for an option out of range. */
export function load(random: Random, values: OptionValues = {}): Dataset {
  const noise = numberOption(options, values, "noise");
  const draw = (random: Random, n: number) => {
    const points = new Float64Array(2 * n), pick = random.split("pick");
    for (let i = 0; i < n; i++) {
      const row = pick.integer(dinoPoints.length / 2);
      points[2 * i] = dinoPoints[2 * row];
      points[2 * i + 1] = dinoPoints[2 * row + 1];
    }
    return addNoise(points, noise, random.split("noise"));
  };
  const entropy = noise === options.noise.default ? rawEntropy : undefined;
  return pointDataset({ draw, entropy }, random, numberOption(options, values, "points"));
}
