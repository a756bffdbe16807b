import { forEachBlock, type Samples } from "./samples.ts";

/** An affine map of each axis: x ↦ (x − mean) / scale, each `[d]`. */
export interface AxisMap {
  /** What is taken off each axis, `[d]`. */
  readonly mean: Float64Array;
  /** What each axis is divided by, `[d]`, positive. */
  readonly scale: Float64Array;
}

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

/** Applies a map to rows, in the order given (as they come if left out), and rounds to float32. */
export function applyAxisMap(rows: Float64Array, map: AxisMap, order?: Uint32Array): Float32Array {
  const dimension = map.mean.length, out = new Float32Array(rows.length);
  for (let i = 0; i < rows.length; i++) {
    const axis = i % dimension, from = order ? order[(i - axis) / dimension] * dimension + axis : i;
    out[i] = (rows[from] - map.mean[axis]) / map.scale[axis];
  }
  return out;
}
