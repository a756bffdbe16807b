import { deepEqual, equal, ok, rejects, throws } from "assert";
import * as tf from "@tensorflow/tfjs";
import { givenNothing } from "../../../core/data/condition.ts";
import { createEngine } from "../../../core/engine/mod.ts";
import { takeRounds } from "../../../core/evaluation/take_rounds.ts";
import { createInformationMeter, type InformationMeter } from "../../../core/mutual_information/information_meter.ts";
import { RunningInformation } from "../../../core/mutual_information/running_information.ts";
import type { Denoiser } from "../../../core/plugins/contracts.ts";
import { Random } from "../../../core/random/random.ts";
import { fitGaussian } from "../../../core/reference/gaussian.ts";
import { type GaussianMixture, onlyGaussian } from "../../../core/reference/mixture.ts";
import {
  CONDITION,
  exactDensities,
  LABELLED,
  LABELLED_DENOISER,
  labelledInformation,
  labelledRows,
  labelledSamples,
} from "../../labelled.ts";

const PROPOSAL = { loc: 1, scale: 1.75, even: true };

const ROWS = labelledRows(Random.fromSeed(1), 2000), SAMPLES = labelledSamples(ROWS);
const TRUTH = labelledInformation();

/** log p(x | c) − log p(x) of each row. */
const EXACT = ROWS.map((row) => {
  const { given, plain } = exactDensities(row);
  return given[row[2]] - plain;
});

async function withMeter(
  denoiser: Denoiser,
  reference: GaussianMixture,
  test: (meter: InformationMeter) => Promise<void>,
): Promise<void> {
  const info = { shape: [2], gaussian: fitGaussian(SAMPLES), reference, condition: CONDITION };
  const engine = await createEngine("onnx-cpu", 1), state = engine.createState({});
  const meter = await createInformationMeter(engine, state, () => ({}), denoiser, info, 1024, { squares: true });
  await test(meter);
  await meter.dispose();
  await engine.dispose();
}

async function measured(meter: InformationMeter, rounds: number, proposal = PROPOSAL, mapped: readonly number[] = []) {
  const running = new RunningInformation(meter, SAMPLES, proposal, Random.fromSeed(2), mapped);
  await running.adapt();
  await takeRounds(running, SAMPLES.count, { rounds });
  return running.information();
}

const GAUSSIAN = onlyGaussian(fitGaussian(SAMPLES));

Deno.test("both forms of the ideal denoiser are the information within two errors, and each row's is its own", () =>
  withMeter(LABELLED_DENOISER, GAUSSIAN, async (meter) => {
    const { difference, orthogonal, gap, reference, curves } = await measured(meter, 32);
    for (const { mean, stderr } of [difference, orthogonal]) {
      ok(Math.abs(mean - TRUTH) < 2 * stderr, `${mean} ± ${stderr} for ${TRUTH}`);
      ok(stderr < 0.03);
    }
    equal(reference.mean, 0);
    ok(Math.abs(gap.mean - (difference.mean - orthogonal.mean)) < 1e-9 && Math.abs(gap.mean) < 2 * gap.stderr);
    const own = EXACT.reduce((sum, value) => sum + value / EXACT.length, 0);
    ok(Math.abs(difference.mean - own) < 2 * difference.noiseStderr, `${difference.mean} for ${own}`);
    const { perRow, perRowStderr } = difference;
    const within = EXACT.filter((value, i) => Math.abs(perRow[i] - value) < 2 * perRowStderr[i] + 0.02);
    ok(within.length > 0.9 * EXACT.length, `${within.length} rows are within two errors`);

    // The area below the curves is twice the information, and they end at the noise's own ‖ε‖².
    const { logsnr, difference: gaps, distance, marginal } = curves;
    const area = (values: readonly number[]) =>
      values.slice(1).reduce((sum, value, k) => sum + (value + values[k]) / 2 * (logsnr[k + 1] - logsnr[k]), 0);
    for (const values of [gaps.map(({ mean }) => mean), distance!]) {
      ok(Math.abs(area(values) / 2 - TRUTH) < 0.08, `${area(values) / 2}`);
    }
    ok(Math.abs(marginal.at(-1)! - 2) < 0.05, `${marginal.at(-1)}`);
  }));

