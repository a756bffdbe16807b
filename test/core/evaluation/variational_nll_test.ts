import { deepEqual, equal, ok } from "assert";
import { fitGaussian, standardGaussian } from "../../../core/reference/gaussian.ts";
import { meanAndStderr } from "../../../core/diffusion/likelihood.ts";
import { evenSchedule } from "../../../core/diffusion/variational_bound.ts";
import { createEngine } from "../../../core/engine/mod.ts";
import { autoProposal } from "../../../core/reference/choose_reference.ts";
import { createPredictionMeter, RunningVariationalNll } from "../../../core/evaluation/variational_nll.ts";
import { onlyGaussian } from "../../../core/reference/mixture.ts";
import { Random } from "../../../core/random/random.ts";
import { floatSamples } from "../../../core/data/samples.ts";
import { mixtureDenoiser, mixtureNll, sampleMixture } from "../../../denoisers/mixture/mod.ts";
import { randomMixture } from "../../../denoisers/mixture/random.ts";

async function complete(running: RunningVariationalNll, rounds = 1): Promise<RunningVariationalNll> {
  for (let round = 0; round < rounds; round++) for await (const _ of running.round());
  return running;
}

for (const d of [2, 8]) {
  Deno.test(`the bound of the ideal denoiser is a little above the likelihood of a mixture in ${d} dimensions`, async () => {
    const engine = await createEngine("onnx-cpu", 1), state = engine.createState({});
    const mixture = randomMixture(Random.fromSeed(d), 4, d), random = Random.fromSeed(100);
    const draw = (random: Random, count: number) => floatSamples(sampleMixture(mixture, random, count), d);
    const train = draw(random.split("train"), 2000), samples = draw(random.split("samples"), 100);
    const proposal = await autoProposal(engine, train, random.split("proposal"));
    const told = { gaussian: fitGaussian(train), prior: "gaussian" as const, random };
    const truth = mixtureNll(samples, mixture);
    const meter = await createPredictionMeter(
      engine,
      state,
      () => ({}),
      mixtureDenoiser(mixture),
      { shape: [d] },
      2048,
    );
    for (const variance of ["fixed_large", "fixed_small"] as const) {
      const schedule = evenSchedule(proposal, 1000, variance);
      const running = await complete(new RunningVariationalNll(meter, samples, { ...told, schedule }));
      const { mean, noiseStderr, evaluations } = running.estimate(), gap = mean - meanAndStderr(truth).mean;
      // What 1,000 steps give away, a little where most log SNRs resolve the data and variances are large.
      const most = (variance === "fixed_large" ? 0.012 : 0.06) * d;
      ok(gap > -2 * noiseStderr && gap < most + 2 * noiseStderr, `${variance}: ${gap} above, noise ${noiseStderr}`);
      equal(evaluations, 100 * 1007);
      const { prior, steps, decoder, divergence } = running.terms();
      ok(Math.abs(prior.mean + steps.mean + decoder.mean - mean) < 1e-9);
      ok(Math.abs(divergence.reduce((sum, term) => sum + term, 0) - steps.mean) < 1e-9);
      // The errors of samples are as large as they are off.
      const { nll, stderr } = running.perSample(), centre = gap;
      const scores = nll.map((value, i) => ((value - truth[i] - centre) / stderr[i]) ** 2);
      const size = Math.sqrt(meanAndStderr(scores).mean);
      ok(size > 0.7 && size < 1.4, `${size} errors`);
    }
    meter.dispose();
    engine.dispose();
  });
}

Deno.test("a round of the bound that is left early goes on, and more rounds have less noise", async () => {
  const engine = await createEngine("onnx-cpu", 1), state = engine.createState({}), gaussian = standardGaussian(2);
  const denoiser = mixtureDenoiser(onlyGaussian(gaussian));
  const samples = floatSamples(Random.fromSeed(3).fillNormal(new Float32Array(24)), 2);
  const schedule = evenSchedule({ loc: 0, scale: 1.5 }, 50, "fixed_large");
  const told = { schedule, gaussian, prior: "standard" as const, random: Random.fromSeed(1) };
  const meter = await createPredictionMeter(engine, state, () => ({}), denoiser, { shape: [2] }, 100);
  const whole = await complete(new RunningVariationalNll(meter, samples, told), 2);
  const other = await createPredictionMeter(engine, state, () => ({}), denoiser, { shape: [2] }, 33);
  const first = new RunningVariationalNll(other, samples, told);
  for await (const done of first.round()) if (done > 0.5) break;
  const second = await complete(new RunningVariationalNll(other, samples, { ...told, from: first.sums() }), 2);
  equal(second.sums().rounds, 2);
  second.perSample().nll.forEach((value, i) => ok(Math.abs(value - whole.perSample().nll[i]) < 1e-4));
  const once = await complete(new RunningVariationalNll(meter, samples, told));
  ok(whole.estimate().noiseStderr < once.estimate().noiseStderr);
  deepEqual(whole.terms().logsnr.length, 49);
  meter.dispose();
  other.dispose();
  engine.dispose();
});
