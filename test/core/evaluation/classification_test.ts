import { deepEqual, equal, ok } from "assert";
import * as tf from "@tensorflow/tfjs";
import { givenNothing } from "../../../core/data/condition.ts";
import { meanAndStderr } from "../../../core/diffusion/likelihood.ts";
import { createEngine } from "../../../core/engine/mod.ts";
import type { Samples } from "../../../core/data/samples.ts";
import { classLogProbabilities, type ClassLogs } from "../../../core/evaluation/class_probabilities.ts";
import { scoreClasses } from "../../../core/evaluation/classification.ts";
import { createErrorMeter, type ErrorMeter } from "../../../core/evaluation/errors.ts";
import { RunningNll } from "../../../core/evaluation/running_nll.ts";
import { fitTemperature, posterior } from "../../../core/evaluation/temperature.ts";
import { takeRounds } from "../../../core/evaluation/take_rounds.ts";
import { calibrationFigure, renderSvg } from "../../../core/figures/mod.ts";
import type { Denoiser } from "../../../core/plugins/contracts.ts";
import { Random } from "../../../core/random/random.ts";
import { fitGaussian } from "../../../core/reference/gaussian.ts";
import {
  CONDITION,
  exactClasses,
  exactDensities,
  LABELLED_DENOISER,
  labelledRows,
  labelledSamples,
} from "../../labelled.ts";

/** The ideal denoiser beside one Gaussian, which knows nothing of classes: all that is said of them is measured. */
async function labelledMeter(n: number, denoiser = LABELLED_DENOISER) {
  const rows = labelledRows(Random.fromSeed(1), n), samples = labelledSamples(rows);
  const info = { shape: [2], gaussian: fitGaussian(samples), condition: CONDITION };
  const engine = await createEngine("onnx-cpu", 1);
  const meter = await createErrorMeter(engine, engine.createState({}), () => ({}), denoiser, info, 1024);
  const dispose = async () => {
    await meter.dispose();
    await engine.dispose();
  };
  return { rows, samples, meter, dispose };
}

const PROPOSAL = { loc: 1, scale: 1.75, even: true };

Deno.test("log p(x | c) and log p(x) of classes are exact within two errors, for each sample and the mean", async () => {
  const { rows, samples, meter, dispose } = await labelledMeter(400);
  const exact = rows.map((row) => exactDensities(row));
  for (
    const [told, truth] of [
      [samples, rows.map(([, , label], i) => -exact[i].given[label])],
      [givenNothing(samples), exact.map(({ plain }) => -plain)],
    ] as const
  ) {
    const running = new RunningNll(meter, told, PROPOSAL, Random.fromSeed(2));
    await running.adapt();
    await takeRounds(running, told.count, { rounds: 32 });
    const { mean, noiseStderr } = running.estimate(), expected = meanAndStderr(Float64Array.from(truth)).mean;
    ok(Math.abs(mean - expected) < 2 * noiseStderr + 0.01, `${mean} ± ${noiseStderr} for ${expected}`);
    const { nll, stderr } = running.perSample();
    const within = truth.filter((value, i) => Math.abs(nll[i] - value) < 2 * stderr[i] + 0.02).length / truth.length;
    ok(within > 0.9, `${within} of the samples are within two errors`);
  }
  await dispose();
});

Deno.test("log p(c | x) by Bayes' rule is exact within the noise, and scored as exact probabilities are", async () => {
  const { rows, samples, meter, dispose } = await labelledMeter(400);
  const { logs } = (await classLogProbabilities(meter, samples, CONDITION, PROPOSAL, Random.fromSeed(3), {
    variable: 0,
    rounds: 64,
  }))!;
  const truth = rows.map(([, , label]) => label), exact = Float64Array.from(rows.flatMap((row) => exactClasses(row)));
  const gap = meanAndStderr(exact.map((log, at) => Math.exp(log) - Math.exp(logs[at])).map(Math.abs));
  ok(gap.mean < 0.02, `${gap.mean} ± ${gap.stderr}`);
  const got = scoreClasses(logs, truth), best = scoreClasses(exact, truth);
  ok(Math.abs(got.accuracy.mean - best.accuracy.mean) < 0.015, `${got.accuracy.mean} for ${best.accuracy.mean}`);
  ok(Math.abs(got.logLoss.mean - best.logLoss.mean) < 0.02, `${got.logLoss.mean} for ${best.logLoss.mean}`);
  for (let i = 0; i < truth.length; i++) {
    ok(Math.abs(logs.subarray(3 * i, 3 * i + 3).reduce((sum, log) => sum + Math.exp(log), 0) - 1) < 1e-9);
  }
  await dispose();
});

