import { deepEqual, equal, ok, rejects } from "assert";
import * as tf from "@tensorflow/tfjs";
import { inverse, Matrix } from "ml-matrix";
import { type SamplerName, samplingGrid, type SamplingPlan, samplingSteps } from "../../../core/diffusion/sampling.ts";
import { type Backend, createEngine } from "../../../core/engine/mod.ts";
import type { DataInfo, Denoiser } from "../../../core/plugins/contracts.ts";
import { Random } from "../../../core/random/random.ts";
import { gaussianDenoiser, gaussianOf } from "../../../core/reference/gaussian.ts";
import { gaussianMixture } from "../../../core/reference/mixture.ts";
import { mixturePrediction } from "../../../core/reference/mixture_prediction.ts";
import { createInpainter, fillAll, type Inpainter, type Inpainting } from "../../../core/sampling/inpainting.ts";
import { assertWithin } from "../../reference.ts";

const ONCE = { resample: 1, jump: 1 } as const;
const SCORE: Inpainting = { method: "score", iterations: 2, ...ONCE };
const WALKED: Inpainting = { method: "score", iterations: 1, resample: 5, jump: 5 };
const REPAINT: Inpainting = { method: "repaint", resample: 10, jump: 5 };

function planOf(sampler: SamplerName, steps: number): SamplingPlan {
  const logsnr = samplingGrid(sampler, { loc: 1.5, scale: 2 }, steps);
  return { logsnr, steps: samplingSteps(sampler, logsnr) };
}

async function inpainterOf(
  denoiser: Denoiser,
  data: DataInfo,
  how: Inpainting,
  batch: number,
  backend: Backend = "onnx-cpu",
): Promise<Inpainter> {
  const engine = await createEngine(backend, 1);
  return await createInpainter(engine, engine.createState({}), (s) => s, { denoiser, data, batch, how });
}

/** A Gaussian in four dimensions. */
const MEAN = [0.3, -0.2, 0.5, 0];
const COVARIANCE = new Matrix([
  [0.8, 0.5, 0.3, -0.2],
  [0.5, 1.5, -0.2, 0.4],
  [0.3, -0.2, 0.6, 0.1],
  [-0.2, 0.4, 0.1, 0.9],
]);
const GAUSSIAN = { shape: [4], gaussian: gaussianOf(MEAN, COVARIANCE.to1DArray()) };
const ideal: Denoiser = {
  init: () => ({}),
  predict: (_, z, logsnr) => gaussianDenoiser(z, logsnr, GAUSSIAN.gaussian),
};

/** Mean and covariance of the last two axes given the first two. */
function conditional(values: readonly number[]) {
  const part = (rows: number[], columns: number[]) => COVARIANCE.selection(rows, columns);
  const factor = part([2, 3], [0, 1]).mmul(inverse(part([0, 1], [0, 1])));
  const moved = factor.mmul(Matrix.columnVector([values[0] - MEAN[0], values[1] - MEAN[1]]));
  const covariance = part([2, 3], [2, 3]).sub(factor.mmul(part([0, 1], [2, 3])));
  return { mean: [MEAN[2] + moved.get(0, 0), MEAN[3] + moved.get(1, 0)], covariance };
}

/** Mean, variances and covariance of the last two axes of rows. */
function momentsOf(rows: Float32Array) {
  const n = rows.length / 4, mean = [0, 0], c = [0, 0, 0];
  for (let i = 0; i < n; i++) [2, 3].forEach((k, j) => mean[j] += rows[4 * i + k] / n);
  for (let i = 0; i < n; i++) {
    const [a, b] = [rows[4 * i + 2] - mean[0], rows[4 * i + 3] - mean[1]];
    [a * a, b * b, a * b].forEach((product, k) => c[k] += product / n);
  }
  return { mean, variances: c.slice(0, 2), covariance: c[2] };
}

