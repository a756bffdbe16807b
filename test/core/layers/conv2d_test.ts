import { deepEqual, ok, throws } from "assert";
import { reachableNodes } from "../../../core/engine/graph.ts";
import { type Backend, BACKENDS } from "../../../core/engine/mod.ts";
import { record } from "../../../core/engine/recording.ts";
import { conv2d, type Padding } from "../../../core/layers/conv2d.ts";
import { Random } from "../../../core/random.ts";
import type { HostTensor } from "../../../core/tensors.ts";
import { assertWithin } from "../../reference.ts";
import { run, withGradients } from "../engine/differentiate.ts";
import { convolutionInFloat64, convolutionShape } from "./convolution_float64.ts";

const SAME: Padding = [1, 1, 1, 1];
const NONE: Padding = [0, 0, 0, 0];
const END: Padding = [0, 0, 1, 1];

/** Shapes of the image and filter, padding, stride. */
type Case = [readonly number[], readonly number[], Padding, number];

const direct: Record<string, Case> = {
  "3x3, padded all around": [[2, 3, 5, 7], [4, 3, 3, 3], SAME, 1],
  "3x3, without padding": [[2, 3, 5, 6], [4, 3, 3, 3], NONE, 1],
  "3x3, padded at the end": [[2, 2, 4, 6], [3, 2, 3, 3], END, 1],
  "3x3 in steps of two, padded at the end": [[2, 3, 8, 6], [4, 3, 3, 3], END, 2],
  "3x3 in steps of two, padded all around": [[3, 3, 8, 6], [2, 3, 3, 3], SAME, 2],
  "3x3 in steps of two, odd sides": [[2, 2, 7, 9], [3, 2, 3, 3], SAME, 2],
  "3x3 in steps of two, the last row and column unseen": [[2, 2, 6, 8], [3, 2, 3, 3], NONE, 2],
  "3x3 in steps of three, two rows unseen": [[1, 2, 8, 7], [3, 2, 3, 3], NONE, 3],
  "1x1": [[3, 5, 4, 3], [2, 5, 1, 1], NONE, 1],
  "1x1 in steps of two": [[2, 3, 5, 6], [4, 3, 1, 1], NONE, 2],
  "1x1, padded": [[1, 2, 3, 3], [2, 2, 1, 1], SAME, 1],
  "one pixel": [[1, 1, 1, 1], [1, 1, 3, 3], SAME, 1],
  "2x3 with uneven padding": [[2, 2, 5, 5], [3, 2, 2, 3], [1, 0, 0, 2], 1],
};

const winograd: Record<string, Case> = {
  "one image": [[1, 64, 16, 16], [64, 64, 3, 3], SAME, 1],
  "several images, more outputs": [[3, 64, 8, 32], [68, 64, 3, 3], SAME, 1],
  "small images, fewer outputs": [[2, 136, 8, 8], [128, 136, 3, 3], SAME, 1],
};

const random = Random.fromSeed(3);

/** Inputs that give results and gradients of variance near one. */
function inputsOf([image, filter, padding, stride]: Case) {
  const [o, c, kh, kw] = filter;
  const deviation = 1 / Math.sqrt(c * kh * kw);
  return {
    x: random.normalTensor(image),
    filter: scaled(random.normalTensor(filter), deviation),
    bias: random.normalTensor([o]),
    dy: random.normalTensor(convolutionShape(image, filter, padding, stride)),
  };
}

function scaled({ shape, data }: HostTensor, factor: number): HostTensor {
  return { shape, data: data.map((v) => v * factor) };
}

function programOf([, , padding, stride]: Case) {
  return withGradients(({ x, filter, bias }) =>
    conv2d({ "a.weight": filter, "a.bias": bias }, "a", x, padding, stride)
  );
}

/** Whether 36 products stand for the convolution. */
function usesWinograd(example: Case): boolean {
  const inputs = inputsOf(example);
  const shapes = Object.fromEntries(Object.entries(inputs).map(([name, { shape }]) => [name, shape]));
  const { outputs } = record(programOf(example), {}, shapes);
  return reachableNodes([outputs.y]).some(({ op, outputs: [{ shape }] }) => op === "MatMul" && shape[0] === 36);
}

/** Compares a convolution's value and gradients with its definition; errors are relative to each's deviation. */
async function check(backend: Backend, example: Case, tolerance: number): Promise<void> {
  const [, , padding, stride] = example;
  const inputs = inputsOf(example);
  const { x, filter, bias, dy } = inputs;
  const { shape: _, ...expected } = convolutionInFloat64(x, filter, bias, dy, padding, stride);
  const got = await run(backend, programOf(example), inputs);
  deepEqual(Object.keys(got).sort(), Object.keys(expected).sort());
  for (const [key, values] of Object.entries(expected)) {
    assertWithin(got[key], values, { rtol: 0, atol: tolerance * deviationOf(values) }, key);
  }
}

for (const backend of BACKENDS) {
  for (const [name, example] of Object.entries(direct)) {
    Deno.test(`${backend}: a convolution's value and gradients are right: ${name}`, () =>
      check(backend, example, 5e-6));
  }
}

for (const [name, example] of Object.entries(winograd)) {
  Deno.test(`Winograd's convolution and its gradients are right: ${name}`, () => check("onnx-cpu", example, 2e-5));
}

Deno.test("Winograd's convolution is right with many channels", () => {
  return check("onnx-cpu", [[1, 512, 8, 8], [128, 512, 3, 3], SAME, 1], 2e-5);
});

Deno.test("Winograd's minimal filtering stands for 3x3 convolutions that it suits, and for no others", () => {
  for (const [name, example] of Object.entries(winograd)) ok(usesWinograd(example), name);
  const others: Record<string, Case> = {
    ...direct,
    "a stride": [[1, 64, 16, 16], [64, 64, 3, 3], SAME, 2],
    "other padding": [[1, 64, 16, 16], [64, 64, 3, 3], END, 1],
    "few inputs": [[1, 63, 16, 16], [64, 63, 3, 3], SAME, 1],
    "few outputs": [[1, 64, 16, 16], [3, 64, 3, 3], SAME, 1],
    "a small image": [[1, 256, 4, 4], [256, 256, 3, 3], SAME, 1],
    "sides that tiles do not fill": [[1, 64, 16, 18], [64, 64, 3, 3], SAME, 1],
  };
  for (const [name, example] of Object.entries(others)) ok(!usesWinograd(example), name);
});

Deno.test("a filter that does not fit the image is refused", () => {
  const shapes = { x: [1, 2, 2, 2], filter: [2, 2, 3, 3], bias: [2], dy: [1, 2, 1, 1] };
  throws(() => record(programOf([shapes.x, shapes.filter, NONE, 1]), {}, shapes), /3x3 filter does not fit .* 2x2/);
});

function deviationOf(values: Float64Array): number {
  return Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length);
}
