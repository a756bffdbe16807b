import { deepEqual, equal, ok, rejects, throws } from "assert";
import { join } from "node:path";
import { gaussianNll, gaussianOf, standardGaussian } from "../../../core/reference/gaussian.ts";
import { sigmoid } from "../../../core/diffusion/logsnr.ts";
import { reweightedProposal } from "../../../core/diffusion/reweighted_proposal.ts";
import type { ErrorMeter } from "../../../core/evaluation/errors.ts";
import { RunningNll } from "../../../core/evaluation/running_nll.ts";
import { onlyGaussian } from "../../../core/reference/mixture.ts";
import { Random } from "../../../core/random/random.ts";
import { RunFolder } from "../../../core/run/folder.ts";
import { loadSums, saveSums } from "../../../core/run/nll_state.ts";
import { writePerSample } from "../../../core/run/per_sample_file.ts";
import { floatSamples, selectRows } from "../../../core/data/samples.ts";
import { inFolder, namesIn } from "../../folders.ts";

/** The ideal denoiser of independent Gaussians of these variances, compared with N(0, I): not the data's Gaussian. */
const VARIANCES = [4, 0.05];

const meter: ErrorMeter = {
  shape: [2],
  reference: onlyGaussian(standardGaussian(2)),
  measure(x, eps, logsnr) {
    const errors = (variance: (k: number) => number) =>
      Float32Array.from(logsnr, (alpha, i) => {
        const [s, n] = [sigmoid(alpha), sigmoid(-alpha)];
        let sum = 0;
        for (let k = 0; k < 2; k++) {
          const z = Math.sqrt(s) * x[2 * i + k] + Math.sqrt(n) * eps[2 * i + k];
          sum += (eps[2 * i + k] - Math.sqrt(n) * z / (s * variance(k) + n)) ** 2;
        }
        return sum;
      });
    const distance = new Float32Array(logsnr.length);
    return Promise.resolve({ mse: errors((k) => VARIANCES[k]), mseReference: errors(() => 1), distance });
  },
  dispose() {},
};

const e = Random.fromSeed(4).fillNormal(new Float32Array(2 * 300));
const samples = floatSamples(e.map((x, i) => x * Math.sqrt(VARIANCES[i % 2])), 2);
const exact = gaussianNll(samples, gaussianOf([0, 0], [4, 0, 0, 0.05]));
const truth = exact.reduce((sum, x) => sum + x / exact.length, 0);
const proposal = { loc: 0.8, scale: 2 };

async function after(rounds: number, seed: number, adapt = true): Promise<RunningNll> {
  const running = new RunningNll(meter, samples, proposal, Random.fromSeed(seed));
  if (adapt) await running.adapt();
  for (let i = 0; i < rounds; i++) for await (const _ of running.round());
  return running;
}

Deno.test("a reweighted proposal draws as its weights say", () => {
  // An even one of a range that holds as much of f.
  const even = { loc: 0, scale: 2.5, even: true };
  for (
    const [proposed, factors] of [
      [proposal, [1]],
      [proposal, [1, 3]],
      [proposal, [0.2, 5, 1, 1, 0.1]],
      [even, [1]],
      [even, [0.2, 5, 1, 1, 0.1]],
    ] as const
  ) {
    const { atQuantile, weight, range: [low, high] } = reweightedProposal(proposed, factors);
    ok(Math.abs(atQuantile(0) - low) < 1e-9 && Math.abs(atQuantile(1) - high) < 1e-9);
    // ∫ f(α) dα as a mean of f·w over quantiles, of a smooth f.
    const f = (alpha: number) => Math.exp(-(alpha ** 2) / 8);
    const n = 200_000;
    let integral = 0;
    for (let i = 0; i < n; i++) {
      const alpha = atQuantile((i + 0.5) / n);
      integral += f(alpha) * weight(alpha) / n;
    }
    ok(Math.abs(integral - Math.sqrt(8 * Math.PI)) < 0.03, `${factors}: ${integral}`);
  }
  throws(() => reweightedProposal(proposal, [1, 0]), /each must be a number above 0/);
});

Deno.test("an estimate lies within two of its standard errors of the truth as often as it should", async () => {
  for (const rounds of [2, 10]) {
    let within = 0;
    for (let seed = 0; seed < 20; seed++) {
      const { mean, noiseStderr } = (await after(rounds, seed)).estimate();
      if (Math.abs(mean - truth) <= 2 * noiseStderr) within++;
    }
    ok(within >= 18, `${rounds} rounds: ${within} of 20`);
  }
});

