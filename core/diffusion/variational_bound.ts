/**
 * The variational bound on −log p(x) of a diffusion in steps (J. Ho et al., arXiv 2006.11239, equation 5; P. Dhariwal and
 * A. Nichol's improved-diffusion, `gaussian_diffusion.py`). Step t of T has log SNR αₜ, ᾱₜ = σ(αₜ), which falls with t;
 * before the first is the data, with ᾱ = 1. In nats:
 *
 * −log p(x) ≤ KL(q(z_T | x) ‖ p(z_T)) + Σₜ KL(q(zₜ₋₁ | zₜ, x) ‖ p(zₜ₋₁ | zₜ)) − log p(x | z₀),
 *
 * of which the sum has T − 1 terms, in expectation over the noise. p(zₜ₋₁ | zₜ) is the posterior of the estimate x̂ in the
 * place of x, with a variance of its own.
 */
import { type Grid, gridValue, highOf } from "./discrete.ts";
import { logsnrRange, type Proposal, sigmoid } from "./logsnr.ts";

/** The variance of p(zₜ₋₁ | zₜ): that of the posterior given x, β̃ₜ, or that of the forward step, βₜ. */
export type StepVariance = "fixed_small" | "fixed_large";

/** All of {@linkcode StepVariance}. */
export const VARIANCES = ["fixed_small", "fixed_large"] as const satisfies readonly StepVariance[];

/**
 * What a network says of the variance of p(zₜ₋₁ | zₜ) for each value, v: `learned_range` that its logarithm lies at the part
 * (v + 1)/2 of the way from log β̃ₜ to log βₜ (A. Nichol and P. Dhariwal, arXiv 2102.09672, equation 15), `learned` the
 * logarithm itself.
 */
export type LearnedVariance = "learned_range" | "learned";

/** The steps of a diffusion. */
export interface DiffusionSchedule {
  /** αₜ in nats, falling, `[T]` with T at least 2. */
  readonly logsnr: Float64Array;
  /** The log SNRs at which a denoiser is as its network is at these steps, where they are others, `[T]`. */
  readonly told?: Float64Array;
  /** Of its steps back. */
  readonly variance: StepVariance;
  /** What the denoiser's own `stepVariance` says of it instead, for each value. */
  readonly learned?: LearnedVariance;
}

/** Steps between the data and noise where a model has no schedule of its own. */
export const STEPS = 1000;

/**
 * Steps evenly spaced over the log SNRs of a proposal, for a model without a schedule.
 *
 * @example
 * ```ts
 * import { ok } from "assert";
 * import { evenSchedule } from "./variational_bound.ts";
 *
 * ok(evenSchedule({ loc: 1, scale: 2 }, 5, "fixed_large").logsnr.join() === "9,5,1,-3,-7");
 * ```
 */
export function evenSchedule(proposal: Proposal, steps: number = STEPS, variance: StepVariance): DiffusionSchedule {
  const [low, high] = logsnrRange(proposal);
  return { logsnr: Float64Array.from({ length: steps }, (_, t) => high + (low - high) * t / (steps - 1)), variance };
}

/**
 * Some of a diffusion's steps, evenly spaced with the first and the last, as improved-diffusion's `space_timesteps` takes
 * them.
 *
 * @throws {RangeError} For fewer than two, or more than there are.
 */
export function respaced({ logsnr, told, ...rest }: DiffusionSchedule, steps: number): DiffusionSchedule {
  const all = logsnr.length;
  if (!(steps >= 2 && steps <= all)) throw new RangeError(`Got ${steps} steps, expected from 2 to ${all}.`);
  const places = Uint32Array.from({ length: steps }, (_, t) => Math.round(t * (all - 1) / (steps - 1)));
  const at = (values: Float64Array) => Float64Array.from(places, (place) => values[place]);
  return { logsnr: at(logsnr), ...(told ? { told: at(told) } : {}), ...rest };
}

/** A Gaussian step from zₜ to zₜ₋₁. */
export interface ReverseStep {
  /** What the mean has of x, or of x̂. */
  readonly gain: number;
  /** The variance of q(zₜ₋₁ | zₜ, x), β̃ₜ. */
  readonly posterior: number;
  /** That of the forward step, βₜ. */
  readonly beta: number;
  /** The variance of p(zₜ₋₁ | zₜ). */
  readonly variance: number;
}