Deno.test("classes are asked up to where the network tells labelled samples, and nothing is lost where it always does", async () => {
  // Above log SNR 3 all are told to be of class 2.
  const lying: Denoiser = {
    ...LABELLED_DENOISER,
    predict(params, z, logsnr, condition) {
      const wrong = tf.mul(
        tf.cast(tf.greater(logsnr, 3), "float32"),
        tf.sub(1, tf.slice(condition!, [0, 3], [-1, 1]).flatten()),
      );
      return tf.add(LABELLED_DENOISER.predict(params, z, logsnr, condition), tf.mul(1.5, tf.expandDims(wrong, 1)));
    },
  };
  const others = labelledSamples(labelledRows(Random.fromSeed(8), 256));
  const few = labelledSamples(labelledRows(Random.fromSeed(8), 40));
  const { rows, samples, meter, dispose } = await labelledMeter(300, lying);
  const truth = rows.map(([, , label]) => label), options = { variable: 0, rounds: 32 };
  const told = async (own: ErrorMeter, labelled?: Samples) => {
    const given = labelled ? { labelled } : {};
    return (await classLogProbabilities(own, samples, CONDITION, PROPOSAL, Random.fromSeed(3), {
      ...options,
      ...given,
    }))!;
  };
  const lossOf = ({ logs }: ClassLogs) => scoreClasses(logs, truth).logLoss.mean;
  const best = scoreClasses(Float64Array.from(rows.flatMap((row) => exactClasses(row))), truth).logLoss.mean;
  const plain = await told(meter), asked = await told(meter, others);
  deepEqual([plain.logsnrUpTo, plain.temperature, plain.chosenBy], [undefined, 1, 0]);
  equal(asked.chosenBy, 256);
  ok(asked.logsnrUpTo! > 1 && asked.logsnrUpTo! < 3.5, `${asked.logsnrUpTo}`);
  ok(lossOf(plain) > best + 0.5, `${lossOf(plain)} for ${best}`);
  ok(lossOf(asked) < best + 0.1, `${lossOf(asked)} for ${best}`);
  // Too few choose nothing.
  deepEqual(await told(meter, few), plain);
  await dispose();
  const honest = await labelledMeter(300), all = await told(honest.meter, others);
  ok(all.logsnrUpTo === undefined || all.logsnrUpTo > 2, `${all.logsnrUpTo}`);
  ok(all.temperature < 1.2, `${all.temperature}`);
  ok(lossOf(all) < best + 0.02, `${lossOf(all)} for ${best}`);
  await honest.dispose();
});

Deno.test("what a network says that is three times too sure is taken for less", async () => {
  const { rows, samples, meter, dispose } = await labelledMeter(300);
  const threefold = (values: Float32Array) => values.map((value) => 3 * value);
  const sure: ErrorMeter = {
    ...meter,
    async measure(...of) {
      const { mse, mseReference, ...rest } = await meter.measure(...of);
      return { ...rest, mse: threefold(mse), mseReference: threefold(mseReference) };
    },
  };
  const labelled = labelledSamples(labelledRows(Random.fromSeed(8), 256));
  const told = async (given: { labelled?: Samples }) =>
    (await classLogProbabilities(sure, samples, CONDITION, PROPOSAL, Random.fromSeed(3), {
      ...{ variable: 0, rounds: 32, ...given },
    }))!;
  const truth = rows.map(([, , label]) => label), scored = ({ logs }: ClassLogs) => scoreClasses(logs, truth);
  const [plain, asked] = [await told({}), await told({ labelled })];
  ok(asked.temperature > 1.2 && asked.temperature < 5, `${asked.temperature}`);
  const best = scoreClasses(Float64Array.from(rows.flatMap((row) => exactClasses(row))), truth);
  const [before, after] = [scored(plain), scored(asked)];
  ok(after.logLoss.mean < best.logLoss.mean + 0.03, `${after.logLoss.mean} for ${best.logLoss.mean}`);
  ok(before.logLoss.mean > after.logLoss.mean + 0.05, `${before.logLoss.mean} to ${after.logLoss.mean}`);
  await dispose();
});

