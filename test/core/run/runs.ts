import { join } from "node:path";
import { type Gaussian, standardGaussian } from "../../../core/reference/gaussian.ts";
import type { GaussianMixture } from "../../../core/reference/mixture.ts";
import { saveCheckpoint } from "../../../core/io/checkpoints.ts";
import { writeDataInfo } from "../../../core/run/data_info.ts";
import type { DataFacts } from "../../../core/plugins/contracts.ts";
import { RunFolder } from "../../../core/run/folder.ts";
import { type HostTensors, sizeOf } from "../../../core/data/tensors.ts";

/** A run's configuration, of the ideal denoiser. */
export const CONFIG = {
  task: "train:2d",
  dataset: "scg",
  datasetOptions: {},
  denoiser: "gaussian",
  denoiserOptions: {},
  recipe: "default",
  decay: "cosine",
  ema: 0.999,
  estimator: "paired",
  epochs: 3,
  batchSize: 4,
  microBatchSize: 4,
  precision: "f32",
  proposal: "fixed",
  learningRate: 1e-3,
  evalBatchSize: 4,
  validationLevels: 1,
  validationSamples: 0,
  logsnrLoc: 1,
  logsnrScale: 1.5,
  seed: 0,
  backend: "onnx-cpu",
  threads: 1,
} as const;

/** Writes a run's folder as a training task leaves it. */
export async function makeRun(
  path: string,
  data: DataFacts,
  { gaussian = standardGaussian(sizeOf(data.shape)), reference, config = {}, model = {} }: {
    readonly gaussian?: Gaussian;
    readonly reference?: GaussianMixture;
    readonly config?: Readonly<Record<string, unknown>>;
    readonly model?: HostTensors;
  } = {},
): Promise<RunFolder> {
  const folder = new RunFolder(path);
  await writeDataInfo(folder, { shape: data.shape, gaussian, ...(reference ? { reference } : {}) }, data);
  await Deno.writeTextFile(join(path, "config.json"), JSON.stringify({ ...CONFIG, ...config }));
  await saveCheckpoint(path, { epoch: 3, step: 6, model, training: {}, state: {} });
  return folder;
}
