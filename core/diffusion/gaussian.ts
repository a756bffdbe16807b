import * as tf from "@tensorflow/tfjs";
import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { noiseScale, perSample, signalScale } from "./channel.ts";
import { sigmoid } from "./logsnr.ts";

/** A Gaussian as its mean and the spectrum of its covariance Σ = U·diag(λ)·Uᵀ. */
export interface Gaussian {
  /** `[d]`. */
  readonly mean: Float64Array;
  /** λ, `[d]`, all positive. */
  readonly eigenvalues: Float64Array;
  /** U, `[d, d]` row-major with eigenvectors in its columns; none where the covariance is diagonal. */
  readonly eigenvectors?: Float64Array;
}

/** Above this dimension only the diagonal of a covariance is fitted: a full one would not fit in memory. */
const MAX_FULL_DIMENSION = 2048;

/** Eigenvalues are at least this part of the largest, so that constant components keep the Gaussian proper. */
const RELATIVE_FLOOR = 1e-9;

/** N(0, I) in `d` dimensions. */
export function standardGaussian(d: number): Gaussian {
  return { mean: new Float64Array(d), eigenvalues: new Float64Array(d).fill(1) };
}

/**
 * The Gaussian with the mean and covariance (normalised by n) of the given samples.
 *
 * @param samples Rows of `d` values.
 * @param d The dimension of a sample.
 *
 * @example
 * ```ts
 * import { ok } from "assert";
 * import { entropy, fitGaussian } from "./gaussian.ts";
 *
 * const square = fitGaussian(Float32Array.of(1, 1, 1, -1, -1, 1, -1, -1), 2);
 * ok(Math.abs(entropy(square) - Math.log(2 * Math.PI * Math.E)) < 1e-9);
 * ```
 */
export function fitGaussian(samples: Float32Array, d: number): Gaussian {
  const n = samples.length / d;
  if (!Number.isInteger(n) || n < 2) {
    throw new RangeError(
      `Got ${samples.length} values for samples of dimension ${d}; at least two whole rows are needed.`,
    );
  }
  const mean = new Float64Array(d);
  for (let i = 0; i < samples.length; i++) mean[i % d] += samples[i] / n;
  if (d > MAX_FULL_DIMENSION) {
    const variance = new Float64Array(d);
    for (let i = 0; i < samples.length; i++) variance[i % d] += (samples[i] - mean[i % d]) ** 2 / n;
    return { mean, eigenvalues: floored(variance) };
  }
  const covariance = new Float64Array(d * d);
  for (let row = 0; row < samples.length; row += d) {
    for (let i = 0; i < d; i++) {
      const a = (samples[row + i] - mean[i]) / n;
      for (let j = 0; j <= i; j++) covariance[i * d + j] += a * (samples[row + j] - mean[j]);
    }
  }
  for (let i = 0; i < d; i++) for (let j = 0; j < i; j++) covariance[j * d + i] = covariance[i * d + j];
  return gaussianOf(mean, covariance);
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
  return eigenvalues.map((l) => Math.max(l, largest * RELATIVE_FLOOR, Number.MIN_VALUE));
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
 * @param samples Rows of d values.
 * @returns One value per row.
 */
export function gaussianNll(samples: Float32Array, { mean, eigenvalues, eigenvectors }: Gaussian): Float64Array {
  const d = mean.length;
  const constant = eigenvalues.reduce((sum, l) => sum + 0.5 * Math.log(2 * Math.PI * l), 0);
  return Float64Array.from({ length: samples.length / d }, (_, row) => {
    let nll = constant;
    for (let k = 0; k < d; k++) {
      let projection = eigenvectors ? 0 : samples[row * d + k] - mean[k];
      if (eigenvectors) {
        for (let i = 0; i < d; i++) projection += eigenvectors[i * d + k] * (samples[row * d + i] - mean[i]);
      }
      nll += 0.5 * projection ** 2 / eigenvalues[k];
    }
    return nll;
  });
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
  const { mean, eigenvalues, eigenvectors } = gaussian;
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
  const basis = eigenvectors && tf.tensor2d(Float32Array.from(eigenvectors), [d, d]);
  const projected = tf.div(basis ? tf.matMul(centred as tf.Tensor2D, basis) : centred, variance);
  const whitened = basis ? tf.matMul(projected as tf.Tensor2D, basis, false, true) : projected;
  const epsHat = tf.mul(noiseScale(alpha), whitened);
  return z.rank === 2 ? epsHat : tf.reshape(epsHat, z.shape);
}
