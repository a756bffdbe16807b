import { deepEqual, equal, ok, throws } from "assert";
import {
  clampTo,
  denoised,
  dequantise,
  DiscreteDataError,
  discreteLimitBits,
  discreteNllOfDequantised,
  type Grid,
  gridOf,
  gridValue,
  hardRound,
  highOf,
  leftTail,
  proposalOfGrid,
  publishedProposalOfSpectrum,
  publishedRightTail,
  rightTail,
  softRound,
} from "../../../core/diffusion/discrete.ts";
import { entropy, fitGaussian, gaussianMmse } from "../../../core/reference/gaussian.ts";
import { bitsPerDimension } from "../../../core/diffusion/likelihood.ts";
import { logsnrRange, proposalOfSpectrum } from "../../../core/diffusion/logsnr.ts";
import { Random } from "../../../core/random/random.ts";
import { byteSamples, floatSamples, IMAGE_SCALE, toFloat32 } from "../../../core/data/samples.ts";
import { assertWithin, readCase, readTensors } from "../../reference.ts";

const { scalars, tolerances } = await readCase("discrete");
const IMAGES = gridOf({ range: [-1, 1], delta: 2 / 255 });

function number(name: string): number {
  const scalar = scalars[name];
  return typeof scalar === "number" ? scalar : (scalar as { value: number }).value;
}

Deno.test("soft and hard rounding equal the reference", async () => {
  const tensors = await readTensors("discrete/rounding.safetensors");
  for (const k of [0, 1, 2]) {
    const { lo, hi, delta, n_bins } = scalars[`rounding_${k}`] as Record<string, number>;
    const { data: x, shape: [, columns] } = tensors[`${k}.x`];
    const snr = tensors[`${k}.snr`].data;
    // The reference spreads its bins evenly, also where rounding made them one too few.
    const bins: Grid = { low: lo, delta: (hi - lo) / (n_bins - 1), count: n_bins };
    const soft = Float64Array.from(x, (value, i) => softRound(value, 1 + snr[Math.floor(i / columns)], bins));
    assertWithin(soft, tensors[`${k}.soft`].data, tolerances[`${k}.soft`], `${k}.soft`);
    const grid = gridOf({ range: [lo, hi], delta });
    const hard = Float64Array.from(x, (value) => hardRound(value, grid));
    assertWithin(hard, tensors[`${k}.hard`].data, tolerances[`${k}.hard`], `${k}.hard`);
    const clamped = hard.map((value) => clampTo(value, grid));
    assertWithin(clamped, tensors[`${k}.hard_clamped`].data, tolerances[`${k}.hard`], `${k}.hard_clamped`);
    const values = Array.from({ length: n_bins }, (_, j) => bins.low + j * bins.delta);
    assertWithin(values, tensors[`${k}.bins`].data, { rtol: 1e-6, atol: 1e-6 }, `${k}.bins`);
  }
});

Deno.test("soft rounding is the softmax over all values of the grid, at any distance and precision", () => {
  const random = Random.fromSeed(1);
  for (const grid of [IMAGES, { low: 0, delta: 1, count: 2 }, { low: -3, delta: 0.5, count: 9 }]) {
    for (let trial = 0; trial < 200; trial++) {
      const x = grid.low + (highOf(grid) - grid.low) * (3 * random.uniform() - 1);
      const precision = Math.exp(30 * random.uniform() - 10);
      const values = Array.from({ length: grid.count }, (_, k) => grid.low + k * grid.delta);
      const logits = values.map((value) => -0.5 * precision * (x - value) ** 2);
      const largest = Math.max(...logits);
      const weights = logits.map((logit) => Math.exp(logit - largest));
      const total = weights.reduce((sum, w) => sum + w, 0);
      const mean = values.reduce((sum, value, k) => sum + value * weights[k] / total, 0);
      ok(Math.abs(softRound(x, precision, grid) - mean) < 1e-9, `${x} at ${precision}`);
    }
  }
  equal(softRound(1e30, 1, IMAGES), 1);
  ok(Number.isNaN(softRound(NaN, 1, IMAGES)));
});

