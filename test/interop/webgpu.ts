import { deepEqual, equal, match, ok } from "assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as tf from "@tensorflow/tfjs";
import { createDeviceEngine } from "../../core/engine/device_engine.ts";
import { BackendError, type Engine, type Precision } from "../../core/engine/mod.ts";
import { Random } from "../../core/random/random.ts";
import { inFolder } from "../folders.ts";
import { runTask } from "../tasks/command.ts";
import { runOnDriver } from "./driver_crash.ts";

/** Fifty images of 8x8. */
const IMAGES = fileURLToPath(new URL("../reference/datasets/images.h5", import.meta.url));

/** Matrices large enough to be wrong in, and their product on the device. */
async function product(engine: Engine, precision: Precision) {
  const random = Random.fromSeed(2);
  const [a, b] = [random.normalTensor([64, 64]), random.normalTensor([64, 64])];
  const state = engine.createState({ a });
  const multiply = await engine.compile(
    (s, { b }) => ({ outputs: { y: tf.matMul(s.a as tf.Tensor2D, b as tf.Tensor2D) } }),
    state,
    { b: b.shape },
    precision,
  );
  const y = (await multiply.run({ b: b.data })).y.slice();
  multiply.dispose();
  state.dispose();
  const exact = Float64Array.from(y, (_, i) => {
    let sum = 0;
    for (let k = 0; k < 64; k++) sum += a.data[(i - i % 64) + k] * b.data[64 * k + i % 64];
    return sum;
  });
  return y.reduce((worst, value, i) => Math.max(worst, Math.abs(value - exact[i])), 0);
}

/** Why a precision cannot be had here, if so. */
async function missing(precision: Precision): Promise<string | undefined> {
  try {
    const engine = createDeviceEngine("onnx-webgpu", { threads: 1 });
    await product(engine, precision);
    engine.dispose();
    return undefined;
  } catch (error) {
    if (error instanceof BackendError) return error.message;
    throw error;
  }
}

const noDevice = await missing("f32");
const noHalf = noDevice ?? await missing("f16");
const isRequired = (Deno.env.get("REQUIRED_BACKENDS") ?? "").split(" ").includes("onnx-webgpu");

/** A test of what may not be there: then it is named as not tried, or fails where it has to be there. */
function test(name: string, run: () => Promise<void>, reason = noDevice, required = isRequired): void {
  const ignore = reason !== undefined && !required;
  if (ignore) console.log(`NOT TRIED: ${name}: ${reason}`);
  Deno.test({ name: ignore ? `${name} (not tried: ${reason})` : name, ignore, fn: run });
}

test("onnx-webgpu: products are float32's", async () => {
  const engine = createDeviceEngine("onnx-webgpu", { threads: 1 });
  const error = await product(engine, "f32");
  ok(error < 1e-4, `${error}`);
  engine.dispose();
});

test(
  "onnx-webgpu: f16 takes products in float16",
  async () => {
    const engine = createDeviceEngine("onnx-webgpu", { threads: 1 });
    const error = await product(engine, "f16");
    ok(error < 0.1 && error > 1e-4, `${error}`);
    engine.dispose();
  },
  noHalf,
  false,
);

test("onnx-webgpu: the state stays on the device, and steps do not grow the memory", async () => {
  const engine = createDeviceEngine("onnx-webgpu", { threads: 1 });
  const state = engine.createState({ w: { shape: [1_000_000] } });
  const step = await engine.compile((s, { x }) => ({ outputs: {}, state: { w: tf.add(s.w, x) } }), state, { x: [] });
  const steps = async (n: number) => {
    for (let i = 0; i < n; i++) await step.run({ x: Float32Array.of(1) });
    return Deno.memoryUsage().rss;
  };
  const before = await steps(50);
  // A leaked vector a step would be 800 MB.
  const more = await steps(200) - before;
  ok(more < 200e6, `${more} bytes more`);
  deepEqual((await state.read()).w.data.slice(0, 3), Float32Array.of(250, 250, 250));
  step.dispose();
  state.dispose();
  engine.dispose();
});

