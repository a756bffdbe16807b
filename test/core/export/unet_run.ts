import { standardGaussian } from "../../../core/reference/gaussian.ts";
import type { Condition } from "../../../core/data/condition.ts";
import { saveCheckpoint } from "../../../core/io/checkpoints.ts";
import { loadDenoiser } from "../../../core/plugins/load.ts";
import type { OptionValues } from "../../../core/plugins/contracts.ts";
import { Random } from "../../../core/random/random.ts";
import { type HostTensors, sizeOf } from "../../../core/data/tensors.ts";
import { makeRun } from "../run/runs.ts";

/** Writes the folder of a run of a U-Net from scratch, with random weights; returns them. */
export async function makeUnetRun(
  path: string,
  shape: readonly number[],
  options: OptionValues,
  condition?: Condition,
): Promise<HostTensors> {
  const denoiserOptions = { fromScratch: true, ...options };
  const config = { task: "train:cifar", denoiser: "unet-pretrained", denoiserOptions };
  const known = condition ? { condition } : {};
  await makeRun(path, { shape, range: [-1, 1], ...known }, { config });
  const { create } = await loadDenoiser(config.denoiser);
  const denoiser = await create({ shape, gaussian: standardGaussian(sizeOf(shape)), ...known }, denoiserOptions);
  const model = denoiser.init(Random.fromSeed(1));
  await saveCheckpoint(path, {
    epoch: 4,
    step: 8,
    model,
    training: {},
    state: {},
    ...(denoiser.form ? { form: denoiser.form } : {}),
  });
  return model;
}
