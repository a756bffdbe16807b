import { deepEqual, equal, ok, rejects } from "assert";
import * as tf from "@tensorflow/tfjs";
import { fitGaussian, standardGaussian } from "../../../core/reference/gaussian.ts";
import { samplingGrid, samplingSteps } from "../../../core/diffusion/sampling.ts";
import { createEngine } from "../../../core/engine/mod.ts";
import { createDiscreteMeter } from "../../../core/evaluation/discrete_errors.ts";
import { createErrorMeter } from "../../../core/evaluation/errors.ts";
import { RunningNll } from "../../../core/evaluation/running_nll.ts";
import { RanksDifferError, requireSameNumber, requireSameSettings } from "../../../core/mpi/agree.ts";
import { mostRows, oneRank, ownRows, type Ranks } from "../../../core/mpi/mod.ts";
import type { DataInfo, Denoiser } from "../../../core/plugins/contracts.ts";
import { Random } from "../../../core/random/random.ts";
import { type Condition, encodeCondition, givenEach } from "../../../core/data/condition.ts";
import { floatSamples, type Samples } from "../../../core/data/samples.ts";
import { BLEND } from "../../../core/reference/blend.ts";
import { createSampler, drawSamples } from "../../../core/sampling/sampler.ts";
import { RECIPES } from "../../../core/training/recipe.ts";
import {
  createTraining,
  DivergenceError,
  type EpochRecord,
  type StepRecord,
  type TrainingSnapshot,
} from "../../../core/training/train.ts";
import type { TrainingSettings } from "../../../core/training/settings.ts";
import { randomMixture } from "../../../denoisers/mixture/random.ts";
import * as mlp from "../../../denoisers/mlp.ts";
import { LOCAL_BACKENDS } from "../../backends.ts";
import { localRanks } from "../../local_ranks.ts";
import { SETTINGS } from "../../training_settings.ts";

const settings: TrainingSettings = {
  ...SETTINGS,
  recipe: { ...RECIPES.default, ema: 0.9 },
  // Not a multiple of three; nor, times the dimension, of two.
  batchSize: 25,
  microBatchSize: 25,
  adaptiveProposal: true,
  evalBatchSize: 16,
};

const D = 3;
const points = (n: number, seed: number) =>
  floatSamples(Random.fromSeed(seed).fillNormal(new Float32Array(D * n)).map((x, i) => i % D ? x : x * x - 1), D);
const data = { shape: [D], train: points(110, 1), validation: points(37, 2) };
const info = { shape: data.shape, gaussian: fitGaussian(data.train) };

const small = () =>
  mlp.create(info, { hiddenSize: 16, hiddenLayers: 3, embedding: true, embeddingSize: 8, skip: "gaussian" });

interface Ran {
  readonly records: (StepRecord | EpochRecord)[];
  readonly snapshot: TrainingSnapshot;
}

async function train(ranks: Ranks, backend: typeof LOCAL_BACKENDS[number], {
  from,
  onStep,
  denoiser = small(),
  info: known = info,
  data: own = data,
  ...options
}: Partial<TrainingSettings> & {
  from?: TrainingSnapshot;
  onStep?: (step: number) => void;
  denoiser?: Denoiser;
  info?: DataInfo;
  data?: typeof data;
} = {}) {
  const engine = await createEngine(backend, 1);
  const training = await createTraining(
    ...[engine, denoiser, own, known, { ...settings, ...options }, Random.fromSeed(3)] as const,
    { ranks, ...(from ? { from } : {}) },
  );
  const records = [];
  try {
    for await (const record of training.run()) {
      records.push(record);
      onStep?.(record.step);
    }
    return { records, snapshot: structuredClone(await training.snapshot()) };
  } finally {
    await training.dispose();
    engine.dispose();
  }
}

function near(got: Ran, expected: Ran) {
  equal(got.records.length, expected.records.length);
  got.records.forEach((record, i) => {
    const other = expected.records[i];
    equal(record.kind, other.kind);
    const [a, b] = [record, other].map((r) => r.kind === "step" ? r.nll : r.validation.mean);
    ok(Math.abs(a - b) < 1e-5, `${record.kind} ${record.step}: ${a} and ${b}`);
  });
  for (const [name, { data }] of Object.entries(expected.snapshot.training)) {
    got.snapshot.training[name].data.forEach((x, i) =>
      ok(Math.abs(x - data[i]) < 2e-5, `${name}: ${x} and ${data[i]}`)
    );
  }
}

Deno.test("rows are dealt in order, as evenly as can be", () => {
  for (const size of [1, 2, 3, 4, 7]) {
    for (const count of [0, 1, 5, 12, 25]) {
      const dealt = Array.from({ length: size }, (_, rank) => ownRows({ rank, size }, count));
      equal(dealt[0].begin, 0);
      equal(dealt[size - 1].end, count);
      dealt.forEach(({ begin, end }, rank) => {
        if (rank > 0) equal(begin, dealt[rank - 1].end);
        ok(end - begin <= mostRows({ size }, count) && end - begin >= mostRows({ size }, count) - 1);
      });
    }
  }
});

