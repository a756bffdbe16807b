import { deepEqual } from "assert";
import type * as tf from "@tensorflow/tfjs";
import type { Engine, Tensors } from "../../core/engine/mod.ts";
import { gelu, mish } from "../../core/layers/activation.ts";
import { attention } from "../../core/layers/attention.ts";
import { averagePool } from "../../core/layers/average_pool.ts";
import { firDownsample, firUpsample } from "../../core/layers/fir_resample.ts";
import { groupNorm } from "../../core/layers/group_norm.ts";
import { silu } from "../../core/layers/silu.ts";
import { upsample } from "../../core/layers/upsample.ts";
import { Random } from "../../core/random/random.ts";
import type { HostTensors } from "../../core/data/tensors.ts";
import { runOn, withGradients } from "../core/engine/differentiate.ts";
import { type ConformanceCase, type Deviation, deviation, otherEngine } from "./case.ts";

interface Example {
  readonly layer: (inputs: Tensors) => tf.Tensor;
  readonly inputs: HostTensors;
  /** The shape of the result where it is not that of x. */
  readonly shape?: readonly number[];
}

function normalisation(
  random: Random,
  shape: readonly number[],
  groups: number,
  epsilon: number,
  change: (x: number) => number = (x) => x,
) {
  const { data } = random.normalTensor(shape);
  return {
    layer: ({ x, scale, shift }: Tensors) => groupNorm({ "a.weight": scale, "a.bias": shift }, "a", x, groups, epsilon),
    inputs: {
      x: { shape, data: data.map(change) },
      scale: random.normalTensor([shape[1]]),
      shift: random.normalTensor([shape[1]]),
    },
  };
}

function attending(random: Random, shape: readonly number[], heads: number, size = shape[1] / heads): Example {
  const c = shape[1], inner = heads * size;
  const weight = (part: string) =>
    random.uniformTensor(part === "to_out.0" ? [c, inner] : [inner, c], -1 / Math.sqrt(c), 1 / Math.sqrt(c));
  const bias = (part: string) => random.normalTensor([part === "to_out.0" ? c : inner]);
  const parts = ["to_q", "to_k", "to_v", "to_out.0"];
  return {
    layer: ({ x, ...params }) => attention(params, "a", x, heads, size),
    inputs: Object.assign(
      { x: random.normalTensor(shape) },
      ...parts.map((part) => ({ [`a.${part}.weight`]: weight(part), [`a.${part}.bias`]: bias(part) })),
    ),
  };
}

function examples(random: Random): Record<string, Example> {
  const norm = (...rest: [readonly number[], number, number, ((x: number) => number)?]) =>
    normalisation(random, ...rest);
  const normal = (...shape: number[]) => random.normalTensor(shape);
  return {
    "group normalisation, one group": norm([2, 6, 3, 4], 1, 1e-5),
    "group normalisation, two channels a group": norm([3, 8, 4, 4], 4, 1e-6),
    "group normalisation, one channel a group": norm([2, 5, 3, 3], 5, 1e-5),
    "group normalisation, one image": norm([1, 8, 2, 2], 2, 1e-5),
    "group normalisation, epsilon of the variance's size": norm([2, 4, 3, 3], 2, 0.5),
    "group normalisation far from zero": norm([2, 4, 4, 4], 2, 1e-5, (x) => 10 + x),
    "group normalisation of tiny values": norm([2, 4, 4, 4], 2, 1e-6, (x) => 1e-3 * x),
    "group normalisation of wide channels": norm([2, 64, 4, 4], 32, 1e-6),
    "SiLU": { layer: ({ x }) => silu(x), inputs: { x: normal(2, 3, 4, 5) } },
    "attention, one head": attending(random, [2, 4, 3, 2], 1),
    "attention, one head of one image": attending(random, [1, 8, 2, 2], 1),
    "attention, four heads": attending(random, [2, 8, 3, 3], 4),
    "attention, heads of one channel": attending(random, [2, 3, 2, 2], 3),
    "attention, heads that leave channels over": attending(random, [2, 8, 3, 3], 2, 3),
    "attention of one pixel": attending(random, [2, 4, 1, 1], 2),
    "Mish": { layer: ({ x }) => mish(x), inputs: { x: normal(2, 3, 4, 5) } },
    "GELU": { layer: ({ x }) => gelu(x), inputs: { x: normal(2, 3, 4, 5) } },
    "means of four pixels": {
      layer: ({ x }) => averagePool(x),
      inputs: { x: normal(2, 3, 4, 6) },
      shape: [2, 3, 2, 3],
    },
    "smoothed to half": { layer: ({ x }) => firDownsample(x), inputs: { x: normal(2, 3, 4, 6) }, shape: [2, 3, 2, 3] },
    "smoothed to twice": { layer: ({ x }) => firUpsample(x), inputs: { x: normal(2, 3, 2, 5) }, shape: [2, 3, 4, 10] },
    "upsampling": { layer: ({ x }) => upsample(x), inputs: { x: normal(2, 3, 4, 5) }, shape: [2, 3, 8, 10] },
    "upsampling one pixel": { layer: ({ x }) => upsample(x), inputs: { x: normal(1, 2, 1, 1) }, shape: [1, 2, 2, 2] },
  };
}

