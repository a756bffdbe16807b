import { deepEqual, ok } from "assert";
import { blurredGaussian, gaussianNll, gaussianOf } from "../../../core/reference/gaussian.ts";
import { logsnrRange } from "../../../core/diffusion/logsnr.ts";
import { createEngine } from "../../../core/engine/mod.ts";
import { blurredDenoiser, blurredProposal } from "../../../core/evaluation/blur.ts";
import { density, gridPoints } from "../../../core/evaluation/density.ts";
import { createErrorMeter } from "../../../core/evaluation/errors.ts";
import { Random } from "../../../core/random/random.ts";
import { floatSamples } from "../../../core/data/samples.ts";
import { create } from "../../../denoisers/gaussian.ts";

const truth = gaussianOf([0.3, -0.2], [1, 0.6, 0.6, 0.5]);

async function blurredDensity(deviation: number, baseline = truth, levels = 4) {
  const engine = await createEngine("onnx-cpu", 1);
  const denoiser = blurredDenoiser(create({ shape: [2], gaussian: truth }), deviation);
  const info = { shape: [2], gaussian: blurredGaussian(baseline, deviation) };
  const meter = await createErrorMeter(engine, engine.createState({}), () => ({}), denoiser, info, 256);
  const points = gridPoints(7, 2);
  const got = await density(meter, floatSamples(points, 2), { loc: 1, scale: 2 }, Random.fromSeed(3), levels);
  await meter.dispose();
  const nll = gaussianNll(floatSamples(points, 2), blurredGaussian(truth, deviation));
  return { got: got.logDensity, exact: nll.map((x) => -x) };
}

Deno.test("the blurred density of a Gaussian is that of the wider Gaussian, whatever the blur", async () => {
  for (const deviation of [0.01, 0.3, 2]) {
    // Compared with the blurred truth itself the errors are equal, so the estimate is exact: the denoiser is the best one.
    const { got, exact } = await blurredDensity(deviation);
    got.forEach((l, i) => ok(Math.abs(l - exact[i]) < 2e-4 * (1 + Math.abs(exact[i])), `${l}, exact ${exact[i]}`));
  }
});

Deno.test("compared with another Gaussian the blurred density is the same", async () => {
  const { got, exact } = await blurredDensity(0.5, gaussianOf([0, 0], [1.2, 0, 0, 0.8]), 512);
  got.forEach((l, i) => ok(Math.abs(l - exact[i]) < 0.12, `${l}, exact ${exact[i]}`));
});

Deno.test("a proposal ends where the blur leaves nothing to see, and only there", () => {
  const [low, high] = logsnrRange(blurredProposal({ loc: 5, scale: 2.25 }, Math.exp(-3)));
  ok(Math.abs(low + 4) < 1e-9 && Math.abs(high - 10) < 1e-9, `${low} to ${high}`);
  deepEqual(blurredProposal({ loc: 0, scale: 1 }, 0.01), { loc: 0, scale: 1 });
});
