import { deepEqual, equal, ok } from "assert";
import * as tf from "@tensorflow/tfjs";
import { createEngine } from "../../../core/engine/mod.ts";
import { floatSamples } from "../../../core/data/samples.ts";
import type { Denoiser } from "../../../core/plugins/contracts.ts";
import { Random } from "../../../core/random/random.ts";
import { gaussianDenoiser as gaussianDenoising, gaussianOf } from "../../../core/reference/gaussian.ts";
import { RECIPES } from "../../../core/training/recipe.ts";
import {
  createTraining,
  type EpochRecord,
  type Training,
  type TrainingSnapshot,
} from "../../../core/training/train.ts";
import { SETTINGS as settings } from "../../training_settings.ts";
import { data, epochsOf, info } from "./small_training.ts";

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
