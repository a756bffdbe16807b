/**
 * The negative log likelihood, −log p(x), from a denoiser's squared errors: arXiv 2302.03792, equations 8 to 10. All
 * values are in nats; one value per sample comes in and one per sample goes out, so that means, errors of means and
 * pointwise densities are the caller's choice.
 */

/** What was measured of one sample at one log SNR. */
export interface ErrorSample {
  /** Log SNR α. */
  readonly logsnr: number;
  /** The importance weight of α, one over its density. */
  readonly weight: number;
  /** The denoiser's ‖ε − ε̂‖². */
  readonly mse: number;
}

/** The differential entropy of N(0, I) in nats, ½·d·log(2πe). */
export function standardEntropy(d: number): number {
  return 0.5 * d * Math.log(2 * Math.PI * Math.E);
}

/**
 * The published estimator: −log p(x) ≈ h + ½·w·(‖ε − ε̂‖² − d·σ(α)), with h the entropy of N(0, I). The mean over a
 * batch estimates the data's NLL; the mean over many draws at one x estimates that point's.
 */
export function nllAgainstStandard({ logsnr, weight, mse }: ErrorSample, d: number): number {
  return standardEntropy(d) + 0.5 * weight * (mse - d / (1 + Math.exp(-logsnr)));
}

/**
 * The paired estimator: −log p(x) ≈ −log r(x) + ½·w·(‖ε − ε̂‖² − ‖ε − ε̂_r‖²), with the same ε in both errors and any
 * density r whose ideal denoiser ε̂_r is known (equation 8, for p and for r). Exact for every x in the limit of all α,
 * without an entropy or tail terms, and its variance vanishes as the denoiser nears the reference's.
 *
 * @param mseReference ‖ε − ε̂_r‖².
 * @param referenceNll −log r(x).
 */
export function nllAgainstReference({ weight, mse }: ErrorSample, mseReference: number, referenceNll: number): number {
  return referenceNll + 0.5 * weight * (mse - mseReference);
}

/**
 * Bits per dimension of an NLL in nats.
 *
 * @example
 * ```ts
 * import { ok } from "assert";
 * import { bitsPerDimension } from "./likelihood.ts";
 *
 * ok(bitsPerDimension(-8400, 3072).toFixed(2) === "-3.94");
 * ```
 */
export function bitsPerDimension(nats: number, d: number): number {
  return nats / (d * Math.LN2);
}

/** A mean and its standard error by the central limit theorem. */
export interface Estimate {
  /** In nats. */
  readonly mean: number;
  /** In nats. */
  readonly stderr: number;
}

/** The mean of independent values and its standard error. */
export function meanAndStderr(values: ArrayLike<number>): Estimate {
  const n = values.length;
  let mean = 0;
  for (let i = 0; i < n; i++) mean += (values[i] - mean) / (i + 1);
  let squares = 0;
  for (let i = 0; i < n; i++) squares += (values[i] - mean) ** 2;
  return { mean, stderr: n > 1 ? Math.sqrt(squares / (n - 1) / n) : Infinity };
}
