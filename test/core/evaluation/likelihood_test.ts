import { equal, ok } from "assert";
import { entropy, gaussianOf } from "../../../core/reference/gaussian.ts";
import { meanAndStderr } from "../../../core/diffusion/likelihood.ts";
import { logsnrRange } from "../../../core/diffusion/logsnr.ts";
import { createEngine } from "../../../core/engine/mod.ts";
import { autoProposal } from "../../../core/reference/choose_reference.ts";
import { mseCurve, suggestProposal } from "../../../core/evaluation/curve.ts";
import { density, gridPoints } from "../../../core/evaluation/density.ts";
import { createErrorMeter } from "../../../core/evaluation/errors.ts";
import { estimateNll, estimateNllAgainstStandard } from "../../../core/evaluation/nll.ts";
import type { Gaussian } from "../../../core/reference/gaussian.ts";
import { Random } from "../../../core/random/random.ts";
import { floatSamples, type Samples } from "../../../core/data/samples.ts";
import * as gaussianDenoiser from "../../../denoisers/gaussian.ts";
import * as moons from "../../../datasets/moons.ts";
import * as scg from "../../../datasets/scg.ts";
import { fitGaussian } from "../../../core/reference/gaussian.ts";

const truth = gaussianOf([0.3, -0.2], [1, 0.6, 0.6, 0.5]);

/** Samples of N(mean, [[1, 0.6], [0.6, 0.5]]). */
function samples(n: number, random: Random): Samples {
  const e = random.fillNormal(new Float32Array(2 * n));
  const rest = Math.sqrt(0.5 - 0.36);
  return floatSamples(e.map((x, i) => i % 2 === 0 ? 0.3 + x : -0.2 + 0.6 * e[i - 1] + rest * x), 2);
}

/** The ideal denoiser of the truth, compared with a baseline that may be another Gaussian. */
async function meterOf(baseline: Gaussian) {
  const engine = await createEngine("onnx-cpu", 1);
  const denoiser = gaussianDenoiser.create({ shape: [2], gaussian: truth });
  const info = { shape: [2], gaussian: baseline };
  return createErrorMeter(engine, engine.createState({}), () => ({}), denoiser, info, 256);
}

Deno.test("the paired estimate of the ideal denoiser is the entropy, whatever it is compared with", async () => {
  const random = Random.fromSeed(2);
  const x = samples(20_000, random.split("x"));
  const other = gaussianOf([0, 0], [0.7, 0.2, 0.2, 0.9]);
  for (const [baseline, limit] of [[truth, 0.008], [other, 0.02]] as const) {
    const meter = await meterOf(baseline);
    const { mean, stderr } = await estimateNll(meter, x, { loc: 1, scale: 2.5 }, random.split("noise"), 4);
    ok(Math.abs(mean - entropy(truth)) < 4 * stderr && stderr < limit, `${mean} ± ${stderr}, truth ${entropy(truth)}`);
    await meter.dispose();
  }
});

Deno.test("the published estimate agrees, with a far larger standard error that tells its own spread", async () => {
  const random = Random.fromSeed(4);
  const x = samples(4_000, random.split("x"));
  const meter = await meterOf(truth);
  const proposal = { loc: 1, scale: 2 };
  const paired = await estimateNll(meter, x, proposal, random.split("p"), 1);
  const values: number[] = [];
  let claimed = 0;
  for (let k = 0; k < 60; k++) {
    const { mean, stderr } = await estimateNllAgainstStandard(meter, x, proposal, random.split(k));
    values.push(mean);
    claimed += stderr / 60;
  }
  const { mean, stderr } = meanAndStderr(values);
  const spread = stderr * Math.sqrt(60);
  ok(Math.abs(mean - entropy(truth)) < 5 * stderr, `${mean} ± ${stderr}`);
  ok(spread > 0.6 * claimed && spread < 1.5 * claimed, `spread ${spread}, claimed ${claimed}`);
  ok(paired.stderr < claimed / 5, `${paired.stderr} and ${claimed}`);
  await meter.dispose();
});

