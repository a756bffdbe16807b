import * as tf from "@tensorflow/tfjs";
import { perSample, signalScale } from "../../core/diffusion/channel.ts";
import type { Schedule } from "./schedule.ts";

/**
 * The noise levels of a network that estimates the score of data from 0 to 1 with noise added, diffusers'
 * `ScoreSdeVeScheduler` (Y. Song et al., arXiv 2011.13456, the variance exploding SDE). Here data is from −1 to 1 and its
 * signal shrinks as the noise grows: z/√σ(α) = x + e^−α/2·ε, of which the network is given half, moved by ½.
 */
export function scoreSchedule(least: number, most: number): Schedule {
  const noise = (logsnr: tf.Tensor) => tf.mul(tf.exp(tf.mul(logsnr, -0.5)), 0.5);
  return {
    prediction: "score",
    summary: `score of values from 0 to 1, noise levels ${least} to ${most}`,
    timestep: noise,
    input(z, logsnr) {
      return tf.add(tf.mul(tf.div(z, signalScale(perSample(logsnr as tf.Tensor1D, z.rank))), 0.5), 0.5);
    },
  };
}