Deno.test("draws of a Gaussian have its conditional mean and covariance, by either method", async () => {
  const values = [1.2, -0.9], truth = conditional(values), count = 1500;
  const known = { values: Float32Array.of(...values, NaN, NaN), isKnown: Uint8Array.of(1, 1, 0, 0) };
  // Means are known to 0.026 deviations, variances to 4 %. By `score` the rest is the grid's; RePaint leaves a part of the
  // mean. What is walked again on few levels is too narrow, as each ancestral step is a little.
  const tries = [
    { how: SCORE, plan: planOf("ode", 50), mean: 0.1, variance: [0.87, 1.13] },
    { how: SCORE, plan: planOf("ancestral", 100), mean: 0.1, variance: [0.82, 1.1] },
    { how: WALKED, plan: planOf("ancestral", 60), mean: 0.12, variance: [0.75, 1.1] },
    { how: REPAINT, plan: planOf("ancestral", 100), mean: 0.2, variance: [0.75, 1.1] },
  ];
  for (const { how, plan, mean, variance: [low, high] } of tries) {
    const inpainter = await inpainterOf(ideal, GAUSSIAN, how, 500);
    const rows = await fillAll(inpainter, known, count, plan, Random.fromSeed(1));
    await inpainter.dispose();
    for (let i = 0; i < rows.length; i += 4) deepEqual([...rows.subarray(i, i + 2)], values.map(Math.fround));
    const got = momentsOf(rows);
    [0, 1].forEach((k) => {
      const variance = truth.covariance.get(k, k), off = (got.mean[k] - truth.mean[k]) / Math.sqrt(variance);
      ok(Math.abs(off) < mean, `${how.method}: mean ${k} is off by ${off} deviations`);
      const ratio = got.variances[k] / variance;
      ok(ratio > low && ratio < high, `${how.method}: variance ${k} is ${ratio} of what it should be`);
    });
    ok(Math.abs(got.covariance - truth.covariance.get(0, 1)) < 0.12, `${how.method}: covariance ${got.covariance}`);
  }
});

Deno.test("resampling makes RePaint's two parts fit", async () => {
  const values = [1.2, -0.9], truth = conditional(values);
  const known = { values: Float32Array.of(...values, NaN, NaN), isKnown: Uint8Array.of(1, 1, 0, 0) };
  const offBy = async (resample: number) => {
    const inpainter = await inpainterOf(ideal, GAUSSIAN, { method: "repaint", resample, jump: 5 }, 500);
    const rows = await fillAll(inpainter, known, 500, planOf("ancestral", 60), Random.fromSeed(2));
    await inpainter.dispose();
    const { mean } = momentsOf(rows);
    return Math.hypot(...mean.map((m, k) => (m - truth.mean[k]) / Math.sqrt(truth.covariance.get(k, k))));
  };
  const [once, often] = [await offBy(1), await offBy(15)];
  ok(once > 0.3 && often < 0.6 * once, `${once} and ${often}`);
});