Deno.test("the density of a grid is the Gaussian's, smooth, and integrates to one", async () => {
  const side = 21;
  const extent = 5;
  const points = gridPoints(side, extent);
  equal(points[2 * 3], -extent + 2 * extent * 3 / (side - 1), "x₁ runs fastest");
  const meter = await meterOf(gaussianOf([0, 0], [1.2, 0, 0, 0.8]));
  const cell = (2 * extent / (side - 1)) ** 2;
  const middle = (side * side - 1) / 2;
  // −log N at the origin by hand: ½·log((2π)²·det) + ½·μᵀΣ⁻¹μ, with det = 0.14.
  const exact = -0.5 * Math.log((2 * Math.PI) ** 2 * 0.14) - 0.5 * (0.09 * 0.5 + 2 * 0.06 * 0.6 + 0.04) / 0.14;
  const errors: number[] = [];
  let mass = 0;
  let claimed = 0;
  for (let seed = 0; seed < 24; seed++) {
    const random = Random.fromSeed(seed);
    const { logDensity, stderr } = await density(meter, floatSamples(points, 2), { loc: 0.8, scale: 1.8 }, random, 64);
    mass += logDensity.reduce((sum, l) => sum + Math.exp(l) * cell, 0) / 24;
    errors.push(logDensity[middle] - exact);
    claimed += stderr[middle] / 24;
  }
  ok(Math.abs(mass - 1) < 0.05, `mass ${mass}`);
  const { mean, stderr } = meanAndStderr(errors);
  ok(Math.abs(mean) < 4 * stderr, `bias ${mean} ± ${stderr}`);
  // Independent noise spreads by 0.25; the claimed error does not know that this is better, but is no smaller.
  const spread = stderr * Math.sqrt(24);
  ok(spread < 0.18 && spread < claimed && claimed < 4 * spread, `spread ${spread}, claimed ${claimed}`);
  await meter.dispose();
});

Deno.test("the MSE curve of the ideal denoiser is the MMSE, and suggests the proposal of its quantiles", async () => {
  const standard = gaussianOf([0, 0], [1, 0, 0, 1]);
  const engine = await createEngine("onnx-cpu", 1);
  const info = { shape: [2], gaussian: standard };
  const meter = await createErrorMeter(
    engine,
    engine.createState({}),
    () => ({}),
    gaussianDenoiser.create(info),
    info,
    256,
  );
  const x = floatSamples(Random.fromSeed(6).fillNormal(new Float32Array(4000)), 2);
  const curve = await mseCurve(meter, x, { loc: 0, scale: 2 }, Random.fromSeed(7), 161);
  curve.mse.forEach((mse, k) => ok(Math.abs(mse - 2 / (1 + Math.exp(-curve.logsnr[k]))) < 1e-5));
  const suggestion = suggestProposal(curve, 2)!;
  // d·σ(α) is half of d at 0 and a quarter at −log 3.
  ok(Math.abs(suggestion.loc) < 0.01 && Math.abs(suggestion.scale - Math.log(3)) < 0.01, JSON.stringify(suggestion));
  equal(suggestProposal({ ...curve, mse: curve.mse.map(() => 0.1) }, 2), undefined);
  await meter.dispose();
});

Deno.test("the automatic proposal holds the spectrum of Gaussian data, and reaches further for finer data", async () => {
  const engine = await createEngine("onnx-cpu", 1);
  const rangeFor = async (load: typeof scg.load | typeof moons.load) => {
    const { train } = await load(Random.fromSeed(0), { points: 8000, noise: 0.03 });
    return {
      range: logsnrRange(await autoProposal(engine, train, Random.fromSeed(1))),
      logs: fitGaussian(train).eigenvalues.map((l) => -Math.log(l)).toSorted(),
    };
  };
  const plain = await rangeFor(scg.load);
  [plain.logs[0] - 5, plain.logs[1] + 5].forEach((end, i) =>
    ok(Math.abs(plain.range[i] - end) < 0.1, `${plain.range}`)
  );
  const fine = await rangeFor(moons.load);
  ok(fine.range[1] > 10 && fine.range[1] < 14, `moons' noise ends its structure at about 6.5; ${fine.range}`);
  ok(fine.range[0] < fine.logs[0] - 4, `${fine.range}`);
  engine.dispose();
});
