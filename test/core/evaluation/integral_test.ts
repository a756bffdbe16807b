import { ok } from "assert";
import * as tf from "@tensorflow/tfjs";
import { perSample } from "../../../core/diffusion/channel.ts";
import { evenProposal } from "../../../core/diffusion/logsnr.ts";
import { createEngine } from "../../../core/engine/mod.ts";
import { createErrorMeter } from "../../../core/evaluation/errors.ts";
import { integralOf } from "../../../core/evaluation/integral.ts";
import type { Denoiser } from "../../../core/plugins/contracts.ts";
import { Random } from "../../../core/random/random.ts";
import { fitGaussian } from "../../../core/reference/gaussian.ts";
import { floatSamples } from "../../../core/data/samples.ts";
import { gaussianMixture, onlyGaussian, sampleMixture } from "../../../core/reference/mixture.ts";
import { mixtureDenoiser } from "../../../denoisers/mixture/mod.ts";

const mixture = gaussianMixture({
  weights: [0.4, 0.6],
  means: [-1.5, 0, 1.5, 0.5],
  covariances: [0.3, 0.1, 0.1, 0.2, 0.2, 0, 0, 0.4],
});
const gaussian = fitGaussian(floatSamples(sampleMixture(mixture, Random.fromSeed(1), 4000), 2));
const proposal = evenProposal(-8, 8);

async function integral(denoiser: Denoiser, near = mixture) {
  const engine = await createEngine("onnx-cpu", 1);
  const info = { shape: [2], gaussian };
  const meter = await createErrorMeter(engine, engine.createState({}), () => ({}), denoiser, info, 512);
  const result = await integralOf(meter, near, proposal, Random.fromSeed(2), { points: 1024 });
  await meter.dispose();
  engine.dispose();
  return result;
}

Deno.test("an ideal denoiser's density is one, by the mixture itself and by a wide Gaussian", async () => {
  const ideal = mixtureDenoiser(mixture);
  for (const near of [mixture, onlyGaussian(gaussian)]) {
    const { mean, stderr, efficiency } = await integral(ideal, near);
    ok(Math.abs(mean - 1) < 3.5 * stderr + 0.01 && stderr < 0.06, `${mean} ± ${stderr}`);
    ok(efficiency > 0.1 && efficiency <= 1, `${efficiency}`);
  }
});

Deno.test("a denoiser that is worse in the same way everywhere has a density that is less than one, by as much", async () => {
  // A correction of every estimate that no score explains: it adds the same to every NLL.
  const ideal = mixtureDenoiser(mixture), size = 0.35;
  const worse: Denoiser = {
    init: () => ({}),
    predict(params, z, logsnr) {
      const bump = tf.exp(tf.neg(tf.square(logsnr)));
      return tf.add(ideal.predict(params, z, logsnr), tf.mul(size, perSample(bump, 2)));
    },
  };
  const { mean, stderr } = await integral(worse);
  // ½ ∫ 2·size²·exp(−2α²) dα, of two components.
  const lost = size ** 2 * Math.sqrt(Math.PI / 2);
  ok(Math.abs(Math.log(mean) + lost) < 4 * stderr + 0.02, `${mean} ± ${stderr}, expected ${Math.exp(-lost)}`);
});
