import { floatSamples } from "../data/samples.ts";
import { splitRows } from "./split.ts";
import { applyAxisMap, standardisation } from "../data/standardisation.ts";
import type { Random } from "../random/random.ts";
import type { Dataset, OptionSpec } from "./contracts.ts";

/** A distribution of points in the plane that a synthetic data set draws from. */
export interface PointSource {
  /** Draws `n` points in raw coordinates, row-major `[n, 2]`, the same for the same `random`. */
  draw(random: Random, n: number): Float64Array;
  /** The true differential entropy in raw coordinates, nats, where it is known. */
  readonly entropy?: number | undefined;
  /** Whether each axis is brought to mean 0 and standard deviation 1; yes if left out. */
  readonly standardise?: boolean;
}

/** The options that every synthetic data set of points has. */
export const pointOptions = {
  points: { default: 8000, help: "points for training and validation, 9 to 1", min: 10, max: 1e7, integer: true },
} as const satisfies Readonly<Record<string, OptionSpec>>;

/** How many fresh points a synthetic data set draws as `test`. */
export const TEST_POINTS = 100_000;

/**
 * A synthetic data set: `points` draws, standardised over all of them, shuffled and split 9 to 1, and
 * {@link TEST_POINTS} fresh draws under the same map. The entropy given is that of the raw density carried through the
 * map, so it is exact for these very points: over seeds it scatters around the entropy of the density with exactly
 * unit variances by about 1 / √points.
 */
export function pointDataset(source: PointSource, random: Random, points: number): Dataset {
  const raw = source.draw(random.split("points"), points);
  const map = source.standardise === false
    ? { mean: new Float64Array(2), scale: new Float64Array(2).fill(1) }
    : standardisation(raw, 2);
  const rows = applyAxisMap(raw, map, random.split("shuffle").permutation(points));
  const test = floatSamples(applyAxisMap(source.draw(random.split("test"), TEST_POINTS), map), 2);
  const known = source.entropy === undefined
    ? {}
    : { entropy: source.entropy - map.scale.reduce((sum, scale) => sum + Math.log(scale), 0) };
  return { shape: [2], ...splitRows(rows, 2), test, ...known };
}

/** Adds Gaussian noise of the given standard deviation to every number of `values`, in place. */
export function addNoise(values: Float64Array, standardDeviation: number, random: Random): Float64Array {
  const noise = random.fillNormal(new Float64Array(values.length));
  for (let i = 0; i < values.length; i++) values[i] += standardDeviation * noise[i];
  return values;
}
