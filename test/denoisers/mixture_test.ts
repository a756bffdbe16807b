import { deepEqual, ok, rejects, throws } from "assert";
import { join } from "node:path";
import { entropy, fitGaussian, gaussianOf } from "../../core/reference/gaussian.ts";
import { meanAndStderr } from "../../core/diffusion/likelihood.ts";
import { sigmoid } from "../../core/diffusion/logsnr.ts";
import { createEngine } from "../../core/engine/mod.ts";
import { UserError } from "../../core/errors/user_error.ts";
import { createErrorMeter } from "../../core/evaluation/errors.ts";
import { nllPerSample } from "../../core/evaluation/nll.ts";
import { encodeSafetensors } from "../../core/io/safetensors.ts";
import type { Denoiser } from "../../core/plugins/contracts.ts";
import { Random } from "../../core/random/random.ts";
import { floatSamples } from "../../core/data/samples.ts";
import { predict } from "../../core/plugins/predict.ts";
import { create as createGaussian } from "../../denoisers/gaussian.ts";
import {
  create,
  type GaussianMixture,
  gaussianMixture,
  mixtureDenoiser,
  MixtureError,
  mixtureNll,
  readMixture,
  sampleMixture,
} from "../../denoisers/mixture/mod.ts";
import { randomMixture } from "../../denoisers/mixture/random.ts";
import { LOCAL_BACKENDS } from "../backends.ts";
import { inFolder } from "../folders.ts";

/** What a denoiser without parameters predicts. */
async function predictions(
  backend: typeof LOCAL_BACKENDS[number],
  denoiser: Denoiser,
  z: Float32Array,
  logsnr: Float32Array,
): Promise<Float32Array> {
  const engine = await createEngine(backend, 1);
  const state = engine.createState({});
  const shape = [logsnr.length, z.length / logsnr.length];
  const program = await engine.compile(
    (_, inputs) => ({ outputs: { eps: predict(denoiser, {}, inputs.z, inputs.logsnr) } }),
    state,
    { z: shape, logsnr: [logsnr.length] },
  );
  const { eps } = await program.run({ z, logsnr });
  const copy = eps.slice();
  await program.dispose();
  state.dispose();
  engine.dispose();
  return copy;
}

/** The posterior mean of ε given z, by quadrature over x on a grid that holds all of the mixture. */
function posteriorMean(mixture: GaussianMixture, z: readonly number[], logsnr: number): number[] {
  const d = z.length, side = d === 1 ? 20001 : 241, extent = 8;
  const axis = (i: number) => -extent + 2 * extent * i / (side - 1);
  const grid = new Float32Array(side ** d * d);
  for (let i = 0; i < side ** d; i++) {
    for (let j = 0; j < d; j++) grid[i * d + j] = axis(Math.floor(i / side ** j) % side);
  }
  const nll = mixtureNll(floatSamples(grid, d), mixture);
  const [signal, noise] = [Math.sqrt(sigmoid(logsnr)), Math.sqrt(sigmoid(-logsnr))];
  const mean = new Float64Array(d);
  let total = 0;
  for (let i = 0; i < nll.length; i++) {
    const eps = Array.from({ length: d }, (_, j) => (z[j] - signal * grid[i * d + j]) / noise);
    const weight = Math.exp(-nll[i] - eps.reduce((sum, e) => sum + e * e / 2, 0));
    total += weight;
    eps.forEach((e, j) => mean[j] += weight * e);
  }
  return Array.from(mean, (sum) => sum / total);
}

const EXAMPLES = [
  gaussianMixture({ weights: [0.3, 0.6, 0.1], means: [-2, 1, 1.5], covariances: [0.04, 0.5, 0.02] }),
  gaussianMixture({
    weights: [0.7, 0.3],
    means: [-1, 0.5, 2, -1],
    covariances: [1, 0.6, 0.6, 0.5, 0.2, -0.1, -0.1, 0.3],
  }),
];

Deno.test("it is the posterior mean of the noise, by quadrature, on every backend", async () => {
  for (const mixture of EXAMPLES) {
    const d = mixture.components[0].mean.length;
    const levels = [-8, -2, 0, 1.5, 4];
    const random = Random.fromSeed(3);
    const z = random.fillNormal(new Float32Array(levels.length * d));
    const truth = levels.flatMap((alpha, i) => posteriorMean(mixture, [...z.subarray(i * d, (i + 1) * d)], alpha));
    for (const backend of LOCAL_BACKENDS) {
      const eps = await predictions(backend, mixtureDenoiser(mixture), z, Float32Array.from(levels));
      eps.forEach((value, i) => ok(Math.abs(value - truth[i]) < 2e-4, `${backend}, ${d}-D: ${value}, not ${truth[i]}`));
    }
  }
});

