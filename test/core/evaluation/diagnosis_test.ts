import { deepEqual, equal, match, ok, rejects } from "assert";
import { entropy, gaussianOf, standardGaussian } from "../../../core/reference/gaussian.ts";
import { proposalOfSpectrum } from "../../../core/diffusion/logsnr.ts";
import { createEngine } from "../../../core/engine/mod.ts";
import { diagnose, type Diagnosis, DiagnosisError, diagnosisLines } from "../../../core/evaluation/diagnosis.ts";
import { createErrorMeter, type ErrorMeter } from "../../../core/evaluation/errors.ts";
import { onlyGaussian } from "../../../core/reference/mixture.ts";
import { Random } from "../../../core/random/random.ts";
import { floatSamples } from "../../../core/data/samples.ts";
import { create } from "../../../denoisers/gaussian.ts";

/** The range is −8 to 8. */
const PROPOSAL = { loc: 0, scale: 2 };

/**
 * A meter of samples of one value whose error is a known gap above that of N(0, 1), with an even part of the noise of a
 * known deviation, and an odd part that both signs of the noise cancel.
 */
function fakeMeter(gap: (logsnr: number) => number, deviation: (logsnr: number) => number): ErrorMeter {
  return {
    shape: [1],
    reference: onlyGaussian(standardGaussian(1)),
    measure: (_, eps, logsnr) =>
      Promise.resolve({
        mse: logsnr.map((a, i) => 1 + gap(a) + deviation(a) * (eps[i] ** 2 - 1) / Math.SQRT2 + 50 * eps[i]),
        mseReference: logsnr.map(() => 1),
        distance: logsnr.map(() => 0),
      }),
    dispose() {},
  };
}

function normals(n: number, seed = 1) {
  return floatSamples(Random.fromSeed(seed).fillNormal(new Float32Array(n)), 1);
}

/** A gain of a nat per unit at 0 that falls to nothing at ±4, and the Gaussian better by 0.2 nats per unit from 5 to 7. */
const tent = (a: number) => -2 * Math.max(0, 1 - Math.abs(a) / 4) + (a > 4.9 && a < 7.1 ? 0.4 : 0);

const near = (got: number, expected: number, tolerance: number, what = "") =>
  ok(Math.abs(got - expected) <= tolerance, `${what} ${got}, expected ${expected} within ${tolerance}`);

Deno.test("known errors give the gain, its interval, where the Gaussian wins, and what clamping saves", async () => {
  const diagnosis = await diagnose(fakeMeter(tent, () => 1), normals(4000), PROPOSAL, Random.fromSeed(2), {
    levels: 81,
  });
  const { levels, gain, nll, gaussianNll, clampedNll, gaussianWins, gainInterval } = diagnosis;
  equal(levels.length, 81);
  deepEqual([levels[0].logsnr, levels[80].logsnr], [-8, 8]);
  for (const { logsnr, gap, stderr, deviation, mse, gaussian, gain } of levels) {
    near(gap, tent(logsnr), 5 * stderr, `gap at ${logsnr}`);
    near(deviation, 1, 0.15, `deviation at ${logsnr}`);
    near(stderr, deviation / Math.sqrt(4000), 1e-9);
    near(mse - gaussian, gap, 1e-9);
    equal(gain, -gap / 2);
  }
  // Half of the tent's area of 8, less the Gaussian's 0.4 from 4.9 to 7.1, where the levels are 0.2 apart.
  near(gain.mean, 4 - 0.44, 5 * gain.stderr, "gain");
  // Levels with noise of their own: 81 deviations of ½ · 0.2 each.
  near(gain.stderr, 0.1 * Math.sqrt(81 / 4000), 0.001, "its error");
  near(nll.mean, gaussianNll.mean - gain.mean, 1e-9);
  // A level may be beyond two standard errors by chance.
  const main = gaussianWins.find(({ interval: [from, to] }) => from < 6 && to > 6)!;
  near(main.interval[0], 4.9, 0.21);
  near(main.interval[1], 7.1, 0.21);
  near(main.nats.mean, 0.44, 5 * main.nats.stderr);
  ok(gaussianWins.length <= 6);
  const saved = gaussianWins.reduce((sum, { nats }) => sum + nats.mean, 0);
  near(clampedNll.mean, nll.mean - saved, 1e-9);
  // 5 % of a tent of half width 4 is outside of 4·√0.1 from its ends; noise below zero counts for nothing.
  near(gainInterval![0], -(4 - 4 * Math.sqrt(0.1)), 0.3);
  near(gainInterval![1], 4 - 4 * Math.sqrt(0.1), 0.3);
  deepEqual(diagnosis.cutOff, []);
  deepEqual(diagnosis.spectrum, proposalOfSpectrum([1]));
});

