import { noisyChannel, score, squaredError } from "../../core/diffusion/channel.ts";
import { gaussianDenoiser, gaussianOf } from "../../core/reference/gaussian.ts";
import { meanAndStderr, nllAgainstStandard } from "../../core/diffusion/likelihood.ts";
import { logsnrAtQuantile, logsnrWeight } from "../../core/diffusion/logsnr.ts";
import { readCase, readTensors } from "../reference.ts";
import { runOn } from "../core/engine/differentiate.ts";
import { type ConformanceCase, type Deviation, deviation } from "./case.ts";

const PROPOSAL = { loc: 0, scale: 3 };

/** The reference's data: a Gaussian whose best denoiser is known. */
async function referenceGaussian() {
  const { cov } = await readTensors("core/nll/data.safetensors");
  return gaussianOf([0, 0], cov.data);
}

/** z from x and ε, for vectors and images. */
export const channel: ConformanceCase = {
  name: "noisy channel",
  reference: "PyTorch",
  async run(engine) {
    const { tolerances } = await readCase("core/logistic");
    const tensors = await readTensors("core/logistic/noisy_channel.safetensors");
    const deviations: Deviation[] = [];
    for (const kind of ["vec2", "img"]) {
      const { z } = await runOn(
        engine,
        (_, { x, eps, logsnr }) => ({ outputs: { z: noisyChannel(x, eps, logsnr) } }),
        { x: tensors[`${kind}.x`], eps: tensors[`${kind}.eps`], logsnr: tensors[`${kind}.logsnr`] },
      );
      deviations.push(deviation(`${kind}.z`, z, tensors[`${kind}.z`].data, tolerances[`${kind}.z`]));
    }
    return deviations;
  },
};

/** The exact denoiser's estimates, errors and scores over log SNR. */
export const gaussianErrors: ConformanceCase = {
  name: "Gaussian denoiser",
  reference: "PyTorch",
  async run(engine) {
    const { tolerances } = await readCase("core/nll");
    const grid = await readTensors("core/nll/grid.safetensors");
    const gaussian = await referenceGaussian();
    const [levels, n] = [grid.logsnr.shape[0], grid.x.shape[0]];
    const rows = levels * n;
    const x = Float32Array.from({ length: rows * 2 }, (_, i) => grid.x.data[i % (n * 2)]);
    const logsnr = Float32Array.from({ length: rows }, (_, i) => grid.logsnr.data[Math.floor(i / n)]);
    const got = await runOn(engine, (_, { x, eps, logsnr }) => {
      const z = noisyChannel(x, eps, logsnr);
      const epsHat = gaussianDenoiser(z, logsnr, gaussian);
      return { outputs: { z, epsHat, mse: squaredError(eps, epsHat), score: score(epsHat, logsnr) } };
    }, {
      x: { shape: [rows, 2], data: x },
      eps: { shape: [rows, 2], data: grid.eps.data },
      logsnr: { shape: [rows], data: logsnr },
    });
    const integrand = Float64Array.from(got.mse, (mse, i) => 0.5 * (mse - 2 / (1 + Math.exp(-logsnr[i]))));
    const scores = Float64Array.from(grid.eps_hat.data, (e, i) => -e * Math.sqrt(1 + Math.exp(logsnr[i >> 1])));
    return [
      deviation("z", got.z, grid.z.data, tolerances.z),
      deviation("ε̂", got.epsHat, grid.eps_hat.data, tolerances.eps_hat),
      deviation("squared error", got.mse, grid.mse.data, tolerances.mse),
      deviation("integrand", integrand, grid.integrand.data, tolerances.integrand),
      deviation("score", got.score, scores, { rtol: 1e-4, atol: 3e-3 }),
    ];
  },
};

/** The seed's NLL of a batch and of points, on the same noise. */
export const likelihood: ConformanceCase = {
  name: "likelihood",
  reference: "PyTorch",
  async run(engine) {
    const { scalars, tolerances } = await readCase("core/nll");
    const gaussian = await referenceGaussian();
    const nllOf = async (x: Float32Array, eps: Float32Array, u: Float32Array) => {
      const logsnr = Float32Array.from(u, (p) => logsnrAtQuantile(p, PROPOSAL));
      const rows = u.length;
      const { mse } = await runOn(engine, (_, { x, eps, logsnr }) => {
        const epsHat = gaussianDenoiser(noisyChannel(x, eps, logsnr), logsnr, gaussian);
        return { outputs: { mse: squaredError(eps, epsHat) } };
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
    const perSample = await nllOf(batch.x.data, batch.eps.data, batch.u.data);
    const { mean, stderr } = meanAndStderr(perSample);

    const points = await readTensors("core/nll/points.safetensors");
    const [count, levels] = points.u.shape;
    const x = Float32Array.from({ length: count * levels * 2 }, (_, i) => {
      return points.x.data[Math.floor(i / (2 * levels)) * 2 + i % 2];
    });
    const draws = await nllOf(x, points.eps.data, points.u.data);
    const ofPoints = Float64Array.from({ length: count }, (_, i) => {
      return meanAndStderr(draws.subarray(i * levels, (i + 1) * levels)).mean;
    });
    const expected = (scalars.batch_nll as { value: number }).value;
    const stderrTolerance = { rtol: 1e-3, atol: 0 };
    return [
      deviation("of each sample of a batch", perSample, batch.per_sample_nll.data, tolerances.per_sample_nll),
      deviation("of a batch", [mean], [expected], tolerances.batch_nll),
      deviation("standard error", [stderr], [scalars.batch_nll_standard_error as number], stderrTolerance),
      deviation("of points", ofPoints, points.nll_x.data, tolerances.nll_x),
    ];
  },
};
