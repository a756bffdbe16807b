/**
 * Two interleaved half circles with noise, as scikit-learn's `make_moons` draws them.
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
  noise: {
    default: 0.03,
    help: "standard deviation of the noise, where the half circles have radius 1",
    min: 0,
    max: 1e3,
  },
} as const;

/** Differential entropy in nats at noise 0.03, before standardising, by quadrature of −p log p over the plane. */
export const rawEntropy = -0.232_712;

/** Loads the moons. Their entropy is known at the default noise. Throws a `RangeError` for an option out of range. */
export function load(random: Random, values: OptionValues = {}): Dataset {
  const noise = numberOption(options, values, "noise");
  const draw = (random: Random, n: number) => addNoise(halfCircles(n), noise, random);
  const entropy = noise === options.noise.default ? rawEntropy : undefined;
  return pointDataset({ draw, entropy }, random, numberOption(options, values, "points"));
}

/** ⌊n/2⌋ points on the upper half circle, the others on the lower one, each evenly spaced from end to end. */
function halfCircles(n: number): Float64Array {
  const points = new Float64Array(2 * n), upper = Math.floor(n / 2), lower = n - upper;
  for (let i = 0; i < upper; i++) {
    const angle = Math.PI * i / (upper - 1);
    points[2 * i] = Math.cos(angle);
    points[2 * i + 1] = Math.sin(angle);
  }
  for (let i = 0; i < lower; i++) {
    const angle = Math.PI * i / (lower - 1);
    points[2 * (upper + i)] = 1 - Math.cos(angle);
    points[2 * (upper + i) + 1] = 0.5 - Math.sin(angle);
  }
  return points;
}
