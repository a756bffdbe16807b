import { ok } from "assert";
import { type Gaussian, gaussianNll, gaussianOf } from "../../../core/reference/gaussian.ts";
import { logsnrWeight, sigmoid } from "../../../core/diffusion/logsnr.ts";
import { blurredProposal } from "../../../core/evaluation/blur.ts";
import { blurredGaussian } from "../../../core/reference/gaussian.ts";
import { onlyGaussian } from "../../../core/reference/mixture.ts";
import { density } from "../../../core/evaluation/density.ts";
import type { ErrorMeter } from "../../../core/evaluation/errors.ts";
import { Random } from "../../../core/random/random.ts";
import { gaussianLogDensity, logDensityOf, modelRows } from "../../../core/report/live_density.js";
import { designOf, planeGaussian } from "../../../core/report/live_model.ts";
import { floatSamples } from "../../../core/data/samples.ts";

const GAUSSIAN = gaussianOf([0.3, -0.2], [1.2, 0.5, 0.5, 0.8]);
const PROPOSAL = { loc: 1, scale: 1.5 };
const POINTS: readonly (readonly [number, number])[] = [[0, 0], [1.5, -1], [-2, 0.7], [0.3, 2.5]];

/** What the denoiser of N(0, v·I) says. */
function isotropic(variance: number) {
  return (z: ArrayLike<number>, logsnr: ArrayLike<number>) =>
    Float32Array.from({ length: z.length }, (_, i) => {
      const alpha = logsnr[i >> 1];
      return Math.sqrt(sigmoid(-alpha)) * z[i] / (sigmoid(alpha) * variance + sigmoid(-alpha));
    });
}

/** The page's estimate at each point. */
async function pageDensity(
  denoiser: ReturnType<typeof isotropic>,
  gaussian: Gaussian,
  proposal: typeof PROPOSAL,
  levels: number,
  resolution?: number,
) {
  const design = await designOf(gaussian, proposal, levels, resolution);
  return POINTS.map(([x1, x2]) => {
    const { z, logsnr } = modelRows(x1, x2, design);
    return logDensityOf(x1, x2, design, planeGaussian(gaussian), denoiser(z, logsnr));
  });
}

function exact(x1: number, x2: number, gaussian: Gaussian): number {
  return -gaussianNll(floatSamples(Float32Array.of(x1, x2), 2), gaussian)[0];
}

Deno.test("the page's estimate is that of the density module, number for number", async () => {
  const denoiser = isotropic(0.6);
  const meter: ErrorMeter = {
    shape: [2],
    reference: onlyGaussian(GAUSSIAN),
    measure(x, eps, logsnr) {
      const z = x.map((value, i) => {
        const alpha = logsnr[i >> 1];
        return Math.sqrt(sigmoid(alpha)) * value + Math.sqrt(sigmoid(-alpha)) * eps[i];
      });
      const square = (epsHat: (i: number) => number) =>
        Float32Array.from(logsnr, (_, i) => [2 * i, 2 * i + 1].reduce((sum, j) => sum + (eps[j] - epsHat(j)) ** 2, 0));
      const epsHat = denoiser(z, logsnr);
      const [a, b] = GAUSSIAN.eigenvalues;
      const [u11, u12, u21, u22] = GAUSSIAN.eigenvectors!;
      const ideal = (j: number) => {
        const alpha = logsnr[j >> 1];
        const [c1, c2] = [0, 1].map((k) => z[(j & ~1) + k] - Math.sqrt(sigmoid(alpha)) * GAUSSIAN.mean[k]);
        const p1 = (u11 * c1 + u21 * c2) / (sigmoid(alpha) * a + sigmoid(-alpha));
        const p2 = (u12 * c1 + u22 * c2) / (sigmoid(alpha) * b + sigmoid(-alpha));
        return Math.sqrt(sigmoid(-alpha)) * (j % 2 === 0 ? u11 * p1 + u12 * p2 : u21 * p1 + u22 * p2);
      };
      const distance = new Float32Array(logsnr.length);
      return Promise.resolve({ mse: square((j) => epsHat[j]), mseReference: square(ideal), distance });
    },
    dispose() {},
  };
  for (const levels of [16, 64]) {
    const random = Random.fromSeed(0).split("report");
    const expected = await density(meter, floatSamples(Float32Array.from(POINTS.flat()), 2), PROPOSAL, random, levels);
    const got = await pageDensity(denoiser, GAUSSIAN, PROPOSAL, levels);
    got.forEach(({ logDensity, stderr }, i) => {
      ok(Math.abs(logDensity - expected.logDensity[i]) < 1e-4, `${logDensity}, not ${expected.logDensity[i]}`);
      ok(Math.abs(stderr - expected.stderr[i]) < 1e-4, `${stderr}, not ${expected.stderr[i]}`);
    });
  }
});

Deno.test("with the ideal denoiser of another Gaussian the estimate is that Gaussian's log density", async () => {
  const truth = gaussianOf([0, 0], [0.6, 0, 0, 0.6]);
  const wide = { loc: 0, scale: 3 };
  const got = await pageDensity(isotropic(0.6), GAUSSIAN, wide, 1024);
  got.forEach(({ logDensity, stderr }, i) => {
    const error = Math.abs(logDensity - exact(...POINTS[i], truth));
    ok(error < 3 * stderr + 0.01 && error < 0.1, `${error} ± ${stderr}`);
  });
});

Deno.test("where the density is blurred, the estimate is that of the blurred data", async () => {
  const blur = 0.4;
  const truth = gaussianOf([0, 0], [0.6 + blur ** 2, 0, 0, 0.6 + blur ** 2]);
  const proposal = blurredProposal({ loc: 0, scale: 3 }, blur);
  const got = await pageDensity(isotropic(0.6), blurredGaussian(GAUSSIAN, blur), proposal, 1024, blur);
  got.forEach(({ logDensity, stderr }, i) => {
    const error = Math.abs(logDensity - exact(...POINTS[i], truth));
    ok(error < 3 * stderr + 0.02 && error < 0.1, `${error} ± ${stderr}`);
  });
});

Deno.test("the plane's Gaussian is the Gaussian, and the weights are the proposal's", async () => {
  for (const [x1, x2] of POINTS) {
    const got = gaussianLogDensity(x1, x2, planeGaussian(GAUSSIAN));
    ok(Math.abs(got - exact(x1, x2, GAUSSIAN)) < 1e-6);
  }
  const diagonal = { mean: Float64Array.of(1, 0), eigenvalues: Float64Array.of(2, 0.5) };
  ok(Math.abs(gaussianLogDensity(0.5, 1, planeGaussian(diagonal)) - exact(0.5, 1, diagonal)) < 1e-6);
  const { weight, inputLogsnr } = await designOf(GAUSSIAN, PROPOSAL, 16);
  weight.forEach((one, k) => ok(Math.abs(one / logsnrWeight(inputLogsnr[k], PROPOSAL) - 1) < 1e-5));
});
