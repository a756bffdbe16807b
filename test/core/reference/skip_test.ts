import { deepEqual, equal, ok, throws } from "assert";
import * as tf from "@tensorflow/tfjs";
import { createEngine } from "../../../core/engine/mod.ts";
import { UserError } from "../../../core/errors/user_error.ts";
import type { DataInfo, Denoiser } from "../../../core/plugins/contracts.ts";
import { predict } from "../../../core/plugins/predict.ts";
import { Random } from "../../../core/random/random.ts";
import { gaussianDenoiser, gaussianOf } from "../../../core/reference/gaussian.ts";
import { mixturePrediction } from "../../../core/reference/mixture_prediction.ts";
import { gaussianOfTable } from "../../../core/reference/table_moments.ts";
import { mixedTable } from "./mixed_table.ts";
import { skipPrediction, SKIPS } from "../../../core/reference/skip.ts";
import { randomMixture } from "../../../denoisers/mixture/random.ts";
import * as mlp from "../../../denoisers/mlp.ts";
import * as residual from "../../../denoisers/residual.ts";

const GAUSSIAN = gaussianOf([0.5, -1], [2, 0.6, 0.6, 0.5]);

const INFO = { shape: [2], gaussian: GAUSSIAN, reference: randomMixture(Random.fromSeed(1), 3, 2) };

const EXPECTED: Record<string, (z: tf.Tensor, logsnr: tf.Tensor) => tf.Tensor> = {
  auto: (z, logsnr) => gaussianDenoiser(z, logsnr, GAUSSIAN),
  gaussian: (z, logsnr) => gaussianDenoiser(z, logsnr, GAUSSIAN),
  mixture: mixturePrediction(INFO.reference),
  none: (z) => tf.zerosLike(z),
};

const created: Record<string, (skip: string | boolean, info?: DataInfo) => Denoiser> = {
  mlp: (skip, info = INFO) =>
    mlp.create(info, { hiddenSize: 8, hiddenLayers: 3, embeddingSize: 8, embedding: "auto", skip }),
  residual: (skip, info = INFO) => residual.create(info, { width: 8, blocks: 1, octaves: 2, skip }),
};

/** The largest difference of a fresh network's prediction from what it starts from, over several log SNRs. */
async function deviation(denoiser: Denoiser, expected: typeof EXPECTED[string]): Promise<number> {
  const engine = await createEngine("onnx-cpu", 1), n = 40, random = Random.fromSeed(2);
  const state = engine.createState(denoiser.init(Random.fromSeed(3)));
  const program = await engine.compile(
    (params, { z, logsnr }) => ({
      outputs: { difference: tf.sub(predict(denoiser, params, z, logsnr), expected(z, logsnr)) },
    }),
    state,
    { z: [n, 2], logsnr: [n] },
  );
  const inputs = {
    z: random.fillNormal(new Float32Array(2 * n)),
    logsnr: Float32Array.from({ length: n }, (_, i) => -8 + 0.4 * i),
  };
  const { difference } = await program.run(inputs);
  const largest = difference.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  await program.dispose();
  state.dispose();
  engine.dispose();
  return largest;
}

for (const [name, create] of Object.entries(created)) {
  Deno.test(`a fresh ${name} predicts what it is to start from`, async () => {
    deepEqual(Object.keys(EXPECTED).sort(), [...SKIPS].sort());
    for (const skip of SKIPS) {
      const largest = await deviation(create(skip), EXPECTED[skip]);
      // Without a skip an mlp starts at random, as the seed's does.
      ok(name === "mlp" && skip === "none" ? largest > 0.1 : largest < 1e-5, `${skip}: ${largest}`);
    }
    ok(await deviation(create("gaussian"), EXPECTED.mixture) > 0.1, "which are not alike");
    throws(
      () => create("mixture", { shape: [2], gaussian: GAUSSIAN }),
      (error) => error instanceof UserError && /--skip is mixture, but the reference is no mixture/.test(error.message),
    );
  });
}

Deno.test("of a table with levels or unknown values auto starts from the reference", async () => {
  const reference = mixedTable(), gaussian = gaussianOfTable(reference), engine = await createEngine("onnx-cpu", 1);
  const ofLevels = { shape: [7], gaussian, reference };
  const ofGaps = { shape: [2], gaussian: GAUSSIAN, reference: { ...INFO.reference, gaps: [0] }, gaps: [0] };
  for (const info of [ofLevels, ofGaps]) {
    const n = 5, d = info.shape[0], width = info === ofGaps ? 2 : 0, state = engine.createState({});
    const program = await engine.compile(
      (_, { z, logsnr, known }) => {
        const [auto, expected] = (["auto", "mixture"] as const).map((skip) =>
          skipPrediction(info, skip)!(z, logsnr, width > 0 ? known : undefined)
        );
        return { outputs: { difference: tf.sub(auto, expected), from: tf.add(expected, tf.mul(tf.sum(known), 0)) } };
      },
      state,
      { z: [n, d], logsnr: [n], known: [n, 2] },
    );
    const { difference, from } = await program.run({
      z: Random.fromSeed(4).fillNormal(new Float32Array(n * d)),
      logsnr: Float32Array.of(-4, -1, 0, 2, 5),
      known: new Float32Array(2 * n),
    });
    ok(difference.every((value) => value === 0) && from.some((value) => value !== 0));
    await program.dispose();
    state.dispose();
  }
  engine.dispose();
});

Deno.test("runs of earlier versions said whether the Gaussian is what an mlp starts from", async () => {
  ok(await deviation(created.mlp(true), EXPECTED.gaussian) < 1e-5);
  const [earlier, none] = [false, "none"].map((skip) => deviation(created.mlp(skip), EXPECTED.none));
  equal(await earlier, await none);
});

Deno.test("without a reference a mixture's prediction is none, and the Gaussian's is", () => {
  const info = { shape: [2], gaussian: GAUSSIAN };
  ok(skipPrediction(info, "gaussian"));
  ok(!skipPrediction(info, "none"));
  throws(() => skipPrediction(info, "mixture"), UserError);
});
