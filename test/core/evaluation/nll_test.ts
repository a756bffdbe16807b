import { deepEqual, equal, ok } from "assert";
import { type Estimate, meanAndStderr } from "../../../core/diffusion/likelihood.ts";
import { evenProposal, logsnrRange } from "../../../core/diffusion/logsnr.ts";
import { createEngine, type Engine } from "../../../core/engine/mod.ts";
import { createErrorMeter, type ErrorMeter } from "../../../core/evaluation/errors.ts";
import { blendedNll, estimateNll, nllOfHalves, nllPerSample } from "../../../core/evaluation/nll.ts";
import { floatSamples } from "../../../core/data/samples.ts";
import type { Denoiser } from "../../../core/plugins/contracts.ts";
import { Random } from "../../../core/random/random.ts";
import { BLEND, BLEND_NODES, blendedDenoiser, blendNodes } from "../../../core/reference/blend.ts";
import { fitGaussian } from "../../../core/reference/gaussian.ts";
import { gaussianMixture, mixtureNll, sampleMixture } from "../../../core/reference/mixture.ts";
import { mixtureDenoiser } from "../../../denoisers/mixture/mod.ts";
import * as tf from "@tensorflow/tfjs";

const MIXTURE = gaussianMixture({
  weights: [0.4, 0.6],
  means: [-1.5, 0, 1.5, 0.5],
  covariances: [0.1, 0, 0, 0.2, 0.2, 0.1, 0.1, 0.3],
});

const draw = (n: number, seed: number) => floatSamples(sampleMixture(MIXTURE, Random.fromSeed(seed), n), 2);

const INFO = { shape: [2], gaussian: fitGaussian(draw(4000, 1)) };

const PROPOSAL = evenProposal(-7, 9);

/** Above this log SNR a denoiser is ideal, and far off below. */
const GOOD_FROM = 0;

/** The ideal denoiser where the log SNR is high, and one that is much worse than the Gaussian's below. */
const HALF_GOOD: Denoiser = {
  init: () => ({}),
  predict(params, z, logsnr) {
    const good = tf.reshape(tf.cast(tf.greater(logsnr, GOOD_FROM), "float32"), [-1, 1]);
    const ideal = mixtureDenoiser(MIXTURE).predict(params, z, logsnr);
    return tf.add(ideal, tf.mul(tf.sub(1, good), tf.sin(tf.mul(9, z))));
  },
};

async function withMeters(
  test: (meter: (denoiser: Denoiser, params?: Record<string, Float32Array>) => Promise<ErrorMeter>) => Promise<void>,
): Promise<void> {
  const engine: Engine = await createEngine("onnx-cpu", 1), meters: ErrorMeter[] = [];
  await test(async (denoiser, params = {}) => {
    const entries = Object.entries(params).map(([name, data]) => [name, { shape: [data.length], data }]);
    const state = engine.createState(Object.fromEntries(entries));
    meters.push(await createErrorMeter(engine, state, (s) => s, denoiser, INFO, 512));
    return meters.at(-1)!;
  });
  for (const meter of meters) await meter.dispose();
  engine.dispose();
}

/** Within so many standard errors of both. */
const near = (a: Estimate, b: Estimate, times = 3) =>
  ok(Math.abs(a.mean - b.mean) < times * Math.hypot(a.stderr, b.stderr) + 1e-3, `${a.mean} and ${b.mean}`);

Deno.test("a blend's NLL is that of the denoiser that it makes, and better than the denoiser's and the reference's", () =>
  withMeters(async (meterOf) => {
    const samples = draw(1000, 2), random = Random.fromSeed(3);
    const meter = await meterOf(HALF_GOOD);
    const { estimate, blend } = await blendedNll(meter, samples, PROPOSAL, random.split("blend"), 8);
    equal(blend.length, BLEND_NODES);
    blendNodes(logsnrRange(PROPOSAL)).forEach((alpha, k) => {
      if (Math.abs(alpha - GOOD_FROM) < 1) return;
      ok(alpha > GOOD_FROM ? blend[k] > 0.9 || alpha > 7 : blend[k] < 0.1, `${blend[k]} at ${alpha}`);
    });
    const truth = meanAndStderr(mixtureNll(samples, MIXTURE)),
      own = await estimateNll(
        meter,
        samples,
        PROPOSAL,
        random.split("own"),
        8,
      );
    const gaussian = meanAndStderr(mixtureNll(samples, meter.reference));
    ok(
      estimate.mean < own.mean - 0.2 && estimate.mean < gaussian.mean - 0.1,
      JSON.stringify({ estimate, own, gaussian }),
    );
    ok(estimate.mean > truth.mean - 3 * estimate.stderr);

    const blended = await meterOf(blendedDenoiser(HALF_GOOD, meter.reference, logsnrRange(PROPOSAL)), {
      [BLEND]: blend,
    });
    const again = await nllPerSample(blended, samples, PROPOSAL, random.split("again"), 8);
    ok(Math.abs(meanAndStderr(again).mean - estimate.mean) < 0.05, `${meanAndStderr(again).mean}, ${estimate.mean}`);
    // Also of samples that it was not fitted to: each half has the other's blend.
    near(estimate, meanAndStderr(await nllPerSample(blended, draw(1000, 5), PROPOSAL, random.split("fresh"), 8)));
  }));

Deno.test("a blend with noise is the reference, whose NLL it has no less than: few samples do not make it better", () =>
  withMeters(async (meterOf) => {
    // What depends on nothing that the data tells.
    const noise: Denoiser = { init: () => ({}), predict: (_, z) => tf.sin(tf.mul(40, z)) };
    const meter = await meterOf(noise);
    const gains = [];
    for (let seed = 0; seed < 30; seed++) {
      const samples = draw(30, 10 + seed);
      const { estimate } = await blendedNll(meter, samples, PROPOSAL, Random.fromSeed(seed), 2);
      gains.push(meanAndStderr(mixtureNll(samples, meter.reference)).mean - estimate.mean);
    }
    const { mean, stderr } = meanAndStderr(Float64Array.from(gains));
    ok(mean < 3 * stderr && Math.abs(mean) < 0.1, `${mean} ± ${stderr}`);
  }));

Deno.test("with the blends of another estimate on the same noise the NLL is that estimate, and another for other blends", () =>
  withMeters(async (meterOf) => {
    const meter = await meterOf(HALF_GOOD), samples = draw(60, 2), random = () => Random.fromSeed(1);
    const { estimate, halves } = await blendedNll(meter, samples, PROPOSAL, random(), 2);
    deepEqual(await nllOfHalves(meter, samples, PROPOSAL, random(), 2, halves), estimate);
    const [a, b] = halves;
    ok((await nllOfHalves(meter, samples, PROPOSAL, random(), 2, [b, a])).mean !== estimate.mean);
  }));

Deno.test("the same noise gives the same blend", () =>
  withMeters(async (meterOf) => {
    const meter = await meterOf(HALF_GOOD), samples = draw(100, 2);
    const of = (seed: number) => blendedNll(meter, samples, PROPOSAL, Random.fromSeed(seed), 2);
    deepEqual(await of(1), await of(1));
    ok((await of(2)).estimate.mean !== (await of(1)).estimate.mean);
  }));
