import { deepEqual, equal, ok } from "assert";
import type * as tf from "@tensorflow/tfjs";
import { type Condition, encodeCondition } from "../../core/data/condition.ts";
import { defaultsOf } from "../../core/options/defaults.ts";
import { loadDenoiser } from "../../core/plugins/load.ts";
import { Random } from "../../core/random/random.ts";
import { standardGaussian } from "../../core/reference/gaussian.ts";
import { run } from "../core/engine/differentiate.ts";

const CONDITION: Condition = [
  { name: "c", kind: "class", levels: [0, 1, 2], counts: [1, 1, 1] },
  { name: "u", kind: "number", mean: 0, scale: 1 },
];

for (const name of ["mlp", "residual"]) {
  Deno.test(`${name} depends on what is known, and is told nothing by a vector of zeros or by none`, async () => {
    const plugin = await loadDenoiser(name), info = { shape: [2], gaussian: standardGaussian(2) };
    equal(plugin.conditional, true);
    const options = { ...defaultsOf(plugin.options), width: 16, hiddenSize: 16, embeddingSize: 8 };
    const denoiser = await plugin.create({ ...info, condition: CONDITION }, options);
    const random = Random.fromSeed(1), params = denoiser.init(random.split("init"));
    for (const [key, { shape, data }] of Object.entries(params)) {
      deepEqual([...denoiser.shapes![key]], [...shape]);
      // What starts as zero would hide its input.
      if (data.every((value) => value === 0)) random.fillNormal(data);
    }
    const rows = [[NaN, NaN], [0, NaN], [2, NaN], [NaN, 0.5], [2, 0.5]], n = rows.length;
    const z = { shape: [n, 2], data: Float32Array.from({ length: 2 * n }, (_, i) => i % 2 ? 0.7 : -0.3) };
    const logsnr = { shape: [n], data: new Float32Array(n).fill(0.5) };
    const condition = { shape: [n, 6], data: encodeCondition(CONDITION, rows.flat()) };
    const { told, untold } = await run("onnx-cpu", (_, { z, logsnr, condition, ...all }) => ({
      outputs: {
        told: denoiser.predict(all, z, logsnr as tf.Tensor1D, condition),
        untold: denoiser.predict(all, z, logsnr as tf.Tensor1D),
      },
    }), { ...params, z, logsnr, condition });
    ok(Math.abs(told[0] - untold[0]) < 1e-6, "zeros are nothing");
    const first = rows.map((_, i) => told[2 * i]);
    first.forEach((value, i) =>
      first.slice(0, i).forEach((other) => ok(Math.abs(value - other) > 1e-5, String(first)))
    );

    const plain = await plugin.create(info, options);
    ok(!Object.keys(plain.shapes!).some((key) => key.startsWith("known")));
  });
}
