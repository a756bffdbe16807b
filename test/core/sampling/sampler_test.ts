import { deepEqual, equal, ok, rejects } from "assert";
import * as tf from "@tensorflow/tfjs";
import { type Gaussian, gaussianOf, standardGaussian } from "../../../core/reference/gaussian.ts";
import { type SamplerName, samplingGrid, type SamplingPlan, samplingSteps } from "../../../core/diffusion/sampling.ts";
import { type Backend, createEngine } from "../../../core/engine/mod.ts";
import type { Denoiser } from "../../../core/plugins/contracts.ts";
import { Random } from "../../../core/random/random.ts";
import { createSampler, drawSamples, type Sampler } from "../../../core/sampling/sampler.ts";
import type { HostTensors } from "../../../core/data/tensors.ts";
import * as gaussianPlugin from "../../../denoisers/gaussian.ts";
import { assertWithin, readTensors } from "../../reference.ts";

const ROWS = 16;

/** The Gaussian of the reference, that of the data set scg. */
const truth = gaussianOf([0, 0], (await readTensors("sampling/gaussian.safetensors")).cov.data);

async function samplerOf(
  backend: Backend,
  denoiser: Denoiser,
  params: HostTensors,
  gaussian: Gaussian,
  batch: number,
): Promise<Sampler> {
  const engine = await createEngine(backend, 1);
  const info = { shape: [gaussian.mean.length], gaussian };
  return createSampler(engine, engine.createState(params), (s) => s, denoiser, info, batch);
}

function exactSampler(batch: number, gaussian: Gaussian = truth): Promise<Sampler> {
  const denoiser = gaussianPlugin.create({ shape: [gaussian.mean.length], gaussian });
  return samplerOf("onnx-cpu", denoiser, {}, gaussian, batch);
}

function planOf(sampler: SamplerName, logsnr: Float64Array, eta?: number): SamplingPlan {
  return { logsnr, steps: samplingSteps(sampler, logsnr, eta) };
}

const noNoise = () => {
  throw new Error("A deterministic sampler draws no noise.");
};

Deno.test("the ODE's error falls with the square of the step, DDIM's with the step", async () => {
  const { logsnr, z, z_exact } = await readTensors("sampling/gaussian.safetensors");
  const size = 2 * ROWS;
  const last = logsnr.data.length - 1;
  const exact = z_exact.data.slice(last * size);
  const sampler = await exactSampler(ROWS);
  const errorOf = async (name: SamplerName, stride: number) => {
    const grid = Float64Array.from(logsnr.data).filter((_, k) => k % stride === 0);
    let error = 0;
    for await (const got of sampler.follow(z.data.slice(0, size), planOf(name, grid), noNoise)) {
      if (got.level === grid.length - 1) error = Math.max(...got.z.map((value, i) => Math.abs(value - exact[i])));
    }
    return error;
  };
  const orders = { ode: 2, ddim: 1 };
  for (const name of ["ode", "ddim"] as const) {
    const [coarse, fine] = [await errorOf(name, 8), await errorOf(name, 4)];
    const order = Math.log2(coarse / fine);
    ok(Math.abs(order - orders[name]) < 0.35, `${name}: ${coarse}, ${fine}, order ${order}`);
  }
  const [ode, ddim] = [await errorOf("ode", 4), await errorOf("ddim", 4)];
  ok(ode < ddim / 5, `${ode} and ${ddim}`);
  await sampler.dispose();
});

Deno.test("every sampler draws the Gaussian's mean and covariance", async () => {
  const mean = [0.3, -0.2];
  const covariance = [1, 0.6, 0.6, 0.5];
  const sampler = await exactSampler(1000, gaussianOf(mean, covariance));
  const count = 4_000;
  const tries = [["ode", 60], ["ddim", 200], ["ddim", 120, 0.5], ["ancestral", 120]] as const;
  for (const [name, levels, eta] of tries) {
    const grid = samplingGrid(name, { loc: 1, scale: 2.5 }, levels);
    const x = await drawSamples(sampler, count, planOf(name, grid, eta), Random.fromSeed(3));
    const moments = [0, 0, 0, 0, 0];
    for (let i = 0; i < x.length; i += 2) {
      const [a, b] = [x[i] - mean[0], x[i + 1] - mean[1]];
      [a, b, a * a, a * b, b * b].forEach((value, k) => moments[k] += value / count);
    }
    // Standard errors of the moments are at most 0.022; the first-order samplers' grids add up to two percent.
    [0, 0, 1, 0.6, 0.5].forEach((value, k) =>
      ok(Math.abs(moments[k] - value) < 0.06, `${name} ${eta ?? ""}: moment ${k} is ${moments[k]}, expected ${value}`)
    );
  }
  await sampler.dispose();
});