/** 300 correlated points as CSV. */
function points(): string {
  const random = Random.fromSeed(1);
  return Array.from({ length: 300 }, () => {
    const [a, b] = [random.normal(), random.normal()];
    return `${a},${0.8 * a + 0.6 * b}`;
  }).join("\n");
}

const SMALL = [
  ...["points.csv", "--epochs", "2", "--batch-size", "64", "--validation-levels", "1", "--width", "32"],
  // Of a network that has learned little, a blend would have nothing.
  ...["--reference", "none"],
];

async function trained(cwd: string, ...args: string[]) {
  const { code, stdout, stderr } = await runOnDriver("train:2d", [...args, "--figures", "off", "--json"], cwd);
  equal(code, 0, `code ${code}: ${stderr}`);
  return JSON.parse(stdout);
}

test("onnx-webgpu: train:2d gives the processor's likelihood, also in float16, and a run goes on on either", () =>
  inFolder(async (cwd) => {
    await Deno.writeTextFile(join(cwd, "points.csv"), points());
    const expected = await trained(cwd, ...SMALL, "--backend", "onnx-cpu", "--out", "cpu");
    const got = await trained(cwd, ...SMALL, "--backend", "onnx-webgpu", "--out", "gpu");
    equal(got.backend, "onnx-webgpu");
    ok(Math.abs(got.val_nll - expected.val_nll) < 1e-4, `${got.val_nll} and ${expected.val_nll}`);
    if (noHalf === undefined) {
      const half = await trained(cwd, ...SMALL, "--backend", "onnx-webgpu", "--precision", "f16", "--out", "half");
      equal(half.precision, "f16");
      const difference = Math.abs(half.val_nll - got.val_nll);
      ok(difference > 0 && difference < 5e-3, `${half.val_nll} and ${got.val_nll}`);
    } else console.log(`NOT TRIED: train:2d in float16: ${noHalf}`);
    const further = await trained(cwd, "--resume", "gpu", "--epochs", "3", "--backend", "onnx-cpu");
    deepEqual([further.backend, further.epochs], ["onnx-cpu", 3]);
    const back = await trained(cwd, "--resume", "cpu", "--epochs", "3", "--backend", "onnx-webgpu");
    ok(Math.abs(further.val_nll - back.val_nll) < 1e-4, `${further.val_nll} and ${back.val_nll}`);
  }));

test("onnx-webgpu: train:cifar trains a U-Net in parts of a batch, and sample draws from it", () =>
  inFolder(async (cwd) => {
    const args = [
      ...[IMAGES, "--from-scratch", "--channels", "8", "--batch-size", "16", "--micro-batch-size", "8"],
      ...["--validation-samples", "4", "--samples", "2", "--sample-steps", "2", "--eval-batch-size", "64"],
      ...["--epochs", "1", "--backend", "onnx-webgpu", "--out", "run"],
    ];
    const { code, stdout, stderr } = await runOnDriver("train:cifar", args, cwd);
    equal(code, 0, stderr);
    match(stdout, /on onnx-webgpu\n/);
    const drawn = await runOnDriver("sample", ["run", "--count", "2", "--steps", "2", "--json"], cwd);
    equal(drawn.code, 0, drawn.stderr);
    equal(JSON.parse(drawn.stdout).backend, "onnx-webgpu");
  }));

Deno.test("onnx-webgpu: without a driver the command ends in one line", () =>
  inFolder(async (cwd) => {
    const icd = Deno.env.get("VK_ICD_FILENAMES");
    Deno.env.set("VK_ICD_FILENAMES", join(cwd, "none.json"));
    try {
      const { code, stdout, stderr } = await runTask("train:2d", ["moons", "--backend", "onnx-webgpu"], cwd);
      equal(code, 2);
      equal(stdout, "");
      match(stderr, /^error: The backend onnx-webgpu does not start: .*Vulkan on Linux.*$/m);
      ok(!/\n\s+at \S+ \(file:/.test(stderr), stderr);
      deepEqual(await Array.fromAsync(Deno.readDir(cwd)), []);
    } finally {
      if (icd === undefined) Deno.env.delete("VK_ICD_FILENAMES");
      else Deno.env.set("VK_ICD_FILENAMES", icd);
    }
  }));