Deno.test("the variance's share, interval and ratio are those of draws from the proposal", async () => {
  // In proportion to the proposal's density from −4 to 4: the proposal is the best one but for what it draws outside.
  const within = (a: number) => Math.abs(a) < 3.95 ? 1 : 0;
  const density = (a: number) => 1 / (Math.exp(a / 4) + Math.exp(-a / 4)) ** 2 / (2 * Math.tanh(2));
  const meter = fakeMeter(() => -1e-3, (a) => within(a) * density(a));
  const { levels, varianceRatio, varianceInterval } = await diagnose(
    meter,
    normals(4000),
    PROPOSAL,
    Random.fromSeed(3),
    { levels: 161 },
  );
  const mass = levels.reduce((sum, { density }) => sum + 0.1 * density, 0);
  near(mass, 1, 0.01, "the proposal's probability");
  for (const { logsnr, variance, density: got } of levels) {
    near(got, density(logsnr), 1e-9);
    near(variance, within(logsnr) * density(logsnr) / 4, 0.3 * density(logsnr) / 4 + 1e-12);
  }
  // Half of the logistic distribution is between its quantiles at ±ln 3 scales; here σ(2) − σ(−2) of tanh(2).
  const inner = Math.tanh(1) / Math.tanh(2);
  near(varianceRatio, 1 / inner, 0.03);
  const end = 2 * 2 * Math.atanh(0.9 * Math.tanh(1));
  near(varianceInterval![0], -end, 0.15);
  near(varianceInterval![1], end, 0.15);
});

const TRUTH = gaussianOf([0.3, -0.2], [1, 0.6, 0.6, 0.5]);

/** The ideal denoiser of the truth beside a baseline. */
async function diagnosisAgainst(baseline = TRUTH): Promise<Diagnosis> {
  const engine = await createEngine("onnx-cpu", 1);
  const denoiser = create({ shape: [2], gaussian: TRUTH });
  const info = { shape: [2], gaussian: baseline };
  const meter = await createErrorMeter(engine, engine.createState({}), () => ({}), denoiser, info, 512);
  const e = Random.fromSeed(7).fillNormal(new Float32Array(6000)), rest = Math.sqrt(0.5 - 0.36);
  const x = floatSamples(e.map((v, i) => i % 2 === 0 ? 0.3 + v : -0.2 + 0.6 * e[i - 1] + rest * v), 2);
  const diagnosis = await diagnose(meter, x, { loc: 1, scale: 2.5 }, Random.fromSeed(8));
  await meter.dispose();
  engine.dispose();
  return diagnosis;
}

Deno.test("the ideal denoiser's NLL is the entropy whatever Gaussian it is beside", async () => {
  const { nll, gain, gaussianWins, clampedNll } = await diagnosisAgainst(gaussianOf([0, 0], [0.7, 0.2, 0.2, 0.9]));
  near(nll.mean, entropy(TRUTH), 4 * nll.stderr);
  ok(nll.stderr < 0.05 && gain.mean > 5 * gain.stderr);
  // The ideal one loses nowhere but by chance.
  near(clampedNll.mean, nll.mean, 0.01);
  ok(gaussianWins.length <= 4);
});

Deno.test("beside its own Gaussian there is no gain, no variance and no winner", async () => {
  const diagnosis = await diagnosisAgainst();
  ok(Math.abs(diagnosis.gain.mean) < 1e-5 && diagnosis.nll.mean === diagnosis.clampedNll.mean);
  deepEqual([diagnosis.gaussianWins, diagnosis.gainInterval, diagnosis.varianceInterval], [[], undefined, undefined]);
  const text = diagnosisLines(diagnosis);
  match(text[0], /^3000 samples in 2 dimensions, 49 log SNRs from -9\.0 to 11\.0$/);
  deepEqual([2, 3, 4, 6].map((k) => text[k].slice(15)), [
    "none: the denoiser is nowhere better than the data's Gaussian",
    "none: the denoiser is the data's Gaussian",
    "nowhere beyond two standard errors",
    "holds the gain: there is none at its ends",
  ]);
});

