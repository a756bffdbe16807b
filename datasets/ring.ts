/**
 * A ring: uniform points of the unit circle with isotropic Gaussian noise.
 *
 * @module
 */
import { addNoise, pointDataset, pointOptions } from "../core/plugins/point_dataset.ts";
import { numberOption } from "../core/options/defaults.ts";
import type { Dataset, OptionValues } from "../core/plugins/contracts.ts";
import type { Random } from "../core/random/random.ts";

/** The options of this data set. */
export const options = {
  ...pointOptions,
  noise: { default: 0.03, help: "standard deviation of the noise, where the circle has radius 1", min: 0, max: 1e3 },
} as const;

/**
 * Differential entropy in nats at noise s = 0.03, before standardising, by quadrature over r of −p log p, where
 * p(r) = I₀(r / s²) exp(−(r² + 1) / 2s²) / 2πs².
 */
export const rawEntropy = -0.249_968;

/** Loads the ring. Its entropy is known at the default noise. Throws a `RangeError` for an option out of range. */
export function load(random: Random, values: OptionValues = {}): Dataset {
  const noise = numberOption(options, values, "noise");
  const draw = (random: Random, n: number) => {
    const points = new Float64Array(2 * n), angles = random.split("angles");
    for (let i = 0; i < points.length; i += 2) {
      const angle = 2 * Math.PI * angles.uniform();
      points[i] = Math.cos(angle);
      points[i + 1] = Math.sin(angle);
    }
    return addNoise(points, noise, random.split("noise"));
  };
  const entropy = noise === options.noise.default ? rawEntropy : undefined;
  return pointDataset({ draw, entropy }, random, numberOption(options, values, "points"));
}
