import { deepEqual, equal, ok, rejects, throws } from "assert";
import { fitGaussian, type Gaussian, standardGaussian } from "../../../core/reference/gaussian.ts";
import { meanAndStderr } from "../../../core/diffusion/likelihood.ts";
import { createEngine } from "../../../core/engine/mod.ts";
import {
  binCentres,
  chooseWinners,
  commonProposal,
  EnsembleError,
  ensembleMeter,
  gainsOf,
  type Winners,
} from "../../../core/evaluation/ensemble.ts";
import { createErrorMeter, type ErrorMeter } from "../../../core/evaluation/errors.ts";
import { nllPerSample } from "../../../core/evaluation/nll.ts";
import { onlyGaussian } from "../../../core/reference/mixture.ts";
import { Random } from "../../../core/random/random.ts";
import { floatSamples } from "../../../core/data/samples.ts";
import {
  type GaussianMixture,
  gaussianMixture,
  mixtureDenoiser,
  sampleMixture,
} from "../../../denoisers/mixture/mod.ts";

const PROPOSAL = { loc: 0, scale: 2 };

/** Samples of two values, which no fake meter looks at. */
const samples = (n: number) => floatSamples(new Float32Array(2 * n), 2);

/** The shares of both values' noise in a fake error, each of mean 0. */
const noiseOf = (eps: Float32Array, row: number) => [eps[2 * row] ** 2 - 1, eps[2 * row + 1] ** 2 - 1];

interface FakeMeter extends ErrorMeter {
  /** What each call was given. */
  readonly calls: { x: Float32Array; eps: Float32Array; logsnr: Float32Array }[];
  readonly disposed: boolean;
}

/** A meter whose error is a known gap above that of the Gaussian, and noise. */
function fakeMeter(
  gap: (logsnr: number) => number,
  noise: (shares: number[]) => number = () => 0,
  gaussian: Gaussian = standardGaussian(2),
): FakeMeter {
  const calls: FakeMeter["calls"] = [];
  let disposed = false;
  return {
    shape: [2],
    reference: onlyGaussian(gaussian),
    calls,
    get disposed() {
      return disposed;
    },
    measure(x, eps, logsnr) {
      calls.push({ x, eps, logsnr });
      const base = gaussian.eigenvalues[0];
      return Promise.resolve({
        mse: logsnr.map((alpha, row) => base + gap(alpha) + noise(noiseOf(eps, row))),
        mseReference: logsnr.map(() => base),
        distance: logsnr.map(() => 0),
      });
    },
    dispose() {
      disposed = true;
    },
  };
}

const changes = (winners: readonly number[]) => winners.filter((w, k) => k > 0 && w !== winners[k - 1]).length;

Deno.test("each bin goes to the member with the smallest error, measured on the same samples and noise", async () => {
  const meters = [fakeMeter((a) => a / 10), fakeMeter((a) => -a / 10), fakeMeter(() => -0.41)];
  const steps: number[] = [];
  const winners = await chooseWinners(meters, samples(100), PROPOSAL, Random.fromSeed(1), {
    levels: 16,
    onProgress: (done, total) => steps.push(done / total),
  });
  deepEqual(winners.range, [-8, 8]);
  deepEqual(binCentres(winners).slice(0, 2), [-7.5, -6.5]);
  // The third is best where |α| < 4.1.
  deepEqual(winners.winners, [0, 0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1]);
  winners.gaps[0].forEach((gap, k) => ok(Math.abs(gap - binCentres(winners)[k] / 10) < 0.02));
  ok(winners.stderrs[2].every((e) => e < 1e-6));
  deepEqual(meters[0].calls, meters[1].calls);
  deepEqual(steps, Array.from({ length: 16 }, (_, k) => (k + 1) / 16));
  const { members, ensemble } = gainsOf(winners);
  // −½ ∫ α/10 from −8 to −4 and twice 0.41 · 4 / 2 amid.
  ok(Math.abs(ensemble - (2.4 + 1.64)) < 0.01, `${ensemble}`);
  ok(Math.abs(members[0]) < 0.05 && Math.abs(members[2] - 0.41 * 8) < 1e-4, `${members}`);
});

Deno.test("the same seed gives the same winners, which JSON holds", async () => {
  const choose = () =>
    chooseWinners(
      [fakeMeter(() => -0.1, ([a]) => a), fakeMeter(() => -0.1, ([, b]) => b)],
      samples(50),
      PROPOSAL,
      Random.fromSeed(3),
    );
  const winners = await choose();
  deepEqual(await choose(), winners);
  deepEqual(JSON.parse(JSON.stringify(winners)), winners);
});

