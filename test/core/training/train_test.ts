import { deepEqual, equal, ok, rejects } from "assert";
import * as tf from "@tensorflow/tfjs";
import {
  entropy,
  fitGaussian,
  gaussianDenoiser as gaussianDenoising,
  gaussianNll,
  gaussianOf,
} from "../../../core/reference/gaussian.ts";
import { BLEND, BLEND_NODES } from "../../../core/reference/blend.ts";
import { gaussianMixture, mixtureNll, sampleMixture } from "../../../core/reference/mixture.ts";
import { meanAndStderr } from "../../../core/diffusion/likelihood.ts";
import { createEngine } from "../../../core/engine/mod.ts";
import type { ErrorMeter } from "../../../core/evaluation/errors.ts";
import { nllPerSample } from "../../../core/evaluation/nll.ts";
import type { Denoiser } from "../../../core/plugins/contracts.ts";
import { oneRank, type Ranks } from "../../../core/mpi/ranks.ts";
import { Random } from "../../../core/random/random.ts";
import { floatSamples } from "../../../core/data/samples.ts";
import { RECIPES } from "../../../core/training/recipe.ts";
import {
  createTraining,
  DivergenceError,
  type EpochRecord,
  type Training,
  type TrainingSnapshot,
} from "../../../core/training/train.ts";
import type { TrainingSettings } from "../../../core/training/settings.ts";
import * as gaussianDenoiser from "../../../denoisers/gaussian.ts";
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

const data = gaussianData();
const info = { shape: data.shape, gaussian: fitGaussian(data.train) };

function smallMlp(skip = true): Denoiser {
  return mlp.create(info, { hiddenSize: 16, hiddenLayers: 3, embedding: true, embeddingSize: 8, skip });
}