Deno.test("one component is the Gaussian denoiser, at both ends of log SNR too", async () => {
  const [mean, covariance] = [[0.5, -1, 2], [1, 0.2, 0.1, 0.2, 0.5, 0, 0.1, 0, 0.05]];
  const mixture = gaussianMixture({ weights: [1], means: mean, covariances: covariance });
  const gaussian = createGaussian({ shape: [3], gaussian: gaussianOf(mean, covariance) });
  const logsnr = Float32Array.of(-80, -30, -3, 0, 3, 16, 30, 80);
  const z = Random.fromSeed(1).fillNormal(new Float32Array(3 * logsnr.length));
  for (const backend of LOCAL_BACKENDS) {
    const got = await predictions(backend, mixtureDenoiser(mixture), z, logsnr);
    const wanted = await predictions(backend, gaussian, z, logsnr);
    got.forEach((value, i) => {
      ok(Math.abs(value - wanted[i]) < 1e-5 * (1 + Math.abs(wanted[i])), `${backend}: ${value}, not ${wanted[i]}`);
    });
  }
});

Deno.test("far from every component it is finite, and follows the nearest", async () => {
  const far = gaussianMixture({ weights: [0.5, 0.5], means: [-1000, 1000], covariances: [1e-4, 1e-4] });
  for (const backend of LOCAL_BACKENDS) {
    const eps = await predictions(backend, mixtureDenoiser(far), Float32Array.of(1500, -999), Float32Array.of(12, 12));
    // ε̂ = √σ(−α)·(z − √σ(α)·μ) / (σ(α)·λ + σ(−α)) of that component.
    const [s, r] = [sigmoid(12), sigmoid(-12)];
    [[1500, 1000], [-999, -1000]].forEach(([z, mean], i) => {
      const wanted = Math.sqrt(r) * (z - Math.sqrt(s) * mean) / (s * 1e-4 + r);
      ok(Math.abs(eps[i] / wanted - 1) < 1e-3, `${backend}: ${eps[i]}, not ${wanted}`);
    });
  }
});

Deno.test("the density is 1 in all, and samples have its mean, covariance and likelihood", () => {
  const [, mixture] = EXAMPLES;
  const side = 401, step = 16 / (side - 1);
  const grid = Float32Array.from({ length: 2 * side * side }, (_, i) => {
    const point = i >> 1;
    return -8 + step * (i % 2 ? Math.floor(point / side) : point % side);
  });
  const nll = mixtureNll(floatSamples(grid, 2), mixture);
  const mass = nll.reduce((sum, value) => sum + Math.exp(-value) * step * step, 0);
  const entropyByQuadrature = nll.reduce((sum, value) => sum + Math.exp(-value) * value * step * step, 0);
  ok(Math.abs(mass - 1) < 1e-5, `${mass}`);
  const samples = floatSamples(sampleMixture(mixture, Random.fromSeed(1), 40_000), 2);
  const { mean, stderr } = meanAndStderr(mixtureNll(samples, mixture));
  ok(Math.abs(mean - entropyByQuadrature) < 3 * stderr, `${mean} ± ${stderr}, not ${entropyByQuadrature}`);
  const fitted = fitGaussian(samples).mean;
  ok(Math.abs(fitted[0] - -0.1) < 0.03 && Math.abs(fitted[1] - 0.05) < 0.03, `${fitted}`);
});

for (const [k, d] of [[1, 2], [1, 16], [1, 64], [4, 2], [4, 16]]) {
  Deno.test(`the paired NLL of ${k} in ${d}-D has the truth within two standard errors in 19 of 20 seeds`, async () => {
    const engine = await createEngine("onnx-cpu", 1);
    let [within, bias, variance] = [0, 0, 0];
    const scores: number[] = [];
    for (let seed = 0; seed < 20; seed++) {
      const random = Random.fromSeed(seed);
      const mixture = randomMixture(random.split("mixture"), k, d);
      const x = floatSamples(sampleMixture(mixture, random.split("samples"), 400), d);
      const gaussian = fitGaussian(x);
      const state = engine.createState({});
      const info = { shape: [d], gaussian };
      const meter = await createErrorMeter(engine, state, () => ({}), mixtureDenoiser(mixture), info, 800);
      // What lies beyond these log SNRs, where every component looks Gaussian, is less than a hundredth of a nat.
      const nll = await nllPerSample(meter, x, { loc: 1.5, scale: 2.5 }, random.split("noise"), 4);
      const truth = mixtureNll(x, mixture);
      const got = meanAndStderr(nll);
      const difference = meanAndStderr(nll.map((value, i) => value - truth[i]));
      within += Number(Math.abs(difference.mean) < 2 * got.stderr);
      if (k === 1) scores.push((got.mean - entropy(mixture.components[0])) / got.stderr);
      bias += difference.mean / 20;
      variance += (difference.stderr / 20) ** 2;
      await meter.dispose();
      state.dispose();
    }
    engine.dispose();
    ok(within >= 19, `${within} of 20`);
    // Much stricter than that: over all seeds, against the noise alone.
    ok(Math.abs(bias) < 3 * Math.sqrt(variance), `${bias} ± ${Math.sqrt(variance)}`);
    // Against the entropy, which other samples would scatter around as these do.
    const score = scores.reduce((sum, z) => sum + z, 0) / Math.sqrt(20);
    ok(Math.abs(score) < 3 && scores.every((z) => Math.abs(z) < 3.5), scores.join(" "));
  });
}