/** The U-Net's layers besides convolutions. */
export const layers: ConformanceCase = {
  name: "layers",
  reference: "another engine",
  async run(engine) {
    const other = await otherEngine(engine);
    const random = Random.fromSeed(5);
    const deviations: Deviation[] = [];
    for (const [name, { layer, inputs, shape = inputs.x.shape }] of Object.entries(examples(random))) {
      const given = { ...inputs, dy: random.normalTensor(shape) };
      const program = withGradients(layer);
      const [got, expected] = [await runOn(engine, program, given), await runOn(other, program, given)];
      // Where no gradient is taken, layers may be recorded otherwise.
      const evaluated = await runOn(engine, (_, inputs) => ({ outputs: { y: layer(inputs) } }), inputs);
      deviations.push(deviation(`${name}, evaluated`, evaluated.y, expected.y, { rtol: 2e-5, atol: 1e-5 }));
      deepEqual(Object.keys(got).sort(), ["y", ...Object.keys(inputs)].sort());
      for (const key of Object.keys(got)) {
        const what = key === "y" ? name : `${name}, gradient of ${key}`;
        deviations.push(deviation(what, got[key], expected[key], { rtol: 2e-5, atol: 1e-5 }));
      }
    }
    other.dispose();
    return deviations;
  },
};

/** Group normalisation and SiLU beside their definition, in values and gradients. */
export const normalisations: ConformanceCase = {
  name: "normalisation and SiLU",
  reference: "float64",
  async run(engine) {
    const x = Float32Array.of(-1e6, -500, -90, -40, -17.5, -9, 9, 17.5, 40, 90, 500, 1e6);
    const ones = new Float32Array(x.length).fill(1);
    const far = await runOn(engine, withGradients(({ x }) => silu(x)), {
      x: { shape: [x.length], data: x },
      dy: { shape: [x.length], data: ones },
    });
    const sigmoid = Array.from(x, (v) => 1 / (1 + Math.exp(-v)));
    const tolerance = { rtol: 1e-6, atol: 1e-6 };
    return [
      deviation("SiLU far out", far.y, sigmoid.map((s, i) => x[i] * s), tolerance),
      deviation("SiLU far out, gradient", far.x, sigmoid.map((s, i) => s * (1 + x[i] * (1 - s))), tolerance),
      ...await normalisedSiluDeviations(engine),
    ];
  },
};

async function normalisedSiluDeviations(engine: Engine): Promise<Deviation[]> {
  const [n, c, h, w, groups, epsilon] = [2, 4, 3, 2, 2, 1e-3];
  const random = Random.fromSeed(5);
  const { layer, inputs } = normalisation(random, [n, c, h, w], groups, epsilon);
  const dy = random.normalTensor([n, c, h, w]);
  const got = await runOn(engine, withGradients((given) => silu(layer(given))), { ...inputs, dy });
  const values = Object.fromEntries(Object.entries(inputs).map(([key, { data }]) => [key, Float64Array.from(data)]));
  const result = () => normalisedSilu(values, groups, c, h * w, epsilon);
  const loss = () => result().reduce((sum, y, i) => sum + y * dy.data[i], 0);
  const tolerance = { rtol: 1e-4, atol: 1e-5 };
  const gradients = Object.entries(values).map(([key, data]) => {
    const expected = data.map((value, i) => {
      const step = 1e-5;
      data[i] = value + step;
      const above = loss();
      data[i] = value - step;
      const below = loss();
      data[i] = value;
      return (above - below) / (2 * step);
    });
    return deviation(`SiLU of a group normalisation, gradient of ${key}`, got[key], expected, tolerance);
  });
  return [deviation("SiLU of a group normalisation", got.y, result(), tolerance), ...gradients];
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
