import * as tf from "@tensorflow/tfjs";
import type { Denoiser } from "../plugins/contracts.ts";
import { predict } from "../plugins/predict.ts";

/**
 * The denoiser that is guided by what it is told: ε̃ = (1 − w)·ε̂(z) + w·ε̂(z | c) (J. Ho and T. Salimans, arXiv 2207.12598,
 * equation 6, whose w is one less; diffusers' `guidance_scale` is this w). At 0 it is told nothing, at 1 it is the conditional one, and above that samples are more
 * typical of c and less diverse than those of p(x | c).
 *
 * @param scale w.
 */
export function guidedDenoiser(denoiser: Denoiser, scale: number): Denoiser {
  if (scale === 1) return denoiser;
  return {
    init: (random) => denoiser.init(random),
    predict(params, z, logsnr, condition) {
      const untold = predict(denoiser, params, z, logsnr);
      if (scale === 0 || !condition) return untold;
      return tf.add(untold, tf.mul(scale, tf.sub(predict(denoiser, params, z, logsnr, condition), untold)));
    },
  };
}
