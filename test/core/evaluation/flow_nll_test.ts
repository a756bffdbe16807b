import { deepEqual, equal, ok } from "assert";
import * as tf from "@tensorflow/tfjs";
import { fitGaussian, standardGaussian } from "../../../core/reference/gaussian.ts";
import { meanAndStderr } from "../../../core/diffusion/likelihood.ts";
import { createEngine, type Engine } from "../../../core/engine/mod.ts";
import { autoProposal } from "../../../core/reference/choose_reference.ts";
import { createFlowMeter } from "../../../core/evaluation/flow_meter.ts";
import { RunningFlowNll } from "../../../core/evaluation/flow_nll.ts";
import { onlyGaussian } from "../../../core/reference/mixture.ts";
import { Random } from "../../../core/random/random.ts";
import { floatSamples, selectRows } from "../../../core/data/samples.ts";
import { mixtureDenoiser, mixtureNll, sampleMixture } from "../../../denoisers/mixture/mod.ts";
import { randomMixture } from "../../../denoisers/mixture/random.ts";

/** A mixture, samples of it, and what a run would know of it. */
async function truthOf(engine: Engine, k: number, d: number, count: number) {
  const mixture = randomMixture(Random.fromSeed(d), k, d), random = Random.fromSeed(100);
  const draw = (random: Random, count: number) => floatSamples(sampleMixture(mixture, random, count), d);
  const train = draw(random.split("train"), 2000), samples = draw(random.split("samples"), count);
  const proposal = await autoProposal(engine, train, random.split("proposal"));
  const reference = onlyGaussian(fitGaussian(train));
  return { mixture, reference, proposal, samples, random, truth: mixtureNll(samples, mixture) };
}

async function complete(running: RunningFlowNll, rounds = 1): Promise<RunningFlowNll> {
  for (let round = 0; round < rounds; round++) for await (const _ of running.round());
  return running;
}

for (const d of [2, 8]) {
  Deno.test(`the flow of the ideal denoiser has the likelihood of a mixture in ${d} dimensions`, async () => {
    const engine = await createEngine("onnx-cpu", 1), state = engine.createState({});
    const { mixture, samples, truth, ...told } = await truthOf(engine, 4, d, 200);
    const meter = await createFlowMeter(engine, state, () => ({}), mixtureDenoiser(mixture), { shape: [d] }, 512);
    ok(meter.exact);
    const running = await complete(new RunningFlowNll(meter, samples, told));
    const { mean, noiseStderr } = running.estimate(), { solver, range } = running.errors();
    equal(noiseStderr, 0);
    const off = Math.abs(mean - meanAndStderr(truth).mean), error = Math.hypot(solver, range);
    ok(off < 2 * error && error < 1e-3 * d, `${off} nats off, ${solver} and ${range}`);
    // Where the reference is the truth there is no blur, and each sample has its own likelihood.
    const same = await complete(new RunningFlowNll(meter, samples, { ...told, reference: mixture, tolerance: 1e-6 }));
    same.perSample().nll.forEach((nll, i) => ok(Math.abs(nll - truth[i]) < 1e-3, `sample ${i}: ${nll}, ${truth[i]}`));
    meter[Symbol.dispose]();
    engine.dispose();
  });
}

Deno.test("an estimated divergence has the likelihood within its noise, and a round that is left early counts", async () => {
  const engine = await createEngine("onnx-cpu", 1), state = engine.createState({}), d = 8;
  const { mixture, samples: all, truth: truths, ...told } = await truthOf(engine, 4, d, 64);
  const samples = selectRows(all, Uint32Array.from({ length: 24 }, (_, i) => i)), truth = truths.subarray(0, 24);
  const denoiser = mixtureDenoiser(mixture);
  const meter = await createFlowMeter(engine, state, () => ({}), denoiser, { shape: [d] }, 16, false);
  const running = await complete(new RunningFlowNll(meter, samples, told), 8);
  const { mean, noiseStderr } = running.estimate(), off = Math.abs(mean - meanAndStderr(truth).mean);
  ok(off < 3 * noiseStderr && noiseStderr > 0, `${off} nats off, noise ${noiseStderr}`);
  const { nll, stderr } = running.perSample();
  const scores = nll.map((value, i) => (value - truth[i]) / stderr[i]);
  ok(Math.sqrt(meanAndStderr(scores.map((z) => z ** 2)).mean) < 1.5, `${scores}`);

  // Another number of lanes, and a round in two parts.
  const other = await createFlowMeter(engine, state, () => ({}), denoiser, { shape: [d] }, 5, false);
  const first = new RunningFlowNll(other, samples, told);
  for await (const done of first.round()) if (done > 0.4) break;
  equal(first.sums().rounds, 0);
  const second = await complete(new RunningFlowNll(other, samples, { ...told, from: first.sums() }), 2);
  const whole = await complete(new RunningFlowNll(meter, samples, told), 2);
  second.perSample().nll.forEach((value, i) => ok(Math.abs(value - whole.perSample().nll[i]) < 1e-4));
  ok(Math.abs(second.errors().solver - whole.errors().solver) < 1e-4);
  deepEqual(second.sums().rounds, 2);
  meter[Symbol.dispose]();
  other[Symbol.dispose]();
  engine.dispose();
});

Deno.test("the estimated divergence of a Gaussian's ideal denoiser has no noise beside that Gaussian", async () => {
  const engine = await createEngine("onnx-cpu", 1), state = engine.createState({}), d = 6;
  const { mixture: gaussian, samples, truth, ...told } = await truthOf(engine, 1, d, 20);
  const denoiser = mixtureDenoiser(gaussian), own = { ...told, gaussian: gaussian.components[0], reference: gaussian };
  const meter = await createFlowMeter(engine, state, () => ({}), denoiser, { shape: [d] }, 16, false);
  const running = await complete(new RunningFlowNll(meter, samples, own), 2);
  ok(running.estimate().noiseStderr < 1e-4, `${running.estimate().noiseStderr}`);
  running.perSample().nll.forEach((nll, i) => ok(Math.abs(nll - truth[i]) < 5e-3, `${nll}, ${truth[i]}`));
  const plain = await complete(new RunningFlowNll(meter, samples, { ...told, reference: gaussian }), 2);
  ok(plain.estimate().noiseStderr > 0.05);
  meter[Symbol.dispose]();
  engine.dispose();
});

Deno.test("a denoiser that gives no numbers ends, with no number", async () => {
  const engine = await createEngine("onnx-cpu", 1), state = engine.createState({});
  const denoiser = { init: () => ({}), predict: (_: unknown, z: tf.Tensor) => tf.div(z, tf.mul(z, 0)) };
  const meter = await createFlowMeter(engine, state, () => ({}), denoiser, { shape: [2] }, 8);
  const samples = floatSamples(Float32Array.of(1, 2, 3, 4), 2), reference = onlyGaussian(standardGaussian(2));
  const told = { proposal: { loc: 0, scale: 1 }, reference, random: Random.fromSeed(0) };
  const running = await complete(new RunningFlowNll(meter, samples, told));
  ok(Number.isNaN(running.estimate().mean));
  meter[Symbol.dispose]();
  engine.dispose();
});