Deno.test("several ranks, and parts of a batch, are told the same of the samples that one is told", async () => {
  const condition: Condition = [{ name: "c", kind: "class", levels: [0, 1], counts: [55, 55] }];
  const told = (samples: Samples) =>
    givenEach(samples, encodeCondition(condition, Array.from({ length: samples.count }, (_, i) => i % 2)));
  const own = { ...data, train: told(data.train), validation: told(data.validation) };
  const known = { ...info, condition };
  const options = { ...{ info: known, data: own, dropCondition: 0.3, epochs: 2 } };
  const denoiser = () =>
    mlp.create(known, { hiddenSize: 16, hiddenLayers: 3, embedding: true, embeddingSize: 8, skip: "gaussian" });
  const alone = await train(oneRank(), "onnx-cpu", { ...options, denoiser: denoiser() });
  const runs = await Promise.all(
    localRanks(3).map((ranks) => train(ranks, "onnx-cpu", { ...options, denoiser: denoiser() })),
  );
  near(runs[0], alone);
  for (const other of runs.slice(1)) deepEqual(other, runs[0]);
  near(await train(oneRank(), "onnx-cpu", { ...options, microBatchSize: 7, denoiser: denoiser() }), alone);
  const epochs = alone.records.filter((record) => record.kind === "epoch");
  ok(epochs.every(({ unconditional, validation }) => unconditional && unconditional.mean !== validation.mean));
});

for (const backend of LOCAL_BACKENDS) {
  Deno.test(`several ranks take the steps that one takes, and hold the same, on ${backend}`, async () => {
    const alone = await train(oneRank(), backend);
    ok(alone.snapshot.adaptive!.sums.count.some((n) => n > 0));
    for (const size of backend === "onnx-cpu" ? [2, 3, 4, 30] : [2]) {
      const runs = await Promise.all(localRanks(size).map((ranks) => train(ranks, backend)));
      near(runs[0], alone);
      for (const other of runs.slice(1)) deepEqual(other, runs[0]);
    }
  });
}

Deno.test("ranks that blend, by even log SNRs and to the best epoch, hold what one does", async () => {
  const reference = randomMixture(Random.fromSeed(5), 3, D);
  const options = {
    ...{ blend: true, patience: 2, adaptiveProposal: false, proposal: { ...settings.proposal, even: true } },
    info: { ...info, reference },
  };
  const alone = await train(oneRank(), "onnx-cpu", options);
  ok(alone.snapshot.model[BLEND].data.some((weight) => weight > 0));
  for (const size of [2, 3]) {
    const runs = await Promise.all(localRanks(size).map((ranks) => train(ranks, "onnx-cpu", options)));
    near(runs[0], alone);
    runs[0].snapshot.model[BLEND].data.forEach((weight, i) =>
      ok(Math.abs(weight - alone.snapshot.model[BLEND].data[i]) < 1e-3)
    );
    for (const other of runs.slice(1)) deepEqual(other, runs[0]);
  }
});

Deno.test("a rank takes its part in several where it is large", async () => {
  const alone = await train(oneRank(), "onnx-cpu", { microBatchSize: 4 });
  const runs = await Promise.all(localRanks(2).map((ranks) => train(ranks, "onnx-cpu", { microBatchSize: 4 })));
  near(runs[0], alone);
});

Deno.test("a run of four ranks that one asked to stop goes on with one", async () => {
  const alone = await train(oneRank(), "onnx-cpu");
  const first = await Promise.all(
    localRanks(4).map((ranks) =>
      train(ranks, "onnx-cpu", { onStep: (step) => ranks.rank === 2 && step === 5 && ranks.requestStop() })
    ),
  );
  // The others know of it after the next addition, which is that of the sixth step.
  for (const { snapshot } of first) equal(snapshot.step, 6);
  const rest = await train(oneRank(), "onnx-cpu", { from: first[0].snapshot });
  near({ records: [...first[0].records, ...rest.records], snapshot: rest.snapshot }, alone);
});

Deno.test("a loss that is not finite on one rank ends all by the same error", async () => {
  const steps = await Promise.allSettled(
    localRanks(2).map((ranks) => train(ranks, "onnx-cpu", { learningRate: 1e30, epochs: 20 })),
  );
  const messages = steps.map((s) => s.status === "rejected" && s.reason instanceof DivergenceError && s.reason.message);
  ok(messages[0]);
  equal(messages[0], messages[1]);
});

Deno.test("ranks that hold other parameters are told so", async () => {
  // The second rank starts from other weights, as with another version of the denoiser.
  const denoisers = [0, 1].map((seed): Denoiser => ({ ...small(), init: () => small().init(Random.fromSeed(seed)) }));
  const runs = localRanks(2).map((ranks, i) => train(ranks, "onnx-cpu", { denoiser: denoisers[i] }));
  for (const run of runs) await rejects(run, RanksDifferError);
  const same = localRanks(2).map((ranks) => requireSameSettings(ranks, { a: 1 }));
  await Promise.all(same);
  const other = localRanks(2).map((ranks, i) => requireSameSettings(ranks, { a: i }));
  for (const one of other) await rejects(one, /ranks \d and \d differ: they have other options, data or versions/);
  await Promise.all(localRanks(3).map((ranks) => requireSameNumber(ranks, NaN, "none of them are numbers")));
});

