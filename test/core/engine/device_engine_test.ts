import { deepEqual, equal, ok, rejects, throws } from "assert";
import * as tf from "@tensorflow/tfjs";
import { createDeviceEngine } from "../../../core/engine/device_engine.ts";
import { gradients } from "../../../core/engine/gradients.ts";
import { deviceKernels, webgpuKernels } from "../../../core/engine/kernels/device.ts";
import { loadOnnxRuntime, type OnnxRuntime, OnnxRuntimeError } from "../../../core/engine/onnxruntime_library.ts";
import type { Engine, Precision, Program } from "../../../core/engine/mod.ts";
import { conv2d } from "../../../core/layers/conv2d.ts";
import { groupNorm } from "../../../core/layers/group_norm.ts";
import { silu } from "../../../core/layers/silu.ts";
import { upsample } from "../../../core/layers/upsample.ts";
import { Random } from "../../../core/random/random.ts";
import type { HostTensors } from "../../../core/data/tensors.ts";
import { run } from "./differentiate.ts";

/** What a GPU runs, on the processor: all but the device itself. */
function processorEngine(kernels = deviceKernels): Engine {
  return createDeviceEngine("onnx-webgpu", { threads: 1, setup: { provider: "cpu", options: {}, kernels } });
}

async function runOn(engine: Engine, program: Program, inputs: HostTensors, precision?: Precision) {
  const shapes = Object.fromEntries(Object.entries(inputs).map(([name, t]) => [name, t.shape]));
  const state = engine.createState({});
  const compiled = await engine.compile(program, state, shapes, precision);
  const got = await compiled.run(Object.fromEntries(Object.entries(inputs).map(([name, t]) => [name, t.data])));
  const copies = Object.fromEntries(Object.entries(got).map(([name, data]) => [name, data.slice()]));
  compiled.dispose();
  state.dispose();
  engine.dispose();
  return copies;
}

Deno.test("device engine: the state moves on, is shared between programs, and can be read and written", async () => {
  const engine = processorEngine();
  const state = engine.createState({
    w: { shape: [2], data: Float32Array.of(1, 2) },
    zero: { shape: [2, 3] },
    one: { shape: [], data: Float32Array.of(1) },
  });
  const double = await engine.compile((s) => ({ outputs: { was: s.w }, state: { w: tf.mul(s.w, 2) } }), state, {});
  const read = await engine.compile((s, { x }) => ({ outputs: { y: tf.add(s.w, x) } }), state, { x: [2] });
  deepEqual([...(await double.run({})).was], [1, 2]);
  deepEqual([...(await double.run({})).was], [2, 4]);
  deepEqual([...(await read.run({ x: Float32Array.of(1, 1) })).y], [5, 9]);
  deepEqual(await state.read(), {
    w: { shape: [2], data: Float32Array.of(4, 8) },
    zero: { shape: [2, 3], data: new Float32Array(6) },
    one: { shape: [], data: Float32Array.of(1) },
  });
  state.write({ w: { shape: [2], data: Float32Array.of(7, 8) } });
  deepEqual([...(await read.run({ x: new Float32Array(2) })).y], [7, 8]);
  throws(() => state.write({ v: { shape: [1], data: new Float32Array(1) } }), /no entry "v"/);
  await rejects(() => read.run({}), /input "x" is missing/);
  await rejects(() => read.run({ x: new Float32Array(3) }), /has 3 values; it was compiled for 2/);
  double.dispose();
  read.dispose();
  state.dispose();
  engine.dispose();
});

Deno.test("device engine: a thousand steps do not grow the memory", async () => {
  const engine = processorEngine();
  const state = engine.createState({ w: { shape: [250_000] } });
  const step = await engine.compile(
    (s, { x }) => ({ outputs: { sum: tf.sum(s.w) }, state: { w: tf.add(s.w, x) } }),
    state,
    { x: [] },
  );
  const steps = async (n: number) => {
    for (let i = 0; i < n; i++) await step.run({ x: Float32Array.of(1) });
    return Deno.memoryUsage().rss;
  };
  const before = await steps(100);
  const after = await steps(1000);
  // One leaked megabyte a step would be a thousand.
  ok(after - before < 100e6, `${after - before} bytes more`);
  equal((await state.read()).w.data[5], 1100);
  step.dispose();
  state.dispose();
  engine.dispose();
});