Deno.test("differences within the noise do not make the map speckled; clear ones are found", async () => {
  let [all, total] = [0, 0];
  for (let seed = 0; seed < 10; seed++) {
    const equals = [fakeMeter(() => -0.1, ([a]) => a), fakeMeter(() => -0.1, ([, b]) => b)];
    const { winners, gaps } = await chooseWinners(equals, samples(200), PROPOSAL, Random.fromSeed(seed));
    all += changes(gaps[0].map((gap, k) => gap < gaps[1][k] ? 0 : 1));
    total += changes(winners);
    // One standard error a bin, over half of the axis.
    const different = [fakeMeter(() => -0.1, ([a]) => a), fakeMeter((a) => a < 0 ? -0.25 : 0.05, ([, b]) => b)];
    const found = await chooseWinners(different, samples(200), PROPOSAL, Random.fromSeed(seed));
    const right = found.winners.filter((winner, k) => winner === (k < 16 ? 1 : 0)).length;
    ok(right >= 26 && changes(found.winners) <= 3, `seed ${seed}: ${found.winners}`);
  }
  ok(total <= 6 && all > 100, `${total} changes of hands between equals, ${all} by the smallest errors`);
});

Deno.test("of equals the first wins, and one that has diverged never", async () => {
  const equal = fakeMeter(() => -0.2, ([a]) => a);
  const { winners } = await chooseWinners([equal, equal, equal], samples(20), PROPOSAL, Random.fromSeed(0));
  ok(winners.every((winner) => winner === 0));
  const diverged = fakeMeter((a) => a > 0 ? NaN : -9);
  const half = await chooseWinners([diverged, equal], samples(20), PROPOSAL, Random.fromSeed(0), { levels: 8 });
  deepEqual(half.winners, [0, 0, 0, 0, 1, 1, 1, 1]);
  await rejects(
    chooseWinners([diverged], samples(20), PROPOSAL, Random.fromSeed(0), { levels: 8 }),
    { name: "EnsembleError", message: /^No member of the ensemble has a finite error at log SNR 1\.00: / },
  );
  const aborted = AbortSignal.abort(new Error("stopped"));
  await rejects(
    chooseWinners([equal], samples(20), PROPOSAL, Random.fromSeed(0), { signal: aborted }),
    /^Error: stopped/,
  );
});

Deno.test("the Gaussian is a member if asked, and its error is then the ensemble's", async () => {
  const meters = [fakeMeter((a) => a / 10), fakeMeter(() => 0.4)];
  const choose = (gaussian: boolean) =>
    chooseWinners(meters, samples(20), PROPOSAL, Random.fromSeed(0), { levels: 8, gaussian });
  deepEqual((await choose(false)).winners, [0, 0, 0, 0, 0, 0, 1, 1]);
  const winners = await choose(true);
  deepEqual(winners.winners, [0, 0, 0, 0, 2, 2, 2, 2]);
  const meter = ensembleMeter(meters, winners);
  const { mse, mseReference } = await meter.measure(new Float32Array(4), new Float32Array(4), Float32Array.of(-5, 5));
  deepEqual([...mse], [0.5, 1]);
  deepEqual([...mseReference], [1, 1]);
  ok(gainsOf(winners).ensemble > 0.7);
});

Deno.test("an ensemble of one is that one, given the same arrays", async () => {
  const alone = fakeMeter((a) => Math.sin(a), ([a, b]) => a - b);
  const meter = ensembleMeter([alone], await chooseWinners([alone], samples(9), PROPOSAL, Random.fromSeed(0)));
  const random = Random.fromSeed(5);
  const [x, eps] = [0, 0].map(() => random.fillNormal(new Float32Array(40)));
  const logsnr = random.fillUniform(new Float32Array(20)).map((u) => 30 * u - 15);
  const got = await meter.measure(x, eps, logsnr);
  const given = alone.calls[alone.calls.length - 1];
  ok(given.x === x && given.eps === eps && given.logsnr === logsnr);
  deepEqual(got, await alone.measure(x, eps, logsnr));
  await meter.dispose();
  ok(alone.disposed);
});

/** Three members, of which the third wins nothing. */
const THIRDS: Winners = {
  range: [-3, 3],
  members: 3,
  winners: [1, 0, 1],
  gaps: [[0, 0, 0], [0, 0, 0], [0, 0, 0]],
  stderrs: [[0, 0, 0], [0, 0, 0], [0, 0, 0]],
};

Deno.test("each sample goes to the winner of its log SNR, in one call to each, and comes back to its place", async () => {
  const noise = ([a, b]: number[]) => a + 2 * b;
  const meters = [0, 100, 200].map((gap) => fakeMeter((a) => gap + a, noise));
  const random = Random.fromSeed(6);
  const logsnr = Float32Array.of(-9, 0, 2, -0.5, 9, -1.5, 0.99);
  const [x, eps] = [0, 0].map(() => random.fillNormal(new Float32Array(14)));
  const { mse, mseReference } = await ensembleMeter(meters, THIRDS).measure(x, eps, logsnr);
  deepEqual(meters.map(({ calls }) => calls.map((call) => [...call.logsnr])), [
    [[0, -0.5, Math.fround(0.99)]],
    [[-9, 2, 9, -1.5]],
    [],
  ]);
  deepEqual([...meters[1].calls[0].x], [0, 2, 4, 5].flatMap((row) => [x[2 * row], x[2 * row + 1]]));
  const all = await Promise.all(meters.map((meter) => meter.measure(x, eps, logsnr)));
  [1, 0, 1, 0, 1, 1, 0].forEach((winner, row) => equal(mse[row], all[winner].mse[row]));
  ok(mseReference.every((error) => error === 1));
});