/** A denoiser that is no Gaussian's. */
const curved: Denoiser = { init: () => ({}), predict: (_, z) => tf.mul(tf.tanh(z), 0.5) };

Deno.test("an error is the same however many ranks measure it", async () => {
  const random = Random.fromSeed(1);
  for (const n of [1, 7, 100]) {
    const [x, eps] = [0, 1].map(() => random.fillNormal(new Float32Array(n * D)));
    const logsnr = random.fillNormal(new Float32Array(n));
    const measure = async (ranks: Ranks) => {
      const engine = await createEngine("onnx-cpu", 1);
      const meter = await createErrorMeter(engine, engine.createState({}), () => ({}), curved, info, 16, { ranks });
      const got = await meter.measure(x, eps, logsnr);
      await meter.dispose();
      return got;
    };
    const alone = await measure(oneRank());
    for (const size of [2, 3, 8]) {
      for (const { mse, mseReference, distance } of await Promise.all(localRanks(size).map(measure))) {
        mse.forEach((e, i) => ok(Math.abs(e - alone.mse[i]) < 1e-5 * (1 + e)));
        mseReference.forEach((e, i) => ok(Math.abs(e - alone.mseReference[i]) < 1e-5 * (1 + e)));
        distance.forEach((e, i) => ok(Math.abs(e - alone.distance[i]) < 1e-5 * (1 + e)));
      }
    }
  }
});

Deno.test("errors of discrete data likewise", async () => {
  const grid = { low: -1, delta: 2 / 15, count: 16 };
  const n = 21;
  const random = Random.fromSeed(1);
  const x = Float32Array.from({ length: n * D }, () => -1 + random.integer(16) * grid.delta);
  const eps = random.fillNormal(new Float32Array(n * D));
  const logsnr = random.fillNormal(new Float32Array(n));
  const measure = async (ranks: Ranks) => {
    const engine = await createEngine("onnx-cpu", 1);
    const options = { shape: [D], grid, rounding: "soft" as const };
    const meter = await createDiscreteMeter(engine, engine.createState({}), () => ({}), curved, options, 8, { ranks });
    return await meter.measure(x, eps, logsnr);
  };
  const alone = await measure(oneRank());
  for (const got of await Promise.all(localRanks(3).map(measure))) {
    for (const key of ["plain", "rounded"] as const) {
      got[key].forEach((e, i) => ok(Math.abs(e - alone[key][i]) < 1e-4 * (1 + e)));
    }
  }
});

Deno.test("samples are the same however many ranks draw them", async () => {
  const logsnr = samplingGrid("ancestral", { loc: 0, scale: 2 }, 10);
  const plan = { logsnr, steps: samplingSteps("ancestral", logsnr) };
  const draw = async (ranks: Ranks) => {
    const engine = await createEngine("onnx-cpu", 1);
    const gaussian = standardGaussian(D);
    const sampler = await createSampler(
      ...[engine, engine.createState({}), () => ({}), curved, { shape: [D], gaussian }, 4, ranks] as const,
    );
    return await drawSamples(sampler, 14, plan, Random.fromSeed(5));
  };
  const alone = await draw(oneRank());
  for (const size of [2, 3, 5]) {
    for (const got of await Promise.all(localRanks(size).map(draw))) {
      got.forEach((x, i) => ok(Math.abs(x - alone[i]) < 1e-4, `${size}: ${x} and ${alone[i]}`));
    }
  }
});

Deno.test("a likelihood is the same however many ranks estimate it, whether or not each draws its own noise", async () => {
  for (const d of [D, 70]) {
    const random = Random.fromSeed(2);
    const samples = floatSamples(random.fillNormal(new Float32Array(d * 13)).map((x) => x * x - 1), d);
    const gaussian = fitGaussian(floatSamples(random.fillNormal(new Float32Array(d * 40)), d));
    const estimate = async (ranks: Ranks) => {
      const engine = await createEngine("onnx-cpu", 1);
      const meter = await createErrorMeter(
        ...[engine, engine.createState({}), () => ({}), curved, { shape: [d], gaussian }, 8, { ranks }] as const,
      );
      const running = new RunningNll(meter, samples, { loc: 0, scale: 2 }, Random.fromSeed(4));
      await running.adapt();
      for (let round = 0; round < 3; round++) for await (const _ of running.round());
      await meter.dispose();
      return running.perSample().nll;
    };
    const alone = await estimate(oneRank());
    for (const size of [2, 5]) {
      for (const nll of await Promise.all(localRanks(size).map(estimate))) {
        nll.forEach((value, i) => ok(Math.abs(value - alone[i]) < 1e-3, `${d}: ${value} and ${alone[i]}`));
      }
    }
  }
});