Deno.test("hard rounding takes half to even", () => {
  const grid = { low: 0, delta: 1, count: 10 };
  deepEqual([-1.5, -0.5, 0.5, 1.5, 2.5, 2.49].map((x) => hardRound(x, grid) + 0), [-2, 0, 0, 2, 2, 2]);
});

Deno.test("the spectrum of training data, its proposals and its entropy equal the reference", async () => {
  const tensors = await readTensors("discrete/spectrum.safetensors");
  const { shape: [n], data } = tensors.train;
  const fitted = fitGaussian(floatSamples(data, data.length / n));
  assertWithin(fitted.mean, tensors.mu.data, { rtol: 1e-4, atol: 1e-5 }, "mean");
  // The reference divides by n − 1.
  const eigenvalues = fitted.eigenvalues.map((l) => l * n / (n - 1)).sort().reverse();
  assertWithin(eigenvalues.map(Math.log), tensors.log_eigs.data, tolerances.log_eigs, "log eigenvalues");
  const mmse = Float64Array.from(tensors.logsnr.data, (logsnr) => gaussianMmse(logsnr, eigenvalues));
  assertWithin(mmse, tensors.mmse_g.data, tolerances.mmse_g, "MMSE");
  assertWithin([entropy({ mean: fitted.mean, eigenvalues })], [number("h_g")], tolerances.h_g, "entropy");
  const { loc, scale } = publishedProposalOfSpectrum(eigenvalues);
  assertWithin([loc], [number("loc_logsnr")], tolerances.loc_logsnr, "loc");
  assertWithin([scale], [number("scale_logsnr")], tolerances.scale_logsnr, "scale");
  ok(proposalOfSpectrum(eigenvalues).scale < scale, "the derived scale has 3/π², the published one 3/π");
});

Deno.test("the published right tail equals the reference", () => {
  for (const rounding of ["soft", "hard"]) {
    const results = scalars[`results_${rounding}`] as Record<string, number>;
    const [, high] = logsnrRange({ loc: number("loc_logsnr"), scale: number("scale_logsnr"), clip: number("clip") });
    const got = publishedRightTail(high, number("d"), IMAGES);
    assertWithin([got], [results.right_tail], { rtol: 2e-3, atol: 0 }, "right tail");
  }
});

Deno.test("the left tail is the reference's, and half the integral of the Gaussian's MMSE", async () => {
  const { log_eigs } = await readTensors("discrete/spectrum.safetensors");
  const eigenvalues = Array.from(log_eigs.data, Math.exp);
  const [low] = logsnrRange({ loc: number("loc_logsnr"), scale: number("scale_logsnr"), clip: number("clip") });
  const expected = (scalars.results_soft as Record<string, number>).left_tail;
  assertWithin([leftTail(low, eigenvalues)], [expected], { rtol: 2e-3, atol: 0 }, "left tail");
  let integral = 0;
  for (let k = 0; k < 40_000; k++) integral += 0.5 * 0.001 * gaussianMmse(low - 0.001 * (k + 0.5), eigenvalues);
  assertWithin([leftTail(low, eigenvalues)], [integral], { rtol: 1e-5, atol: 0 }, "integral");
});

Deno.test("the right tail bounds the error of rounding beyond it, which the published one does not", () => {
  const grid = { low: 0, delta: 1, count: 40 };
  for (const logsnr of [1, 2, 3, 4]) {
    // ½·∫ e^α·E[(rounding's steps)²] dα, with E[steps²] = Σ (2j − 1)·P(|noise| > j − ½).
    let exact = 0;
    const step = 0.005;
    for (let alpha = logsnr + step / 2; alpha < logsnr + 8; alpha += step) {
      let moment = 0;
      for (let j = 1; j < 6; j++) moment += (2 * j - 1) * twoSidedTail((j - 0.5) * Math.exp(alpha / 2));
      exact += 0.5 * Math.exp(alpha) * moment * step;
    }
    const [bound, published] = [rightTail(logsnr, 1, grid), publishedRightTail(logsnr, 1, grid)];
    ok(bound >= exact && bound < 12 * exact, `${bound} and ${exact} at ${logsnr}`);
    if (logsnr >= 3) ok(published < exact, `${published} and ${exact} at ${logsnr}`);
  }
  equal(rightTail(40, 3072, IMAGES), 0);
  ok(rightTail(-800, 3072, IMAGES) > 3072);
});

