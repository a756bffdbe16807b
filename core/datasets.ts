import type { AxisMap, Dataset, OptionSpec, OptionValues } from "./plugins.ts";
import type { Random } from "./random.ts";
import { floatSamples, forEachBlock, type Samples, selectRows } from "./samples.ts";

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
 * The map that brings each axis of the given rows to mean 0 and population standard deviation 1. An axis that does not
 * vary is only centred.
 *
 * @param rows Row-major, `[n, dimension]`, at least one row.
 */
export function standardisation(rows: Float64Array, dimension: number): AxisMap {
  const n = rows.length / dimension, mean = new Float64Array(dimension), scale = new Float64Array(dimension);
  for (let i = 0; i < rows.length; i++) mean[i % dimension] += rows[i] / n;
  for (let i = 0; i < rows.length; i++) scale[i % dimension] += (rows[i] - mean[i % dimension]) ** 2 / n;
  return { mean, scale: scale.map((variance) => Math.sqrt(variance) || 1) };
}

/** The map of {@linkcode standardisation} for samples in any form. */
export function standardisationOf(samples: Samples): AxisMap {
  const { count: n, dimension: d } = samples, mean = new Float64Array(d), variance = new Float64Array(d);
  forEachBlock(samples, (rows, first) => {
    // A running mean, which is exact for an axis that does not vary.
    for (let i = 0; i < rows.length; i++) mean[i % d] += (rows[i] - mean[i % d]) / (first + Math.floor(i / d) + 1);
  });
  forEachBlock(samples, (rows) => {
    for (let i = 0; i < rows.length; i++) variance[i % d] += (rows[i] - mean[i % d]) ** 2 / n;
  });
  return { mean, scale: variance.map((each) => Math.sqrt(each) || 1) };
}

/** Splits samples in two: a tenth of the rows, drawn at random, to validate and the others to train. */
export function splitAtRandom(samples: Samples, random: Random): Pick<Dataset, "train" | "validation"> {
  const order = random.permutation(samples.count), end = Math.floor(0.9 * samples.count);
  return { train: selectRows(samples, order.subarray(0, end)), validation: selectRows(samples, order.subarray(end)) };
}

/** Applies a map to rows, in the order given (as they come if left out), and rounds to float32. */
export function applyAxisMap(rows: Float64Array, map: AxisMap, order?: Uint32Array): Float32Array {
  const dimension = map.mean.length, out = new Float32Array(rows.length);
  for (let i = 0; i < rows.length; i++) {
    const axis = i % dimension, from = order ? order[(i - axis) / dimension] * dimension + axis : i;
    out[i] = (rows[from] - map.mean[axis]) / map.scale[axis];
  }
  return out;
}

/** Splits rows in two: the first ⌊0.9 n⌋ to train, the rest to validate. The parts share memory with `rows`. */
export function splitRows(rows: Float32Array, dimension: number): Pick<Dataset, "train" | "validation"> {
  const end = Math.floor(0.9 * rows.length / dimension) * dimension;
  return {
    train: floatSamples(rows.subarray(0, end), dimension),
    validation: floatSamples(rows.subarray(end), dimension),
  };
}

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

/**
 * The value of a number option, its default where none is given. Throws a `RangeError` for a value that the option's
 * specification does not allow, so that a data set loaded from a program is checked as one from the command line.
 */
export function numberOption(specs: Readonly<Record<string, OptionSpec>>, options: OptionValues, name: string): number {
  const spec = specs[name], value = options[name] ?? spec.default;
  const { min = -Infinity, max = Infinity, integer = false } = spec;
  if (typeof value === "number" && value >= min && value <= max && (!integer || Number.isInteger(value))) return value;
  throw new RangeError(
    `The option ${name} is ${JSON.stringify(value)}, expected a ${
      integer ? "whole " : ""
    }number from ${min} to ${max}.`,
  );
}

/** Adds Gaussian noise of the given standard deviation to every number of `values`, in place. */
export function addNoise(values: Float64Array, standardDeviation: number, random: Random): Float64Array {
  const noise = random.fillNormal(new Float64Array(values.length));
  for (let i = 0; i < values.length; i++) values[i] += standardDeviation * noise[i];
  return values;
}
