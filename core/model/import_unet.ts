import type { BackendChoice } from "../engine/mod.ts";
import { defaultThreads, startEngine } from "../engine/start.ts";
import { givenOptions } from "../options/given.ts";
import type { Dataset, LoadContext } from "../plugins/contracts.ts";
import { checkParams, loadDenoiser } from "../plugins/load.ts";
import { Random } from "../random/random.ts";
import { fitGaussian } from "../reference/gaussian.ts";
import { createModel, type Model } from "./model.ts";
import { DEFAULTS } from "./settings.ts";

/** The plugin that diffusers' models are denoisers by. */
export const UNET_PLUGIN = "unet-pretrained";

/** How weights are used. */
export interface ImportOptions extends LoadContext {
  /** The log SNRs that it is measured on, a logistic distribution; 6 and 3 if left out, as for CIFAR-10. */
  readonly logsnrLoc?: number;
  /** Its scale in nats. */
  readonly logsnrScale?: number;
  /** What runs the tensors; `auto` if left out. */
  readonly backend?: BackendChoice;
  /** On the processor. */
  readonly threads?: number;
}

/**
 * A U-Net of diffusers (`UNet2DModel`) as a density of images.
 *
 * @param weights A folder of diffusers, or a model's name on the hub, such as `google/ddpm-cifar10-32`.
 * @param data Images like those that it was trained on, whose Gaussian it is compared with.
 * @throws {UserError} When there is no such model, it is damaged, or does not fit the data.
 */
export async function importUnet(
  weights: string,
  data: Dataset,
  { logsnrLoc, logsnrScale, backend = "auto", threads = defaultThreads(), ...context }: ImportOptions = {},
): Promise<Model> {
  const { shape, entropy, range, delta, logScale, axes, condition } = data;
  const info = { shape, gaussian: fitGaussian(data.train, shape), ...(condition ? { condition } : {}) };
  const plugin = await loadDenoiser(UNET_PLUGIN);
  const options = givenOptions(`denoiser ${plugin.name}`, plugin.options, { weights });
  const denoiser = await plugin.create(info, options, context);
  const { loc, scale } = DEFAULTS.images.proposal;
  const { engine } = await startEngine(backend, threads, shape);
  return createModel({
    engine,
    denoiser,
    params: checkParams(plugin.name, denoiser.init(Random.fromSeed(0))),
    info: {
      ...info,
      ...(entropy === undefined ? {} : { entropy }),
      ...(range ? { range } : {}),
      ...(delta === undefined ? {} : { delta }),
      ...(logScale === undefined ? {} : { logScale }),
      ...(axes ? { axes } : {}),
    },
    proposal: { loc: logsnrLoc ?? loc, scale: logsnrScale ?? scale },
    evalBatchSize: DEFAULTS.images.evalBatchSize,
  });
}
