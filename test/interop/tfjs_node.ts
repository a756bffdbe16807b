import { deepEqual, equal, match, ok, rejects } from "assert";
import * as tf from "@tensorflow/tfjs";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BackendError, createEngine } from "../../core/engine/mod.ts";
import { packagesFolder } from "../../core/engine/tfjs_package.ts";
import { conv2d } from "../../core/layers/conv2d.ts";
import { Random } from "../../core/random/random.ts";
import { withGradients } from "../core/engine/differentiate.ts";
import { inFolder } from "../folders.ts";
import { runTask } from "../tasks/command.ts";

/** Where the package is not, the tests are named as ignored, or fail if it is required (REQUIRED_BACKENDS). */
const PACKAGE = join(packagesFolder(), "node_modules", "@tensorflow", "tfjs-node");
const required = (Deno.env.get("REQUIRED_BACKENDS") ?? "").split(/\s+/).includes("tfjs-node");
const ignore = !required && !existsSync(join(PACKAGE, "lib"));
if (ignore) console.log("tfjs-node: not tried: run deno task install:tfjs-node, or test/interop/build_tfjs_node.sh.");

const IMAGES = fileURLToPath(new URL("../reference/datasets/images.h5", import.meta.url));
const THREADS = 2;

Deno.test({
  name: "tfjs-node: training on points from another folder, in silence",
  ignore,
  fn: () =>
    inFolder(async (cwd) => {
      const options = ["moons", "--backend", "tfjs-node", "--epochs", "2", "--figures", "off", "--threads", "1"];
      const { code, stdout, stderr } = await runTask("train:2d", [...options, "--out", "run"], cwd);
      equal(code, 0, stderr);
      match(stdout, /^moons: 2 epochs in [\d.]+ s, [\d.]+ ms a step, on tfjs-node\n/);
      // Neither tfjs's banner and warnings nor TensorFlow's log.
      equal(/tensorflow|kernel|registered|AVX/i.test(stderr), false, stderr);
      const { backend, threads, val_nll } = JSON.parse(await Deno.readTextFile(join(cwd, "run", "summary.json")));
      ok(val_nll > 0.4 && val_nll < 0.8, `the reference's at least: ${val_nll}`);
      deepEqual([backend, threads], ["tfjs-node", 1]);
    }),
});

Deno.test({
  name: "tfjs-node: a small U-Net trains from the command line",
  ignore,
  fn: () =>
    inFolder(async (cwd) => {
      const { code, stdout, stderr } = await runTask("train:cifar", [
        ...[`${IMAGES}:x`, "--backend", "tfjs-node", "--from-scratch", "--channels", "8,16", "--epochs", "2"],
        ...["--batch-size", "8", "--validation-samples", "2", "--samples", "1", "--sample-steps", "2", "--out", "run"],
      ], cwd);
      equal(code, 0, stderr);
      match(stdout, /2 epochs in .* on tfjs-node\n/);
      const lines = (await Deno.readTextFile(join(cwd, "run", "metrics.jsonl"))).trim().split("\n");
      const [first, last] = lines.map((line) => JSON.parse(line).val_nll);
      ok(last < first, `${last} after ${first}`);
    }),
});

Deno.test({
  name: "tfjs-node: its threads are those asked for, its own operations run, and no tensors are left",
  ignore,
  async fn() {
    const engine = await createEngine("tfjs-node", THREADS);
    deepEqual([engine.backend, engine.threads], ["tfjs-node", THREADS]);
    match(engine.versions.tensorflow, /^2\.\d+/);
    equal((await createEngine("tfjs-node", THREADS + 1)).threads, THREADS);
    // Through what tfjs-node misses in node:util.
    deepEqual([...await tf.topk(tf.tensor1d([3, 1, 2]), 2).values.data()], [3, 2]);

    const random = Random.fromSeed(2);
    const state = engine.createState({
      "a.weight": random.normalTensor([4, 3, 3, 3]),
      "a.bias": random.normalTensor([4]),
    });
    const gradient = withGradients(({ x, weight, bias }) =>
      conv2d({ "a.weight": weight, "a.bias": bias }, "a", x, [1, 1, 1, 1])
    );
    const step = await engine.compile(
      (params, { x, dy }) => {
        const { outputs } = gradient({}, { x, dy, weight: params["a.weight"], bias: params["a.bias"] });
        const next = { "a.weight": tf.sub(params["a.weight"], tf.mul(outputs.weight, 1e-4)) };
        return { outputs: { y: outputs.y }, state: next };
      },
      state,
      { x: [2, 3, 8, 8], dy: [2, 4, 8, 8] },
    );
    const inputs = { x: random.normalTensor([2, 3, 8, 8]).data, dy: random.normalTensor([2, 4, 8, 8]).data };
    await step.run(inputs);
    const before = tf.memory().numTensors;
    for (let i = 0; i < 20; i++) await step.run(inputs);
    equal(tf.memory().numTensors, before);
    state.dispose();
  },
});

Deno.test({
  name: "tfjs-node: memory that is full is told in one line, and the state can still be read",
  ignore,
  async fn() {
    const engine = await createEngine("tfjs-node", THREADS);
    const state = engine.createState({ w: { shape: [2], data: Float32Array.of(1, 2) } });
    const large = await engine.compile(
      ({ w }) => ({ outputs: { y: tf.sum(tf.fill([2 ** 20, 2 ** 22], 1)) }, state: { w: tf.mul(w, 2) } }),
      state,
      {},
    );
    await rejects(() => large.run({}), (error: Error) => {
      ok(error instanceof BackendError);
      match(error.message, /^The memory is full \(tfjs-node: OOM .*\)\. Lower --micro-batch-size .*\.$/);
      return true;
    });
    deepEqual([...(await state.read()).w.data], [1, 2]);
    // What a program does wrong is not the backend's failure.
    const wrong = await engine.compile(
      () => ({ outputs: { y: tf.matMul(tf.ones([2, 3]), tf.ones([2, 3])) } }),
      state,
      {},
    );
    await rejects(() => wrong.run({}), (error) => !(error instanceof BackendError));
    state.dispose();
  },
});

Deno.test({
  name: "tfjs-node: a library that is missing ends the task in one line",
  ignore,
  fn: () =>
    inFolder(async (cwd) => {
      const code = `process.dlopen({ exports: {} }, ${JSON.stringify(join(cwd, "tfjs_binding.node"))});`;
      const path = join(cwd, "node_modules", "@tensorflow", "tfjs-node");
      await Deno.mkdir(path, { recursive: true });
      await Deno.writeTextFile(join(path, "index.js"), code);
      await Deno.copyFile(join(PACKAGE, "lib", "napi-v8", "tfjs_binding.node"), join(cwd, "tfjs_binding.node"));
      const script = `import { createEngine } from "./core/engine/mod.ts"; await createEngine("tfjs-node", 1);`;
      const { code: status, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["eval", "--quiet", script],
        cwd: fileURLToPath(new URL("../../", import.meta.url)),
        env: { ITDIFFUSION_PACKAGES: cwd, NO_COLOR: "1" },
      }).output();
      equal(status, 1);
      match(
        new TextDecoder().decode(stderr),
        /BackendError: TensorFlow's library for tfjs-node does not load: .*libtensorflow/,
      );
    }),
});
