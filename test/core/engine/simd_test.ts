import { deepEqual, equal, ok, rejects } from "assert";
import * as tf from "@tensorflow/tfjs";
import { createEngine } from "../../../core/engine/mod.ts";
import type { Program } from "../../../core/engine/program.ts";
import { createSimdMemory } from "../../../core/engine/simd.ts";
import { Random } from "../../../core/random/random.ts";
import { averagingStep, optimiserStep } from "../../../core/training/step.ts";
import type { HostTensors } from "../../../core/data/tensors.ts";

const random = Random.fromSeed(11);

function training(size: number): HostTensors {
  const vector = (scale: number) => {
    const { data } = random.normalTensor([size]);
    return { shape: [size], data: data.map((x) => scale * x) };
  };
  const v = vector(1e-3);
  return {
    params: vector(1),
    gradient: vector(0.1),
    ema: vector(1),
    "adam.m": vector(0.1),
    "adam.v": { ...v, data: v.data.map((x) => x * x) },
  };
}

/** The state after three runs of a program, by its kernel or, without that, as a graph. */
async function after(program: Program, initial: HostTensors, inputs: Record<string, Float32Array>, kernel: boolean) {
  const engine = await createEngine("onnx-cpu", 1);
  const state = engine.createState(initial);
  const graph: Program = (s, i) => program(s, i);
  const shapes = Object.fromEntries(Object.keys(inputs).map((name) => [name, []]));
  const compiled = await engine.compile(kernel ? program : graph, state, shapes);
  for (let k = 0; k < 3; k++) await compiled.run(inputs);
  const result = await state.read();
  await compiled.dispose();
  state.dispose();
  return result;
}

for (const size of [1, 4, 7, 1003]) {
  Deno.test(`Adam and the average of ${size} numbers have the same bits by hand and as graphs`, async () => {
    const initial = training(size);
    const cases = [
      [optimiserStep(), { rootScale: Float32Array.of(31.5), offset: Float32Array.of(1e-5) }],
      [averagingStep, { share: Float32Array.of(0.25) }],
    ] as const;
    for (const [program, inputs] of cases) {
      ok(program.kernel, "there is a kernel to test");
      const byHand = await after(program, initial, inputs, true);
      const graph = await after(program, initial, inputs, false);
      for (const name of Object.keys(initial)) deepEqual(byHand[name].data, graph[name].data, name);
      const moved = program === averagingStep ? "ema" : "params";
      ok(byHand[moved].data.every((x, i) => x !== initial[moved].data[i]), `${moved} moves`);
    }
  });
}

Deno.test("moments that decay below the smallest normal number become zero", () => {
  const { buffer, kernels } = createSimdMemory(64);
  const [p, m, v, g] = [0, 16, 32, 48].map((offset) => new Float32Array(buffer, offset, 4));
  p.fill(1);
  m.fill(1.2e-38);
  v.set([1.2e-38, 1, 0, 1.2e-38]);
  kernels.adam(0, 16, 32, 48, 16, 0.9, 0.9, 1, 1e-8);
  deepEqual([...m], [0, 0, 0, 0]);
  deepEqual([...v], [0, Math.fround(0.9), 0, 0]);
  ok(p.every((x) => x === 1) && g.every((x) => x === 0));
});

Deno.test("entries of different sizes are refused", async () => {
  const engine = await createEngine("onnx-cpu", 1);
  const state = engine.createState({ ...training(4), ema: { shape: [3], data: new Float32Array(3) } });
  await rejects(async () => void await engine.compile(averagingStep, state, { share: [] }), /of different sizes/);
});

Deno.test("parts of an entry are read, and parts of the next one written, where they lie", async () => {
  const engine = await createEngine("onnx-cpu", 1);
  const state = engine.createState({
    a: { shape: [6], data: Float32Array.of(1, 2, 3, 4, 5, 6) },
    b: { shape: [5], data: new Float32Array(5) },
  });
  const program = await engine.compile(
    ({ a }, { x }) => {
      const matrix = tf.reshape(tf.slice(a, [2], [4]), [2, 2]);
      const tail = tf.slice(tf.slice(a, [1], [4]), [3], [1]);
      const product = tf.matMul(matrix, tf.reshape(x, [2, 2]));
      return {
        outputs: { tail },
        // The last part of a is a itself, so that a changes only after everything has been read.
        state: {
          b: tf.concat([tf.reshape(product, [4]), tail]),
          a: tf.concat([tf.reshape(product, [4]), tf.slice(a, [0], [2])]),
        },
      };
    },
    state,
    { x: [4] },
  );
  const { tail } = await program.run({ x: Float32Array.of(1, 0, 0, 2) });
  deepEqual([...tail], [5]);
  const { a, b } = await state.read();
  deepEqual([...b.data], [3, 8, 5, 12, 5]);
  deepEqual([...a.data], [3, 8, 5, 12, 1, 2]);
  equal((await program.run({ x: Float32Array.of(1, 0, 0, 1) })).tail[0], 1);
  await program.dispose();
});
