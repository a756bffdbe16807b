import { ok } from "assert";
import * as tf from "@tensorflow/tfjs";
import { type Condition, encodeCondition, givenEach, givenNothing } from "../../../core/data/condition.ts";
import { floatSamples, type Samples } from "../../../core/data/samples.ts";
import { noiseScale, perSample, signalScale } from "../../../core/diffusion/channel.ts";
import { proposalOfGrid } from "../../../core/diffusion/discrete.ts";
import { meanAndStderr } from "../../../core/diffusion/likelihood.ts";
import { createEngine, type Engine } from "../../../core/engine/mod.ts";
import { createDiscreteMeter } from "../../../core/evaluation/discrete_errors.ts";
import { estimateDiscreteNll, pilot } from "../../../core/evaluation/discrete.ts";
import { combinedDenoiser, combineMembers, memberParams } from "../../../core/evaluation/ensemble.ts";
import { createErrorMeter } from "../../../core/evaluation/errors.ts";
import { RunningNll } from "../../../core/evaluation/running_nll.ts";
import type { Denoiser } from "../../../core/plugins/contracts.ts";
import { toldAs } from "../../../core/plugins/told_as.ts";
import { Random } from "../../../core/random/random.ts";
import { fitGaussian } from "../../../core/reference/gaussian.ts";
import { CONDITION, exactDensities, LABELLED_DENOISER, labelledRows, labelledSamples } from "../../labelled.ts";

async function inEngine<T>(use: (engine: Engine) => Promise<T>): Promise<T> {
  const engine = await createEngine("onnx-cpu", 1);
  try {
    return await use(engine);
  } finally {
    engine.dispose();
  }
}

Deno.test("an ensemble goes by what is given: who is told counts, and its NLL is that of p(x | c), or of p(x)", () =>
  inEngine(async (engine) => {
    const random = Random.fromSeed(0), rows = labelledRows(random.split("fresh"), 3000);
    const fresh = labelledSamples(rows), heldOut = labelledSamples(labelledRows(random.split("held out"), 1000));
    const data = { shape: [2], gaussian: fitGaussian(fresh), condition: CONDITION };
    const proposal = { loc: 1, scale: 2, even: true };
    // The same denoiser, of which the second was trained without a condition.
    const members = [CONDITION, undefined].map((own) => ({
      denoiser: toldAs(LABELLED_DENOISER, own, CONDITION),
      params: {},
    }));
    const nllOf = async (held: Samples, samples: Samples, reference: boolean) => {
      const options = { levels: 8, reference };
      const chosen = await combineMembers(engine, members, data, held, proposal, 512, random.split("choice"), options);
      const denoiser = combinedDenoiser(members, data, chosen);
      const state = engine.createState(memberParams(members));
      const meter = await createErrorMeter(engine, state, (s) => s, denoiser, data, 512);
      const running = new RunningNll(meter, samples, proposal, random.split("nll"));
      for (let round = 0; round < 8; round++) for await (const _ of running.round());
      await meter.dispose();
      return { ...running.estimate(), shares: chosen.weights.map((own) => own[0]) };
    };
    for (const reference of [false, true]) {
      const told = await nllOf(heldOut, fresh, reference);
      const exact = meanAndStderr(rows.map((row) => -exactDensities(row).given[row[2]])).mean;
      ok(Math.abs(told.mean - exact) < 4 * told.noiseStderr + 0.01, `${told.mean} for ${exact}`);
      ok(told.shares.every((share) => share > 0.95), told.shares.join());
      const untold = await nllOf(givenNothing(heldOut), givenNothing(fresh), reference);
      const plain = meanAndStderr(rows.map((row) => -exactDensities(row).plain)).mean;
      ok(Math.abs(untold.mean - plain) < 4 * untold.noiseStderr + 0.01, `${untold.mean} for ${plain}`);
    }
  }));

/** Four values with probabilities by class, of which both are equally likely. */
const GRID = { low: -1, high: 1, delta: 2 / 3, count: 4 };
const CLASSES = [[0.5, 0.5, 0, 0], [0, 0.1, 0.2, 0.7]];
const KIND: Condition = [{ name: "kind", kind: "class", levels: [0, 1], counts: [1, 1] }];
const BOTH = CLASSES[0].map((p, k) => (p + CLASSES[1][k]) / 2);
const entropy = (p: readonly number[]) => p.reduce((sum, q) => q > 0 ? sum - q * Math.log(q) : sum, 0);

/** The ideal denoiser, given the class or nothing. */
const DISCRETE: Denoiser = {
  init: () => ({}),
  predict(_, z, logsnr, condition) {
    const alpha = perSample(logsnr, 2), [signal, noise] = [signalScale(alpha), noiseScale(alpha)];
    const means = tf.mul(signal, tf.tensor2d([BOTH.map((_, k) => GRID.low + k * GRID.delta)]));
    const logOf = (p: readonly number[]) => tf.tensor2d([p.map((q) => Math.log(Math.max(q, 1e-30)))]);
    const prior = condition
      ? [...CLASSES, BOTH].map((p, k) => {
        const is = k < 2 ? tf.slice(condition, [0, 1 + k], [-1, 1]) : tf.sub(1, tf.slice(condition, [0, 0], [-1, 1]));
        return tf.mul(is, logOf(p));
      }).reduce((sum, part) => tf.add(sum, part))
      : logOf(BOTH);
    const logits = tf.sub(prior, tf.mul(tf.square(tf.div(tf.sub(z, means), noise)), 0.5));
    const mean = tf.sum(tf.mul(tf.softmax(logits), means), 1, true);
    return tf.div(tf.sub(z, mean), noise);
  },
};

Deno.test("the bound of discrete data given a class is the entropy that is left, and without it that of all", () =>
  inEngine(async (engine) => {
    const random = Random.fromSeed(1);
    const draw = (stream: Random, n: number): Samples => {
      const values = Array.from({ length: n }, () => {
        const kind = stream.integer(2);
        let k = 0, u = stream.uniform() - CLASSES[kind][0];
        for (; u > 0; u -= CLASSES[kind][k]) k++;
        return [GRID.low + k * GRID.delta, kind];
      });
      const samples = floatSamples(Float32Array.from(values, ([x]) => x), 1);
      return givenEach(samples, encodeCondition(KIND, values.map(([, kind]) => kind)));
    };
    const samples = draw(random.split("x"), 8000), heldOut = draw(random.split("held out"), 1000);
    const { eigenvalues } = fitGaussian(samples), proposal = proposalOfGrid(eigenvalues, GRID);
    const options = { shape: [1], grid: GRID, rounding: "none", condition: KIND } as const;
    const meter = await createDiscreteMeter(engine, engine.createState({}), (s) => s, DISCRETE, options, 2048);
    const boundOf = async (told: (of: Samples) => Samples) => {
      const found = await pilot(meter, told(heldOut), { proposal, random: random.split("pilot"), levels: 8 });
      const settings = { ...found, eigenvalues, random: random.split("noise"), levels: 4 };
      return (await estimateDiscreteNll(meter, told(samples), settings)).nats;
    };
    const given = await boundOf((of) => of), plain = await boundOf(givenNothing);
    const left = (entropy(CLASSES[0]) + entropy(CLASSES[1])) / 2;
    ok(Math.abs(given.mean - left) < 4 * given.stderr && given.stderr < 0.02, `${given.mean} for ${left}`);
    ok(Math.abs(plain.mean - entropy(BOTH)) < 4 * plain.stderr, `${plain.mean} for ${entropy(BOTH)}`);
    meter.dispose();
  }));