Deno.test("the Gaussian's error is the first member's, also where the others have another", async () => {
  const other = { ...standardGaussian(2), eigenvalues: Float64Array.of(4, 4) };
  const meters = [fakeMeter(() => 1), fakeMeter(() => 2, undefined, other), fakeMeter(() => 3)];
  const meter = ensembleMeter(meters, THIRDS);
  const { mse, mseReference } = await meter.measure(
    new Float32Array(6),
    new Float32Array(6),
    Float32Array.of(-2, 0, 2),
  );
  deepEqual([...mse], [6, 2, 6]);
  deepEqual([...mseReference], [1, 1, 1]);
  equal(meter.reference, meters[0].reference);
});

Deno.test("the common proposal covers the members' log SNRs, and is theirs where they have one", () => {
  equal(commonProposal([PROPOSAL, { ...PROPOSAL, clip: 4 }]), PROPOSAL);
  deepEqual(commonProposal([PROPOSAL, { loc: 4, scale: 3 }, { loc: 0, scale: 1, clip: 9 }]), {
    loc: 3.5,
    scale: 3.125,
    clip: 4,
  });
  // Even if all are.
  const even = { ...PROPOSAL, even: true }, wider = { loc: 4, scale: 3, even: true };
  equal(commonProposal([even, { ...even }]), even);
  equal(commonProposal([even, wider]).even, true);
  equal(commonProposal([PROPOSAL, wider]).even, undefined);
});

Deno.test("what makes no ensemble is an error that says so", async () => {
  const meter = fakeMeter(() => 0), odd = { ...fakeMeter(() => 0), shape: [3] };
  const choose = (meters: ErrorMeter[], n = 9) => chooseWinners(meters, samples(n), PROPOSAL, Random.fromSeed(0));
  await rejects(choose([]), EnsembleError);
  await rejects(choose([meter], 1), /EnsembleError: Got 1 held-out samples to choose an ensemble by, expected two\./);
  await rejects(
    choose([meter, odd]),
    /Model 2 of the ensemble is of samples of shape \[3\], but the first is of \[2\]/,
  );
  throws(() => ensembleMeter([meter], THIRDS), /Got 1 models, but the ensemble was chosen of 3\./);
});

/** Four narrow spots in the plane, with weights and a standard deviation that may be the wrong ones. */
function spots(weights: readonly number[], deviation: number): GaussianMixture {
  const variance = deviation ** 2;
  return gaussianMixture({
    weights,
    means: [-1, -1, -1, 1, 1, -1, 1, 1],
    covariances: weights.flatMap(() => [variance, 0, 0, variance]),
  });
}

Deno.test("two denoisers that are good at different log SNRs are better together, on data that did not choose", async () => {
  const truth = spots([0.25, 0.25, 0.25, 0.25], 0.1);
  const draw = (seed: number, n: number) => floatSamples(sampleMixture(truth, Random.fromSeed(seed), n), 2);
  const gaussian = fitGaussian(draw(1, 4000));
  const engine = await createEngine("onnx-cpu", 1);
  const meters = await Promise.all(
    // One has the spots' shape wrong, which matters at high log SNRs, the other how much data is in each.
    [spots([0.25, 0.25, 0.25, 0.25], 0.2), spots([0.85, 0.05, 0.05, 0.05], 0.1)].map((mixture) =>
      createErrorMeter(
        engine,
        engine.createState({}),
        () => ({}),
        mixtureDenoiser(mixture),
        { shape: [2], gaussian },
        512,
      )
    ),
  );
  const proposal = { loc: 2, scale: 2 };
  const winners = await chooseWinners(meters, draw(2, 1000), proposal, Random.fromSeed(2));
  equal(winners.winners[8], 0);
  equal(winners.winners[24], 1);
  ok(changes(winners.winners) <= 3, `${winners.winners}`);
  const together = ensembleMeter(meters, winners), fresh = draw(3, 3000);
  const [first, second, ensemble] = await Promise.all(
    [...meters, together].map((meter) => nllPerSample(meter, fresh, proposal, Random.fromSeed(4), 4)),
  );
  for (const member of [first, second]) {
    const { mean, stderr } = meanAndStderr(ensemble.map((nll, i) => nll - member[i]));
    ok(mean < -3 * stderr && mean < -0.05, `${mean} ± ${stderr}`);
  }
  await together.dispose();
  engine.dispose();
});
