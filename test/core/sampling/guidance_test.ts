import { deepEqual, ok } from "assert";
import * as tf from "@tensorflow/tfjs";
import { encodeCondition, givenSame } from "../../../core/data/condition.ts";
import { SAMPLERS, samplingGrid, samplingSteps } from "../../../core/diffusion/sampling.ts";
import { createEngine } from "../../../core/engine/mod.ts";
import type { Denoiser } from "../../../core/plugins/contracts.ts";
import { Random } from "../../../core/random/random.ts";
import { fitGaussian, gaussianOf } from "../../../core/reference/gaussian.ts";
import { guidedDenoiser } from "../../../core/sampling/guidance.ts";
import { createSampler, drawSamples } from "../../../core/sampling/sampler.ts";
import { CONDITION, LABELLED_DENOISER, labelledRows, labelledSamples } from "../../labelled.ts";
import { logistic, separation } from "../../two_sample.ts";

Deno.test("guidance is ε̂(z) + w·(ε̂(z | c) − ε̂(z)): 0 is told nothing, and 1 is the conditional denoiser itself", () => {
  const told: (boolean | number)[] = [];
  const denoiser: Denoiser = {
    init: () => ({}),
    predict(_, z, __, condition) {
      told.push(condition !== undefined);
      return condition ? tf.mul(z, 3) : z;
    },
  };
  const at = (scale: number) => {
    const z = tf.tensor2d([1, 2], [1, 2]), condition = tf.tensor2d([1, 1], [1, 2]);
    return [...guidedDenoiser(denoiser, scale).predict({}, z, tf.tensor1d([0]), condition).dataSync()];
  };
  deepEqual([at(0), at(1), at(2.5)], [[1, 2], [3, 6], [6, 12]]);
  deepEqual(told, [false, true, false, true]);
});

Deno.test("samples guided at 1 are those of p(x | c), at 0 those of p(x), by every sampler, as a classifier tells", async () => {
  const count = 1500, random = Random.fromSeed(0), engine = await createEngine("onnx-cpu", 1);
  const data = labelledSamples(labelledRows(random.split("fit"), 2000));
  const info = { shape: [2], gaussian: fitGaussian(data), condition: CONDITION };
  const points = (rows: readonly number[][]) => Float32Array.from(rows.flatMap(([x, y]) => [x, y]));
  const fresh = [
    points(labelledRows(random.split("fresh"), count)),
    points(labelledRows(random.split("class"), count, 1)),
  ];
  const told = givenSame({ count, dimension: 2, copy() {} }, encodeCondition(CONDITION, [1])).condition!;
  for (const name of SAMPLERS) {
    const logsnr = samplingGrid(name, { loc: 1, scale: 2, even: true }, name === "ode" ? 40 : 120);
    const plan = { logsnr, steps: samplingSteps(name, logsnr, name === "ddim" ? 0.5 : undefined) };
    const drawn = [];
    for (const scale of [0, 1]) {
      const guided = guidedDenoiser(LABELLED_DENOISER, scale);
      const sampler = await createSampler(engine, engine.createState({}), (s) => s, guided, info, count);
      const samples = await drawSamples(sampler, count, plan, Random.fromSeed(5), scale === 0 ? undefined : told);
      await sampler.dispose();
      const { rate, stderr } = separation(samples, fresh[scale], logistic);
      ok(Math.abs(rate - 0.5) < 3 * stderr, `${name} at ${scale}: ${rate} told apart`);
      drawn.push(samples);
    }
    ok(separation(drawn[0], drawn[1], logistic).rate > 0.6, `${name}: p(x) and p(x | c) are told apart`);
    const { condition: _, ...untold } = info;
    const plain = await createSampler(engine, engine.createState({}), (s) => s, LABELLED_DENOISER, untold, count);
    deepEqual(await drawSamples(plain, count, plan, Random.fromSeed(5)), drawn[0]);
    await plain.dispose();
  }
  await engine.dispose();
});

Deno.test("a flow starts where the noisy samples of what is given are, not where those of all data are", async () => {
  const count = 4000, engine = await createEngine("onnx-cpu", 1);
  const info = { shape: [2], gaussian: gaussianOf([-0.05, 0.35], [2, 0, 0, 2]), condition: CONDITION };
  const told = givenSame({ count, dimension: 2, copy() {} }, encodeCondition(CONDITION, [1])).condition!;
  const sampler = await createSampler(engine, engine.createState({}), (s) => s, LABELLED_DENOISER, info, count);
  // Down to a log SNR of −4, at which a seventh of the mean is still seen.
  const logsnr = samplingGrid("ode", { loc: 2, scale: 1.5, even: true }, 60);
  const samples = await drawSamples(
    sampler,
    count,
    { logsnr, steps: samplingSteps("ode", logsnr) },
    Random.fromSeed(3),
    told,
  );
  const mean = [0, 1].map((k) => samples.reduce((sum, x, i) => sum + (i % 2 === k ? x / count : 0), 0));
  ok(Math.abs(mean[0] - 1) < 0.05 && Math.abs(mean[1] + 1) < 0.05, `${mean}`);
  await sampler.dispose();
  await engine.dispose();
});
