import { logsnrRange, type Proposal, sigmoid } from "./logsnr.ts";

/**
 * Sampling in log SNR time: from noise at a low log SNR to data at a high one, one evaluation of the denoiser at each
 * level of an increasing grid. A level gives x̂ = (z − √σ(−α)·ε̂)/√σ(α); a step takes z to the next level; the last
 * level's x̂ is the sample.
 */

/** The samplers by the names that `--sampler` takes. */
export const SAMPLERS = ["ode", "ddim", "ancestral"] as const;

/** One of {@linkcode SAMPLERS}. */
export type SamplerName = typeof SAMPLERS[number];

/** A step from one level to the next: z ← keep·z + gain·x̂ + gainBefore·x̂₋ + noise·n. */
export interface SamplingStep {
  readonly keep: number;
  /** The factor on x̂ of this level. */
  readonly gain: number;
  /** The factor on x̂₋, that of the level before. */
  readonly gainBefore: number;
  /** The factor on fresh standard normal noise n. */
  readonly noise: number;
}

/** Where a sampler evaluates the denoiser, and how it goes on from there. */
export interface SamplingPlan {
  /** Log SNRs in nats, increasing. */
  readonly logsnr: Float64Array;
  /** One fewer than there are log SNRs. */
  readonly steps: readonly SamplingStep[];
  /** What x̂ is clipped to, smallest and largest value; no clipping where it is left out. */
  readonly range?: readonly [number, number];
}

/**
 * A grid of log SNRs from one end of the proposal to the other, which the model was trained between. Uniform for the
 * ODE, whose extrapolation wants steps of one size; for the others evenly spaced in the angle t of √σ(α) = cos t (the
 * cosine schedule of arXiv 2102.09672), which halves their error on the moons and the dinosaur.
 *
 * @param levels How many, at least 2.
 * @throws {RangeError} For fewer.
 *
 * @example
 * ```ts
 * import { ok } from "assert";
 * import { samplingGrid } from "./sampling.ts";
 *
 * const grid = samplingGrid("ode", { loc: 1, scale: 2 }, 5);
 * ok(grid.join() === "-7,-3,1,5,9");
 * ```
 */
export function samplingGrid(sampler: SamplerName, proposal: Proposal, levels: number): Float64Array {
  if (!Number.isInteger(levels) || levels < 2) {
    throw new RangeError(`The number of levels is ${levels}, expected a whole number from 2 on.`);
  }
  const [low, high] = logsnrRange(proposal);
  const between = (a: number, b: number, k: number) => a + (b - a) * k / (levels - 1);
  const angle = (logsnr: number) => Math.atan(Math.exp(-logsnr / 2));
  return Float64Array.from({ length: levels }, (_, k) => {
    if (k === 0 || k === levels - 1) return k === 0 ? low : high;
    if (sampler === "ode") return between(low, high, k);
    return -2 * Math.log(Math.tan(between(angle(low), angle(high), k)));
  });
}

/**
 * The steps of a sampler on a grid.
 *
 * - `ddim`: arXiv 2010.02502, equation 12, with `eta` from 0 (deterministic) to 1.
 * - `ancestral`: the posterior q(z′ | z, x̂) of arXiv 2006.11239, which is DDIM with `eta` 1.
 * - `ode`: the probability-flow ODE by DPM-Solver++(2M), arXiv 2211.01095, algorithm 2: of second order with one
 *   evaluation a step. Its first step is that of DDIM.
 *
 * @param logsnr Log SNRs in nats.
 * @param eta For `ddim` alone.
 * @throws {RangeError} Unless the log SNRs increase.
 */
export function samplingSteps(sampler: SamplerName, logsnr: Float64Array, eta = 0): SamplingStep[] {
  return Array.from({ length: logsnr.length - 1 }, (_, k) => {
    const [from, to] = [logsnr[k], logsnr[k + 1]];
    if (!(from < to)) throw new RangeError(`The log SNR goes from ${from} to ${to}, expected an increasing grid.`);
    if (sampler !== "ode") return ddimStep(from, to, sampler === "ancestral" ? 1 : eta);
    const { keep, gain } = ddimStep(from, to, 0);
    // x̂ is extrapolated along a line through the last two levels to the middle of the step.
    const ahead = k === 0 ? 0 : (to - from) / (2 * (from - logsnr[k - 1]));
    return { keep, gain: gain * (1 + ahead), gainBefore: -gain * ahead, noise: 0 };
  });
}

/**
 * With ε̂ = (z − √σ(a)·x̂)/√σ(−a), z′ = √σ(b)·x̂ + √(σ(−b) − s²)·ε̂ + s·n and s² = η²·σ(−b)·(1 − e^(a−b)). It is ε̂ of
 * the x̂ in use, so that the two agree also where x̂ is clipped.
 */
function ddimStep(a: number, b: number, eta: number): SamplingStep {
  const fresh = -Math.expm1(a - b) * eta ** 2;
  const keep = Math.sqrt(sigmoid(-b) / sigmoid(-a) * (1 - fresh));
  return {
    keep,
    // √σ(b) − keep·√σ(a), without the difference of near equals where nothing is fresh.
    gain: -Math.sqrt(sigmoid(b)) * Math.expm1((a - b) / 2 + 0.5 * Math.log1p(-fresh)),
    gainBefore: 0,
    noise: Math.sqrt(sigmoid(-b) * fresh),
  };
}

/**
 * The data's estimate x̂ = (z − √σ(−α)·ε̂)/√σ(α), clipped to `range` where there is one.
 *
 * @param logsnr Log SNR α of all samples, in nats.
 * @param out Where it is written, of the size of `z`.
 */
export function estimateData(
  z: Float32Array,
  epsHat: Float32Array,
  logsnr: number,
  range: SamplingPlan["range"],
  out: Float32Array,
): void {
  const [signal, noise] = [Math.sqrt(sigmoid(logsnr)), Math.sqrt(sigmoid(-logsnr))];
  const [low, high] = range ?? [-Infinity, Infinity];
  for (let i = 0; i < z.length; i++) out[i] = Math.min(high, Math.max(low, (z[i] - noise * epsHat[i]) / signal));
}

/**
 * Takes noisy samples to the next level, in place.
 *
 * @param xHat x̂ at this level, and `before` at the one before, which is read only where the step asks for it.
 * @param fresh Standard normal noise, read only where the step asks for it.
 */
export function takeStep(
  z: Float32Array,
  { keep, gain, gainBefore, noise }: SamplingStep,
  xHat: Float32Array,
  before: Float32Array,
  fresh: Float32Array,
): void {
  for (let i = 0; i < z.length; i++) {
    let next = keep * z[i] + gain * xHat[i];
    if (gainBefore !== 0) next += gainBefore * before[i];
    if (noise !== 0) next += noise * fresh[i];
    z[i] = next;
  }
}