Deno.test("more rounds lower the noise's error and not the samples', and every sample has its own", async () => {
  const [few, many] = [await after(8, 1), await after(256, 1)];
  const [a, b] = [few.estimate(), many.estimate()];
  ok(b.noiseStderr < a.noiseStderr / 4, `${a.noiseStderr} and ${b.noiseStderr}`);
  // What is left is the scatter of the samples' own likelihoods.
  const own = Math.sqrt(exact.reduce((sum, x) => sum + (x - truth) ** 2, 0) / (exact.length - 1) / exact.length);
  ok(Math.abs(b.stderr / own - 1) < 0.05 && a.stderr > b.stderr, `${a.stderr}, ${b.stderr} and ${own}`);
  ok(b.stderr > b.noiseStderr && Math.abs(b.mean - truth) <= 2 * b.noiseStderr, `${b.mean} for ${truth}`);
  equal(b.evaluations - a.evaluations, 248 * 2 * samples.count);
  const { nll, stderr } = many.perSample();
  const within = nll.filter((value, i) => Math.abs(value - exact[i]) <= 2 * stderr[i]).length / nll.length;
  ok(within > 0.9, `${within}`);
});

Deno.test("over 200 repetitions the errors of the whole and of each sample are their scatter", async () => {
  for (const rounds of [3, 8, 20]) {
    const all = await Promise.all(Array.from({ length: 200 }, (_, seed) => after(rounds, 1000 + seed)));
    const rms = (values: readonly number[]) => Math.sqrt(values.reduce((sum, x) => sum + x ** 2 / values.length, 0));
    const scatter = (values: readonly number[]) => {
      const mean = values.reduce((sum, x) => sum + x / values.length, 0);
      return rms(values.map((x) => x - mean));
    };
    const estimates = all.map((running) => running.estimate()), each = all.map((running) => running.perSample());
    const whole = rms(estimates.map(({ noiseStderr }) => noiseStderr)) / scatter(estimates.map(({ mean }) => mean));
    ok(whole > 0.8 && whole < 1.25, `${rounds} rounds: ${whole}`);
    const ratios = Array.from(
      exact,
      (_, i) => rms(each.map(({ stderr }) => stderr[i])) / scatter(each.map(({ nll }) => nll[i])),
    ).sort((a, b) => a - b);
    const median = ratios[ratios.length / 2];
    ok(median > 0.8 && median < 1.25, `${rounds} rounds: ${median}`);
  }
});

Deno.test("an estimate that goes on from its saved sums is the one that never stopped", () =>
  inFolder(async (folder) => {
    const path = join(folder, "sums");
    const whole = await after(5, 3);
    const part = await after(2, 3);
    await saveSums(new RunFolder(folder), "sums", "key", part.sums());
    equal(await loadSums(path, "another key"), undefined);
    equal(await loadSums(join(folder, "none"), "key"), undefined);
    const from = (await loadSums(path, "key"))!;
    const running = new RunningNll(meter, samples, proposal, Random.fromSeed(3), from);
    for (let i = 0; i < 3; i++) for await (const _ of running.round());
    deepEqual(running.estimate(), whole.estimate());
    await rejects(running.adapt(), /before the first round/);
    const fewer = selectRows(samples, Uint32Array.of(0, 1));
    throws(() => new RunningNll(meter, fewer, proposal, Random.fromSeed(3), from), /300 samples .* there are 2/);
  }));

Deno.test("a round that is left early counts for nothing", async () => {
  const running = await after(2, 5);
  const before = running.estimate();
  for await (const _ of running.round()) break;
  deepEqual(running.estimate(), before);
});

Deno.test("values of samples are written as a table and as HDF5", () =>
  inFolder(async (folder) => {
    const values = { nll: Float64Array.of(1.5, -2), stderr: Float64Array.of(0.1, 0.25) };
    await writePerSample(join(folder, "a.csv"), values);
    equal(await Deno.readTextFile(join(folder, "a.csv")), "row,nll,stderr\n0,1.5,0.1\n1,-2,0.25\n");
    await writePerSample(join(folder, "a.h5"), values);
    const { readDataset } = await import("../../../core/io/hdf5.ts");
    const { data } = await readDataset(join(folder, "a.h5"), "stderr");
    deepEqual(Array.from(data, Math.fround), [Math.fround(0.1), 0.25]);
    await rejects(writePerSample(join(folder, "a.csv", "a.h5"), values), { name: "StorageError" });
    deepEqual(await namesIn(folder), ["a.csv", "a.h5"]);
  }));