/** P(|N(0, 1)| > t) by Simpson's rule. */
function twoSidedTail(t: number): number {
  const [n, width] = [200, 8];
  let sum = 0;
  for (let k = 0; k <= n; k++) {
    const x = t + width * k / n;
    sum += (k === 0 || k === n ? 1 : k % 2 ? 4 : 2) * Math.exp(-x * x / 2);
  }
  return 2 * sum * width / n / 3 / Math.sqrt(2 * Math.PI);
}

Deno.test("the grid's proposal ends where nothing is left to find out", () => {
  const eigenvalues = Float64Array.from({ length: 3072 }, (_, k) => 50 / (k + 1) ** 1.5);
  const proposal = proposalOfGrid(eigenvalues, IMAGES);
  const [low, high] = logsnrRange(proposal);
  ok(Math.abs(low - logsnrRange(proposalOfSpectrum(eigenvalues))[0]) < 1e-9);
  ok(rightTail(high, 3072, IMAGES) < 1.01e-3 && rightTail(high - 0.5, 3072, IMAGES) > 1e-3);
});

Deno.test("bits per dimension of discrete data equal the reference", () => {
  const { value } = scalars.bpd_examples as { value: Record<string, number>[] };
  for (const { nats, d, bpd, discrete_limit_bpd } of value) {
    const exact = { rtol: 1e-12, atol: 0 };
    assertWithin([bitsPerDimension(nats, d)], [bpd], exact, "bpd");
    assertWithin([discreteLimitBits(bpd, 1 / 127.5)], [discrete_limit_bpd], exact, "limit");
    const discrete = bitsPerDimension(discreteNllOfDequantised(nats, d, IMAGES), d);
    assertWithin([discrete], [discrete_limit_bpd], exact, "dequantised");
  }
});

Deno.test("the denoised estimate inverts the channel", () => {
  const [x, eps, logsnr] = [0.3, -1.2, 1.7];
  const z = Math.sqrt(1 / (1 + Math.exp(-logsnr))) * x + Math.sqrt(1 / (1 + Math.exp(logsnr))) * eps;
  ok(Math.abs(denoised(z, eps, logsnr) - x) < 1e-12);
});

Deno.test("dequantised rows have noise of their own, the same in any order of reading", () => {
  const n = 1000, d = 3;
  const bytes = Uint8Array.from({ length: n * d }, (_, i) => (i * 7) % 256);
  const samples = byteSamples(bytes, d, IMAGE_SCALE), plain = toFloat32(samples);
  const random = Random.fromSeed(3), before = random.state;
  const noisy = dequantise(samples, IMAGES, random), all = toFloat32(noisy);
  deepEqual(toFloat32(noisy, 500, 777), all.subarray(500 * d, 777 * d));
  deepEqual(toFloat32(noisy, 1, 2), all.subarray(d, 2 * d));
  deepEqual(random.state, before);
  const u = all.map((value, i) => (value - plain[i]) / IMAGES.delta);
  ok(u.every((value) => Math.abs(value) < 0.501));
  const variance = u.reduce((sum, value) => sum + value ** 2 / (n * d), 0);
  ok(Math.abs(variance - 1 / 12) < 0.005, `variance ${variance}`);
});

Deno.test("data without a grid, or off it, is an error that says so", () => {
  throws(() => gridOf({ delta: 0.1 }), { name: "DiscreteDataError", message: /no range;.*continuous likelihood/ });
  throws(() => gridOf({ range: [0, 1] }), { message: /no step \(delta\);/ });
  throws(() => gridOf({}), { message: /no range and no step/ });
  throws(() => gridOf({ range: [0, 1], delta: 0.3 }), { message: /0 to 1 and the step 0.3/ });
  throws(() => gridOf({ range: [0, 1], delta: 2 }), DiscreteDataError);
  for (const x of [0.5, 2, -1.01, NaN, Infinity]) throws(() => gridValue(x, IMAGES), DiscreteDataError, String(x));
  for (let k = 0; k < 256; k++) {
    const x = Math.fround(k / 127.5 - 1);
    ok(Math.abs(gridValue(x, IMAGES) - x) < 1e-6);
  }
});
