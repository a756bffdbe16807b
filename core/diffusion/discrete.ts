/**
 * The probability of discrete data, such as 8-bit images, from a denoiser's squared errors: arXiv 2302.03792. For x on
 * a grid, −log P(x) = ½ ∫ E‖ε − ε̂‖² dα over all log SNRs α, without a Gaussian; any denoiser's errors bound its mean
 * over the data from above. What lies beyond the α that are measured is bounded by the two tails. In nats.
 */

import { UserError } from "../errors/user_error.ts";
import type { Random } from "../random/random.ts";
import type { Samples } from "../data/samples.ts";
import { logsnrRange, type Proposal, proposalOfSpectrum } from "./logsnr.ts";

/** Data that has no grid, or does not lie on it. */
export class DiscreteDataError extends UserError {}

/** The values that a component of discrete data takes: `low + k·delta` for k from 0 to `count − 1`. */
export interface Grid {
  readonly low: number;
  /** The step, positive. */
  readonly delta: number;
  /** The number of values, 256 for 8-bit data. */
  readonly count: number;
}

/** How far from the grid a value may be, in steps: rounding to float32 is a thousandth of a step of 16-bit data. */
const OFF_GRID = 0.01;

/** Weights of a soft rounding below this are nothing beside the largest, which is 1. */
const NEGLIGIBLE_WEIGHT = 1e-18;

/** What a tail may add to a bound without being seen, in nats. */
const NEGLIGIBLE_TAIL = 1e-3;

/**
 * The grid of a data set that declares its range and step.
 *
 * @throws {DiscreteDataError} Where it declares none, or one that the range is no multiple of.
 *
 * @example
 * ```ts
 * import { equal } from "assert";
 * import { gridOf } from "./discrete.ts";
 *
 * equal(gridOf({ range: [-1, 1], delta: 2 / 255 }).count, 256);
 * ```
 */
export function gridOf(
  { range, delta }: { readonly range?: readonly [number, number]; readonly delta?: number },
): Grid {
  if (range === undefined || delta === undefined) {
    const missing = range ? "step (delta)" : delta ? "range" : "range and no step (delta)";
    throw new DiscreteDataError(
      `The data declares no ${missing}; a discrete likelihood needs both, as 8-bit files have them: ` +
        "use the continuous likelihood, or a data set plugin that returns `range` and `delta`.",
    );
  }
  const [low, high] = range, steps = Math.round((high - low) / delta);
  if (!(delta > 0 && steps > 0 && Math.abs((high - low) / delta - steps) < OFF_GRID)) {
    throw new DiscreteDataError(
      `The data declares the range ${low} to ${high} and the step ${delta}, expected a range of whole steps: ` +
        "correct either.",
    );
  }
  return { low, delta: (high - low) / steps, count: steps + 1 };
}

/** The largest value of a grid. */
export function highOf({ low, delta, count }: Grid): number {
  return low + (count - 1) * delta;
}

/**
 * The denoised estimate of x, x̂ = √(1 + e^−α)·z − e^(−α/2)·ε̂.
 *
 * @param z Component of a noisy sample.
 * @param epsHat The denoiser's estimate of its noise.
 */
export function denoised(z: number, epsHat: number, logsnr: number): number {
  return Math.sqrt(1 + Math.exp(-logsnr)) * z - Math.exp(-logsnr / 2) * epsHat;
}

/** The nearest of the values `low + k·delta`, for k of any size: half to even, as PyTorch rounds. */
export function hardRound(x: number, { low, delta }: Grid): number {
  return low + delta * roundHalfToEven((x - low) / delta);
}

/**
 * The mean of the grid's values with weights exp(−½·precision·(x − value)²), a softmax: the posterior mean of a
 * component that is uniform on the grid and seen as x.
 *
 * @param precision One over the variance; the published bound has 1 + e^α.
 */
export function softRound(x: number, precision: number, { low, delta, count }: Grid): number {
  const nearest = Math.min(count - 1, Math.max(0, Math.round((x - low) / delta)));
  // Neighbouring weights have ratios that shrink by a constant factor, so two exponentials give them all.
  const offset = precision * delta * (x - low - nearest * delta), half = precision * delta * delta / 2;
  const factor = Math.exp(-2 * half);
  let total = 1, moment = 0;
  let ratio = Math.exp(offset - half);
  for (let k = 1, weight = ratio; k < count - nearest && weight > NEGLIGIBLE_WEIGHT; k++, weight *= ratio *= factor) {
    total += weight;
    moment += k * weight;
  }
  ratio = Math.exp(-offset - half);
  for (let k = 1, weight = ratio; k <= nearest && weight > NEGLIGIBLE_WEIGHT; k++, weight *= ratio *= factor) {
    total += weight;
    moment -= k * weight;
  }
  return low + delta * (nearest + moment / total);
}

/** A value moved into the grid's range. */
export function clampTo(x: number, grid: Grid): number {
  return Math.min(highOf(grid), Math.max(grid.low, x));
}

/**
 * The value of the grid that x is up to rounding.
 *
 * @throws {DiscreteDataError} When x is not on the grid.
 */
export function gridValue(x: number, grid: Grid): number {
  const { low, delta, count } = grid, position = (x - low) / delta, k = Math.round(position);
  if (!(Math.abs(position - k) <= OFF_GRID && k >= 0 && k < count)) {
    throw new DiscreteDataError(
      `The data holds ${x}, expected one of the ${count} values from ${low} in steps of ${delta}: ` +
        "correct the data set's `range` and `delta`, or use the continuous likelihood.",
    );
  }
  return low + k * delta;
}

