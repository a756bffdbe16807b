import { ok } from "assert";
import * as tf from "@tensorflow/tfjs";
import { noisyChannel, score, squaredError } from "../../../core/diffusion/channel.ts";
import {
  entropy,
  gaussianDenoiser,
  gaussianNll,
  gaussianOf,
  standardGaussian,
} from "../../../core/diffusion/gaussian.ts";
import { meanAndStderr, nllAgainstGaussian, nllAgainstStandard } from "../../../core/diffusion/likelihood.ts";
import { logsnrAtQuantile, logsnrWeight } from "../../../core/diffusion/logsnr.ts";
import { BACKENDS, createEngine } from "../../../core/engine/mod.ts";
import { Random } from "../../../core/random.ts";
import { floatSamples } from "../../../core/samples.ts";
import { assertWithin, readCase, readTensors } from "../../reference.ts";

const PROPOSAL = { loc: 0, scale: 3 };

/** The reference's data: a Gaussian whose best denoiser is known. */
async function referenceGaussian() {
  const { cov } = await readTensors("core/nll/data.safetensors");
  return gaussianOf([0, 0], cov.data);
}

for (const backend of BACKENDS) {
  const run = async (
    program: (inputs: Record<string, tf.Tensor>) => Record<string, tf.Tensor>,
    inputs: Record<string, { shape: readonly number[]; data: Float32Array }>,
  ) => {
    const engine = await createEngine(backend, 1);
    const state = engine.createState({});
    const shapes = Object.fromEntries(Object.entries(inputs).map(([name, t]) => [name, t.shape]));
    const compiled = await engine.compile((_, given) => ({ outputs: program(given) }), state, shapes);
    const results = await compiled.run(Object.fromEntries(Object.entries(inputs).map(([name, t]) => [name, t.data])));
    await compiled.dispose();
    return results;
  };

  Deno.test(`${backend}: the noisy channel equals the reference for vectors and images`, async () => {
    const { tolerances } = await readCase("core/logistic");
    const tensors = await readTensors("core/logistic/noisy_channel.safetensors");
    for (const kind of ["vec2", "img"]) {
      const { z } = await run(
        ({ x, eps, logsnr }) => ({ z: noisyChannel(x, eps, logsnr) }),
        { x: tensors[`${kind}.x`], eps: tensors[`${kind}.eps`], logsnr: tensors[`${kind}.logsnr`] },
      );
      assertWithin(z, tensors[`${kind}.z`].data, tolerances[`${kind}.z`], `${kind}.z`);
    }
  });

  Deno.test(`${backend}: the Gaussian denoiser and its errors equal the reference over log SNR`, async () => {
    const { tolerances } = await readCase("core/nll");
    const grid = await readTensors("core/nll/grid.safetensors");
    const gaussian = await referenceGaussian();
    const [levels, n] = [grid.logsnr.shape[0], grid.x.shape[0]];
    const rows = levels * n;
    const x = Float32Array.from({ length: rows * 2 }, (_, i) => grid.x.data[i % (n * 2)]);
    const logsnr = Float32Array.from({ length: rows }, (_, i) => grid.logsnr.data[Math.floor(i / n)]);
    const got = await run(({ x, eps, logsnr }) => {
      const z = noisyChannel(x, eps, logsnr);
      const epsHat = gaussianDenoiser(z, logsnr, gaussian);
      return { z, epsHat, mse: squaredError(eps, epsHat), score: score(epsHat, logsnr) };
    }, {
      x: { shape: [rows, 2], data: x },
      eps: { shape: [rows, 2], data: grid.eps.data },
      logsnr: { shape: [rows], data: logsnr },
    });
    assertWithin(got.z, grid.z.data, tolerances.z, "z");
    assertWithin(got.epsHat, grid.eps_hat.data, tolerances.eps_hat, "eps_hat");
    assertWithin(got.mse, grid.mse.data, tolerances.mse, "mse");
    const integrand = Float64Array.from(got.mse, (mse, i) => 0.5 * (mse - 2 / (1 + Math.exp(-logsnr[i]))));
    assertWithin(integrand, grid.integrand.data, tolerances.integrand, "integrand");
    const scores = Float64Array.from(grid.eps_hat.data, (e, i) => -e * Math.sqrt(1 + Math.exp(logsnr[i >> 1])));
    assertWithin(got.score, scores, { rtol: 1e-4, atol: 3e-3 }, "score");
  });

  Deno.test(`${backend}: the NLL of a batch and of points equals the seed's on the same noise`, async () => {
    const { scalars, tolerances } = await readCase("core/nll");
    const gaussian = await referenceGaussian();
    const errors = async (x: Float32Array, eps: Float32Array, u: Float32Array) => {
      const logsnr = Float32Array.from(u, (p) => logsnrAtQuantile(p, PROPOSAL));
      const rows = u.length;
      const { mse } = await run(({ x, eps, logsnr }) => {
        return { mse: squaredError(eps, gaussianDenoiser(noisyChannel(x, eps, logsnr), logsnr, gaussian)) };
      }, {
        x: { shape: [rows, 2], data: x },
        eps: { shape: [rows, 2], data: eps },
        logsnr: { shape: [rows], data: logsnr },
      });
      return Float64Array.from(mse, (error, i) => {
        return nllAgainstStandard({ logsnr: logsnr[i], weight: logsnrWeight(logsnr[i], PROPOSAL), mse: error }, 2);
      });
    };
    const batch = await readTensors("core/nll/batch.safetensors");
    const perSample = await errors(batch.x.data, batch.eps.data, batch.u.data);
    assertWithin(perSample, batch.per_sample_nll.data, tolerances.per_sample_nll, "per sample");
    const { mean, stderr } = meanAndStderr(perSample);
    assertWithin([mean], [(scalars.batch_nll as { value: number }).value], tolerances.batch_nll, "batch");
    assertWithin([stderr], [scalars.batch_nll_standard_error as number], { rtol: 1e-3, atol: 0 }, "standard error");

    const points = await readTensors("core/nll/points.safetensors");
    const [count, levels] = points.u.shape;
    const x = Float32Array.from({ length: count * levels * 2 }, (_, i) => {
      return points.x.data[Math.floor(i / (2 * levels)) * 2 + i % 2];
    });
    const draws = await errors(x, points.eps.data, points.u.data);
    const nll = Float64Array.from({ length: count }, (_, i) => {
      return meanAndStderr(draws.subarray(i * levels, (i + 1) * levels)).mean;
    });
    assertWithin(nll, points.nll_x.data, tolerances.nll_x, "points");
  });
}

