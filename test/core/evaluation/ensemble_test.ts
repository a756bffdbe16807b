import { deepEqual, equal, ok, rejects, throws } from "assert";
import * as tf from "@tensorflow/tfjs";
import { perSample } from "../../../core/diffusion/channel.ts";
import { fitGaussian } from "../../../core/reference/gaussian.ts";
import { meanAndStderr } from "../../../core/diffusion/likelihood.ts";
import { createEngine, type Engine } from "../../../core/engine/mod.ts";
import {
  type Combination,
  combinedDenoiser,
  combineMembers,
  type CombineOptions,
  commonProposal,
  EnsembleError,
  type Member,
  memberParams,
} from "../../../core/evaluation/ensemble.ts";
import { createErrorMeter } from "../../../core/evaluation/errors.ts";
import { nllPerSample } from "../../../core/evaluation/nll.ts";
import type { Denoiser } from "../../../core/plugins/contracts.ts";
import { Random } from "../../../core/random/random.ts";
import { floatSamples, type Samples } from "../../../core/data/samples.ts";
import { BLEND_NODES } from "../../../core/reference/blend.ts";
import {
  type GaussianMixture,
  gaussianMixture,
  mixtureDenoiser,
  sampleMixture,
} from "../../../denoisers/mixture/mod.ts";

const PROPOSAL = { loc: 2, scale: 2 };

/** Four narrow spots in the plane, with weights and a standard deviation that may be the wrong ones. */
function spots(weights: readonly number[], deviation: number): GaussianMixture {
  const variance = deviation ** 2;
  return gaussianMixture({
    weights,
    means: [-1, -1, -1, 1, 1, -1, 1, 1],
    covariances: weights.flatMap(() => [variance, 0, 0, variance]),
  });
}

const EVEN = [0.25, 0.25, 0.25, 0.25];
const TRUTH = spots(EVEN, 0.1);
const draw = (seed: number, n: number) => floatSamples(sampleMixture(TRUTH, Random.fromSeed(seed), n), 2);
const DATA = { shape: [2], gaussian: fitGaussian(draw(1, 4000)) };

const member = (denoiser: Denoiser): Member => ({ denoiser, params: denoiser.init(Random.fromSeed(0)) });
const ideal = mixtureDenoiser(TRUTH);

/** The ideal denoiser and an error at some log SNRs, times a parameter of 1. */
function off(error: (alpha: tf.Tensor) => tf.Tensor): Member {
  return member({
    init: () => ({ factor: { shape: [1], data: Float32Array.of(1) } }),
    predict: ({ factor }, z, logsnr) =>
      tf.add(ideal.predict({}, z, logsnr), tf.mul(factor, tf.mul(error(perSample(logsnr, 2)), tf.onesLike(z)))),
  });
}

async function inEngine<T>(use: (engine: Engine) => Promise<T>): Promise<T> {
  const engine = await createEngine("onnx-cpu", 1);
  try {
    return await use(engine);
  } finally {
    engine.dispose();
  }
}

const combine = (
  engine: Engine,
  members: readonly Member[],
  options: CombineOptions = {},
  heldOut: Samples = draw(2, 1000),
) => combineMembers(engine, members, DATA, heldOut, PROPOSAL, 512, Random.fromSeed(2), options);

const shareOf = ({ weights }: Combination, which: number) =>
  weights.reduce((sum, own) => sum + own[which] / weights.length, 0);

Deno.test("two denoisers that are good at different log SNRs are better together, on data that did not choose", () =>
  inEngine(async (engine) => {
    // One has the spots' shape wrong, which matters at high log SNRs, the other how much data is in each.
    const members = [spots(EVEN, 0.2), spots([0.85, 0.05, 0.05, 0.05], 0.1)].map((m) => member(mixtureDenoiser(m)));
    const combination = await combine(engine, members);
    const { weights, gain, gains } = combination;
    equal(weights.length, BLEND_NODES);
    ok(weights.every((own) => own[2] === 0 && Math.abs(own[0] + own[1] - 1) < 1e-9));
    ok(weights[8][0] > 0.9 && weights[18][1] > 0.9, JSON.stringify(weights));
    ok(gain > Math.max(...gains) + 0.05, `${gain} of ${gains}`);
    const meters = await Promise.all(
      [...members, member(combinedDenoiser(members, DATA, combination))].map(({ denoiser, params }) =>
        createErrorMeter(engine, engine.createState(params), (s) => s, denoiser, DATA, 512)
      ),
    );
    const fresh = draw(3, 3000);
    const [first, second, ensemble] = await Promise.all(
      meters.map((meter) => nllPerSample(meter, fresh, PROPOSAL, Random.fromSeed(4), 4)),
    );
    for (const alone of [first, second]) {
      const { mean, stderr } = meanAndStderr(ensemble.map((nll, i) => nll - alone[i]));
      ok(mean < -3 * stderr && mean < -0.05, `${mean} ± ${stderr}`);
    }
    for (const meter of meters) await meter.dispose();
  }));

