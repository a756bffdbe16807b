import { createEngine } from "../../../core/engine/mod.ts";
import { floatSamples } from "../../../core/data/samples.ts";
import { oneRank, type Ranks } from "../../../core/mpi/ranks.ts";
import type { Denoiser } from "../../../core/plugins/contracts.ts";
import { Random } from "../../../core/random/random.ts";
import { fitGaussian } from "../../../core/reference/gaussian.ts";
import type { TrainingSettings } from "../../../core/training/settings.ts";
import {
  createTraining,
  type EpochRecord,
  type Training,
  type TrainingSnapshot,
} from "../../../core/training/train.ts";
import * as mlp from "../../../denoisers/mlp.ts";
import { LOCAL_BACKENDS } from "../../backends.ts";
import { SETTINGS as settings } from "../../training_settings.ts";

/** A correlated Gaussian: 200 samples to train on, 50 to validate on. */
function gaussianData() {
  const random = Random.fromSeed(5);
  const draw = (n: number) => {
    const e = random.fillNormal(new Float32Array(2 * n));
    return floatSamples(e.map((x, i) => i % 2 === 0 ? x : 0.8 * e[i - 1] + 0.6 * x), 2);
  };
  return { shape: [2], train: draw(200), validation: draw(50) };
}

export const data = gaussianData();
export const info = { shape: data.shape, gaussian: fitGaussian(data.train) };

export function smallMlp(skip = true): Denoiser {
  return mlp.create(info, { hiddenSize: 16, hiddenLayers: 3, embedding: true, embeddingSize: 8, skip });
}

/** Training on the Gaussian data, of three epochs unless it is told otherwise. */
export async function training(
  options: Partial<TrainingSettings> = {},
  { denoiser = smallMlp(), backend = LOCAL_BACKENDS[0], from, ranks = oneRank() }: {
    denoiser?: Denoiser;
    backend?: typeof LOCAL_BACKENDS[number];
    from?: TrainingSnapshot;
    ranks?: Ranks;
  } = {},
): Promise<Training> {
  const engine = await createEngine(backend, 1);
  return createTraining(engine, denoiser, data, info, { ...settings, ...options }, Random.fromSeed(3), {
    ...(from ? { from } : {}),
    ranks,
  });
}

/** Trains to the end. */
export async function epochsOf(run: Training, onBlend?: (done: number, total: number) => void): Promise<EpochRecord[]> {
  const records: EpochRecord[] = [];
  for await (const record of run.run(onBlend)) if (record.kind === "epoch") records.push(record);
  return records;
}
