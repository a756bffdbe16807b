import { deepEqual, notDeepEqual, ok } from "assert";
import { createEngine } from "../../core/engine/mod.ts";
import { floatSamples } from "../../core/data/samples.ts";
import { oneRank } from "../../core/mpi/ranks.ts";
import { Random } from "../../core/random/random.ts";
import { fitGaussian } from "../../core/reference/gaussian.ts";
import type { TrainingSettings } from "../../core/training/settings.ts";
import { createTraining, type TrainingSnapshot } from "../../core/training/train.ts";
import { defaultsOf } from "../../core/options/defaults.ts";
import * as unet from "../../denoisers/unet/mod.ts";
import { create } from "../../denoisers/unet_pretrained/mod.ts";
import { DDPM_SCHEDULE } from "../../denoisers/unet_pretrained/schedule.ts";
import { assertWithin } from "../reference.ts";
import { SETTINGS as BASE } from "../training_settings.ts";

const SHAPE = [1, 4, 4], SIZE = 16;

const SETTINGS: TrainingSettings = { ...BASE, epochs: 2, batchSize: 8, microBatchSize: 8, evalBatchSize: 16 };

const samples = (n: number) => floatSamples(Random.fromSeed(n).fillNormal(new Float32Array(SIZE * n)), SIZE);
const data = { shape: SHAPE, train: samples(24), validation: samples(8) };
const info = { shape: SHAPE, gaussian: fitGaussian(data.train, SHAPE) };

const MADE = {
  unet: (dropout: number) => unet.create(info, { ...defaultsOf(unet.options), channels: "4,8", dropout }),
  "unet-pretrained"(dropout: number) {
    const config = {
      ...{
        in_channels: 1,
        out_channels: 1,
        block_out_channels: [4, 8],
        layers_per_block: 1,
        norm_num_groups: 2,
        dropout,
      },
      down_block_types: ["DownBlock2D", "ResnetDownsampleBlock2D"],
      up_block_types: ["UpBlock2D", "UpBlock2D"],
    };
    const saved = { "config.json": JSON.stringify(config), "scheduler_config.json": JSON.stringify(DDPM_SCHEDULE) };
    return create(info, {}, { saved, training: true });
  },
} as const;

type Name = keyof typeof MADE;

const NAMES = Object.keys(MADE) as Name[];

async function denoiserOf(name: Name, dropout: number) {
  const denoiser = await MADE[name](dropout);
  const random = Random.fromSeed(7);
  const drawn = Object.fromEntries(
    Object.entries(denoiser.init(random)).map((
      [name, { shape }],
    ) => [name, random.split(name).uniformTensor(shape, -0.4, 0.4)]),
  );
  return { ...denoiser, init: () => drawn };
}

/** Trains so many steps, all of them if nothing is said, and gives what a run would keep. */
async function trained(
  name: Name,
  dropout: number,
  { settings = {}, from, steps = Infinity }: {
    settings?: Partial<TrainingSettings>;
    from?: TrainingSnapshot;
    steps?: number;
  } = {},
) {
  const engine = await createEngine("onnx-cpu", 1), denoiser = await denoiserOf(name, dropout);
  const training = await createTraining(
    engine,
    denoiser,
    data,
    info,
    { ...SETTINGS, ...settings },
    Random.fromSeed(3),
    {
      ...(from ? { from } : {}),
      ranks: oneRank(),
    },
  );
  const records = [];
  for await (const record of training.run()) {
    records.push(record.kind === "step" ? record.nll : record.validation.mean);
    if (record.kind === "step" && record.step >= steps) break;
  }
  const snapshot = structuredClone(await training.snapshot());
  await training.dispose();
  return { records, snapshot };
}

for (const name of NAMES) {
  const ofShare = (dropout: number, options?: Parameters<typeof trained>[2]) => trained(name, dropout, options);

  Deno.test(`dropout of ${name} changes a training by the seed alone, a stopped one too, and is no part of evaluations`, async () => {
    const [without, first, again] = [await ofShare(0), await ofShare(0.4), await ofShare(0.4)];
    notDeepEqual(first.records, without.records);
    deepEqual(again, first);
    const stopped = await ofShare(0.4, { steps: 4 });
    const resumed = await ofShare(0.4, { from: stopped.snapshot });
    deepEqual(resumed.snapshot.model, first.snapshot.model);
    // With hardly a step taken, what is validated is the same network.
    const rate = { learningRate: 1e-30 }, last = (of: { records: number[] }) => of.records.at(-1);
    deepEqual(last(await ofShare(0.4, { settings: rate })), last(await ofShare(0, { settings: rate })));
  });

  Deno.test(`a batch in parts drops what the whole one drops, of ${name}`, async () => {
    const whole = await ofShare(0.4, { steps: 1 });
    const parts = await ofShare(0.4, { steps: 1, settings: { microBatchSize: 3 } });
    ok(Math.abs(whole.records[0] - parts.records[0]) < 1e-4 * Math.abs(whole.records[0]));
    for (const [name, { data }] of Object.entries(whole.snapshot.model)) {
      // What is added to all keys changes nothing: its gradient is rounding, which a step of Adam makes as large as any.
      if (name.endsWith("to_k.bias")) continue;
      assertWithin(parts.snapshot.model[name].data, data, { rtol: 1e-3, atol: 2e-5 }, name);
    }
  });
}