async function training(
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

async function epochsOf(run: Training, onBlend?: (done: number, total: number) => void): Promise<EpochRecord[]> {
  const records: EpochRecord[] = [];
  for await (const record of run.run(onBlend)) if (record.kind === "epoch") records.push(record);
  return records;
}

Deno.test("an adaptive proposal changes what is drawn after the first epoch, and a resumed run goes on with it", async () => {
  const fixed = await training();
  const [first, second] = await epochsOf(fixed);
  const whole = await training({ adaptiveProposal: true });
  const expected = await epochsOf(whole);
  deepEqual(expected[0], first);
  ok(expected[1].trainNll !== second.trainNll);
  const end = await whole.snapshot();
  ok(end.adaptive!.factors.length > 1);
  for (const stop of [4, 9]) {
    const part = await training({ adaptiveProposal: true });
    for await (const record of part.run()) if (record.kind === "step" && record.step === stop) break;
    // As a checkpoint keeps it.
    const from = { ...await part.snapshot() };
    const resumed = await training({ adaptiveProposal: true }, {
      from: { ...from, adaptive: JSON.parse(JSON.stringify(from.adaptive)) },
    });
    deepEqual((await epochsOf(resumed)).at(-1), expected.at(-1), `stopped after step ${stop}`);
    deepEqual((await resumed.snapshot()).training, end.training);
    await Promise.all([part.dispose(), resumed.dispose()]);
  }
  await Promise.all([fixed.dispose(), whole.dispose()]);
});

Deno.test("a run stopped after any step and resumed from its snapshot is the run that never stopped", async () => {
  const whole = await training();
  const expected = await epochsOf(whole);
  const end = await whole.snapshot();
  for (const stop of [1, 6, 9]) {
    const first = await training();
    const before: EpochRecord[] = [];
    for await (const record of first.run()) {
      if (record.kind === "epoch") before.push(record);
      else if (record.step === stop) break;
    }
    const second = await training({}, { from: await first.snapshot() });
    deepEqual([...before, ...await epochsOf(second)], expected, `stopped after step ${stop}`);
    deepEqual((await second.snapshot()).training, end.training);
    await Promise.all([first.dispose(), second.dispose()]);
  }
  await whole.dispose();
});

for (const backend of LOCAL_BACKENDS) {
  Deno.test(`a batch in parts has the gradient of the whole, on ${backend}`, async () => {
    const whole = await training({ epochs: 2 }, { backend });
    const expected = await epochsOf(whole);
    const { params } = (await whole.snapshot()).training;
    // The last part of 32 samples in parts of 12 is filled up with samples that do not count.
    for (const microBatchSize of [16, 12, 1]) {
      if (backend !== "onnx-cpu" && microBatchSize !== 12) continue;
      const parts = await training({ epochs: 2, microBatchSize }, { backend });
      const got = await epochsOf(parts);
      got.forEach((record, i) => {
        const [a, b] = [record.trainNll, expected[i].trainNll];
        ok(Math.abs(a - b) < 2e-4, `${microBatchSize}: ${a} and ${b}`);
      });
      (await parts.snapshot()).training.params.data.forEach((x, i) => {
        ok(Math.abs(x - params.data[i]) < 2e-3, `${microBatchSize}: ${x} and ${params.data[i]}`);
      });
      await parts.dispose();
    }
    await whole.dispose();
  });
}

Deno.test("a run that is stopped within a step or a validation goes on as if nothing had been begun", async () => {
  const whole = await training({ microBatchSize: 8 });
  const expected = await epochsOf(whole);
  for (const after of [3, 40]) {
    const stop = new AbortController();
    // Aborts when it has been asked so many times, which is in the midst of something.
    const signal = new Proxy(stop.signal, {
      get(target, key) {
        if (key === "aborted" && ++asked === after) stop.abort();
        const value = Reflect.get(target, key, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    let asked = 0;
    const first = await training({ microBatchSize: 8 }, { ranks: { ...oneRank(), stop: signal } });
    const before = await epochsOf(first);
    ok(before.length < expected.length);
    const second = await training({ microBatchSize: 8 }, { from: await first.snapshot() });
    deepEqual([...before, ...await epochsOf(second)], expected);
    await Promise.all([first.dispose(), second.dispose()]);
  }
  await whole.dispose();
});

Deno.test("validation samples are some of the validation data, the same in each epoch", async () => {
  const few = await training({ validationSamples: 10 });
  const records = await epochsOf(few);
  const all = await training();
  ok(records[0].validation.stderr > (await epochsOf(all))[0].validation.stderr);
  await Promise.all([few.dispose(), all.dispose()]);
});

Deno.test("what is evaluated is the average of the weights over all steps", async () => {
  const run = await training({ recipe: { ...RECIPES.default, ema: 0.4 } });
  let average = Float64Array.from((await run.snapshot()).training.ema.data);
  for await (const record of run.run()) {
    if (record.kind !== "step") continue;
    const { training: { params, ema } } = await run.snapshot();
    // At first the average forgets faster than it is asked to: it keeps 2/11, 3/12, 4/13, 5/14, and 0.4 from then on.
    const kept = Math.min(0.4, (record.step + 1) / (record.step + 10));
    average = average.map((e, i) => kept * e + (1 - kept) * params.data[i]);
    average.forEach((e, i) => ok(Math.abs(e - ema.data[i]) < 1e-6, `step ${record.step}: ${ema.data[i]}, not ${e}`));
  }
  const { model, training: { ema } } = await run.snapshot();
  deepEqual(Object.values(model).flatMap(({ data }) => [...data]), [...ema.data]);
  await run.dispose();
});

Deno.test("a generator that is left goes on where it was", async () => {
  const [broken, whole] = [await training(), await training()];
  for await (const record of broken.run()) if (record.step === 4) break;
  const rest = await epochsOf(broken);
  deepEqual(rest, await epochsOf(whole));
  await Promise.all([broken.dispose(), whole.dispose()]);
});

Deno.test("seeds decide the run: the same seed the same numbers, the backends equal ones", async () => {
  const runs = [];
  for (const backend of LOCAL_BACKENDS) {
    const run = await training({ epochs: 1 }, { backend });
    runs.push((await epochsOf(run))[0]);
    await run.dispose();
  }
  for (const record of runs.slice(1)) {
    ok(Math.abs(record.trainNll - runs[0].trainNll) < 1e-4, `${record.trainNll} and ${runs[0].trainNll}`);
    ok(Math.abs(record.validation.mean - runs[0].validation.mean) < 1e-4);
  }
});

Deno.test("no tensors are left behind by steps and validations", async () => {
  for (const backend of LOCAL_BACKENDS) {
    const run = await training({ epochs: 4 }, { backend });
    const counts: number[] = [];
    for await (const record of run.run()) if (record.kind === "epoch") counts.push(tf.memory().numTensors);
    ok(counts.slice(2).every((count) => count === counts[1]), `${backend}: ${counts}`);
    await run.dispose();
  }
});

Deno.test("with the skip, training starts from the Gaussian's likelihood and its validation has its entropy", async () => {
  const run = await training({ epochs: 1, learningRate: 1e-12 });
  const [record] = await epochsOf(run);
  const gaussian = await training({ epochs: 1 }, { denoiser: gaussianDenoiser.create(info) });
  const [ideal] = await epochsOf(gaussian);
  ok(Math.abs(record.validation.mean - ideal.validation.mean) < 1e-5);
  const truth = entropy(gaussianOf([0, 0], [1, 0.8, 0.8, 1]));
  ok(Math.abs(ideal.validation.mean - truth) < 4 * ideal.validation.stderr, `${ideal.validation.mean}, truth ${truth}`);
  equal(gaussian.parameterCount, 0);
  deepEqual((await gaussian.snapshot()).model, {});
  await Promise.all([run.dispose(), gaussian.dispose()]);
});

Deno.test("training lowers the NLL of a denoiser without the skip", async () => {
  const run = await training({ epochs: 60, learningRate: 1e-2 }, { denoiser: smallMlp(false) });
  const records = await epochsOf(run);
  const [first, last] = [records[0], records[59]].map((record) => record.validation.mean);
  ok(last < first - 1, `${first} to ${last}`);
  await run.dispose();
});

Deno.test("a loss that is not finite stops with the step and log SNR, and the state before it is kept", async () => {
  const run = await training({ epochs: 20, learningRate: 1e30, recipe: RECIPES.seed });
  let step = 0;
  await rejects(async () => {
    for await (const record of run.run()) step = record.step;
  }, (error: Error) => {
    ok(error instanceof DivergenceError);
    equal(error.step, step + 1);
    ok(/step \d+, log SNR -?\d+\.\d+/.test(error.message), error.message);
    return true;
  });
  equal((await run.snapshot()).step, step);
  await run.dispose();
});

Deno.test("a denoiser that returns another shape is refused by name of the shapes", async () => {
  const wrong: Denoiser = { init: () => ({}), predict: (_, z) => tf.slice(z, [0, 0], [-1, 1]) };
  await rejects(training({}, { denoiser: wrong }), /returned shape \[64,1\] for z of shape \[64,2\]/);
  const nothing = { init: () => ({}), predict: () => undefined } as unknown as Denoiser;
  await rejects(training({}, { denoiser: nothing }), /returned no tensor/);
});

Deno.test("a snapshot of another denoiser is refused", async () => {
  const small = await training();
  const snapshot = await small.snapshot();
  const denoiser = mlp.create(info, {
    hiddenSize: 8,
    hiddenLayers: 3,
    embedding: true,
    embeddingSize: 8,
    skip: "gaussian",
  });
  await rejects(training({}, { denoiser, from: snapshot }), /this denoiser needs \d+/);
  await small.dispose();
});

/** Scales the ideal prediction of the validation data, which is far from that of the training data. */
const scaled: Denoiser = {
  init: () => ({ size: { shape: [], data: Float32Array.of(1) } }),
  predict: ({ size }, z, logsnr) => tf.mul(size, gaussianDenoising(z, logsnr, OTHER)),
};

const OTHER = gaussianOf([0, 0], [0.01, 0, 0, 0.01]);

/** Training on the one soon makes it worse on the other, epoch by epoch. */
async function overfitting(patience: number, from?: TrainingSnapshot, epochs = 12): Promise<Training> {
  const engine = await createEngine("onnx-cpu", 1);
  const e = Random.fromSeed(6).fillNormal(new Float32Array(2 * 40));
  const other = { ...data, validation: floatSamples(e.map((x) => 0.1 * x), 2) };
  const recipe = { ...RECIPES.seed, estimator: "paired" } as const;
  const own = { ...settings, recipe, epochs, patience, learningRate: 1e-3 };
  return createTraining(engine, scaled, other, info, own, Random.fromSeed(3), from ? { from } : {});
}

Deno.test("every so many epochs are validated, the last too, and a run that goes on validates the same ones", async () => {
  const make = async (from?: TrainingSnapshot) => {
    const engine = await createEngine("onnx-cpu", 1);
    const own = { ...settings, epochs: 7, validateEvery: 3 };
    return createTraining(engine, scaled, data, info, own, Random.fromSeed(3), from ? { from } : {});
  };
  const whole = await make(), records = await epochsOf(whole);
  deepEqual(records.map(({ epoch, isLast }) => [epoch, isLast]), [[3, false], [6, false], [7, true]]);
  const each: number[] = [];
  const again = await make();
  for await (const record of again.run()) if (record.kind === "step") each.push(record.nll);
  const mean = (from: number, to: number) => {
    const part = each.slice(from * whole.stepsPerEpoch, to * whole.stepsPerEpoch);
    return part.reduce((sum, nll) => sum + nll / part.length, 0);
  };
  records.forEach(({ trainNll }, k) => {
    const [from, to] = [[0, 3], [3, 6], [6, 7]][k];
    ok(Math.abs(trainNll - mean(from, to)) < 1e-9, `${trainNll}`);
  });
  for (const stop of [1, whole.stepsPerEpoch + 1, 4 * whole.stepsPerEpoch + 1]) {
    const part = await make(), before: EpochRecord[] = [];
    for await (const record of part.run()) {
      if (record.kind === "epoch") before.push(record);
      else if (record.step === stop) break;
    }
    const resumed = await make(structuredClone(await part.snapshot()));
    deepEqual([...before, ...await epochsOf(resumed)], records, `stopped after step ${stop}`);
    await Promise.all([part.dispose(), resumed.dispose()]);
  }
  await Promise.all([whole.dispose(), again.dispose()]);
});

Deno.test("training ends once no epoch was better for as long as it waits, and the best one's weights are the model", async () => {
  const endless = await overfitting(Infinity), all: EpochRecord[] = [];
  let best: TrainingSnapshot["model"] = {};
  for await (const record of endless.run()) {
    if (record.kind !== "epoch") continue;
    all.push(record);
    if (record.epoch === 2) best = structuredClone(await endless.snapshot()).model;
  }
  const nll = all.map(({ validation }) => validation.mean);
  equal(nll.length, 12);
  equal(nll.indexOf(Math.min(...nll)), 1);
  nll.slice(2).forEach((value, i) => ok(value > nll[i + 1], `${nll}`));
  deepEqual(all.map(({ isLast }) => isLast), [...new Array(11).fill(false), true]);

  const ended = await overfitting(3), records = await epochsOf(ended);
  deepEqual(records.map(({ epoch, isLast }) => [epoch, isLast]), [[1, false], [2, false], [3, false], [4, false], [
    5,
    true,
  ]]);
  deepEqual(records.map(({ validation }) => validation), all.slice(0, 5).map(({ validation }) => validation));
  ok(ended.isOver() && endless.isOver());
  deepEqual((await ended.snapshot()).model, best);
  deepEqual(await epochsOf(ended), [], "it stays so");
  // Without an end by patience the last weights are the model, whatever was best.
  ok((await endless.snapshot()).model.size.data[0] !== best.size.data[0]);

  // A run that goes on knows what was best, and how long ago, also where it stopped within an epoch.
  for (const stop of [1, 14, 29]) {
    const part = await overfitting(3), before: EpochRecord[] = [];
    for await (const record of part.run()) {
      if (record.kind === "epoch") before.push(record);
      else if (record.step === stop) break;
    }
    const resumed = await overfitting(3, structuredClone(await part.snapshot()));
    deepEqual([...before, ...await epochsOf(resumed)], records, `stopped after step ${stop}`);
    deepEqual((await resumed.snapshot()).model, best);
    await Promise.all([part.dispose(), resumed.dispose()]);
  }
  const again = await overfitting(3, structuredClone(await ended.snapshot()));
  ok(again.isOver());
  await Promise.all([endless.dispose(), ended.dispose(), again.dispose()]);
});

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

Deno.test("even log SNRs are one from each stratum of the range in every batch; logistic ones are as they come", async () => {
  for (const even of [true, false]) {
    const engine = await createEngine("onnx-cpu", 1), batches: Float32Array[] = [], weights: Float32Array[] = [];
    // What each step's gradient is given.
    const watched = new Proxy(engine, {
      get(target, key) {
        const value = Reflect.get(target, key, target);
        if (key !== "compile") return typeof value === "function" ? value.bind(target) : value;
        return async (...args: Parameters<typeof engine.compile>) => {
          const program = await engine.compile(...args);
          if (!("weight" in args[2])) return program;
          return {
            dispose: () => program.dispose(),
            run(inputs: Record<string, Float32Array>) {
              batches.push(inputs.logsnr.slice());
              weights.push(inputs.weight.slice());
              return program.run(inputs);
            },
          };
        };
      },
    });
    const proposal = { loc: 1, scale: 1.5, ...(even ? { even } : {}) };
    const run = await createTraining(
      watched,
      smallMlp(),
      data,
      info,
      { ...settings, proposal, epochs: 1 },
      Random.fromSeed(3),
    );
    await epochsOf(run);
    equal(batches.length, 6);
    const strata = batches.map((logsnr) => logsnr.map((alpha) => Math.floor((alpha + 5) / 12 * 32)));
    equal(strata.every((batch) => batch.every((stratum, i) => stratum === i)), even);
    equal(weights.every((batch) => batch.every((weight) => Math.abs(weight - 12) < 1e-5)), even);
    ok(batches.every((batch) => batch.every((alpha) => alpha >= -5 && alpha <= 7)));
    ok(batches[0][3] !== batches[1][3], "another place within the stratum");
    await run.dispose();
  }
});
