import { deepEqual } from "assert";
import { join } from "node:path";
import type * as tf from "@tensorflow/tfjs";
import { gaussianOf } from "../../core/reference/gaussian.ts";
import { exportRun } from "../../core/export/mod.ts";
import { encodeSafetensors, hostTensors, readSafetensors } from "../../core/io/safetensors.ts";
import { Random } from "../../core/random/random.ts";
import { openRun } from "../../core/run/open_run.ts";
import { create as createMlp, options as mlpOptions } from "../../denoisers/mlp.ts";
import { run } from "../core/engine/differentiate.ts";
import { makeUnetRun } from "../core/export/unet_run.ts";
import { makeRun } from "../core/run/runs.ts";
import { inFolder } from "../folders.ts";
import { runPython } from "../python.ts";
import { assertWithin } from "../reference.ts";

/** Exports a run and runs the model in Python beside the denoiser, for each batch. */
async function assertSame(path: string, batches: readonly number[], batch?: number): Promise<void> {
  const { denoiser, params, info } = await openRun(path);
  const [out, values] = [`${path}-exported`, `${path}-values`];
  await exportRun(await openRun(path), "onnx", out, { threads: 1, ...(batch === undefined ? {} : { batch }) });
  await Deno.mkdir(values);
  const expected = new Map<number, Float32Array>();
  for (const n of batches) {
    const z = Random.fromSeed(n).normalTensor([n, ...info.shape]);
    const logsnr = { shape: [n], data: Float32Array.from({ length: n }, (_, i) => 2.5 * i - 4) };
    await Deno.writeFile(join(values, `${n}.safetensors`), encodeSafetensors({ z, logsnr }));
    const { epsHat } = await run(
      "onnx-cpu",
      (_, { z, logsnr, ...params }) => ({
        outputs: { epsHat: denoiser.predict(params, z, logsnr as tf.Tensor1D) },
      }),
      { ...params, z, logsnr },
    );
    expected.set(n, epsHat);
  }
  const packages = ["onnx", "onnxruntime", "safetensors"];
  const model = JSON.parse(await runPython("run_onnx.py", [join(out, "model.onnx"), values], packages));
  const size = batch ?? "batch";
  deepEqual(model.inputs, { z: [size, ...info.shape], logsnr: [size] });
  deepEqual(model.outputs, { eps_hat: [size, ...info.shape] });
  deepEqual(model.domains, [""]);
  deepEqual(model.metadata.shape, JSON.stringify(info.shape));
  for (const [name, { shape }] of Object.entries(params)) deepEqual(model.initialisers[name], shape, name);
  for (const [n, epsHat] of expected) {
    const file = join(values, `${n}.out.safetensors`);
    const { eps_hat: got } = hostTensors(await readSafetensors(file), file);
    assertWithin(got.data, epsHat, { rtol: 1e-4, atol: 1e-5 }, `batch ${n}`);
  }
}

Deno.test("Python's ONNX Runtime runs an exported mlp with equal outputs, whatever the batch", () =>
  inFolder(async (cwd) => {
    const denoiserOptions = Object.fromEntries(Object.entries(mlpOptions).map(([key, spec]) => [key, spec.default]));
    const gaussian = gaussianOf([0.2, -0.1], [1, 0.3, 0.3, 2]);
    const params = createMlp({ shape: [2], gaussian }, { ...denoiserOptions, skip: false }).init(Random.fromSeed(0));
    const config = { denoiser: "mlp", denoiserOptions };
    await makeRun(join(cwd, "run"), { shape: [2] }, { gaussian, config, model: params });
    await assertSame(join(cwd, "run"), [1, 2, 100]);
  }));

Deno.test("Python's ONNX Runtime runs an exported U-Net with equal outputs, whatever the batch", () =>
  inFolder(async (cwd) => {
    await makeUnetRun(join(cwd, "run"), [3, 16, 8], { channels: "64,128", config: "" });
    await assertSame(join(cwd, "run"), [1, 3]);
  }));

Deno.test("Python's ONNX Runtime runs an exported U-Net whose batch is fixed", () =>
  inFolder(async (cwd) => {
    await makeUnetRun(join(cwd, "run"), [1, 8, 8], { channels: "8,16", config: "" });
    await assertSame(join(cwd, "run"), [2], 2);
  }));