/**
 * What the log SNRs below α add to −log P at most: ½·Σ log(1 + e^(α + log λ)), since no best denoiser is worse than the
 * Gaussian's.
 *
 * @param logsnr The smallest log SNR that is measured.
 * @param eigenvalues Of the data's covariance.
 */
export function leftTail(logsnr: number, eigenvalues: ArrayLike<number>): number {
  let tail = 0;
  for (let i = 0; i < eigenvalues.length; i++) tail += 0.5 * Math.log1p(Math.exp(logsnr) * eigenvalues[i]);
  return tail;
}

/**
 * What the log SNRs above α add to −log P at most, when z is rounded to the grid: a component moves by j steps or more
 * with probability at most exp(−½·(j − ½)²·δ²·e^α), so that the tail is at most
 * d·Σⱼ 2/(j − ½)·exp(−½·(j − ½)²·δ²·e^α).
 *
 * @param logsnr The largest log SNR that is measured.
 * @param d The dimension.
 */
export function rightTail(logsnr: number, d: number, { delta, count }: Grid): number {
  const exponent = 0.5 * delta * delta * Math.exp(logsnr);
  return d * sumOfTail(count, (j) => 2 / (j - 0.5) * Math.exp(-((j - 0.5) ** 2) * exponent));
}

/**
 * The right tail of the published code, 4d·Σⱼ exp(−(j − ½)²·δ²·e^α). Its exponent lacks the ½ of {@linkcode rightTail},
 * which makes it too small to be a bound where it matters.
 */
export function publishedRightTail(logsnr: number, d: number, { delta, count }: Grid): number {
  const exponent = delta * delta * Math.exp(logsnr);
  return 4 * d * sumOfTail(count, (j) => Math.exp(-((j - 0.5) ** 2) * exponent));
}

function sumOfTail(count: number, term: (j: number) => number): number {
  let sum = 0;
  for (let j = 1; j < count; j++) {
    const value = term(j);
    sum += value;
    if (value <= sum * Number.EPSILON) break;
  }
  return sum;
}

/**
 * The proposal of a covariance spectrum as the published code has it, loc = −mean(log λ) and scale² = 1 + (3/π)·var(log
 * λ), with the variance over d − 1. The derivation has 3/π²: see {@linkcode proposalOfSpectrum}.
 *
 * @param eigenvalues Of the data's covariance; at least two.
 */
export function publishedProposalOfSpectrum(eigenvalues: ArrayLike<number>): Proposal {
  const logs = Array.from(eigenvalues, Math.log), d = logs.length;
  const mean = logs.reduce((sum, l) => sum + l / d, 0);
  const variance = logs.reduce((sum, l) => sum + (l - mean) ** 2 / (d - 1), 0);
  return { loc: -mean, scale: Math.sqrt(1 + 3 / Math.PI * variance) };
}

/**
 * The proposal for discrete data: from where that of the spectrum begins up to where the right tail is below a
 * thousandth of a nat, and there is nothing left to find out. It is flatter than the spectrum's, for errors at high log
 * SNR are few and large.
 *
 * @param eigenvalues Of the data's covariance.
 */
export function proposalOfGrid(eigenvalues: ArrayLike<number>, { delta }: Grid): Proposal {
  const [low] = logsnrRange(proposalOfSpectrum(Array.from(eigenvalues)));
  const resolved = Math.log(8 * Math.log(4 * eigenvalues.length / NEGLIGIBLE_TAIL) / delta ** 2);
  const high = Math.max(resolved, low + 8);
  return { loc: (low + high) / 2, scale: (high - low) / 4, clip: 2 };
}

/**
 * Bits per dimension of data on a grid, when a density of so many bits per dimension is constant over a step:
 * bpd − log₂ δ, the limit form.
 */
export function discreteLimitBits(bitsPerDimension: number, delta: number): number {
  return bitsPerDimension - Math.log2(delta);
}

/**
 * −log P of data on a grid from the NLL in nats of the same data dequantised by {@linkcode dequantise}, at most:
 * −log P(x) ≤ E[−log p(x + u)] − d·log δ, with equality where p is constant over a step (Jensen).
 */
export function discreteNllOfDequantised(nats: number, d: number, { delta }: Grid): number {
  return nats - d * Math.log(delta);
}

/**
 * Uniform dequantisation: x + δ·(U − ½). A row has the same noise whenever it is read, and nothing is kept of it.
 *
 * @param random Decides the noise by the row.
 */
export function dequantise(samples: Samples, { delta }: Grid, random: Random): Samples {
  const { count, dimension, condition } = samples;
  // A stream of its own, so that reads leave the caller's where it is.
  const stream = random.split("dequantisation");
  return {
    count,
    dimension,
    ...(condition ? { condition } : {}),
    copy(begin, end, out, at = 0) {
      samples.copy(begin, end, out, at);
      stream.seek(begin * dimension);
      const u = stream.fillUniform(new Float32Array((end - begin) * dimension));
      for (let i = 0; i < u.length; i++) out[at + i] += delta * (u[i] - 0.5);
    },
  };
}

function roundHalfToEven(x: number): number {
  const rounded = Math.round(x);
  return rounded - x === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
