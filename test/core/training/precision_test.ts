import { equal, ok, rejects } from "assert";
import * as tf from "@tensorflow/tfjs";
import { fitGaussian } from "../../../core/reference/gaussian.ts";
import { createDeviceEngine } from "../../../core/engine/device_engine.ts";
import { deviceKernels } from "../../../core/engine/kernels/device.ts";
import type { Engine, Precision } from "../../../core/engine/mod.ts";
import type { Denoiser } from "../../../core/plugins/contracts.ts";
import { Random } from "../../../core/random/random.ts";
import { floatSamples } from "../../../core/data/samples.ts";
import { RECIPES } from "../../../core/training/recipe.ts";
import { createTraining, DivergenceError } from "../../../core/training/train.ts";
import * as mlp from "../../../denoisers/mlp.ts";

/** Mixed precision as a GPU does it, on the processor. */
const engineOf = (): Engine =>
  createDeviceEngine("onnx-webgpu", {
    threads: 1,
    setup: { provider: "cpu", options: {}, kernels: deviceKernels },
  });

const e = Random.fromSeed(5).fillNormal(new Float32Array(1200));
const draw = (from: number, to: number) =>
  floatSamples(e.slice(2 * from, 2 * to).map((x, i) => i % 2 === 0 ? x : 0.8 * e[2 * from + i - 1] + 0.6 * x), 2);
const data = { shape: [2], train: draw(0, 500), validation: draw(500, 600) };
const info = { shape: data.shape, gaussian: fitGaussian(data.train) };

async function train(precision: Precision, denoiser: Denoiser, microBatchSize = 32) {
  const scales = new Set<number>();
  const plain = engineOf();
  const engine: Engine = {
    ...plain,
    async compile(...given) {
      const compiled = await plain.compile(...given);
      return {
        ...compiled,
        run(inputs) {
          if (inputs.lossScale) scales.add(inputs.lossScale[0]);
          return compiled.run(inputs);
        },
      };
    },
  };
  const training = await createTraining(engine, denoiser, data, info, {
    recipe: RECIPES.default,
    proposal: { loc: 1, scale: 1.5 },
    epochs: 6,
    batchSize: 32,
    microBatchSize,
    precision,
    adaptiveProposal: false,
    learningRate: 3e-3,
    evalBatchSize: 64,
    validationLevels: 2,
    validationSamples: Infinity,
    blend: false,
    patience: Infinity,
  }, Random.fromSeed(3));
  let nll = NaN;
  for await (const record of training.run()) if (record.kind === "epoch") nll = record.validation.mean;
  const { model } = await training.snapshot();
  await training.dispose();
  engine.dispose();
  return { nll, scales, weights: Object.values(model).flatMap(({ data }) => [...data]) };
}

const smallMlp = () =>
  mlp.create(info, { hiddenSize: 16, hiddenLayers: 3, embedding: true, embeddingSize: 8, skip: true });

for (const microBatchSize of [32, 8]) {
  Deno.test(`float16 gradients train to float32's likelihood, in parts of ${microBatchSize}`, async () => {
    const [half, full] = [await train("f16", smallMlp(), microBatchSize), await train("f32", smallMlp())];
    ok(Math.abs(half.nll - full.nll) < 2e-3, `${half.nll} and ${full.nll}`);
    const worst = half.weights.reduce((m, x, i) => Math.max(m, Math.abs(x - full.weights[i])), 0);
    ok(worst > 0 && worst < 0.05, `${worst}`);
  });
}

/** ε̂ = z·w·g, with a factor g that the gradient of w is as many times larger for. */
function steep(g: number): Denoiser {
  return {
    init: () => ({
      w: { shape: [2, 2], data: Float32Array.of(0.1, 0, 0, 0.1) },
      g: { shape: [2], data: Float32Array.of(g, g) },
    }),
    predict: ({ w, g }, z) => tf.mul(tf.matMul(z as tf.Tensor2D, w as tf.Tensor2D), g),
  };
}

Deno.test("a gradient that overflows float16 is taken again with a smaller loss scale", async () => {
  const [half, full] = [await train("f16", steep(20)), await train("f32", steep(20))];
  ok(half.scales.size > 1, [...half.scales].join());
  ok(Math.abs(half.nll - full.nll) < 0.01 * Math.abs(full.nll), `${half.nll} and ${full.nll}`);
});

Deno.test("a gradient that overflows float16 at any scale ends the run with the step named", async () => {
  await rejects(train("f16", steep(1e6)), (error: Error) => {
    ok(error instanceof DivergenceError, String(error));
    equal(error.step, 1);
    equal(error.what, "gradient");
    return true;
  });
});