/**
 * The step from log SNR `from` up to `to`.
 *
 * @example
 * ```ts
 * import { ok } from "assert";
 * import { reverseStep, stepDivergence } from "./variational_bound.ts";
 *
 * // Of a perfect estimate only a variance that is not the posterior's costs something.
 * ok(stepDivergence(reverseStep(1, 1.1, "fixed_small"), 0, 2) === 0);
 * ok(stepDivergence(reverseStep(1, 1.1, "fixed_large"), 0, 2) > 0);
 * ```
 */
export function reverseStep(from: number, to: number, variance: StepVariance): ReverseStep {
  const beta = -Math.expm1(logSigmoid(from) - logSigmoid(to));
  const posterior = beta * sigmoid(-to) / sigmoid(-from);
  return {
    gain: beta * Math.sqrt(sigmoid(to)) / sigmoid(-from),
    posterior,
    beta,
    variance: variance === "fixed_small" ? posterior : beta,
  };
}

function logSigmoid(x: number): number {
  return -Math.log1p(Math.exp(-x));
}

/**
 * KL(q(zₜ₋₁ | zₜ, x) ‖ p(zₜ₋₁ | zₜ)) = ½·(d·(β̃/v − 1 − log(β̃/v)) + gain²·‖x − x̂‖²/v).
 *
 * @param error ‖x − x̂‖².
 */
export function stepDivergence(
  { gain, posterior, variance }: Omit<ReverseStep, "beta">,
  error: number,
  d: number,
): number {
  const ratio = posterior / variance;
  return 0.5 * (d * (ratio - 1 - Math.log(ratio)) + gain ** 2 * error / variance);
}

/**
 * The logarithm of a variance that is learned, where those that it lies between are β̃ and β.
 *
 * @param v Of the network.
 */
export function learnedLogVariance(v: number, kind: LearnedVariance, posterior: number, beta: number): number {
  if (kind === "learned") return v;
  const part = (v + 1) / 2;
  return part * Math.log(beta) + (1 - part) * Math.log(posterior);
}

/**
 * {@linkcode stepDivergence} of one value, whose variance is its own.
 *
 * @param error (x − x̂)².
 */
export function valueDivergence(
  { gain, posterior }: Pick<ReverseStep, "gain" | "posterior">,
  error: number,
  logVariance: number,
): number {
  const ratio = posterior * Math.exp(-logVariance);
  return 0.5 * (ratio - 1 - Math.log(ratio) + gain ** 2 * error * Math.exp(-logVariance));
}

/** KL(q(z_T | x) ‖ N(0, I)) at the smallest log SNR. @param square ‖x‖². */
export function standardPrior(square: number, logsnr: number, d: number): number {
  const variance = sigmoid(-logsnr);
  return 0.5 * (d * (variance - 1 - Math.log(variance)) + sigmoid(logsnr) * square);
}

/** −log N(x; x̂, v·I). @param error ‖x − x̂‖². */
export function gaussianDecoder(error: number, variance: number, d: number): number {
  return 0.5 * (d * Math.log(2 * Math.PI * variance) + error / variance);
}

/** The least probability of a value that its logarithm is taken of. */
const LEAST = 1e-12;

/**
 * −log P of a value on a grid under N(mean, v), whose tails belong to the grid's ends: improved-diffusion's
 * `discretized_gaussian_log_likelihood`, with its approximation of the normal distribution function, which is within 2e-4.
 */
export function discreteDecoder(x: number, mean: number, variance: number, grid: Grid): number {
  const value = gridValue(x, grid), inverse = 1 / Math.sqrt(variance), half = grid.delta / 2;
  const above = normalBelow((value - mean + half) * inverse), below = normalBelow((value - mean - half) * inverse);
  const isLowest = value < grid.low + half, isHighest = value > highOf(grid) - half;
  return -Math.log(Math.max(LEAST, isLowest ? above : isHighest ? 1 - below : above - below));
}

/** The probability that a standard normal value is below x (E. Page, Appl. Stat. 26, 1977). */
function normalBelow(x: number): number {
  return 0.5 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}
