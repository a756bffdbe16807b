import { deepEqual, ok } from "assert";
import * as tf from "@tensorflow/tfjs";
import { sigmoid } from "../../../core/diffusion/logsnr.ts";
import { createEngine } from "../../../core/engine/mod.ts";
import { createErrorMeter } from "../../../core/evaluation/errors.ts";
import type { Denoiser } from "../../../core/plugins/contracts.ts";
import { Random } from "../../../core/random/random.ts";
import { gaussianOf } from "../../../core/reference/gaussian.ts";
import { gaussianMixture, onlyGaussian } from "../../../core/reference/mixture.ts";
import { LOCAL_BACKENDS } from "../../backends.ts";

/** On one axis each: two spots, and a Gaussian. Their posterior means are known in closed form. */
const SPOTS = 1.5;
const MIXTURE = gaussianMixture({
  weights: [0.5, 0.5],
  means: [-SPOTS, 0, SPOTS, 0],
  covariances: [1e-6, 0, 0, 2, 1e-6, 0, 0, 2],
});

const HALF: Denoiser = { init: () => ({}), predict: (_, z) => tf.mul(0.5, z) };

for (const backend of LOCAL_BACKENDS) {
  Deno.test(`a denoiser's and the reference's errors, and their distance, are those of their definitions on ${backend}`, async () => {
    const engine = await createEngine(backend, 1), state = engine.createState({});
    const info = { shape: [2], gaussian: gaussianOf([0, 0], [SPOTS ** 2, 0, 0, 2]) };
    const random = Random.fromSeed(1), n = 23;
    const x = random.fillNormal(new Float32Array(2 * n)).map((v, i) => i % 2 ? v : SPOTS * Math.sign(v));
    const eps = random.fillNormal(new Float32Array(2 * n));
    const logsnr = Float32Array.from({ length: n }, () => -4 + 8 * random.uniform());
    // Not a multiple of what is run at once.
    const meter = await createErrorMeter(engine, state, () => ({}), HALF, { ...info, reference: MIXTURE }, 8);
    deepEqual(meter.reference, MIXTURE);
    const { mse, mseReference, distance } = await meter.measure(x, eps, logsnr);
    const plain = await createErrorMeter(engine, state, () => ({}), HALF, info, 8);
    deepEqual(plain.reference, onlyGaussian(info.gaussian));
    const besideGaussian = await plain.measure(x, eps, logsnr);
    for (let i = 0; i < n; i++) {
      const [s, r] = [sigmoid(logsnr[i]), sigmoid(-logsnr[i])];
      const z = [0, 1].map((k) => Math.sqrt(s) * x[2 * i + k] + Math.sqrt(r) * eps[2 * i + k]);
      const of = (clean: number[]) => z.map((value, k) => (value - Math.sqrt(s) * clean[k]) / Math.sqrt(r));
      const shrunk = (k: number, variance: number) => z[k] * Math.sqrt(s) * variance / (s * variance + r);
      // The mean of two spots is a hyperbolic tangent.
      const other = of([SPOTS * Math.tanh(Math.sqrt(s) * SPOTS * z[0] / r), shrunk(1, 2)]);
      const gaussian = of([shrunk(0, SPOTS ** 2), shrunk(1, 2)]);
      const truth = [eps[2 * i], eps[2 * i + 1]], own = z.map((value) => 0.5 * value);
      const square = (a: number[], b: number[]) => (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2;
      for (
        const [got, expected] of [
          [mse[i], square(truth, own)],
          [mseReference[i], square(truth, other)],
          [distance[i], square(own, other)],
          [besideGaussian.mse[i], square(truth, own)],
          [besideGaussian.mseReference[i], square(truth, gaussian)],
          [besideGaussian.distance[i], square(own, gaussian)],
        ]
      ) ok(Math.abs(got - expected) < 1e-3 * (1 + expected), `${got} for ${expected}, row ${i}`);
    }
    await Promise.all([meter.dispose(), plain.dispose()]);
    state.dispose();
    engine.dispose();
  });
}
