import { deepEqual } from "assert";
import type * as tf from "@tensorflow/tfjs";
import { BACKENDS, type Tensors } from "../../../core/engine/mod.ts";
import { attention } from "../../../core/layers/attention.ts";
import { groupNorm, initGroupNorm } from "../../../core/layers/group_norm.ts";
import { silu } from "../../../core/layers/silu.ts";
import { upsample } from "../../../core/layers/upsample.ts";
import { Random } from "../../../core/random.ts";
import type { HostTensors } from "../../../core/tensors.ts";
import { assertWithin } from "../../reference.ts";
import { run, withGradients } from "../engine/differentiate.ts";

const random = Random.fromSeed(5);
const normal = (...shape: number[]) => random.normalTensor(shape);

interface Example {
  readonly layer: (inputs: Tensors) => tf.Tensor;
  readonly inputs: HostTensors;
  /** The shape of the result where it is not that of x. */
  readonly shape?: readonly number[];
}

function norm(shape: readonly number[], groups: number, epsilon: number, change: (x: number) => number = (x) => x) {
  const { data } = normal(...shape);
  return {
    layer: ({ x, scale, shift }: Tensors) => groupNorm({ "a.weight": scale, "a.bias": shift }, "a", x, groups, epsilon),
    inputs: { x: { shape, data: data.map(change) }, scale: normal(shape[1]), shift: normal(shape[1]) },
  };
}

function attending(shape: readonly number[], heads: number): Example {
  const c = shape[1];
  const weight = () => random.uniformTensor([c, c], -1 / Math.sqrt(c), 1 / Math.sqrt(c));
  const parts = ["to_q", "to_k", "to_v", "to_out.0"];
  return {
    layer: ({ x, ...params }) => attention(params, "a", x, heads),
    inputs: Object.assign(
      { x: normal(...shape) },
      ...parts.map((part) => ({ [`a.${part}.weight`]: weight(), [`a.${part}.bias`]: normal(c) })),
    ),
  };
}

const examples: Record<string, Example> = {
  "group normalisation, one group": norm([2, 6, 3, 4], 1, 1e-5),
  "group normalisation, two channels a group": norm([3, 8, 4, 4], 4, 1e-6),
  "group normalisation, one channel a group": norm([2, 5, 3, 3], 5, 1e-5),
  "group normalisation, one image": norm([1, 8, 2, 2], 2, 1e-5),
  "group normalisation, epsilon of the variance's size": norm([2, 4, 3, 3], 2, 0.5),
  "group normalisation far from zero": norm([2, 4, 4, 4], 2, 1e-5, (x) => 10 + x),
  "group normalisation of tiny values": norm([2, 4, 4, 4], 2, 1e-6, (x) => 1e-3 * x),
  "group normalisation of wide channels": norm([2, 64, 4, 4], 32, 1e-6),
  "SiLU": { layer: ({ x }) => silu(x), inputs: { x: normal(2, 3, 4, 5) } },
  "attention, one head": attending([2, 4, 3, 2], 1),
  "attention, one head of one image": attending([1, 8, 2, 2], 1),
  "attention, four heads": attending([2, 8, 3, 3], 4),
  "attention, heads of one channel": attending([2, 3, 2, 2], 3),
  "attention of one pixel": attending([2, 4, 1, 1], 2),
  "upsampling": { layer: ({ x }) => upsample(x), inputs: { x: normal(2, 3, 4, 5) }, shape: [2, 3, 8, 10] },
  "upsampling one pixel": { layer: ({ x }) => upsample(x), inputs: { x: normal(1, 2, 1, 1) }, shape: [1, 2, 2, 2] },
};

for (const backend of BACKENDS.filter((name) => name !== "tfjs-cpu")) {
  for (const [name, { layer, inputs, shape = inputs.x.shape }] of Object.entries(examples)) {
    Deno.test(`${backend}: ${name}: value and gradients equal tfjs-cpu's`, async () => {
      const given = { ...inputs, dy: normal(...shape) };
      const program = withGradients(layer);
      const [got, expected] = [await run(backend, program, given), await run("tfjs-cpu", program, given)];
      deepEqual(Object.keys(got).sort(), ["y", ...Object.keys(inputs)].sort());
      for (const key of Object.keys(got)) {
        assertWithin(got[key], expected[key], { rtol: 2e-5, atol: 1e-5 }, key);
      }
    });
  }
}

for (const backend of BACKENDS) {
  Deno.test(`${backend}: SiLU and its gradient are right far out`, async () => {
    const x = Float32Array.of(-1e6, -500, -90, -40, -17.5, -9, 9, 17.5, 40, 90, 500, 1e6);
    const ones = new Float32Array(x.length).fill(1);
    const program = withGradients(({ x }) => silu(x));
    const got = await run(backend, program, { x: { shape: [12], data: x }, dy: { shape: [12], data: ones } });
    const sigmoid = Array.from(x, (v) => 1 / (1 + Math.exp(-v)));
    assertWithin(got.y, sigmoid.map((s, i) => x[i] * s), { rtol: 1e-6, atol: 1e-6 }, "y");
    assertWithin(got.x, sigmoid.map((s, i) => s * (1 + x[i] * (1 - s))), { rtol: 1e-6, atol: 1e-6 }, "x");
  });

  Deno.test(`${backend}: the gradients of group normalisation and SiLU are those of their definition`, async () => {
    const [n, c, h, w, groups, epsilon] = [2, 4, 3, 2, 2, 1e-3];
    const { inputs } = norm([n, c, h, w], groups, epsilon);
    const dy = normal(n, c, h, w);
    const program = withGradients(({ x, scale, shift }) =>
      silu(groupNorm({ "a.weight": scale, "a.bias": shift }, "a", x, groups, epsilon))
    );
    const got = await run(backend, program, { ...inputs, dy });
    const values = Object.fromEntries(Object.entries(inputs).map(([key, { data }]) => [key, Float64Array.from(data)]));
    const loss = () => normalisedSilu(values, groups, c, h * w, epsilon).reduce((sum, y, i) => sum + y * dy.data[i], 0);
    for (const [key, data] of Object.entries(values)) {
      const expected = data.map((value, i) => {
        const step = 1e-5;
        data[i] = value + step;
        const above = loss();
        data[i] = value - step;
        const below = loss();
        data[i] = value;
        return (above - below) / (2 * step);
      });
      assertWithin(got[key], expected, { rtol: 1e-4, atol: 1e-5 }, key);
    }
  });
}

/** SiLU of a group normalisation in double precision. */
function normalisedSilu(
  { x, scale, shift }: Readonly<Record<string, Float64Array>>,
  groups: number,
  channels: number,
  pixels: number,
  epsilon: number,
): Float64Array {
  const size = channels / groups * pixels;
  return x.map((value, i) => {
    const group = x.subarray(i - i % size, i - i % size + size);
    const mean = group.reduce((sum, v) => sum + v, 0) / size;
    const variance = group.reduce((sum, v) => sum + (v - mean) ** 2, 0) / size;
    const channel = Math.floor(i / pixels) % channels;
    const y = (value - mean) / Math.sqrt(variance + epsilon) * scale[channel] + shift[channel];
    return y / (1 + Math.exp(-y));
  });
}

Deno.test("a new group normalisation leaves normalised values as they are", () => {
  deepEqual(initGroupNorm("a", 2), {
    "a.weight": { shape: [2], data: Float32Array.of(1, 1) },
    "a.bias": { shape: [2], data: Float32Array.of(0, 0) },
  });
});
