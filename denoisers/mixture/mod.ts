/**
 * The ideal denoiser of a mixture of Gaussians: the exact posterior mean of the noise, with nothing to train. Its
 * likelihood is the mixture's own, so that every estimate of a likelihood can be held against the truth.
 *
 * @module
 */
import { UserError } from "../../core/errors/user_error.ts";
import type { DataInfo, Denoiser, OptionValues } from "../../core/plugins/contracts.ts";
import { sizeOf } from "../../core/data/tensors.ts";
import { readMixture } from "./file.ts";
import type { GaussianMixture } from "../../core/reference/mixture.ts";
import { mixturePrediction } from "../../core/reference/mixture_prediction.ts";

export { readMixture } from "./file.ts";
export {
  type GaussianMixture,
  gaussianMixture,
  MixtureError,
  mixtureNll,
  sampleMixture,
} from "../../core/reference/mixture.ts";

export const options = {
  mixture: {
    default: "",
    path: true,
    help: "File of the mixture, JSON or safetensors: weights [k], means [k, d], covariances [k, d, d].",
  },
} as const;

/**
 * Makes the denoiser of the mixture in a file, which must be that of the data as the denoiser sees it: of a data file's
 * own values with `--standardise off`.
 *
 * @throws {UserError} When no file is named, it holds no mixture, or the mixture is not of the data's dimension.
 */
export async function create({ shape }: DataInfo, values: OptionValues): Promise<Denoiser> {
  const path = String(values.mixture ?? "");
  if (path === "") {
    throw new UserError("--mixture is missing. Name a JSON or safetensors file of weights, means and covariances.");
  }
  const mixture = await readMixture(path);
  const [got, wanted] = [mixture.components[0].mean.length, sizeOf(shape)];
  if (got !== wanted) {
    throw new UserError(
      `${path} is a mixture in ${got} dimensions, but the data has ${wanted}. Name a mixture in ${wanted} dimensions.`,
    );
  }
  return mixtureDenoiser(mixture);
}

/** The ideal denoiser of a mixture as a denoiser without parameters. */
export function mixtureDenoiser(mixture: GaussianMixture): Denoiser {
  const predict = mixturePrediction(mixture);
  return { init: () => ({}), predict: (_, z, logsnr) => predict(z, logsnr) };
}
