import { deepEqual } from "assert";
import type { Program } from "../../core/engine/mod.ts";
import { conv2d, type Padding } from "../../core/layers/conv2d.ts";
import { Random } from "../../core/random/random.ts";
import type { HostTensor } from "../../core/data/tensors.ts";
import { runOn, withGradients } from "../core/engine/differentiate.ts";
import { convolutionInFloat64, convolutionShape } from "../core/layers/convolution_float64.ts";
import { type ConformanceCase, type Deviation, deviation } from "./case.ts";

export const SAME: Padding = [1, 1, 1, 1];
export const NONE: Padding = [0, 0, 0, 0];
export const END: Padding = [0, 0, 1, 1];

/** Shapes of the image and filter, padding, stride. */
export type Convolution = [readonly number[], readonly number[], Padding, number];

/** Convolutions of few channels. */
export const narrow: Readonly<Record<string, Convolution>> = {
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

/** Convolutions that the compiled engine computes by Winograd's minimal filtering, and GPUs in tiles. */
export const wide: Readonly<Record<string, Convolution>> = {
  "one image": [[1, 64, 16, 16], [64, 64, 3, 3], SAME, 1],
  "several images, more outputs": [[3, 64, 8, 32], [68, 64, 3, 3], SAME, 1],
  "small images, fewer outputs": [[2, 136, 8, 8], [128, 136, 3, 3], SAME, 1],
  "many channels": [[1, 512, 8, 8], [128, 512, 3, 3], SAME, 1],
};

/** Convolutions whose channels, or samples, fill blocks as wide as a processor's vectors, or do not. */
export const blocks: Readonly<Record<string, Convolution>> = {
  "3x3, padded all around": [[16, 16, 7, 6], [32, 16, 3, 3], SAME, 1],
  "fewer outputs": [[16, 48, 6, 5], [16, 48, 3, 3], SAME, 1],
  "the image's own few channels": [[32, 3, 6, 6], [16, 3, 3, 3], SAME, 1],
  "to the image's own few channels": [[16, 32, 6, 6], [3, 32, 3, 3], SAME, 1],
  "without padding": [[16, 16, 6, 7], [16, 16, 3, 3], NONE, 1],
  "5x3 with uneven padding": [[16, 32, 6, 5], [16, 32, 5, 3], [3, 0, 1, 2], 1],
  "padded beyond the filter": [[16, 16, 4, 4], [16, 16, 1, 2], [1, 1, 1, 1], 1],
  "in steps of two, padded at the end": [[16, 32, 8, 6], [32, 32, 3, 3], END, 2],
  "in steps of two, odd sides": [[16, 16, 7, 9], [32, 16, 3, 3], SAME, 2],
  "in steps of two, the last row and column unseen": [[16, 16, 6, 8], [32, 16, 3, 3], NONE, 2],
  "in steps of three, two rows unseen": [[16, 16, 8, 7], [16, 16, 3, 3], NONE, 3],
  "samples that fill no block": [[5, 16, 6, 6], [32, 16, 3, 3], SAME, 1],
  "channels that fill no block": [[16, 20, 6, 6], [24, 20, 3, 3], SAME, 1],
  "one pixel": [[16, 16, 1, 1], [16, 16, 3, 3], SAME, 1],
};

/** Inputs that give results and gradients of variance near one. */
export function inputsOf([image, filter, padding, stride]: Convolution) {
  const random = Random.fromSeed(3);
  const [o, c, kh, kw] = filter;
  const size = 1 / Math.sqrt(c * kh * kw);
  return {
    x: random.normalTensor(image),
    filter: scaled(random.normalTensor(filter), size),
    bias: random.normalTensor([o]),
    dy: random.normalTensor(convolutionShape(image, filter, padding, stride)),
  };
}

function scaled({ shape, data }: HostTensor, factor: number): HostTensor {
  return { shape, data: data.map((v) => v * factor) };
}

/** A convolution with its gradients. */
export function programOf([, , padding, stride]: Convolution): Program {
  return withGradients(({ x, filter, bias }) =>
    conv2d({ "a.weight": filter, "a.bias": bias }, "a", x, padding, stride)
  );
}

/** Convolutions beside their definition. @param tolerance Relative to the deviation of each result. */
function convolutions(
  name: string,
  examples: Readonly<Record<string, Convolution>>,
  tolerance: number,
): ConformanceCase {
  return {
    name,
    reference: "float64",
    async run(engine) {
      const deviations: Deviation[] = [];
      for (const [what, example] of Object.entries(examples)) {
        const [, , padding, stride] = example;
        const inputs = inputsOf(example);
        const { x, filter, bias, dy } = inputs;
        const { shape: _, ...expected } = convolutionInFloat64(x, filter, bias, dy, padding, stride);
        const got = await runOn(engine, programOf(example), inputs);
        deepEqual(Object.keys(got).sort(), Object.keys(expected).sort());
        for (const [key, values] of Object.entries(expected)) {
          const allowed = { rtol: 0, atol: tolerance * standardDeviation(values) };
          deviations.push(deviation(key === "y" ? what : `${what}, gradient of ${key}`, got[key], values, allowed));
        }
      }
      return deviations;
    },
  };
}

function standardDeviation(values: Float64Array): number {
  return Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length);
}

export const narrowConvolutions = convolutions("convolutions", narrow, 5e-6);

export const wideConvolutions = convolutions("wide convolutions", wide, 2e-5);

export const blockedConvolutions = convolutions("convolutions in blocks", blocks, 1e-5);