Deno.test("errors that cancel are combined, where picking one could not remove them", () =>
  inEngine(async (engine) => {
    const members = [off(() => tf.scalar(0.3)), off(() => tf.scalar(-0.1))];
    const { weights, gains, gain, gaps } = await combine(engine, members);
    // 0.25·0.3 − 0.75·0.1 is nothing.
    ok(weights.every((own) => Math.abs(own[0] - 0.25) < 0.05), JSON.stringify(weights));
    ok(gain > gains[1] + 0.05 && gains[1] > gains[0], `${gain}, ${gains}`);
    gaps[0].forEach((gap, k) => ok(Math.abs(gap - gaps[1][k] - 0.16) < 0.15, `${gap} and ${gaps[1][k]}`));
  }));

Deno.test("the same seed gives the same combination, which JSON holds; told is what is done", () =>
  inEngine(async (engine) => {
    const members = [off(() => tf.scalar(0.3)), off((alpha) => tf.mul(0.1, alpha))];
    const steps: number[] = [];
    const combination = await combine(engine, members, {
      levels: 4,
      onProgress: (done, total) => steps.push(done / total),
    });
    deepEqual(await combine(engine, members, { levels: 4 }), combination);
    deepEqual(JSON.parse(JSON.stringify(combination)), combination);
    deepEqual(steps, [0.25, 0.5, 0.75, 1]);
  }));

Deno.test("of equals one is taken; what is better than all, though by little, has all", () =>
  inEngine(async (engine) => {
    const same = await combine(engine, [member(ideal), member(ideal)]);
    ok(same.weights.every((own) => own[0] === 1));
    const better = await combine(engine, [off(() => tf.scalar(0.2)), member(ideal)]);
    ok(shareOf(better, 1) > 0.97, `${shareOf(better, 1)}`);
  }));

Deno.test("one that has diverged has no weight and is not evaluated", () =>
  inEngine(async (engine) => {
    const diverged = off(() => tf.scalar(NaN));
    const members = [diverged, member(ideal)];
    const combination = await combine(engine, members);
    ok(combination.weights.every((own) => own[0] === 0 && own[1] === 1));
    equal(combination.gains[0], -Infinity);
    const denoiser = combinedDenoiser(members, DATA, combination);
    const meter = await createErrorMeter(
      engine,
      engine.createState(memberParams(members)),
      (s) => s,
      denoiser,
      DATA,
      64,
    );
    const nll = await nllPerSample(meter, draw(5, 50), PROPOSAL, Random.fromSeed(1), 2);
    ok(nll.every(Number.isFinite));
    await meter.dispose();
    await rejects(combine(engine, [diverged]), /EnsembleError: No member of the ensemble has finite errors/);
  }));

Deno.test("the reference counts where it is asked for and better, and for nothing else", () =>
  inEngine(async (engine) => {
    const worse = off(() => tf.scalar(1));
    const clamped = await combine(engine, [worse], { reference: true });
    const free = await combine(engine, [worse]);
    ok(free.weights.every((own) => own[0] === 1 && own[1] === 0));
    ok(shareOf(clamped, 1) > 0.3 && clamped.gain > free.gain, `${shareOf(clamped, 1)}`);
  }));

Deno.test("all are measured over the log SNRs of all", () => {
  const even = { ...PROPOSAL, even: true }, wider = { loc: 4, scale: 3, even: true };
  equal(commonProposal([even, { ...even }]), even);
  equal(commonProposal([even, wider]).even, true);
  equal(commonProposal([PROPOSAL, wider]).even, undefined);
});

Deno.test("what makes no ensemble is an error that says so", () =>
  inEngine(async (engine) => {
    await rejects(combine(engine, []), EnsembleError);
    await rejects(
      combine(engine, [member(ideal)], {}, draw(1, 1)),
      /EnsembleError: Got 1 held-out samples to fit an ensemble by, expected two\./,
    );
    const combination = await combine(engine, [member(ideal), member(ideal)], { levels: 1 });
    throws(
      () => combinedDenoiser([member(ideal)], DATA, combination),
      /Got 1 models, but the ensemble was fitted of 2\./,
    );
  }));
