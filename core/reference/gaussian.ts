import * as tf from "@tensorflow/tfjs";
import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { forEachBlock, type Samples } from "../data/samples.ts";
import { noiseScale, perSample, signalScale } from "../diffusion/channel.ts";
import { sigmoid } from "../diffusion/logsnr.ts";
import { sizeOf } from "../data/tensors.ts";
import { type Eigenbasis, fromCoordinates, rowMaps, toCoordinates, variancesOf } from "./eigenbasis.ts";
import { evenlySpaced, imageBases } from "./image_basis.ts";

/** A Gaussian as its mean and the spectrum of its covariance Σ = U·diag(λ)·Uᵀ, with U as the basis that it extends. */
export interface Gaussian extends Eigenbasis {
  /** `[d]`. */
  readonly mean: Float64Array;
  /** λ, `[d]`, all positive. */
  readonly eigenvalues: Float64Array;
}

/** Above this dimension only variances are fitted: a full covariance would not fit in memory. */
const MAX_FULL_DIMENSION = 2048;

/** The smallest float64 that is not denormal: in a thread of ONNX Runtime's, smaller ones count as 0. */
const LEAST = 2 ** -1022;

/** Eigenvalues are at least this part of the largest, so that constant components keep the Gaussian proper. */
const RELATIVE_FLOOR = 1e-9;

/** N(0, I) in `d` dimensions. */
export function standardGaussian(d: number): Gaussian {
  return { mean: new Float64Array(d), eigenvalues: new Float64Array(d).fill(1) };
}

/**
 * The Gaussian with the mean and covariance (normalised by n) of the given samples. In more than 2,048 dimensions, or
 * with fewer than two samples per dimension, only variances are theirs: of images those along {@linkcode imageBases},
 * of other data those of the values.
 *
 * @param shape Of one sample, `[channels, height, width]` of an image; a plain row if left out.
 * @throws {RangeError} For fewer than two samples, or of another size than the shape's.
 *
 * @example
 * ```ts
 * import { ok } from "assert";
 * import { floatSamples } from "../data/samples.ts";
 * import { entropy, fitGaussian } from "./gaussian.ts";
 *
 * const square = fitGaussian(floatSamples(Float32Array.of(1, 1, 1, -1, -1, 1, -1, -1), 2));
 * ok(Math.abs(entropy(square) - Math.log(2 * Math.PI * Math.E)) < 1e-9);
 * ```
 */
export function fitGaussian(samples: Samples, shape: readonly number[] = [samples.dimension]): Gaussian {
  const { count: n, dimension: d } = samples;
  if (n < 2) throw new RangeError(`Got ${n} samples; at least two are needed.`);
  if (sizeOf(shape) !== d) throw new RangeError(`Got samples of ${d} values, expected those of shape [${shape}].`);
  const mean = new Float64Array(d);
  forEachBlock(samples, (x) => {
    for (let row = 0; row < x.length; row += d) for (let i = 0; i < d; i++) mean[i] += x[row + i] / n;
  });
  // Fewer samples leave directions in which they do not vary, where new ones do.
  if (d > MAX_FULL_DIMENSION || n < 2 * d) {
    if (!isImage(shape)) return { mean, eigenvalues: floored(variancesAlong(samples, mean, {})) };
    const images = evenlySpaced(samples), basis = { axisBases: imageBases(images, mean, shape) };
    return { mean, eigenvalues: floored(variancesAlong(images, mean, basis)), ...basis };
  }
  const covariance = new Float64Array(d * d);
  forEachBlock(samples, (x) => addProducts(covariance, Float64Array.from(x, (value, i) => value - mean[i % d]), d, n));
  for (let i = 0; i < d; i++) for (let j = 0; j < i; j++) covariance[j * d + i] = covariance[i * d + j];
  return gaussianOf(mean, covariance);
}

/** Whether samples have rows and columns, and axes of which a matrix fits in memory. */
function isImage(shape: readonly number[]): boolean {
  return shape.length === 3 && shape.every((n) => n <= MAX_FULL_DIMENSION);
}

