import { forEachBlock, type Samples } from "../data/samples.ts";
import { fromCoordinates, toCoordinates } from "./eigenbasis.ts";
import type { Gaussian } from "./gaussian.ts";

/**
 * Some of a Gaussian's coordinates. A mixture within them describes these alone; along the others data is as the Gaussian
 * says, and independent of them.
 */
export interface Subspace {
  /** Of all values. */
  readonly gaussian: Gaussian;
  /** Which of its coordinates, each once. */
  readonly axes: Uint32Array;
}

/** The coordinates along which a Gaussian varies the most. */
export function widestSubspace(gaussian: Gaussian, size: number): Subspace {
  const { eigenvalues } = gaussian;
  const order = Uint32Array.from(eigenvalues.keys()).sort((a, b) => eigenvalues[b] - eigenvalues[a] || a - b);
  return { gaussian, axes: order.slice(0, size).sort() };
}

/** What the Gaussian itself says of the coordinates: their variances around 0. */
export function gaussianWithin({ gaussian: { eigenvalues }, axes }: Subspace): Gaussian {
  return { mean: new Float64Array(axes.length), eigenvalues: Float64Array.from(axes, (axis) => eigenvalues[axis]) };
}

/** Samples by their coordinates within a subspace, computed as they are read. */
export function samplesWithin(samples: Samples, within: Subspace): Samples {
  const d = samples.dimension, r = within.axes.length, { mean } = within.gaussian, columns = columnsOf(within);
  return {
    count: samples.count,
    dimension: r,
    ...(samples.condition ? { condition: samples.condition } : {}),
    copy(begin, end, out, at = 0) {
      const row = new Float32Array(d), sums = new Float64Array(r);
      for (let i = begin; i < end; i++) {
        samples.copy(i, i + 1, row);
        sums.fill(0);
        for (let j = 0; j < d; j++) {
          const value = row[j] - mean[j];
          for (let k = 0; k < r; k++) sums[k] += value * columns[j * r + k];
        }
        out.set(sums, at + (i - begin) * r);
      }
    },
  };
}

/** The same in memory, `[count, axes]`. */
export function projected(samples: Samples, subspace: Subspace): Float32Array {
  const all = new Float32Array(samples.count * subspace.axes.length);
  samplesWithin(samples, subspace).copy(0, samples.count, all);
  return all;
}

/** −log p of each sample's other coordinates under the Gaussian, in nats. */
export function nllOfOthers(samples: Samples, { gaussian, axes }: Subspace): Float64Array {
  const { mean, eigenvalues } = gaussian, d = mean.length, project = toCoordinates(gaussian, d);
  const within = new Set(axes), others = Uint32Array.from(eigenvalues.keys()).filter((axis) => !within.has(axis));
  const constant = others.reduce((sum, axis) => sum + 0.5 * Math.log(2 * Math.PI * eigenvalues[axis]), 0);
  const result = new Float64Array(samples.count), vector = new Float64Array(d);
  forEachBlock(samples, (x, first) => {
    for (let row = 0; row < x.length; row += d) {
      for (let i = 0; i < d; i++) vector[i] = x[row + i] - mean[i];
      project(vector);
      let nll = constant;
      for (const axis of others) nll += 0.5 * vector[axis] ** 2 / eigenvalues[axis];
      result[first + row / d] = nll;
    }
  });
  return result;
}

/** The basis vectors of a subspace as the columns of a matrix `[d, axes]`, row-major. */
export function columnsOf({ gaussian, axes }: Subspace): Float64Array {
  const d = gaussian.mean.length, r = axes.length, toVector = fromCoordinates(gaussian, d);
  const columns = new Float64Array(d * r);
  axes.forEach((axis, k) => {
    const vector = new Float64Array(d);
    vector[axis] = 1;
    toVector(vector);
    for (let i = 0; i < d; i++) columns[i * r + k] = vector[i];
  });
  return columns;
}
