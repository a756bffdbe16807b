import { deepEqual, ok } from "assert";
import { fitGaussian, gaussianOf } from "../../../core/reference/gaussian.ts";
import { logsnrRange } from "../../../core/diffusion/logsnr.ts";
import { createEngine } from "../../../core/engine/mod.ts";
import { autoProposal } from "../../../core/evaluation/auto_proposal.ts";
import { createErrorMeter } from "../../../core/evaluation/errors.ts";
import { fitMixture } from "../../../core/reference/fit_mixture.ts";
import { mixturePosteriorMean } from "../../../core/reference/mixture_posterior.ts";
import { Random } from "../../../core/random/random.ts";
import { floatSamples } from "../../../core/data/samples.ts";
import { gaussianMixture, mixtureDenoiser, sampleMixture } from "../../../denoisers/mixture/mod.ts";
import { randomMixture } from "../../../denoisers/mixture/random.ts";

const STEP = 0.5;

for (const [k, d] of [[1, 2], [1, 16], [1, 64], [4, 2], [4, 16], [4, 64]]) {
  Deno.test(`the automatic range of ${k} in ${d}-D cuts off less than a fiftieth of a nat`, async () => {
    const random = Random.fromSeed(0), mixture = randomMixture(random.split("mixture"), k, d);
    const draw = (stream: string, n: number) => sampleMixture(mixture, random.split(stream), n);
    const train = floatSamples(draw("train", 1000), d), gaussian = fitGaussian(train);
    const [low, high] = logsnrRange(autoProposal(train, gaussian, random.split("proposal")));
    const engine = await createEngine("onnx-cpu", 1), n = 500;
    const info = { shape: [d], gaussian }, denoiser = mixtureDenoiser(mixture);
    const meter = await createErrorMeter(engine, engine.createState({}), () => ({}), denoiser, info, 2 * n);
    /** Half the gap of the ideal denoiser to the Gaussian's beyond an end of the range, by the midpoint rule. */
    const beyond = async (end: number, step: number) => {
      let sum = 0;
      for (let i = 0; i < 16; i++) {
        const x = draw(`${i}`, n), eps = random.split("noise").split(i).fillNormal(new Float32Array(n * d));
        const logsnr = new Float32Array(2 * n).fill(end + (i + 0.5) * step);
        const { mse, mseGaussian } = await meter.measure(
          Float32Array.of(...x, ...x),
          Float32Array.of(...eps, ...eps.map((e) => -e)),
          logsnr,
        );
        mse.forEach((error, j) => sum += 0.5 * STEP * (error - mseGaussian[j]) / (2 * n));
      }
      return sum;
    };
    const lost = [await beyond(low, -STEP), await beyond(high, STEP)];
    ok(lost.every((nats) => Math.abs(nats) < 0.02), `${low} to ${high}: ${lost}`);
    await meter.dispose();
    engine.dispose();
  });
}

Deno.test("the automatic range of a Gaussian holds the directions of its least and its largest variance", () => {
  const d = 32, random = Random.fromSeed(1);
  // One direction of each: the spectrum's mean does not see them.
  const deviation = (i: number) => i === 0 ? 30 : i === 1 ? 0.01 : 1;
  const x = random.fillNormal(new Float32Array(1000 * d)).map((e, i) => e * deviation(i % d));
  const train = floatSamples(x, d);
  const [low, high] = logsnrRange(autoProposal(train, fitGaussian(train), random));
  ok(low < -2 * Math.log(30) - 2.5 && high > 2 * Math.log(100) + 2.5, `${low} to ${high}`);
  ok(low > -11 && high < 14, `${low} to ${high}`);
});

Deno.test("data on a line, of few samples or of one value has a finite range", () => {
  const random = Random.fromSeed(2);
  const rows = (n: number, d: number, value: (i: number) => number) =>
    floatSamples(Float32Array.from({ length: n * d }, (_, i) => value(i)), d);
  for (
    const train of [
      rows(100, 3, (i) => Math.floor(i / 3) / 50),
      rows(5, 2, () => random.normal()),
      rows(2, 1, () => random.normal()),
      rows(400, 3, (i) => i % 3 === 0 ? 7 : random.normal()),
      rows(300, 2, (i) => i < 300 ? -1 : 1),
    ]
  ) {
    const { loc, scale } = autoProposal(train, fitGaussian(train), random.split("proposal"));
    ok(Number.isFinite(loc) && scale > 0 && Number.isFinite(scale), `${loc}, ${scale}`);
  }
});

Deno.test("a fitted mixture is the one that samples are of, and has no components of too few samples", () => {
  const mixture = gaussianMixture({
    weights: [0.3, 0.7],
    means: [-3, 0, 3, 1],
    covariances: [0.5, 0.2, 0.2, 0.4, 1, -0.3, -0.3, 0.3],
  });
  const train = floatSamples(sampleMixture(mixture, Random.fromSeed(1), 2000), 2), gaussian = fitGaussian(train);
  const fitted = fitMixture(train, gaussian, 2, Random.fromSeed(0), 10).toSorted((a, b) => a.logWeight - b.logWeight);
  fitted.forEach(({ logWeight, gaussian: { mean, eigenvalues } }, i) => {
    ok(Math.abs(Math.exp(logWeight) - mixture.weights[i]) < 0.03);
    mean.forEach((value, j) => ok(Math.abs(value - mixture.components[i].mean[j]) < 0.1));
    const truth = mixture.components[i].eigenvalues.toSorted();
    eigenvalues.toSorted().forEach((value, j) => ok(Math.abs(value / truth[j] - 1) < 0.15));
  });
  // A hundred components would have twenty samples each; in twenty dimensions that is too few.
  const few = floatSamples(Random.fromSeed(2).fillNormal(new Float32Array(200 * 20)), 20);
  deepEqual(fitMixture(few, fitGaussian(few), 100, Random.fromSeed(0), 3), []);
});

Deno.test("the posterior mean of two equal Gaussians is a hyperbolic tangent", () => {
  const [mean, noise, y] = [1.5, 0.8, 0.3];
  const components = [-mean, mean].map((m) => ({ logWeight: Math.log(0.5), gaussian: gaussianOf([m], [1e-9]) }));
  const [got] = mixturePosteriorMean(Float64Array.of(y), noise, components);
  ok(Math.abs(got - mean * Math.tanh(mean * y / noise)) < 1e-6, `${got}`);
});