/** The variances of samples along the directions of a basis, `[d]`. @param mean Of the samples, `[d]`. */
function variancesAlong(samples: Samples, mean: Float64Array, basis: Eigenbasis): Float64Array {
  const d = mean.length, project = toCoordinates(basis, d);
  const variances = new Float64Array(d), centred = new Float64Array(d);
  forEachBlock(samples, (x) => {
    for (let row = 0; row < x.length; row += d) {
      for (let i = 0; i < d; i++) centred[i] = x[row + i] - mean[i];
      project(centred);
      for (let i = 0; i < d; i++) variances[i] += centred[i] ** 2 / samples.count;
    }
  });
  return variances;
}

/**
 * Adds the products of each row's values, divided by n, to the lower triangle of `sum`, `[d, d]`. Four rows go at a time,
 * since in many dimensions it is the memory of the sum that takes the time.
 */
function addProducts(sum: Float64Array, rows: Float64Array, d: number, n: number): void {
  let row = 0;
  for (; row + 4 * d <= rows.length; row += 4 * d) {
    const [r0, r1, r2, r3] = [0, 1, 2, 3].map((k) => rows.subarray(row + k * d, row + (k + 1) * d));
    for (let i = 0, at = 0; i < d; i++, at += d) {
      const a0 = r0[i] / n, a1 = r1[i] / n, a2 = r2[i] / n, a3 = r3[i] / n;
      for (let j = 0; j <= i; j++) sum[at + j] = sum[at + j] + a0 * r0[j] + a1 * r1[j] + a2 * r2[j] + a3 * r3[j];
    }
  }
  for (; row < rows.length; row += d) {
    for (let i = 0; i < d; i++) {
      for (let j = 0; j <= i; j++) sum[i * d + j] += rows[row + i] / n * rows[row + j];
    }
  }
}

/**
 * The Gaussian with a given mean and covariance.
 *
 * @param mean `[d]`.
 * @param covariance Symmetric, `[d, d]` row-major.
 */
export function gaussianOf(mean: ArrayLike<number>, covariance: ArrayLike<number>): Gaussian {
  const d = mean.length;
  if (covariance.length !== d * d) {
    throw new RangeError(`A mean of ${d} values needs a covariance of ${d * d}; got ${covariance.length}.`);
  }
  const matrix = Matrix.from1DArray(d, d, Array.from(covariance));
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(matrix, { assumeSymmetric: true });
  return {
    mean: Float64Array.from(mean),
    eigenvalues: floored(Float64Array.from(realEigenvalues)),
    eigenvectors: Float64Array.from(eigenvectorMatrix.to1DArray()),
  };
}

function floored(eigenvalues: Float64Array): Float64Array {
  const largest = eigenvalues.reduce((a, b) => Math.max(a, b), 0);
  return eigenvalues.map((l) => Math.max(l, largest * RELATIVE_FLOOR, LEAST));
}

/** The variance of each component, `[d]`: the covariance's diagonal. */
export function axisVariances(gaussian: Gaussian): Float64Array {
  return variancesOf(gaussian, gaussian.eigenvalues);
}

/** The Gaussian seen through noise: λ + τ². @param deviation τ. */
export function blurredGaussian(gaussian: Gaussian, deviation: number): Gaussian {
  return { ...gaussian, eigenvalues: gaussian.eigenvalues.map((l) => l + deviation ** 2) };
}

/** The differential entropy in nats, h = ½·d·log(2πe) + ½·Σ log λ. */
export function entropy({ eigenvalues }: Gaussian): number {
  return eigenvalues.reduce((h, l) => h + 0.5 * Math.log(2 * Math.PI * Math.E * l), 0);
}

/** The MMSE of ε at log SNR α: Σ σ(α + log λ), which is d·σ(α) for N(0, I). */
export function gaussianMmse(logsnr: number, eigenvalues: ArrayLike<number>): number {
  let mmse = 0;
  for (let i = 0; i < eigenvalues.length; i++) mmse += sigmoid(logsnr + Math.log(eigenvalues[i]));
  return mmse;
}