Deno.test("a Gaussian's entropy and log density are exact", async () => {
  const { scalars } = await readCase("core/nll");
  const gaussian = await referenceGaussian();
  const truth = (scalars.true_entropy_nats as { value: number }).value;
  assertWithin([entropy(gaussian)], [truth], { rtol: 1e-6, atol: 0 }, "entropy");
  const points = await readTensors("core/nll/points.safetensors");
  assertWithin(
    gaussianNll(floatSamples(points.x.data, 2), gaussian),
    points.neg_log_density.data,
    { rtol: 1e-4, atol: 1e-4 },
    "density",
  );
});

Deno.test("the paired estimator has no variance for the Gaussian's own denoiser, and its mean is the truth for another", () => {
  ok(nllAgainstGaussian({ logsnr: 1, weight: 17, mse: 0.25 }, 0.25, 1.5) === 1.5);
  // In one dimension, N(0, 1/4) seen through the denoiser of N(0, 1): the NLL is the cross entropy's, ½log(2π) + 1/8.
  const random = Random.fromSeed(1);
  const gaussian = { mean: new Float64Array(1), eigenvalues: Float64Array.of(0.25) };
  const proposal = { loc: 0.7, scale: 2.5 };
  const n = 40_000;
  const samples = random.fillNormal(new Float32Array(n)).map((x) => 0.5 * x);
  const baseline = gaussianNll(floatSamples(samples, 1), gaussian);
  const draws = Float64Array.from(samples, (x, i) => {
    const eps = random.normal();
    const logsnr = logsnrAtQuantile((i + 0.5) / n, proposal);
    const [s, r] = [1 / (1 + Math.exp(-logsnr)), 1 / (1 + Math.exp(logsnr))];
    const z = Math.sqrt(s) * x + Math.sqrt(r) * eps;
    const mse = (eps - Math.sqrt(r) * z) ** 2;
    const mseGaussian = (eps - Math.sqrt(r) * z / (s * 0.25 + r)) ** 2;
    const weight = logsnrWeight(logsnr, proposal);
    return nllAgainstGaussian({ logsnr, weight, mse }, mseGaussian, baseline[i]);
  });
  const { mean, stderr } = meanAndStderr(draws);
  const truth = 0.5 * Math.log(2 * Math.PI) + 0.125;
  ok(Math.abs(mean - truth) < 4 * stderr && stderr < 0.03, `${mean} ± ${stderr}, truth ${truth}`);
});

Deno.test("N(0, I) is its own Gaussian", () => {
  ok(Math.abs(entropy(standardGaussian(3)) - 1.5 * Math.log(2 * Math.PI * Math.E)) < 1e-12);
});