const VALID = { weights: [0.25, 0.75], means: [[0, 1], [2, 3]], covariances: [[[1, 0], [0, 1]], [[2, 0.5], [0.5, 1]]] };

Deno.test("a mixture is read from JSON and from safetensors, and denoises data of its dimension", () =>
  inFolder(async (folder) => {
    const [json, safetensors] = [join(folder, "m.json"), join(folder, "m.safetensors")];
    await Deno.writeTextFile(json, JSON.stringify(VALID));
    const tensor = (shape: number[], values: readonly number[]) => ({ shape, data: Float64Array.from(values) });
    await Deno.writeFile(
      safetensors,
      encodeSafetensors({
        weights: tensor([2], VALID.weights),
        means: tensor([2, 2], VALID.means.flat()),
        covariances: tensor([2, 2, 2], VALID.covariances.flat(2)),
      }),
    );
    deepEqual(await readMixture(json), await readMixture(safetensors));
    const gaussian = gaussianOf([0, 0], [1, 0, 0, 1]);
    deepEqual((await create({ shape: [2], gaussian }, { mixture: json })).init(Random.fromSeed(0)), {});
    await rejects(async () => await create({ shape: [3], gaussian }, { mixture: json }), /in 2 dimensions, .* has 3/);
    await rejects(async () => await create({ shape: [2], gaussian }, { mixture: "" }), /--mixture is missing/);
  }));

Deno.test("what is no mixture is refused with what was got and expected", () =>
  inFolder(async (folder) => {
    const path = join(folder, "m.json");
    const refusedJson = async (text: string, message: RegExp) => {
      await Deno.writeTextFile(path, text);
      await rejects(() => readMixture(path), (error) => {
        ok(error instanceof MixtureError && message.test(error.message) && !error.message.includes("\n"), `${error}`);
        return true;
      });
    };
    await refusedJson("{", /not valid JSON/);
    await refusedJson("3", /holds 3, expected an object/);
    await refusedJson(JSON.stringify({ ...VALID, means: undefined }), /has no means/);
    await refusedJson(JSON.stringify({ ...VALID, weights: [0.5, "a"] }), /weights has "a" for its value 1/);
    await refusedJson(JSON.stringify({ ...VALID, means: [[1, 2], [3]] }), /means is not an array \[2,2\]/);
    await refusedJson(JSON.stringify({ ...VALID, means: [1, 2] }), /means \[2\].*do not fit/);
    await refusedJson(JSON.stringify({ ...VALID, means: [[[[1]]]] }), /more than three axes/);
    await refusedJson(JSON.stringify({ ...VALID, weights: [0.5, 0.6] }), /1\.1 in all, expected 1/);
    await refusedJson(JSON.stringify({ ...VALID, weights: [0, 1] }), /weight 0 for component 0/);
    await rejects(() => readMixture(join(folder, "none.json")), /there is no such file/);
    const two = (covariances: number[]) => () => gaussianMixture({ weights: [1], means: [0, 0], covariances });
    throws(two([1, 0.5, -0.5, 1]), /expected a symmetric one/);
    throws(two([1, 2, 2, 1]), /not positive definite/);
    throws(two([-1, 0, 0, -1]), /not positive definite/);
    throws(two([0, 0, 0, 0]), /not positive definite/);
    throws(two([1, 0, 0]), /has 1 weights, 2 values of means and 3/);
    throws(two([1, 0, 0, 1e300]), /1e\+300 in covariances/);
  }));

Deno.test("a damaged file is a mixture or a UserError", () =>
  inFolder(async (folder) => {
    const random = Random.fromSeed(5);
    const tensor = (shape: number[], values: readonly number[]) => ({ shape, data: Float32Array.from(values) });
    const files = {
      "m.json": new TextEncoder().encode(JSON.stringify(VALID)),
      "m.safetensors": encodeSafetensors({
        weights: tensor([2], VALID.weights),
        means: tensor([2, 2], VALID.means.flat()),
        covariances: tensor([2, 2, 2], VALID.covariances.flat(2)),
      }),
    };
    let read = 0;
    for (const [name, bytes] of Object.entries(files)) {
      const path = join(folder, name);
      for (let i = 0; i < 300; i++) {
        const damaged = bytes.slice(0, random.integer(4) === 0 ? random.integer(bytes.length) : bytes.length);
        for (let j = random.integer(3); j >= 0; j--) damaged[random.integer(bytes.length)] = random.integer(256);
        await Deno.writeFile(path, damaged);
        try {
          const { components } = await readMixture(path);
          ok(components.every(({ eigenvalues }) => eigenvalues.every((value) => value > 0)));
          read++;
        } catch (error) {
          ok(error instanceof UserError, `${error}`);
        }
      }
    }
    ok(read > 0);
  }));
