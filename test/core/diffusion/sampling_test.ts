import { ok, throws } from "assert";
import { estimateData, SAMPLERS, samplingGrid, samplingSteps, takeStep } from "../../../core/diffusion/sampling.ts";
import { gaussianStart } from "../../../core/reference/gaussian.ts";
import { gaussianOf } from "../../../core/reference/gaussian.ts";
import { sigmoid } from "../../../core/diffusion/logsnr.ts";
import { Random } from "../../../core/random/random.ts";
import { assertWithin, readCase, readTensors } from "../../reference.ts";

const { tolerances } = await readCase("sampling");

Deno.test("each DDIM step from the reference's z and ε̂ gives its x̂ and its next z", async () => {
  const { logsnr, z, eps_hat, x_hat } = await readTensors("sampling/mlp.safetensors");
  const size = z.data.length / logsnr.data.length;
  const steps = samplingSteps("ddim", Float64Array.from(logsnr.data));
  const level = (tensor: { data: Float32Array }, k: number) => tensor.data.slice(k * size, (k + 1) * size);
  const xHat = new Float32Array(size);
  for (let k = 0; k < logsnr.data.length; k++) {
    const now = level(z, k);
    estimateData(now, level(eps_hat, k), logsnr.data[k], undefined, xHat);
    assertWithin(xHat, level(x_hat, k), tolerances["mlp/x_hat (whole trajectory)"], `x̂ at level ${k}`);
    if (k === steps.length) continue;
    takeStep(now, steps[k], xHat, xHat, xHat);
    assertWithin(now, level(z, k + 1), tolerances["mlp/one step"], `z at level ${k + 1}`);
  }
});

Deno.test("DDIM with η = 1 is the posterior of DDPM, and with any η keeps the channel's variance", () => {
  const [a, b] = [-1.3, 0.4];
  const { keep, gain, noise } = samplingSteps("ancestral", Float64Array.of(a, b))[0];
  // Equation 7 of arXiv 2006.11239, with ᾱ = σ(α) and one step from b to a of signal α_t = ᾱ(a)/ᾱ(b).
  const kept = sigmoid(a) / sigmoid(b);
  ok(Math.abs(keep - Math.sqrt(kept) * sigmoid(-b) / sigmoid(-a)) < 1e-14);
  ok(Math.abs(gain - Math.sqrt(sigmoid(b)) * (1 - kept) / sigmoid(-a)) < 1e-14);
  ok(Math.abs(noise ** 2 - sigmoid(-b) / sigmoid(-a) * (1 - kept)) < 1e-14);
  for (const eta of [0, 0.3, 1]) {
    // With the true x, z is √σ(a)·x + √σ(−a)·ε; the next z has the same form at b.
    const step = samplingSteps("ddim", Float64Array.of(a, b), eta)[0];
    ok(Math.abs(step.keep * Math.sqrt(sigmoid(a)) + step.gain - Math.sqrt(sigmoid(b))) < 1e-14);
    ok(Math.abs(step.keep ** 2 * sigmoid(-a) + step.noise ** 2 - sigmoid(-b)) < 1e-14);
  }
});

Deno.test("every sampler keeps a certain x̂, also over the largest of steps", () => {
  for (const sampler of SAMPLERS) {
    const steps = samplingSteps(sampler, Float64Array.of(-60, -3, 4, 60));
    const [z, x] = [Float32Array.of(-1), Float32Array.of(0.7)];
    for (const step of steps) takeStep(z, step, x, x, Float32Array.of(0.4));
    ok(Math.abs(z[0] - x[0]) < 1e-6, `${sampler}: ${z}`);
  }
});

Deno.test("the grid spans the proposal and increases; what is no grid is refused", () => {
  for (const sampler of SAMPLERS) {
    const grid = samplingGrid(sampler, { loc: 3, scale: 5 }, 40);
    ok(grid[0] === -17 && grid[39] === 23 && grid.length === 40);
    samplingSteps(sampler, grid);
  }
  ok(samplingGrid("ddim", { loc: 0, scale: 5 }, 3)[1] < 1e-12, "the middle angle is that of log SNR 0");
  throws(() => samplingGrid("ode", { loc: 3, scale: 0.5 }, 1), /levels is 1/);
  throws(() => samplingSteps("ode", Float64Array.of(0, 1, 1)), /from 1 to 1/);
});

Deno.test("x̂ is clipped to a range", () => {
  const out = new Float32Array(3);
  estimateData(Float32Array.of(-3, 0.1, 3), new Float32Array(3), 0, [-1, 1], out);
  ok(out[0] === -1 && Math.abs(out[1] - 0.1 * Math.SQRT2) < 1e-7 && out[2] === 1);
});

Deno.test("sampling starts from the Gaussian seen through the channel, whole or diagonal", () => {
  const n = 40_000;
  const logsnr = 0.5;
  const { mean, eigenvalues } = gaussianOf([1, -2], [2, 0, 0, 0.1]);
  for (const gaussian of [gaussianOf([1, -2], [1, 0.6, 0.6, 0.5]), { mean, eigenvalues }]) {
    const z = Random.fromSeed(1).fillNormal(new Float32Array(2 * n));
    gaussianStart(z, logsnr, gaussian);
    const covariance = "eigenvectors" in gaussian ? [1, 0.6, 0.5] : [eigenvalues[0], 0, eigenvalues[1]];
    const wanted = covariance.map((c, i) => sigmoid(logsnr) * c + (i === 1 ? 0 : sigmoid(-logsnr)));
    const signal = Math.sqrt(sigmoid(logsnr));
    const sums = [0, 0, 0, 0, 0];
    for (let i = 0; i < 2 * n; i += 2) {
      const [x, y] = [z[i] - signal * gaussian.mean[0], z[i + 1] - signal * gaussian.mean[1]];
      [x, y, x * x, x * y, y * y].forEach((value, k) => sums[k] += value / n);
    }
    [0, 0, ...wanted].forEach((value, k) => ok(Math.abs(sums[k] - value) < 0.03, `moment ${k}: ${sums[k]}, ${value}`));
  }
});
