/**
 * The probability flow: an ordinary differential equation whose solutions carry the density of noisy data from one log
 * SNR to another (Y. Song et al., arXiv 2011.13456, section 4.3), here of the channel z = √σ(α)·x + √σ(−α)·ε with the log
 * SNR α as time. All values are in nats.
 */
import { sigmoid } from "./logsnr.ts";

/**
 * dz/dα = ½·(σ(−α)·z − √σ(−α)·ε̂(z, α)).
 *
 * @param z A noisy sample, `[d]`, or more, which comes first.
 * @param epsHat What the denoiser says of its noise, `[d]`.
 * @param logsnr α.
 * @param out Where it is written, `[d]`, or more.
 */
export function flowVelocity(
  z: Float64Array,
  epsHat: ArrayLike<number>,
  logsnr: number,
  out: Float64Array,
): void {
  const noise = sigmoid(-logsnr), scale = Math.sqrt(noise);
  for (let i = 0; i < epsHat.length; i++) out[i] = 0.5 * (noise * z[i] - scale * epsHat[i]);
}

/**
 * The flow's divergence ½·(d·σ(−α) − √σ(−α)·tr ∂ε̂/∂z), by which log p falls along it: d log p(z(α))/dα is its negative.
 *
 * @param trace tr ∂ε̂/∂z, or an estimate of it: vᵀ·∂ε̂/∂z·v with independent signs v has the trace as its mean (M. F.
 * Hutchinson, Commun. Stat. Simul. 19, 1990).
 *
 * @example
 * ```ts
 * import { ok } from "assert";
 * import { flowDivergence } from "./probability_flow.ts";
 *
 * // N(0, 1) is the same at all log SNRs: there ε̂ = √σ(−α)·z, and nothing flows.
 * ok(Math.abs(flowDivergence(Math.sqrt(1 / (1 + Math.exp(2))), 2, 1)) < 1e-12);
 * ```
 */
export function flowDivergence(trace: number, logsnr: number, d: number): number {
  const noise = sigmoid(-logsnr);
  return 0.5 * (d * noise - Math.sqrt(noise) * trace);
}

/**
 * ∂ log p(x)/∂α at a fixed point of the density of x + e^(−α/2)·ε, by the heat equation:
 * ½·(√σ(−α)·tr ∂ε̂/∂z − ‖ε̂‖²) at z = √σ(α)·x. Falling as e^(−α) where all structure is resolved, it is about what is
 * lacking to log p of the data without noise.
 *
 * @param trace tr ∂ε̂/∂z.
 */
export function sharpening(epsHat: ArrayLike<number>, trace: number, logsnr: number): number {
  let square = 0;
  for (let i = 0; i < epsHat.length; i++) square += epsHat[i] ** 2;
  return 0.5 * (Math.sqrt(sigmoid(-logsnr)) * trace - square);
}

/** What log p of a noisy sample z = √σ(α)·y has more than that of y = x + e^(−α/2)·ε: −½·d·log σ(α). */
export function logScaleOfChannel(logsnr: number, d: number): number {
  return 0.5 * d * Math.log1p(Math.exp(-logsnr));
}
