import { initConv2d } from "../../core/layers/conv2d.ts";
import { initGroupNorm } from "../../core/layers/group_norm.ts";
import { initLinear } from "../../core/layers/linear.ts";
import type { HostTensors } from "../../core/data/tensors.ts";
import type { Random } from "../../core/random/random.ts";
import { FOURIER_SCALE } from "./fourier_embedding.ts";

/** How many groups a normalisation has, and which option says so, where one does. */
export interface Groups {
  /** Null where the option leaves it open and the block has no choice of its own, which is refused. */
  readonly count: number | null;
  readonly option?: "norm_num_groups" | "attn_norm_num_groups";
}

/** What one layer's parameters are, under its name in diffusers. */
export type Layer =
  | {
    readonly kind: "convolution";
    readonly name: string;
    readonly shape: readonly [number, number, number, number];
    readonly hasBias: boolean;
  }
  | { readonly kind: "table"; readonly name: string; readonly rows: number; readonly size: number }
  | { readonly kind: "frequencies"; readonly name: string; readonly size: number }
  | { readonly kind: "linear"; readonly name: string; readonly inputs: number; readonly outputs: number }
  | { readonly kind: "norm"; readonly name: string; readonly channels: number; readonly groups: Groups }
  // Whose scale and shift are made of the time step's embedding.
  | {
    readonly kind: "adaptive norm";
    readonly name: string;
    readonly channels: number;
    readonly groups: Groups;
    readonly time: number;
  };

export function convolution(name: string, inputs: number, outputs: number, size = 3, hasBias = true): Layer {
  return { kind: "convolution", name, shape: [outputs, inputs, size, size], hasBias };
}

export function affine(name: string, inputs: number, outputs: number): Layer {
  return { kind: "linear", name, inputs, outputs };
}

export function normalisation(name: string, channels: number, groups: Groups): Layer {
  return { kind: "norm", name, channels, groups };
}

/** The shapes of a layer's parameters, by their names. */
export function shapesOfLayer(layer: Layer): [string, readonly number[]][] {
  const weight = `${layer.name}.weight`, bias = `${layer.name}.bias`;
  switch (layer.kind) {
    case "table":
      return [[weight, [layer.rows, layer.size]]];
    case "frequencies":
      return [[weight, [layer.size]]];
    case "convolution":
      return [[weight, layer.shape], ...(layer.hasBias ? [[bias, [layer.shape[0]]] as [string, number[]]] : [])];
    case "linear":
      return [[weight, [layer.outputs, layer.inputs]], [bias, [layer.outputs]]];
    case "norm":
      return [[weight, [layer.channels]], [bias, [layer.channels]]];
    case "adaptive norm":
      return shapesOfLayer(affine(`${layer.name}.linear`, layer.time, 2 * layer.channels));
  }
}

/** A layer's parameters as PyTorch draws them. */
export function initLayer(layer: Layer, random: Random): HostTensors {
  const own = () => random.split(layer.name);
  switch (layer.kind) {
    case "table":
      // As PyTorch's nn.Embedding.
      return { [`${layer.name}.weight`]: own().normalTensor([layer.rows, layer.size]) };
    case "frequencies": {
      const { shape, data } = own().normalTensor([layer.size]);
      return { [`${layer.name}.weight`]: { shape, data: data.map((f) => FOURIER_SCALE * f) } };
    }
    case "convolution": {
      const { [`${layer.name}.weight`]: weight, ...bias } = initConv2d(own(), layer.name, layer.shape);
      return { [`${layer.name}.weight`]: weight, ...(layer.hasBias ? bias : {}) };
    }
    case "linear":
      return initLinear(own(), layer.name, layer.inputs, layer.outputs);
    case "norm":
      return initGroupNorm(layer.name, layer.channels);
    case "adaptive norm":
      return initLinear(own(), `${layer.name}.linear`, layer.time, 2 * layer.channels);
  }
}
