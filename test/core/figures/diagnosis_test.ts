import { equal, ok } from "assert";
import { standardGaussian } from "../../../core/reference/gaussian.ts";
import { diagnose } from "../../../core/evaluation/diagnosis.ts";
import type { ErrorMeter } from "../../../core/evaluation/errors.ts";
import { diagnosisFigure } from "../../../core/figures/diagnosis.ts";
import { renderPng, renderSvg } from "../../../core/figures/mod.ts";
import { Random } from "../../../core/random/random.ts";
import { onlyGaussian } from "../../../core/reference/mixture.ts";
import { floatSamples } from "../../../core/data/samples.ts";

/** A diagnosis of a denoiser with a known gap above the error of N(0, 1). */
function diagnosisOf(gap: (logsnr: number) => number) {
  const meter: ErrorMeter = {
    shape: [1],
    reference: onlyGaussian(standardGaussian(1)),
    measure: (_, eps, logsnr) =>
      Promise.resolve({
        mse: logsnr.map((a, i) => 1 + gap(a) * eps[i] ** 2),
        mseReference: logsnr.map(() => 1),
        distance: logsnr.map(() => 0),
      }),
    dispose() {},
  };
  const samples = floatSamples(Random.fromSeed(1).fillNormal(new Float32Array(300)), 1);
  return diagnose(meter, samples, { loc: 1, scale: 2 }, Random.fromSeed(2), { levels: 33 });
}

Deno.test("the diagnosis has three panels over one axis, and says where the Gaussian wins", async () => {
  const gap = (a: number) => -0.3 * Math.exp(-(a ** 2) / 8) + (a > 5 ? 0.1 : 0);
  const svg = await renderSvg(diagnosisFigure("moons: diagnosis", await diagnosisOf(gap)));
  for (
    const words of [
      "E‖ε − ε̂‖²",
      "nats per unit α",
      "per unit α",
      "gain on the Gaussian ± 1 s.e.",
      "the Gaussian wins, beyond 2 s.e.",
      "90 % of the gain",
      "share of the variance",
      "90 % of the variance",
      "proposal: loc 1, scale 2",
    ]
  ) ok(svg.includes(`>${words}<`), words);
  equal(svg.split(">log SNR α, nats<").length, 2, "the axis is named once");
  ok(!/NaN|Infinity/.test(svg));
  ok((await renderPng(svg, 300)).length > 5000);
});

Deno.test("a denoiser that is the Gaussian has a figure too", async () => {
  const svg = await renderSvg(diagnosisFigure("scg", await diagnosisOf(() => 0)));
  for (const words of ["the Gaussian wins, beyond", "90 %"]) ok(!svg.includes(words), words);
  ok(!/NaN|Infinity/.test(svg));
});
