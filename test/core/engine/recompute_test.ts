import { deepEqual, equal, ok, rejects } from "assert";
import * as tf from "@tensorflow/tfjs";
import { createDeviceEngine } from "../../../core/engine/device_engine.ts";
import { fuse } from "../../../core/engine/fuse.ts";
import { gradients } from "../../../core/engine/gradients.ts";
import { peakBytes } from "../../../core/engine/graph_memory.ts";
import { deviceKernels } from "../../../core/engine/kernels/device.ts";
import { reachableNodes, type Value } from "../../../core/engine/graph.ts";
import { createEngine, type Engine, type Program } from "../../../core/engine/mod.ts";
import { recompute } from "../../../core/engine/recompute.ts";
import { record } from "../../../core/engine/recording.ts";
import { fit } from "../../../core/mod.ts";
import { Random } from "../../../core/random/random.ts";
import { DDPM_CIFAR10, parseUnetConfig, type UnetConfig } from "../../../denoisers/unet_pretrained/config.ts";
import { initParams, parameterShapes, unet } from "../../../denoisers/unet_pretrained/network.ts";
import { config } from "./small_unet.ts";

const BATCH = 8, SHAPE = [BATCH, 3, 16, 16];
const params = initParams(config, Random.fromSeed(1));

/** The gradient of a U-Net's squares by all of its parameters. */
const gradientOf = (config: UnetConfig): Program => (state, { x, timestep }) => {
  const { gradients: found, aux } = gradients((params) => {
    const y = unet(config, params, x, timestep);
    return { loss: tf.sum(tf.square(y)), aux: { y } };
  }, state);
  return { outputs: { ...aux, ...found } };
};

async function gradientOn(engine: Engine, checkpointing: boolean): Promise<Record<string, Float32Array>> {
  const state = engine.createState(params), inputs = { x: SHAPE, timestep: [BATCH] };
  const program = await engine.compile(gradientOf(config), state, inputs, "f32", checkpointing);
  const x = Random.fromSeed(2).normalTensor(SHAPE).data;
  const got = await program.run({ x, timestep: Float32Array.from({ length: BATCH }, (_, i) => 100 * i) });
  const copies = Object.fromEntries(Object.entries(got).map(([name, data]) => [name, data.slice()]));
  await program.dispose();
  state.dispose();
  engine.dispose();
  return copies;
}

const onDevice = () =>
  createDeviceEngine("onnx-webgpu", { threads: 1, setup: { provider: "cpu", options: {}, kernels: deviceKernels } });

Deno.test("with checkpointing a gradient has the same bits", async () => {
  for (const make of [() => createEngine("onnx-cpu", 1), onDevice]) {
    const plain = await gradientOn(await make(), false), again = await gradientOn(await make(), true);
    ok(plain.y.some((v) => v !== 0));
    deepEqual(again, plain);
  }
});

Deno.test("what is computed again is not kept: a wide U-Net's step takes less, and with checkpointing less yet", () => {
  const wide = parseUnetConfig(DDPM_CIFAR10, "config.json"), shapes = Object.fromEntries(parameterShapes(wide));
  const { graph, outputs } = record(gradientOf(wide), shapes, { x: [16, 3, 32, 32], timestep: [16] });
  const ends = fuse(graph, Object.values(outputs));
  const again = recompute(graph, ends);
  const [all, light, checkpointed] = [ends, again, recompute(graph, ends, true)].map(peakBytes);
  // What SiLU gives of images is among what is computed again.
  const kept = reachableNodes(again).flatMap((node) => graph.isForward(node) ? [] : node.inputs);
  const ofSilu = ({ node, shape }: Value) => node?.op === "QuickGelu" && graph.isForward(node) && shape.length === 4;
  deepEqual(kept.filter(ofSilu), []);
  ok(light < 0.8 * all, `${light} of ${all} bytes`);
  ok(checkpointed < light, `${checkpointed} of ${light} bytes`);
});

Deno.test("in a narrow network nothing is computed again unless it shall be", () => {
  const shapes = Object.fromEntries(parameterShapes(config));
  const { graph, outputs } = record(gradientOf(config), shapes, { x: SHAPE, timestep: [BATCH] });
  const ends = fuse(graph, Object.values(outputs));
  deepEqual(recompute(graph, ends), ends);
  // SiLU's slope is made where SiLU is: the backward pass has no sigmoids of images of its own.
  const sigmoids = reachableNodes(ends).filter(({ op, outputs: [y] }) => op === "Sigmoid" && y.shape.length === 4);
  ok(sigmoids.length > 0 && sigmoids.every((node) => graph.isForward(node)));
  ok(peakBytes(recompute(graph, ends, true)) < peakBytes(ends));
});

Deno.test("of small values, and of a network of products alone, nothing is computed again", () => {
  const n = 512;
  const program = (rows: number) =>
    record(
      ({ a, b }, { x }) => {
        const { gradients: found } = gradients(({ a, b }) => {
          const h = tf.relu(tf.matMul(x as tf.Tensor2D, a as tf.Tensor2D));
          return { loss: tf.sum(tf.square(tf.relu(tf.matMul(h as tf.Tensor2D, b as tf.Tensor2D)))), aux: {} };
        }, { a, b });
        return { outputs: found };
      },
      { a: [n, n], b: [n, n] },
      { x: [rows, n] },
    );
  for (const rows of [16, 1024]) {
    const { graph, outputs } = program(rows), ends = Object.values(outputs);
    deepEqual(recompute(graph, ends), ends);
  }
});

Deno.test("200 steps do not grow the memory", async () => {
  const engine = await createEngine("onnx-cpu", 1), size = 1 << 20;
  const state = engine.createState({ w: { shape: [size] }, g: { shape: [size] } });
  const step = await engine.compile(
    ({ w }, { x }) => {
      const { gradients: found, aux } = gradients(({ w }) => {
        const loss = tf.sum(tf.square(tf.mul(tf.sub(w, x), 0.5)));
        return { loss, aux: { loss } } as { loss: tf.Scalar; aux: { loss: tf.Tensor } };
      }, { w });
      return { outputs: aux, state: { g: found.w } };
    },
    state,
    { x: [] },
  );
  const steps = async (count: number) => {
    for (let i = 0; i < count; i++) await step.run({ x: Float32Array.of(1) });
    return Deno.memoryUsage().rss;
  };
  const tensors = tf.memory().numTensors, before = await steps(20), after = await steps(200);
  // The copy of an output a step would be eight hundred megabytes, of which some are collected.
  ok(after - before < 30e6, `${after - before} bytes more`);
  equal(tf.memory().numTensors, tensors);
  await step.dispose();
  state.dispose();
});

Deno.test("--checkpointing is refused where a backend cannot do it", async () => {
  const rows = Array.from({ length: 64 }, (_, i) => [i % 8, i % 5]);
  await rejects(fit(rows, { backend: "tfjs-cpu", checkpointing: true }), /--checkpointing .* tfjs-cpu/);
});
