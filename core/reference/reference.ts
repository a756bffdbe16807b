import type { Samples } from "../data/samples.ts";

/**
 * A density that the model's is compared with: the closer it is to the model's, the smaller the noise of the paired
 * estimate. Any density whose ideal denoiser is known will do, since −log p(x) + log r(x) is half the integral of the
 * difference of their errors, point by point (arXiv 2302.03792, equation 8, for p and for r).
 */
export interface Reference {
  /** −log r(x) of each sample, in nats. */
  nll(samples: Samples): Float64Array;
  /**
   * ‖ε − ε̂_r‖² of the density's ideal denoiser.
   *
   * @param x Samples, row by row.
   * @param eps Noise of the same size.
   * @param logsnr One log SNR per sample.
   */
  squaredErrors(x: Float32Array, eps: Float32Array, logsnr: Float32Array): Float32Array;
}
