import { deepEqual, equal, ok } from "assert";
import { meanAndStderr } from "../../../core/diffusion/likelihood.ts";
import { floatSamples } from "../../../core/data/samples.ts";
import { createEngine } from "../../../core/engine/mod.ts";
import type { ErrorMeter } from "../../../core/evaluation/errors.ts";
import { nllPerSample } from "../../../core/evaluation/nll.ts";
import { Random } from "../../../core/random/random.ts";
import { BLEND, BLEND_NODES } from "../../../core/reference/blend.ts";
import { fitGaussian, gaussianNll } from "../../../core/reference/gaussian.ts";
import { gaussianMixture, mixtureNll, sampleMixture } from "../../../core/reference/mixture.ts";
import type { TrainingSettings } from "../../../core/training/settings.ts";
import { createTraining, type Training, type TrainingSnapshot } from "../../../core/training/train.ts";
import * as gaussianDenoiser from "../../../denoisers/gaussian.ts";
import { SETTINGS as settings } from "../../training_settings.ts";
import { epochsOf, smallMlp } from "./small_training.ts";

/** Two clusters, of which the reference is the mixture itself. */
function clusters() {
  const mixture = gaussianMixture({
    weights: [0.5, 0.5],
    means: [-1, 0, 1, 0],
    covariances: [0.05, 0, 0, 1, 0.05, 0, 0, 1],
  });
  const draw = (n: number, seed: number) => floatSamples(sampleMixture(mixture, Random.fromSeed(seed), n), 2);
  const own = { shape: [2], train: draw(200, 1), validation: draw(100, 2) };
  return { mixture, data: own, info: { shape: [2], gaussian: fitGaussian(own.train), reference: mixture } };
}

async function blending(options: Partial<TrainingSettings> = {}, from?: TrainingSnapshot): Promise<Training> {
  const { data, info } = clusters();
  const own = { ...settings, blend: true, learningRate: 1e-2, ...options };
  return createTraining(
    await createEngine("onnx-cpu", 1),
    smallMlp(false),
    data,
    info,
    own,
    Random.fromSeed(3),
    from ? { from } : {},
  );
}

Deno.test("a network that knows little is blended with a reference that knows all, and is as good; resumed likewise", async () => {
  const { data, mixture } = clusters();
  const whole = await blending(), records = await epochsOf(whole), end = structuredClone(await whole.snapshot());
  const lambda = (await whole.blend())!;
  equal(lambda.length, BLEND_NODES);
  ok(lambda.every((value) => value >= 0 && value <= 1) && Math.max(...lambda) < 0.5, `${lambda}`);
  deepEqual(end.model[BLEND].data, lambda);
  const truth = meanAndStderr(mixtureNll(data.validation, mixture)).mean;
  for (const { validation } of records) ok(Math.abs(validation.mean - truth) < 0.1, `${validation.mean} for ${truth}`);
  // What is measured and sampled is the blend, and by itself the network is far from it.
  const own = await blending({ blend: false }), unblended = await epochsOf(own);
  ok(unblended[2].validation.mean > truth + 0.5, `${unblended[2].validation.mean}`);
  equal(await own.blend(), undefined);
  equal(BLEND in (await own.snapshot()).model, false);
  deepEqual(unblended.map(({ trainNll }) => trainNll), records.map(({ trainNll }) => trainNll), "it trains alike");
  const nll = (meter: ErrorMeter) =>
    nllPerSample(meter, data.validation, settings.proposal, Random.fromSeed(8), 8).then((values) =>
      meanAndStderr(values).mean
    );
  ok(Math.abs(await nll(whole.meter) - truth) < 0.05);
  ok(await nll(own.meter) > truth + 0.5);

  const part = await blending();
  for await (const record of part.run()) if (record.kind === "step" && record.step === 8) break;
  const resumed = await blending({}, structuredClone(await part.snapshot()));
  const told: number[][] = [], rest = await epochsOf(resumed, (...of) => told.push(of));
  deepEqual(rest, records.slice(-rest.length));
  deepEqual(await resumed.snapshot(), end);
  // As many log SNRs a sample as the last blend has at most.
  deepEqual(told, Array.from(told, (_, i) => [(i + 1) * 6400 / told.length, 6400]));
  ok(told.length > 1);
  await Promise.all([whole.dispose(), own.dispose(), part.dispose(), resumed.dispose()]);
});

Deno.test("a denoiser without parameters has no blend, and its own likelihood", async () => {
  const { data, info } = clusters(), engine = await createEngine("onnx-cpu", 1);
  const own = { ...settings, blend: true, validationLevels: 64 };
  const run = await createTraining(engine, gaussianDenoiser.create(info), data, info, own, Random.fromSeed(3));
  const [record] = await epochsOf(run);
  const expected = meanAndStderr(gaussianNll(data.validation, info.gaussian)).mean;
  ok(Math.abs(record.validation.mean - expected) < 0.1, `${record.validation.mean} for ${expected}`);
  equal(await run.blend(), undefined);
  deepEqual((await run.snapshot()).model, {});
  await run.dispose();
});