/**
 * −log N(x; μ, Σ) of each sample, in nats.
 *
 * @returns One value per sample.
 */
export function gaussianNll(samples: Samples, gaussian: Gaussian): Float64Array {
  const { mean, eigenvalues } = gaussian, d = mean.length, project = toCoordinates(gaussian, d);
  const constant = eigenvalues.reduce((sum, l) => sum + 0.5 * Math.log(2 * Math.PI * l), 0);
  const result = new Float64Array(samples.count);
  const projection = new Float64Array(d);
  forEachBlock(samples, (x, first) => {
    for (let row = 0; row < x.length; row += d) {
      for (let i = 0; i < d; i++) projection[i] = x[row + i] - mean[i];
      project(projection);
      let nll = constant;
      for (let k = 0; k < d; k++) nll += 0.5 * projection[k] ** 2 / eigenvalues[k];
      result[first + row / d] = nll;
    }
  });
  return result;
}

/**
 * The Gaussian's ideal denoiser, ε̂(z, α) = √σ(−α)·(σ(α)Σ + σ(−α)I)⁻¹·(z − √σ(α)·μ): linear in z, and the least
 * squared error that any denoiser has on data of this distribution.
 *
 * @param z Noisy samples, `[batch, ...shape]` with d components each.
 * @param logsnr Log SNR of each sample in nats, `[batch]`.
 * @returns ε̂ of the shape of `z`.
 */
export function gaussianDenoiser(z: tf.Tensor, logsnr: tf.Tensor, gaussian: Gaussian): tf.Tensor {
  const { mean, eigenvalues } = gaussian;
  const d = mean.length;
  const alpha = perSample(logsnr, 2);
  const flat = z.rank === 2 ? z : tf.reshape(z, [z.shape[0], d]);
  const centred = mean.every((m) => m === 0)
    ? flat
    : tf.sub(flat, tf.mul(signalScale(alpha), tf.tensor(Float32Array.from(mean), [1, d])));
  const variance = tf.add(
    tf.mul(tf.sigmoid(alpha), tf.tensor(Float32Array.from(eigenvalues), [1, d])),
    tf.sigmoid(tf.neg(alpha)),
  );
  const maps = rowMaps(gaussian, d);
  const whitened = maps.fromCoordinates(tf.div(maps.toCoordinates(centred), variance));
  const epsHat = tf.mul(noiseScale(alpha), whitened);
  return z.rank === 2 ? epsHat : tf.reshape(epsHat, z.shape);
}

/**
 * Turns standard normal noise into draws of the data's Gaussian seen through the channel,
 * N(√σ(α)·μ, σ(α)·Σ + σ(−α)·I), in place. That is where sampling starts: at the lowest log SNR that a model is trained
 * on, data is not quite lost in noise, and N(0, I) would be too wide or too narrow.
 *
 * @param noise Rows of d values.
 * @param logsnr Log SNR α in nats.
 * @param epsHat Is filled with what {@linkcode gaussianDenoiser} says of the draws, if given.
 */
export function gaussianStart(noise: Float32Array, logsnr: number, gaussian: Gaussian, epsHat?: Float32Array): void {
  const { mean, eigenvalues } = gaussian;
  const d = mean.length, toVector = fromCoordinates(gaussian, d);
  const [signal, variance] = [Math.sqrt(sigmoid(logsnr)), sigmoid(-logsnr)];
  const deviations = eigenvalues.map((l) => Math.sqrt(sigmoid(logsnr) * l + variance));
  const scaled = new Float64Array(d), whitened = new Float64Array(d);
  for (let row = 0; row < noise.length; row += d) {
    if (epsHat) {
      for (let k = 0; k < d; k++) whitened[k] = Math.sqrt(variance) * noise[row + k] / deviations[k];
      toVector(whitened);
      epsHat.set(whitened, row);
    }
    for (let k = 0; k < d; k++) scaled[k] = deviations[k] * noise[row + k];
    toVector(scaled);
    for (let i = 0; i < d; i++) noise[row + i] = signal * mean[i] + scaled[i];
  }
}
