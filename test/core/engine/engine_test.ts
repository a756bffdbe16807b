import { deepEqual, equal, ok, rejects } from "assert";
import * as tf from "@tensorflow/tfjs";
import { gradients } from "../../../core/engine/gradients.ts";
import { BACKENDS, createEngine, EngineError, type Program } from "../../../core/engine/mod.ts";
import { Random } from "../../../core/random.ts";
import { type HostTensor, sizeOf } from "../../../core/tensors.ts";
import { assertWithin } from "../../reference.ts";
import { run } from "./differentiate.ts";

const random = Random.fromSeed(7);
const normal = (...shape: number[]) => random.normalTensor(shape);
const positive = (...shape: number[]) => random.uniformTensor(shape, 0.5, 2);

/** Operations with their inputs; each is compared between backends in its value and in its gradients. */
const operations: Record<string, [(...t: tf.Tensor[]) => tf.Tensor, ...HostTensor[]]> = {
  "add, broadcast": [(a, b) => tf.add(a, b), normal(3, 4), normal(4)],
  "sub, broadcast both ways": [(a, b) => tf.sub(a, b), normal(3, 1), normal(1, 4)],
  "mul by a column": [(a, b) => tf.mul(a, b), normal(3, 4), normal(3, 1)],
  "div": [(a, b) => tf.div(a, b), normal(3, 4), positive(4)],
  "div by a power of two": [(a) => tf.div(a, 8), normal(5)],
  "pow": [(a) => tf.pow(a, 3), positive(6)],
  "maximum and minimum": [(a, b) => tf.minimum(tf.maximum(a, b), 0.7), normal(8), normal(8)],
  "chain of unary operations": [
    (a) => tf.sin(tf.cos(tf.exp(tf.tanh(tf.sqrt(tf.log(tf.add(tf.square(a), 2))))))),
    normal(2, 5),
  ],
  "sigmoid far out": [(a) => tf.sigmoid(tf.mul(a, 20)), normal(16)],
  "relu": [(a) => tf.relu(a), normal(40)],
  "leaky relu, elu, selu, softplus": [
    (a) => tf.add(tf.leakyRelu(a, 0.1), tf.add(tf.elu(a), tf.add(tf.selu(a), tf.softplus(a)))),
    normal(40),
  ],
  "abs, neg, reciprocal, rsqrt": [
    (a) => tf.add(tf.neg(tf.abs(a)), tf.mul(tf.reciprocal(a), tf.rsqrt(a))),
    positive(9),
  ],
  "clip": [(a) => tf.clipByValue(a, -0.5, 0.5), normal(30)],
  "where": [
    (a, b) => tf.where(tf.greater(tf.range(0, 5), 2), tf.mul(a, 2), b),
    normal(3, 5),
    normal(3, 5),
  ],
  "erf, log1p, expm1": [(a) => tf.add(tf.erf(a), tf.add(tf.log1p(a), tf.expm1(a))), positive(9)],
  "matMul": [(a, b) => tf.matMul(a, b), normal(3, 4), normal(4, 5)],
  "matMul, both transposed": [(a, b) => tf.matMul(a, b, true, true), normal(4, 3), normal(5, 4)],
  "matMul of a transpose": [(a, b) => tf.matMul(tf.transpose(a), b), normal(4, 3), normal(4, 5)],
  "matMul with bias": [(a, b, c) => tf.relu(tf.add(tf.matMul(a, b), c)), normal(6, 4), normal(4, 20), normal(20)],
  "matMul in batches": [(a, b) => tf.matMul(a, b, false, true), normal(2, 3, 4), normal(2, 5, 4)],
  "sum, mean, max over axes": [
    (a) => tf.add(tf.sum(a, [0, 2]), tf.add(tf.mean(a, [0, 2]), tf.max(tf.mul(a, a), [0, 2]))),
    normal(3, 4, 5),
  ],
  "sum over rows": [(a) => tf.sum(a, 0), normal(33, 20)],
  "sum with kept axes": [(a) => tf.mul(a, tf.sum(a, 1, true)), normal(3, 4)],
  "softmax": [(a) => tf.softmax(a), normal(3, 6)],
  "concat, slice, split": [
    (a, b) => {
      const [p, q] = tf.split(tf.concat([a, b], 1), [3, 4], 1);
      return tf.add(tf.slice(q, [0, 1], [2, 3]), p);
    },
    normal(2, 5),
    normal(2, 2),
  ],
  "stack and unstack": [
    (a) => {
      const [p, q] = tf.unstack(a, 1);
      return tf.stack([q, p, tf.mul(p, q)], 0);
    },
    normal(3, 2),
  ],
  "pad, tile, transpose, expandDims, squeeze": [
    (a) => tf.squeeze(tf.expandDims(tf.transpose(tf.tile(tf.pad(a, [[1, 0], [0, 2]]), [2, 1])), 0)),
    normal(2, 3),
  ],
  "broadcastTo": [(a) => tf.broadcastTo(a, [4, 3]), normal(1, 3)],
  "constants alone": [(a) => tf.add(a, tf.sum(tf.mul(tf.range(0, 6), tf.linspace(0, 1, 6)))), normal(6)],
  "a large constant": [(a) => tf.mul(tf.ones([100, 100]), tf.reshape(a, [100, 1])), normal(100)],
};

for (const backend of BACKENDS.filter((name) => name !== "tfjs-cpu")) {
  for (const [name, [f, ...tensors]] of Object.entries(operations)) {
    Deno.test(`${backend}: ${name} equals tfjs-cpu`, async () => {
      const inputs = Object.fromEntries(tensors.map((t, i) => [`x${i}`, t]));
      const program: Program = (_, given) => {
        const { gradients: grads, aux } = gradients((params) => {
          const y = f(...Object.values(params));
          // Uneven weights, so that a gradient sent to the wrong element shows.
          const weights = tf.tensor(Float32Array.from({ length: y.size }, (_, i) => Math.cos(i)), y.shape);
          return { loss: tf.sum(tf.mul(tf.square(y), weights)), aux: { y } };
        }, given);
        return { outputs: { y: aux.y, ...grads } };
      };
      const [got, expected] = [await run(backend, program, inputs), await run("tfjs-cpu", program, inputs)];
      deepEqual(Object.keys(got), Object.keys(expected));
      for (const key of Object.keys(got)) assertWithin(got[key], expected[key], { rtol: 1e-4, atol: 2e-5 }, key);
    });
  }
}

for (const backend of BACKENDS) {
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
  for (const backend of BACKENDS) {
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
