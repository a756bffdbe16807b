import { deepEqual, equal, ok, rejects } from "assert";
import * as tf from "@tensorflow/tfjs";
import { gradients } from "../../../core/engine/gradients.ts";
import { createEngine, EngineError, type Program } from "../../../core/engine/mod.ts";
import { Random } from "../../../core/random/random.ts";
import { sizeOf } from "../../../core/data/tensors.ts";
import { run } from "./differentiate.ts";
import { LOCAL_BACKENDS } from "../../backends.ts";

const random = Random.fromSeed(7);
const normal = (...shape: number[]) => random.normalTensor(shape);

for (const backend of LOCAL_BACKENDS) {
  Deno.test(`${backend}: the state moves on, is shared between programs, and can be written`, async () => {
    const engine = await createEngine(backend, 1);
    const state = engine.createState({ w: { shape: [2], data: Float32Array.of(1, 2) }, still: normal(1) });
    const double = await engine.compile((s) => ({ outputs: { was: s.w }, state: { w: tf.mul(s.w, 2) } }), state, {});
    const read = await engine.compile((s, { x }) => ({ outputs: { y: tf.add(s.w, x) } }), state, { x: [2] });
    deepEqual([...(await double.run({})).was], [1, 2]);
    deepEqual([...(await double.run({})).was], [2, 4]);
    deepEqual([...(await read.run({ x: Float32Array.of(1, 1) })).y], [5, 9]);
    deepEqual([...(await state.read()).w.data], [4, 8]);
    state.write({ w: { shape: [2], data: Float32Array.of(7, 8) } });
    deepEqual([...(await read.run({ x: Float32Array.of(0, 0) })).y], [7, 8]);
    await rejects(() => read.run({}), /input "x" is missing/);
    await rejects(() => read.run({ x: new Float32Array(3) }), /has 3 values; it was compiled for 2/);
    state.dispose();
    await Promise.all([double.dispose(), read.dispose()]);
  });

  Deno.test(`${backend}: running leaves no tensors behind`, async () => {
    const engine = await createEngine(backend, 1);
    const state = engine.createState({ w: normal(4) });
    const step = await engine.compile(
      (s, { x }) => {
        const { gradients: grads, aux } = gradients(({ w }) => {
          return { loss: tf.sum(tf.square(tf.mul(w, x))), aux: { y: tf.mul(w, x) } };
        }, s);
        return { outputs: { y: aux.y, x }, state: { w: tf.sub(s.w, tf.mul(grads.w, 0.1)) } };
      },
      state,
      { x: [4] },
    );
    await step.run({ x: new Float32Array(4).fill(1) });
    await step.run({ x: new Float32Array(4).fill(1) });
    const before = tf.memory().numTensors;
    for (let i = 0; i < 10; i++) await step.run({ x: new Float32Array(4).fill(1) });
    equal(tf.memory().numTensors, before);
    await step.dispose();
    state.dispose();
  });
}

Deno.test("an operation that cannot be compiled is named, with the line that calls it", async () => {
  const cumulative: Program = (_, { x }) => ({ outputs: { y: tf.cumsum(x) } });
  const inputs = { x: normal(3) };
  await rejects(run("onnx-cpu", cumulative, inputs), (error: Error) => {
    ok(error instanceof EngineError);
    ok(/Cumsum/.test(error.message) && /engine_test\.ts:\d+:\d+/.test(error.message), error.message);
    return true;
  });
  equal((await run("tfjs-cpu", cumulative, inputs)).y.length, 3);
});

Deno.test("a program that reads values while it is compiled is told so", async () => {
  const branching: Program = (_, { x }) => ({ outputs: { y: tf.sum(x).dataSync()[0] > 0 ? x : tf.neg(x) } });
  await rejects(run("onnx-cpu", branching, { x: normal(3) }), /values were read.*engine_test\.ts/);
});

Deno.test("a next state of another shape, or of an unknown name, is refused", async () => {
  for (const backend of LOCAL_BACKENDS) {
    const engine = await createEngine(backend, 1);
    const state = engine.createState({ w: normal(4) });
    const attempt = async (program: Program) => (await engine.compile(program, state, {})).run({});
    await rejects(() => attempt((s) => ({ outputs: {}, state: { w: tf.sum(s.w) } })), /shape \[4\] to shape \[\]/);
    await rejects(() => attempt((s) => ({ outputs: {}, state: { v: s.w } })), /"v", which its state does not have/);
    state.dispose();
  }
});

Deno.test("a failed recording leaves tfjs as it was", async () => {
  await createEngine("tfjs-cpu", 1);
  await rejects(
    run("onnx-cpu", () => {
      throw new Error("from the denoiser");
    }, { x: normal(1) }),
    /from the denoiser/,
  );
  equal(tf.getBackend(), "tfjs-cpu".slice(5));
  equal(sizeOf([2, 3]), 6);
});