Deno.test("a temperature is found, from few samples to nothing that they say, and unknown classes have no part in it", () => {
  const random = Random.fromSeed(5), n = 4000, prior = [0.5, 0.3, 0.2].map(Math.log);
  const nlls = random.fillNormal(new Float64Array(3 * n)).map((value) => 2 * value);
  const logs = posterior(nlls, prior);
  const truth = Array.from({ length: n }, (_, i) => {
    const u = random.uniform(), [a, b] = logs.subarray(3 * i).map(Math.exp);
    return u < a ? 0 : u < a + b ? 1 : 2;
  });
  const found = fitTemperature(nlls.map((nll) => 2.5 * nll), prior, truth);
  ok(Math.abs(found / 2.5 - 1) < 0.06, `${found}`);
  equal(fitTemperature(nlls.map((nll) => nll / 4), prior, truth), 1);
  const half = truth.map((own, i) => i % 2 === 0 ? own : -1);
  const halved = fitTemperature(nlls.map((nll, at) => Math.floor(at / 3) % 2 === 0 ? 2.5 * nll : NaN), prior, half);
  ok(Math.abs(halved / 2.5 - 1) < 0.09, `${halved}`);
  // What is always wrong says nothing, and what a likelihood rules out stays ruled out.
  equal(fitTemperature(Float64Array.of(0, 2, 2, 0), [0.5, 0.5].map(Math.log), [1, 0]), 1000);
  const ruled = Float64Array.of(0, Infinity, 1, 0, 1, 0);
  const temperature = fitTemperature(ruled, [0.5, 0.5].map(Math.log), [0, 0, 1]);
  ok(temperature > 1 && Number.isFinite(temperature), `${temperature}`);
  deepEqual([...posterior(ruled.subarray(0, 2), [0.5, 0.5].map(Math.log), temperature)], [0, -Infinity]);
});

Deno.test("the least information is that of the table, where the probabilities are the table's, and no more for others", () => {
  // 6 of 8 samples of class 0 have x = 0, and 2 of 8 of class 1: I(X; C) of a table of 6, 2, 2, 6.
  const truth = [0, 1].flatMap((own) => Array<number>(8).fill(own)), x = [6, 8, 10, 16];
  const isLow = (i: number) => i < x[0] || i >= x[1] && i < x[2];
  const logsOf = (right: number) =>
    Float64Array.from({ length: 32 }, (_, at) => Math.log(isLow(at >> 1) === (at % 2 === 0) ? right : 1 - right));
  const { entropy, information } = scoreClasses(logsOf(0.75), truth);
  const exact = Math.LN2 + 0.75 * Math.log(0.75) + 0.25 * Math.log(0.25);
  ok(Math.abs(entropy - Math.LN2) < 1e-12 && Math.abs(information.mean - exact) < 1e-12);
  for (const right of [0.6, 0.9]) ok(scoreClasses(logsOf(right), truth).information.mean < exact);
});

Deno.test("a calibration error is that of the bins, and its figure names its axes", async () => {
  // Of ten samples told to be right with 0.85, seven are.
  const logs = Float64Array.from({ length: 20 }, (_, at) => Math.log(at % 2 === 0 ? 0.85 : 0.15));
  const { accuracy, calibrationError, bins } = scoreClasses(logs, Array.from({ length: 10 }, (_, i) => i < 7 ? 0 : 1));
  equal(accuracy.mean, 0.7);
  ok(Math.abs(calibrationError - 0.15) < 1e-9);
  equal(bins.length, 1);
  const svg = await renderSvg(calibrationFigure({ title: "digits", subtitle: "70 % right", bins }));
  for (const label of ["probability of the likeliest class", "share of right answers", "70 % right"]) {
    ok(svg.includes(`>${label}<`), label);
  }
  ok(!/NaN|Infinity/.test(svg));
});
