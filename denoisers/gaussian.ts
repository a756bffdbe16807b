import { gaussianDenoiser } from "../core/reference/gaussian.ts";
import type { DataInfo, Denoiser } from "../core/plugins/contracts.ts";

/**
 * The ideal denoiser of Gaussian data: linear, with the training data's mean and covariance and nothing to train. Its
 * likelihood is that Gaussian's, exactly, which makes it the floor that any trained denoiser must get under.
 */
export function create({ gaussian }: DataInfo): Denoiser {
  return { init: () => ({}), predict: (_, z, logsnr) => gaussianDenoiser(z, logsnr, gaussian) };
}