Deno.test("device engine: sine and cosine are as precise as float32 far out", async () => {
  const x = Float32Array.from({ length: 20_001 }, (_, i) => (i - 10_000) * 0.3217);
  const { sin, cos } = await runOn(
    processorEngine(webgpuKernels),
    (_, { x }) => ({ outputs: { sin: tf.sin(x), cos: tf.cos(x) } }),
    { x: { shape: [x.length], data: x } },
  );
  let worst = 0;
  x.forEach((value, i) => {
    worst = Math.max(worst, Math.abs(sin[i] - Math.sin(value)), Math.abs(cos[i] - Math.cos(value)));
  });
  ok(worst < 5e-7, `${worst}`);
});

/** A block of a U-Net with its gradients. */
const block: Program = (_, { x, dy, ...params }) => {
  const { gradients: found, aux } = gradients((p) => {
    const h = silu(groupNorm(p, "norm", p.x, 8, 1e-5));
    const y = upsample(conv2d(p, "conv", h, [1, 1, 1, 1]));
    return { loss: tf.sum(tf.mul(y, dy)), aux: { y } };
  }, { x, ...params });
  return { outputs: { y: aux.y, ...found } };
};

function blockInputs(): HostTensors {
  const random = Random.fromSeed(3);
  return {
    x: random.normalTensor([2, 64, 16, 16]),
    dy: random.normalTensor([2, 64, 32, 32]),
    "norm.weight": random.normalTensor([64]),
    "norm.bias": random.normalTensor([64]),
    "conv.weight": random.uniformTensor([64, 64, 3, 3], -0.05, 0.05),
    "conv.bias": random.normalTensor([64]),
  };
}

/** The largest error over the largest value, of each output. */
function errors(got: Record<string, Float32Array>, expected: Record<string, Float32Array>) {
  return Object.keys(expected).map((key) => {
    const size = expected[key].reduce((m, x) => Math.max(m, Math.abs(x)), 0);
    return got[key].reduce((m, x, i) => Math.max(m, Math.abs(x - expected[key][i])), 0) / size;
  });
}

Deno.test("device engine: a U-Net's block and its gradients are those of the processor's engine", async () => {
  const inputs = blockInputs();
  const expected = await run("onnx-cpu", block, inputs);
  for (const error of errors(await runOn(processorEngine(), block, inputs), expected)) ok(error < 1e-5, `${error}`);
});

Deno.test("device engine: mixed precision gives the block and its gradients to float16's precision", async () => {
  const inputs = blockInputs();
  const expected = await run("onnx-cpu", block, inputs);
  const found = errors(await runOn(processorEngine(), block, inputs, "f16"), expected);
  for (const error of found) ok(error < 2e-2, `${error}`);
  // The products are in float16, not only said to be.
  ok(Math.max(...found) > 1e-5, `${found}`);
});

Deno.test("device engine: a device that is missing, full or lost is told in one line, with what to do", async () => {
  const runtime = loadOnnxRuntime();
  const setup = { provider: "cpu", options: {}, kernels: deviceKernels } as const;
  const failing = (when: "start" | "run", message: string): OnnxRuntime => ({
    ...runtime,
    createSession(...given) {
      if (when === "start") throw new OnnxRuntimeError(message);
      const session = runtime.createSession(...given);
      let runs = 0;
      return {
        ...session,
        run: (...tensors) => {
          // The first takes the state to the device.
          if (runs++ > 0) throw new OnnxRuntimeError(message);
          return session.run(...tensors);
        },
      };
    },
  });
  const place = "/src/providers/webgpu/webgpu_context.cc:136 onnxruntime::Initialize(const Config&)::<lambda()>";
  throws(
    () =>
      createDeviceEngine("onnx-webgpu", {
        threads: 1,
        setup,
        runtime: failing("start", `${place} result == Success was false. Failed to get a WebGPU adapter: none\n`),
      }),
    { message: /^The backend onnx-webgpu does not start: Failed to get a WebGPU adapter: none\. It needs a GPU with/ },
  );
  const messages = {
    "Failed to allocate memory for requested buffer of size 4294967296": /^The memory is full .* --micro-batch-size/,
    "device lost: reason 2": /^The device was lost .* --micro-batch-size .* another --backend/,
    "Non-zero status code returned": /^The backend failed \(onnx-webgpu: Non-zero status code returned\)/,
  };
  for (const [message, expected] of Object.entries(messages)) {
    const engine = createDeviceEngine("onnx-webgpu", { threads: 1, setup, runtime: failing("run", message) });
    const state = engine.createState({ w: { shape: [2], data: Float32Array.of(1, 2) } });
    const double = await engine.compile((s) => ({ outputs: {}, state: { w: tf.mul(s.w, 2) } }), state, {});
    await double.run({});
    await rejects(() => double.run({}), { name: "BackendError", message: expected });
    throws(() => state.read(), { name: "BackendError" });
  }
});
