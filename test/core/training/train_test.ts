import { deepEqual, equal, ok, rejects } from "assert";
import * as tf from "@tensorflow/tfjs";
import type { Denoiser } from "../../../core/plugins/contracts.ts";
import { entropy, gaussianOf } from "../../../core/reference/gaussian.ts";
import { RECIPES } from "../../../core/training/recipe.ts";
import { DivergenceError } from "../../../core/training/train.ts";
import * as gaussianDenoiser from "../../../denoisers/gaussian.ts";
import { LOCAL_BACKENDS } from "../../backends.ts";
import { epochsOf, info, smallMlp, training } from "./small_training.ts";

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