Deno.test("of a mixture of two both components are drawn, near their shares", async () => {
  const weights = [0.6, 0.4], centres = [[-0.8, -0.9], [0.7, 0.8]], variance = 0.16, x = 0.1;
  const mixture = gaussianMixture({
    weights,
    means: centres.flat(),
    covariances: [variance, 0, 0, variance, variance, 0, 0, variance],
  });
  const predict = mixturePrediction(mixture);
  const denoiser: Denoiser = { init: () => ({}), predict: (_, z, logsnr) => predict(z, logsnr) };
  const gaussian = gaussianOf([-0.2, -0.22], [0.7, 0.612, 0.612, 0.8536]);
  const likelihoods = weights.map((w, k) => w * Math.exp(-((x - centres[k][0]) ** 2) / (2 * variance)));
  const upper = likelihoods[1] / (likelihoods[0] + likelihoods[1]);
  for (const how of [SCORE, WALKED, REPAINT]) {
    const inpainter = await inpainterOf(denoiser, { shape: [2], gaussian }, how, 500);
    const known = { values: Float32Array.of(x, 0), isKnown: Uint8Array.of(1, 0) };
    const rows = await fillAll(inpainter, known, 500, planOf("ancestral", 100), Random.fromSeed(3));
    await inpainter.dispose();
    const ys = rows.filter((_, i) => i % 2 === 1), share = ys.filter((y) => y > -0.05).length / ys.length;
    // What both take p(known | z) for pulls the shares towards those of the prior, of which 0.4 is the upper one's: 0.60
    // and 0.63 of 2,000 draws, where 0.73 is right.
    ok(share > 0.52 && share < upper + 0.05, `${how.method}: ${share}, expected ${upper}`);
    const near = ys.filter((y) => centres.some((centre) => Math.abs(y - centre[1]) < 3 * Math.sqrt(variance))).length;
    ok(near > 0.98 * ys.length, `${how.method}: ${near} of ${ys.length} lie in a component`);
  }
});

Deno.test("the same seed gives the same draws whatever the batch; each sample may have a mask of its own", async () => {
  const known = {
    values: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8),
    isKnown: Uint8Array.of(1, 0, 0, 1, 0, 1, 1, 1),
  };
  for (const how of [SCORE, { ...WALKED, resample: 2 }, { ...REPAINT, resample: 2 }] satisfies Inpainting[]) {
    const fill = async (batch: number, seed = 4) => {
      const inpainter = await inpainterOf(ideal, GAUSSIAN, how, batch);
      const rows = await fillAll(inpainter, known, 3, planOf("ancestral", 12), Random.fromSeed(seed));
      await inpainter.dispose();
      return rows;
    };
    const whole = await fill(8);
    equal(whole.length, 24);
    for (let row = 0; row < 6; row++) {
      for (let k = 0; k < 4; k++) {
        const at = Math.floor(row / 3) * 4 + k;
        equal(whole[row * 4 + k] === known.values[at], known.isKnown[at] === 1, `row ${row}, value ${k}`);
      }
    }
    assertWithin(await fill(4), whole, { rtol: 1e-4, atol: 1e-4 }, `${how.method} in batches of 4`);
    deepEqual(await fill(8), whole);
    ok((await fill(8, 5))[1] !== whole[1]);
  }
});

Deno.test("no tensor is left behind, and what does not fit is refused", async () => {
  for (const how of [SCORE, REPAINT]) {
    const inpainter = await inpainterOf(ideal, GAUSSIAN, how, 2, "tfjs-cpu");
    const known = { values: new Float32Array(4), isKnown: Uint8Array.of(1, 0, 0, 0) };
    const before = tf.memory().numTensors;
    await fillAll(inpainter, known, 3, planOf("ancestral", 6), Random.fromSeed(0));
    equal(tf.memory().numTensors, before);
    const wrong = { ...known, isKnown: Uint8Array.of(1, 0) };
    await rejects(fillAll(inpainter, wrong, 1, planOf("ancestral", 6), Random.fromSeed(0)), /a mask of one or all/);
    const walked = fillAll(inpainter, known, 1, planOf("ode", 6), Random.fromSeed(0));
    if (how.resample > 1) await rejects(walked, /expected those of ancestral or ddim/);
    else await walked;
    await inpainter.dispose();
  }
  const broken: Denoiser = { init: () => ({}), predict: (_, z) => tf.mul(z, NaN) };
  const inpainter = await inpainterOf(broken, GAUSSIAN, REPAINT, 2);
  const known = { values: new Float32Array(4), isKnown: Uint8Array.of(1, 0, 0, 0) };
  await rejects(
    fillAll(inpainter, known, 1, planOf("ancestral", 6), Random.fromSeed(0)),
    /Sample 0 came out as NaN, expected finite values/,
  );
  await inpainter.dispose();
});
