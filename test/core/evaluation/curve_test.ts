import { ok } from "assert";
import { floatSamples } from "../../../core/data/samples.ts";
import { mseCurve } from "../../../core/evaluation/curve.ts";
import type { ErrorMeter } from "../../../core/evaluation/errors.ts";
import { Random } from "../../../core/random/random.ts";
import { gaussianMmse, standardGaussian } from "../../../core/reference/gaussian.ts";
import { onlyGaussian } from "../../../core/reference/mixture.ts";

const D = 3, N = 200, PROPOSAL = { loc: 1, scale: 1 };

/** Whose error is some share of the Gaussian's noise about a mean, and of noise of its own. */
function meterOf(mean: (mmse: number) => number, share: number, own: number): ErrorMeter {
  const gaussian = standardGaussian(D), random = Random.fromSeed(2);
  return {
    shape: [D],
    reference: onlyGaussian(gaussian),
    measure(_x, _eps, logsnr) {
      const noise = random.fillNormal(new Float32Array(logsnr.length));
      const mmse = gaussianMmse(logsnr[0], gaussian.eigenvalues);
      const mseReference = noise.map((value) => mmse + 20 * value);
      const mse = noise.map((value) => mean(mmse) + share * 20 * value + own * random.normal());
      return Promise.resolve({ mse, mseReference, distance: new Float32Array(logsnr.length) });
    },
    dispose() {},
  };
}

Deno.test("the Gaussian's noise is taken off an error only as far as the error has it", async () => {
  const samples = floatSamples(new Float32Array(N * D), D);
  // All of it, half, and none: an error that is small and exact stays so beside a reference that is not.
  for (const share of [1, 0.5, 0]) {
    const mean = (mmse: number) => 0.1 + 0.5 * mmse;
    const curve = await mseCurve(meterOf(mean, share, 0), samples, PROPOSAL, Random.fromSeed(1), 9);
    curve.mse.forEach((mse, k) => {
      ok(Math.abs(mse - mean(curve.gaussian[k])) < 1e-4, `${share}: ${mse} at ${curve.logsnr[k]}`);
      ok(curve.stderr[k] < 1e-4, `${share}: ± ${curve.stderr[k]}`);
    });
  }
  const { mse, stderr, gaussian } = await mseCurve(meterOf((m) => m, 0.3, 1), samples, PROPOSAL, Random.fromSeed(1), 9);
  mse.forEach((value, k) => ok(Math.abs(value - gaussian[k]) < 4 * stderr[k] && stderr[k] < 1.2 / Math.sqrt(N)));
});
