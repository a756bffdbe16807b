import type { Estimate } from "../diffusion/likelihood.ts";

/**
 * The test likelihoods as the published code has them (arXiv 2302.03792): the same log SNRs for all samples, and the
 * mean error at each. Choosing by these errors what is counted makes them smaller than the truth by chance, and the
 * standard errors take all draws as independent; `discreteNll` and `nllPerSample` do neither.
 */
export interface ErrorGrid {
  /** The importance weight of each log SNR, `[levels]`. */
  readonly weight: ArrayLike<number>;
  /** Squared errors, `[n, levels]` row-major. */
  readonly mse: ArrayLike<number>;
}

/**
 * The published continuous NLL in nats, h − ½·mean(w·clamp(mmse_G − mse, 0)): the Gaussian takes over at the log SNRs
 * where its expected error is smaller.
 *
 * @param gaussianMmse The Gaussian's MMSE at each log SNR, `[levels]`.
 * @param entropy The Gaussian's entropy h in nats.
 * @param deciding The errors by which the standard error counts a log SNR or not: where they are those of dequantised
 * data, the published code goes by those of the data itself.
 */
export function publishedNll(
  errors: ErrorGrid,
  gaussianMmse: ArrayLike<number>,
  entropy: number,
  deciding: ErrorGrid = errors,
): Estimate {
  const { weight, mse } = errors, levels = weight.length;
  const gap = meanCurve(errors).map((mean, k) => gaussianMmse[k] - mean);
  const counted = Array.from(meanCurve(deciding), (mean, k) => gaussianMmse[k] > mean);
  const values: number[] = [];
  for (let i = 0; i < mse.length; i++) {
    const k = i % levels;
    if (counted[k]) values.push(0.5 * weight[k] * (gaussianMmse[k] - mse[i]));
  }
  const mean = gap.reduce((sum, g, k) => sum - 0.5 * weight[k] * Math.max(0, g) / levels, entropy);
  return { mean, stderr: Math.sqrt(variance(values) / mse.length) };
}

/**
 * The published discrete bound in nats, ½·mean(w·min(mse, mse of the rounded)) + tails, the minimum being that of the
 * means over the samples at each log SNR. The standard error is that of the rounded errors alone.
 *
 * @param plain Errors of x̂ within the data's range.
 * @param rounded Errors of the rounded x̂.
 * @param tails The sum of both tails in nats.
 */
export function publishedDiscreteBound(plain: ErrorGrid, rounded: ErrorGrid, tails: number): Estimate {
  const { weight, mse } = rounded, levels = weight.length;
  const ofPlain = meanCurve(plain), ofRounded = meanCurve(rounded);
  const mean = ofPlain.reduce((sum, m, k) => sum + 0.5 * weight[k] * Math.min(m, ofRounded[k]) / levels, tails);
  const values = Float64Array.from({ length: mse.length }, (_, i) => 0.5 * weight[i % levels] * mse[i]);
  return { mean, stderr: Math.sqrt(variance(values) / mse.length) };
}

/** The mean error at each log SNR. */
function meanCurve({ weight, mse }: ErrorGrid): Float64Array {
  const levels = weight.length, n = mse.length / levels;
  const mean = new Float64Array(levels);
  for (let i = 0; i < mse.length; i++) mean[i % levels] += mse[i] / n;
  return mean;
}

function variance(values: ArrayLike<number>): number {
  const n = values.length;
  let mean = 0, squares = 0;
  for (let i = 0; i < n; i++) mean += values[i] / n;
  for (let i = 0; i < n; i++) squares += (values[i] - mean) ** 2;
  return n > 1 ? squares / (n - 1) : 0;
}