Deno.test("of the ideal denoiser beside its own density each row's information is exact", () =>
  withMeter(LABELLED_DENOISER, LABELLED, async (meter) => {
    const { difference, reference, evaluations, rounds } = await measured(meter, 2);
    EXACT.forEach((value, i) => ok(Math.abs(difference.perRow[i] - value) < 1e-4, `${difference.perRow[i]}: ${value}`));
    ok(Math.abs(difference.mean - reference.mean) < 1e-6 && difference.noiseStderr < 1e-6);
    ok(rounds === 2 && evaluations > 2 * rounds * SAMPLES.count);
  }));

Deno.test("what the orthogonal form has beyond the log SNRs is in it", () =>
  withMeter(LABELLED_DENOISER, GAUSSIAN, async (meter) => {
    const wide = await measured(meter, 32), narrow = await measured(meter, 32, { ...PROPOSAL, scale: 1.1 });
    const { mean, noiseStderr } = narrow.orthogonal;
    ok(Math.abs(mean - wide.orthogonal.mean) < 3 * Math.hypot(noiseStderr, wide.orthogonal.noiseStderr) + 0.01);
  }));

Deno.test("maps are the orthogonal form, value by value", () =>
  withMeter(LABELLED_DENOISER, GAUSSIAN, async (meter) => {
    const { maps, orthogonal } = await measured(meter, 3, PROPOSAL, [7, 1999]);
    const sum = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0);
    ok(Math.abs(sum(maps!.mean) - orthogonal.mean) < 1e-6);
    deepEqual([...maps!.ofRows.keys()], [7, 1999]);
    for (const [row, map] of maps!.ofRows) ok(Math.abs(sum(map) - orthogonal.perRow[row]) < 1e-5);
  }));

Deno.test("a denoiser that makes too much of c is told by the two forms' difference", () => {
  // ε̂ + 1.5·(ε̂(z | c) − ε̂): of the ideal distance D the difference has 2·1.5 − 1.5², the orthogonal form 1.5².
  const denoiser: Denoiser = {
    init: () => ({}),
    predict(params, z, logsnr, condition) {
      const plain = LABELLED_DENOISER.predict(params, z, logsnr);
      if (!condition) return plain;
      return tf.add(plain, tf.mul(1.5, tf.sub(LABELLED_DENOISER.predict(params, z, logsnr, condition), plain)));
    },
  };
  return withMeter(denoiser, GAUSSIAN, async (meter) => {
    const { difference, orthogonal, gap } = await measured(meter, 32);
    ok(Math.abs(difference.mean - 0.75 * TRUTH) < 3 * difference.stderr, `${difference.mean}`);
    ok(Math.abs(orthogonal.mean - 2.25 * TRUTH) < 3 * orthogonal.stderr, `${orthogonal.mean}`);
    ok(gap.mean < -10 * gap.stderr);
  });
});

Deno.test("nothing that is known has no information", async () => {
  await withMeter(LABELLED_DENOISER, GAUSSIAN, (meter) => {
    const random = Random.fromSeed(0);
    throws(() => new RunningInformation(meter, givenNothing(SAMPLES), PROPOSAL, random), /Nothing is known/);
    const running = new RunningInformation(meter, SAMPLES, PROPOSAL, random);
    throws(() => running.information(), /before the first round/);
    return Promise.resolve();
  });
  const engine = await createEngine("onnx-cpu", 1), info = { shape: [2], gaussian: fitGaussian(SAMPLES) };
  await rejects(
    createInformationMeter(engine, engine.createState({}), () => ({}), LABELLED_DENOISER, info, 64),
    /has no condition/,
  );
  await engine.dispose();
});
