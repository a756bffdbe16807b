import * as tf from "@tensorflow/tfjs";
import { perSample } from "../diffusion/channel.ts";
import { logsnrRange, type Proposal } from "../diffusion/logsnr.ts";
import type { Denoiser } from "../plugins/contracts.ts";

/**
 * A density at a limited resolution: that of y = x + τ·n with n ~ N(0, I), exactly as the denoiser of x implies it. Where a
 * density is finer than a picture's pixels, this is what the picture can show.
 */

/** Beyond the log SNR of the blur itself nothing is left to see; the integral goes on for this much, in nats. */
const MARGIN = 4;

/**
 * The denoiser of blurred data. At log SNR α the channel of y holds x in noise of variance ω² = σ(α)·τ² + σ(−α), of which
 * σ(−α) is the channel's own; scaled by c = 1/√(σ(α) + ω²) it is the channel of x at log SNR log(σ(α)/ω²). The best
 * estimate of the channel's own noise is its share of the best estimate of all the noise:
 * ε̂_y(z, α) = √(σ(−α)/ω²)·ε̂(c·z, log(σ(α)/ω²)).
 *
 * @param denoiser The denoiser of x.
 * @param deviation τ, positive.
 */
export function blurredDenoiser(denoiser: Denoiser, deviation: number): Denoiser {
  return {
    init: (random) => denoiser.init(random),
    predict(params, z, logsnr, condition) {
      const signal = tf.sigmoid(logsnr);
      const own = tf.sigmoid(tf.neg(logsnr));
      const noise = tf.add(tf.mul(signal, deviation ** 2), own);
      const scaled = tf.mul(z, perSample(tf.rsqrt(tf.add(signal, noise)), z.rank));
      const epsHat = denoiser.predict(params, scaled, tf.log(tf.div(signal, noise)), condition);
      return tf.mul(epsHat, perSample(tf.sqrt(tf.div(own, noise)), z.rank));
    },
  };
}

/** A proposal cut off where the blur leaves nothing to see. */
export function blurredProposal(proposal: Proposal, deviation: number): Proposal {
  const [low, high] = logsnrRange(proposal);
  const top = Math.min(high, MARGIN - 2 * Math.log(deviation));
  return top < high && top > low ? { loc: (low + top) / 2, scale: (top - low) / 8 } : proposal;
}
