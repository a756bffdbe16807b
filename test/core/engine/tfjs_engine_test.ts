import { deepEqual, equal, ok, rejects } from "assert";
import * as tf from "@tensorflow/tfjs";
import { BackendError, createEngine, type Program } from "../../../core/engine/mod.ts";
import { registerTrigonometry } from "../../../core/engine/tfjs_trigonometry.ts";

const LOCAL = ["tfjs-cpu", "tfjs-wasm"] as const;

async function stepOf(backend: typeof LOCAL[number], program: Program) {
  const engine = await createEngine(backend, 1);
  const state = engine.createState({ w: { shape: [2], data: Float32Array.of(1, 2) } });
  return { state, step: await engine.compile(program, state, {}) };
}

for (const backend of LOCAL) {
  Deno.test(`${backend}: its name and its one thread are those of the engine`, async () => {
    const engine = await createEngine(backend, 3);
    deepEqual([engine.backend, engine.threads], [backend, 1]);
  });

  Deno.test(`${backend}: a program that fails leaves no tensors behind, and the state as it was`, async () => {
    const { state, step } = await stepOf(backend, ({ w }) => {
      tf.matMul(tf.ones([2, 3]), tf.mul(tf.ones([2, 3]), tf.sum(w)));
      return { outputs: {} };
    });
    const before = tf.memory().numTensors;
    await rejects(
      () => step.run({}),
      (error) => !(error instanceof BackendError) && /inner shapes/.test(String(error)),
    );
    const { step: other } = await stepOf(backend, ({ w }) => ({ outputs: {}, state: { w: tf.sum(w) } }));
    const between = tf.memory().numTensors;
    equal(between, before + 1);
    await rejects(() => other.run({}), /shape \[2\] to shape \[\]/);
    equal(tf.memory().numTensors, between);
    deepEqual([...(await state.read()).w.data], [1, 2]);
    state.dispose();
  });
}

/** Throws as an array does that there is no memory for. */
const tooLarge: Program = ({ w }) => {
  new Float32Array(2 ** 52);
  return { outputs: { w } };
};

Deno.test("tfjs-cpu: memory that is full is told in one line; the state can still be read", async () => {
  const { state, step } = await stepOf("tfjs-cpu", tooLarge);
  await rejects(() => step.run({}), { name: "BackendError", message: /tfjs-cpu: .*--micro-batch-size/ });
  deepEqual([...(await state.read()).w.data], [1, 2]);
});

Deno.test("tfjs-wasm: after a failure nothing is read from a memory that may be overwritten", async () => {
  const { state, step } = await stepOf("tfjs-wasm", tooLarge);
  const failure = { name: "BackendError", message: /tfjs-wasm: .*--micro-batch-size/ };
  await rejects(() => step.run({}), failure);
  await rejects(() => step.run({}), failure);
  await rejects(() => state.read(), failure);
});

Deno.test("sine and cosine by products and sums are as precise as float32 far out, as are their gradients", async () => {
  const name = "precise";
  const { backend } = await createEngine("tfjs-cpu", 1);
  equal(backend, "tfjs-cpu");
  const processor = tf.backend();
  tf.registerBackend(name, () => processor);
  try {
    tf.copyRegisteredKernels("cpu", name);
    registerTrigonometry(name);
    await tf.setBackend(name);
    const values = Float32Array.from({ length: 20_001 }, (_, i) => (i - 10_000) * 0.3217);
    const before = tf.memory().numTensors;
    const { sin, cos, gradient } = tf.tidy(() => {
      const x = tf.tensor1d(values);
      const [sin, cos, gradient] = [tf.sin(x), tf.cos(x), tf.grad((x) => tf.sin(x))(x)];
      equal(tf.memory().numTensors, before + 4);
      return { sin: sin.dataSync(), cos: cos.dataSync(), gradient: gradient.dataSync() };
    });
    let worst = 0;
    values.forEach((x, i) => {
      const errors = [sin[i] - Math.sin(x), cos[i] - Math.cos(x), gradient[i] - Math.cos(x)];
      worst = Math.max(worst, ...errors.map(Math.abs));
    });
    ok(worst < 5e-7, `${worst}`);
  } finally {
    await tf.setBackend("cpu");
    // tfjs frees what a backend that is removed holds; this one holds the processor's.
    for (const { kernelName } of tf.getKernelsForBackend(name)) tf.unregisterKernel(kernelName, name);
  }
});