Deno.test("the same seed gives the same samples whatever the batch and the count", async () => {
  const gaussian = gaussianOf([0.5, 0, -1], [1, 0.2, 0, 0.2, 0.5, 0.1, 0, 0.1, 2]);
  const draw = async (batch: number, count: number, name: SamplerName, seed = 5) => {
    const sampler = await exactSampler(batch, gaussian);
    const samples = await drawSamples(
      sampler,
      count,
      planOf(name, samplingGrid(name, { loc: 0, scale: 2 }, 20)),
      Random.fromSeed(seed),
    );
    await sampler.dispose();
    return samples;
  };
  for (const name of ["ode", "ancestral"] as const) {
    const whole = await draw(32, 10, name);
    for (const [batch, count] of [[1, 10], [4, 10], [7, 6]]) {
      const part = await draw(batch, count, name);
      assertWithin(part, whole.subarray(0, 3 * count), { rtol: 1e-5, atol: 1e-5 }, `${name} in batches of ${batch}`);
    }
    deepEqual(await draw(32, 10, name), whole);
    ok((await draw(32, 10, name, 6)).every((value, i) => value !== whole[i]));
  }
});

Deno.test("progress grows to the count, and no tensor is left behind", async () => {
  const denoiser = gaussianPlugin.create({ shape: [2], gaussian: truth });
  const sampler = await samplerOf("tfjs-cpu", denoiser, {}, truth, 4);
  const plan = planOf("ancestral", samplingGrid("ancestral", { loc: 0, scale: 2 }, 5));
  const before = tf.memory().numTensors;
  const done: number[] = [];
  const firsts: number[] = [];
  for await (const record of sampler.draw(10, plan, Random.fromSeed(0))) {
    if (record.kind === "evaluation") done.push(record.done);
    else firsts.push(record.first);
    equal(tf.memory().numTensors, before);
  }
  equal(done.length, 15);
  ok(done.every((value, i) => i === 0 || value > done[i - 1]) && done[14] === 10);
  deepEqual(firsts, [0, 4, 8]);
  await sampler.dispose();
});

Deno.test("the sampler follows the weights in the state as they change", async () => {
  const engine = await createEngine("onnx-cpu", 1);
  const state = engine.createState({ w: { shape: [1], data: Float32Array.of(0) } });
  const info = { shape: [2], gaussian: standardGaussian(2) };
  const denoiser: Denoiser = { init: () => ({}), predict: ({ shift }, z) => tf.add(z, shift) };
  const sampler = await createSampler(engine, state, ({ w }) => ({ shift: w }), denoiser, info, 2);
  const plan = planOf("ddim", Float64Array.of(0));
  const draw = () => drawSamples(sampler, 2, plan, Random.fromSeed(0));
  const before = await draw();
  state.write({ w: { shape: [1], data: Float32Array.of(1) } });
  // At log SNR 0, x̂ is √2·z − ε̂.
  assertWithin(await draw(), before.map((x) => x - 1), { rtol: 0, atol: 1e-6 }, "x̂ after the change");
  await sampler.dispose();
});

Deno.test("samples that are not finite are an error that names the first", async () => {
  const denoiser: Denoiser = { init: () => ({}), predict: (_, z) => tf.div(z, tf.sub(z, z)) };
  const sampler = await samplerOf("tfjs-cpu", denoiser, {}, standardGaussian(1), 2);
  const plan = planOf("ode", samplingGrid("ode", { loc: 0, scale: 1 }, 3));
  await rejects(drawSamples(sampler, 3, plan, Random.fromSeed(0)), {
    name: "SamplingError",
    message: /^Sample 0 came out as -?(NaN|Infinity)/,
  });
  await sampler.dispose();
});