Deno.test("a range that cuts off gain says at which end, and how to move it", async () => {
  const ramp = (a: number) => a > 0 ? -a / 8 : 0;
  const upper = await diagnose(fakeMeter(ramp, () => 0.1), normals(500), PROPOSAL, Random.fromSeed(4), { levels: 9 });
  deepEqual(upper.cutOff.map(({ end, logsnr }) => [end, logsnr]), [["upper", 8]]);
  near(upper.cutOff[0].gain.mean, 0.5, 0.01);
  match(
    diagnosisLines(upper).at(-1)!,
    /^Range {10}cuts off gain: 0\.\d+ ± 0\.00\d+ nats per unit at its upper end, 8\.0; take a larger --logsnr-loc or a/,
  );
  const lower = await diagnose(
    fakeMeter((a) => ramp(-a), () => 0.1),
    normals(500),
    PROPOSAL,
    Random.fromSeed(4),
    { levels: 9 },
  );
  deepEqual(lower.cutOff.map(({ end }) => end), ["lower"]);
  match(diagnosisLines(lower).at(-1)!, /lower end, -8\.0; take a smaller --logsnr-loc or a larger --logsnr-scale$/);
  // Where the Gaussian is better at an end, nothing is cut off.
  const worse = await diagnose(fakeMeter(() => 1, () => 0.1), normals(500), PROPOSAL, Random.fromSeed(4), {
    levels: 9,
  });
  deepEqual(worse.cutOff, []);
  deepEqual(worse.gaussianWins.map(({ interval }) => interval), [[-8, 8]]);
  near(worse.clampedNll.mean, worse.gaussianNll.mean, 1e-9);
  match(diagnosisLines(worse)[1], /nats, 8\.0\d* ± 0\.0\d+ above the Gaussian's /);
  match(diagnosisLines(worse).join("\n"), /Gain {11}none: the denoiser is nowhere better than the data's Gaussian/);
});

Deno.test("the text has a line for each question", async () => {
  const lines = diagnosisLines(
    await diagnose(fakeMeter(tent, () => 1), normals(1000), PROPOSAL, Random.fromSeed(2), { levels: 33 }),
  );
  equal(lines.length, 7);
  match(lines[1], /^NLL {12}-?[\d.]+ ± [\d.]+ nats, [\d.]+ ± [\d.]+ below the Gaussian's [\d.]+$/);
  match(lines[2], /^Gain {11}90 % from -2\.\d to 2\.\d; most, [\d.]+ nats per unit, at -?0\.\d$/);
  match(lines[3], /^Variance {7}90 % from -\d\.\d to \d\.\d; the best proposal would make it [\d.]+ times smaller$/);
  match(
    lines[4],
    /^Gaussian wins {2}4\.\d to 7\.\d \([\d.]+ ± [\d.]+ nats\).*; used there, the NLL is -?[\d.]+ ± [\d.]+$/,
  );
  match(
    lines[5],
    /^Proposal {7}loc 0\.00, scale 2\.00; the MSE curve suggests .*; the spectrum loc 0\.00, scale 1\.00$/,
  );
});

Deno.test("the same seed gives the same diagnosis; progress is told, and a signal ends it", async () => {
  const meter = fakeMeter(tent, () => 1);
  const steps: number[][] = [];
  const run = (seed: number) =>
    diagnose(meter, normals(50), PROPOSAL, Random.fromSeed(seed), {
      levels: 5,
      onProgress: (done, total) => steps.push([done, total]),
    });
  const first = await run(1);
  deepEqual(steps, [1, 2, 3, 4, 5].map((k) => [k, 5]));
  deepEqual(await run(1), first);
  ok((await run(2)).nll.mean !== first.nll.mean);
  const signal = AbortSignal.abort(new Error("stopped"));
  await rejects(diagnose(meter, normals(50), PROPOSAL, Random.fromSeed(1), { signal }), /^Error: stopped/);
});

Deno.test("too few samples and a denoiser that has diverged are errors", async () => {
  const run = (meter: ErrorMeter, n: number) =>
    diagnose(meter, normals(n), PROPOSAL, Random.fromSeed(1), { levels: 5 });
  await rejects(run(fakeMeter(tent, () => 1), 1), DiagnosisError);
  await rejects(
    run(fakeMeter((a) => a > 7 ? NaN : 0, () => 1), 9),
    /^DiagnosisError: The error at log SNR 8\.00 came out as no finite number/,
  );
});
