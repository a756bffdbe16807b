/** Log SNR α, in nats: the noise level of the channel, and the proposal that it is drawn from. */

/** The logistic function σ. */
export function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/**
 * A distribution over log SNR: logistic, cut off at `clip` scales on both sides, which is optimal for the likelihood of a
 * Gaussian (arXiv 2302.03792, section 4.1); or even over the same range, where every weight is the same and none is large.
 */
export interface Proposal {
  /** Location in nats. */
  readonly loc: number;
  /** Scale in nats, positive. */
  readonly scale: number;
  /** Where the distribution is cut off, in scales. The default is 4. */
  readonly clip?: number;
  /** Whether all log SNRs of the range are equally likely; they are not if left out. */
  readonly even?: boolean;
}

const DEFAULT_CLIP = 4;

/** The even distribution over a range of log SNRs in nats. */
export function evenProposal(low: number, high: number): Proposal {
  return { loc: (low + high) / 2, scale: (high - low) / (2 * DEFAULT_CLIP), even: true };
}

/** The smallest and largest log SNR that the proposal draws, in nats. */
export function logsnrRange({ loc, scale, clip = DEFAULT_CLIP }: Proposal): [number, number] {
  return [loc - clip * scale, loc + clip * scale];
}

/**
 * Log SNR at quantile `u` in [0, 1] of the proposal: of the logistic one α = loc + scale·logit(p), where p runs over
 * [σ(−clip), σ(clip)].
 *
 * @example
 * ```ts
 * import { ok } from "assert";
 * import { logsnrAtQuantile } from "./logsnr.ts";
 *
 * const median = logsnrAtQuantile(0.5, { loc: 2, scale: 1.5 });
 * ok(Math.abs(median - 2) < 1e-12);
 * ```
 */
export function logsnrAtQuantile(u: number, { loc, scale, clip = DEFAULT_CLIP, even }: Proposal): number {
  if (even) return loc + clip * scale * (2 * u - 1);
  const low = sigmoid(-clip);
  const p = low + (sigmoid(clip) - low) * u;
  return loc + scale * (Math.log(p) - Math.log1p(-p));
}

/** The quantile of a log SNR, the inverse of {@linkcode logsnrAtQuantile}. */
export function quantileOfLogsnr(logsnr: number, { loc, scale, clip = DEFAULT_CLIP, even }: Proposal): number {
  if (even) return 0.5 + (logsnr - loc) / (2 * clip * scale);
  const low = sigmoid(-clip);
  return (sigmoid((logsnr - loc) / scale) - low) / (sigmoid(clip) - low);
}

/**
 * The importance weight of a log SNR drawn from the proposal, one over its density: the width of the range of an even one,
 * w(α) = scale·tanh(clip/2) / (σ(s)·σ(−s)) with s = (α − loc)/scale of a logistic one.
 */
export function logsnrWeight(logsnr: number, { loc, scale, clip = DEFAULT_CLIP, even }: Proposal): number {
  if (even) return 2 * clip * scale;
  const s = (logsnr - loc) / scale;
  return scale * Math.tanh(clip / 2) / (sigmoid(s) * sigmoid(-s));
}

/**
 * The proposal that the paper derives from a covariance spectrum: loc = −mean(log λ) and
 * scale² = 1 + (3/π²)·var(log λ), which matches the variance of a mixture of unit logistics at −log λ.
 *
 * @param eigenvalues The data covariance's eigenvalues λ, all positive.
 *
 * @example
 * ```ts
 * import { ok } from "assert";
 * import { proposalOfSpectrum } from "./logsnr.ts";
 *
 * const { loc, scale } = proposalOfSpectrum([1.98, 0.0198]);
 * ok(Math.abs(loc - 1.62) < 0.01 && Math.abs(scale - 1.61) < 0.01);
 * ```
 */
export function proposalOfSpectrum(eigenvalues: Iterable<number>): Proposal {
  const logs = Array.from(eigenvalues, Math.log);
  const mean = logs.reduce((sum, l) => sum + l, 0) / logs.length;
  const variance = logs.reduce((sum, l) => sum + (l - mean) ** 2, 0) / logs.length;
  return { loc: -mean, scale: Math.sqrt(1 + 3 / Math.PI ** 2 * variance) };
}
