import { fitGaussian } from "../../core/reference/gaussian.ts";
import type { Engine } from "../../core/engine/mod.ts";
import type { Dataset, Denoiser } from "../../core/plugins/contracts.ts";
import { Random } from "../../core/random/random.ts";
import { floatSamples } from "../../core/data/samples.ts";
import { sizeOf } from "../../core/data/tensors.ts";
import { RECIPES } from "../../core/training/recipe.ts";
import { createTraining } from "../../core/training/train.ts";
import type { TrainingSettings } from "../../core/training/settings.ts";
import * as mlp from "../../denoisers/mlp.ts";
import { DDPM_CIFAR10 } from "../../denoisers/unet_pretrained/config.ts";
import { create as createUnet } from "../../denoisers/unet_pretrained/mod.ts";
import { DDPM_SCHEDULE } from "../../denoisers/unet_pretrained/schedule.ts";
import { type ConformanceCase, type Deviation, deviation, otherEngine } from "./case.ts";
import { stepDeviations } from "./mlp.ts";

const STEPS = 10;

/** What is trained, and how. */
interface Training {
  readonly denoiser: Denoiser;
  readonly data: Dataset;
  readonly settings: TrainingSettings;
}

/** Data of correlated normal values for ten steps. */
function dataOf(shape: readonly number[], batchSize: number, validation: number): Dataset {
  const d = sizeOf(shape);
  const draw = (count: number, stream: string) => {
    const values = Random.fromSeed(5).split(stream).fillNormal(new Float32Array(count * d));
    return floatSamples(values.map((x, i) => i % d === 0 ? x : 0.8 * values[i - 1] + 0.6 * x), d);
  };
  return { shape, train: draw(STEPS * batchSize, "train"), validation: draw(validation, "validation") };
}

function settingsOf(batchSize: number, microBatchSize: number): TrainingSettings {
  return {
    recipe: RECIPES.default,
    proposal: { loc: 1, scale: 1.5 },
    epochs: 1,
    batchSize,
    microBatchSize,
    precision: "f32",
    adaptiveProposal: false,
    learningRate: 1e-3,
    evalBatchSize: batchSize,
    validationLevels: 1,
    validationSamples: Infinity,
    blend: false,
    patience: Infinity,
  };
}

/** Ten steps by the default recipe: the paired estimator, averaged weights, a falling rate. */
async function train(engine: Engine, { denoiser, data, settings }: Training) {
  const info = { shape: data.shape, gaussian: fitGaussian(data.train) };
  const training = await createTraining(engine, denoiser, data, info, settings, Random.fromSeed(3));
  const losses: number[] = [];
  let validation = NaN;
  for await (const record of training.run()) {
    if (record.kind === "step") losses.push(record.nll);
    else validation = record.validation.mean;
  }
  const { training: state } = await training.snapshot();
  const entries = Object.entries(state).map(([name, { data }]) => [name, data.slice()] as const);
  await training.dispose();
  return { losses, validation, state: Object.fromEntries(entries) };
}

function tenSteps(name: string, prepare: () => Promise<Training>): ConformanceCase {
  return {
    name,
    reference: "another engine",
    async run(engine): Promise<Deviation[]> {
      const what = await prepare();
      const got = await train(engine, what);
      const other = await otherEngine(engine);
      const expected = await train(other, what);
      other.dispose();
      const tolerance = { rtol: 1e-5, atol: 1e-5 };
      return [
        deviation("losses", got.losses, expected.losses, tolerance),
        deviation("validation NLL", [got.validation], [expected.validation], tolerance),
        ...["params", "ema"].flatMap((entry) =>
          stepDeviations(entry, got.state[entry], expected.state[entry], { most: 2e-6, all: 0.02 })
        ),
      ];
    },
  };
}

export const mlpTenSteps = tenSteps("MLP: ten training steps", () => {
  const data = dataOf([2], 64, 64);
  const options = { hiddenSize: 64, hiddenLayers: 3, embedding: true, embeddingSize: 32, skip: true };
  const denoiser = mlp.create({ shape: [2], gaussian: fitGaussian(data.train) }, options);
  // In parts, whose gradients are added up.
  return Promise.resolve({ denoiser, data, settings: settingsOf(64, 16) });
});

/** A small U-Net of diffusers' kind, with attention at its second level. */
const CONFIG = {
  ...DDPM_CIFAR10,
  in_channels: 1,
  out_channels: 1,
  sample_size: 4,
  layers_per_block: 1,
  block_out_channels: [16, 32],
  down_block_types: ["DownBlock2D", "AttnDownBlock2D"],
  up_block_types: ["AttnUpBlock2D", "UpBlock2D"],
  norm_num_groups: 4,
};

export const unetTenSteps = tenSteps("U-Net: ten training steps", async () => {
  const data = dataOf([1, 4, 4], 2, 2);
  const info = { shape: data.shape, gaussian: fitGaussian(data.train) };
  const saved = { "config.json": JSON.stringify(CONFIG), "scheduler_config.json": JSON.stringify(DDPM_SCHEDULE) };
  return { denoiser: await createUnet(info, {}, { saved }), data, settings: settingsOf(2, 2) };
});
