import { deepEqual, notEqual } from "assert";
import { type Condition, encodeCondition, givenEach } from "../../../core/data/condition.ts";
import { floatSamples, type Samples } from "../../../core/data/samples.ts";
import { createEngine } from "../../../core/engine/mod.ts";
import type { Denoiser } from "../../../core/plugins/contracts.ts";
import { Random } from "../../../core/random/random.ts";
import { fitGaussian } from "../../../core/reference/gaussian.ts";
import type { TrainingSettings } from "../../../core/training/settings.ts";
import { createTraining, type EpochRecord } from "../../../core/training/train.ts";
import * as mlp from "../../../denoisers/mlp.ts";
import { SETTINGS as BASE } from "../../training_settings.ts";

const SETTINGS: TrainingSettings = { ...BASE, epochs: 1, batchSize: 16, microBatchSize: 16, blend: true };

const condition: Condition = [{ name: "c", kind: "class", levels: [0, 1], counts: [32, 32] }];

const drawn = (seed: number, n: number): Samples =>
  givenEach(
    floatSamples(Random.fromSeed(seed).fillNormal(new Float32Array(2 * n)), 2),
    encodeCondition(condition, Array.from({ length: n }, (_, i) => i % 2)),
  );

/** What an epoch says of samples that are told what is known of them, and nothing. */
async function measured(wrap: (denoiser: Denoiser) => Denoiser, settings: Partial<TrainingSettings> = {}) {
  const data = { shape: [2], train: drawn(1, 64), validation: drawn(2, 40) };
  const info = { shape: [2], gaussian: fitGaussian(data.train), condition };
  const own = mlp.create(info, {
    hiddenSize: 16,
    hiddenLayers: 3,
    embedding: true,
    embeddingSize: 8,
    skip: "gaussian",
  });
  const engine = await createEngine("onnx-cpu", 1);
  const training = await createTraining(
    engine,
    wrap(own),
    data,
    info,
    { ...SETTINGS, ...settings },
    Random.fromSeed(3),
  );
  let last: EpochRecord | undefined;
  for await (const record of training.run()) if (record.kind === "epoch") last = record;
  await training.dispose();
  engine.dispose();
  return last!;
}

Deno.test("a validation told nothing is on the same noise and blends: of a network that does not listen it is the same", async () => {
  const deaf = (denoiser: Denoiser): Denoiser => ({
    ...denoiser,
    predict: (params, z, logsnr) => denoiser.predict(params, z, logsnr),
  });
  for (const settings of [{}, { blend: false }]) {
    const { validation, unconditional } = await measured(deaf, settings);
    deepEqual(unconditional, validation);
    const heard = await measured((denoiser) => denoiser, settings);
    notEqual(heard.unconditional!.mean, heard.validation.mean);
  }
});
