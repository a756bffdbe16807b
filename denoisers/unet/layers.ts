import * as tf from "@tensorflow/tfjs";
import { type HostTensors, type ParameterShapes, sizeOf } from "../../core/data/tensors.ts";
import { attention } from "../../core/layers/attention.ts";
import { conv2d, initConv2d, type Padding } from "../../core/layers/conv2d.ts";
import { groupNorm, initGroupNorm } from "../../core/layers/group_norm.ts";
import { initLinear, linear } from "../../core/layers/linear.ts";
import { silu } from "../../core/layers/silu.ts";
import type { Random } from "../../core/random/random.ts";

type Params = Record<string, tf.Tensor>;

const SAME: Padding = [1, 1, 1, 1], NONE: Padding = [0, 0, 0, 0];

/** Added to variances. */
const EPSILON = 1e-5;

/** Groups of a normalisation at most. */
const GROUPS = 8;

/** A part of the network: its parameters' shapes and initial values. */
export interface Layer {
  readonly shapes: ParameterShapes;
  init(random: Random): HostTensors;
}

/** A 3x3 convolution, or of single pixels. */
export interface Convolution extends Layer {
  run(params: Params, x: tf.Tensor): tf.Tensor;
}

/** How many groups so many channels are normalised in. */
function groupsOf(channels: number): number {
  for (let groups = GROUPS; groups > 1; groups--) if (channels % groups === 0 && channels / groups >= 2) return groups;
  return 1;
}

/** @param isZero Whether it is to give nothing at the start. */
export function convolution(
  name: string,
  inputs: number,
  outputs: number,
  { side = 3, stride = 1, isZero = false }: {
    readonly side?: 1 | 3;
    readonly stride?: 1 | 2;
    readonly isZero?: boolean;
  } = {},
): Convolution {
  const shape = [outputs, inputs, side, side] as const;
  return {
    shapes: { [`${name}.weight`]: shape, [`${name}.bias`]: [outputs] },
    init(random) {
      const params = initConv2d(random, name, shape);
      return isZero ? zeroed(params) : params;
    },
    run: (params, x) => conv2d(params, name, x, side === 1 ? NONE : SAME, stride),
  };
}

/** Group normalisation. */
export function normalisation(name: string, channels: number): Convolution {
  return {
    shapes: { [`${name}.weight`]: [channels], [`${name}.bias`]: [channels] },
    init: () => initGroupNorm(name, channels),
    run: (params, x) => groupNorm(params, name, x, groupsOf(channels), EPSILON),
  };
}

/** Adds values of each pixel's own to an image, 0 at the start: a convolution by itself is the same at all places. */
export function positions(
  name: string,
  shape: readonly [channels: number, height: number, width: number],
): Convolution {
  const whole = [1, ...shape];
  return {
    shapes: { [name]: whole },
    init: () => ({ [name]: { shape: whole, data: new Float32Array(sizeOf(whole)) } }),
    run: (params, x) => tf.add(x, params[name]),
  };
}

/** Drops values in training. */
export type Drop = (x: tf.Tensor) => tf.Tensor;

/** A residual block whose second half the log SNR scales and shifts. */
export interface ResidualBlock extends Layer {
  /** @param condition `[batch, size]`, of the log SNR and what is known. @param drop Before its last convolution. */
  run(params: Params, x: tf.Tensor, condition: tf.Tensor, drop?: Drop): tf.Tensor;
}

/**
 * x + conv(SiLU(norm(conv(SiLU(norm(x))))·(1 + scale) + shift)), with scale and shift from the condition (FiLM, arXiv
 * 1709.07871; P. Dhariwal and A. Nichol, arXiv 2105.05233), and nothing but x at the start.
 */
export function residualBlock(name: string, inputs: number, outputs: number, condition: number): ResidualBlock {
  const norms = [normalisation(`${name}.norm.0`, inputs), normalisation(`${name}.norm.1`, outputs)];
  const convs = [
    convolution(`${name}.conv.0`, inputs, outputs),
    convolution(`${name}.conv.1`, outputs, outputs, { isZero: true }),
  ];
  const shortcut = inputs === outputs ? undefined : convolution(`${name}.shortcut`, inputs, outputs, { side: 1 });
  const film = `${name}.film`, layers = [...norms, ...convs, ...(shortcut ? [shortcut] : [])];
  return {
    shapes: {
      ...Object.assign({}, ...layers.map(({ shapes }) => shapes)),
      [`${film}.weight`]: [2 * outputs, condition],
      [`${film}.bias`]: [2 * outputs],
    },
    init: (random) => ({
      ...Object.assign({}, ...layers.map((layer) => layer.init(random))),
      ...zeroed(initLinear(random, film, condition, 2 * outputs)),
    }),
    run(params, x, given, drop = (x) => x) {
      const inner = convs[0].run(params, silu(norms[0].run(params, x)));
      const [scale, shift] = tf.split(tf.reshape(linear(params, film, given), [-1, 2 * outputs, 1, 1]), 2, 1);
      const modulated = tf.add(tf.mul(norms[1].run(params, inner), tf.add(scale, 1)), shift);
      return tf.add(shortcut ? shortcut.run(params, x) : x, convs[1].run(params, drop(silu(modulated))));
    },
  };
}

/** Attention between all pixels, added to them, and nothing at the start. */
export function attentionBlock(name: string, channels: number): Convolution {
  const norm = normalisation(`${name}.norm`, channels), parts = ["to_q", "to_k", "to_v", "to_out.0"];
  return {
    shapes: {
      ...norm.shapes,
      ...Object.fromEntries(parts.flatMap((part) => [
        [`${name}.${part}.weight`, [channels, channels]],
        [`${name}.${part}.bias`, [channels]],
      ])),
    },
    init: (random) => ({
      ...norm.init(random),
      ...Object.assign(
        {},
        ...parts.map((part) => {
          const params = initLinear(random, `${name}.${part}`, channels, channels);
          return part === "to_out.0" ? zeroed(params) : params;
        }),
      ),
    }),
    run: (params, x) => tf.add(x, attention(params, name, norm.run(params, x), 1)),
  };
}

function zeroed(params: HostTensors): HostTensors {
  for (const { data } of Object.values(params)) data.fill(0);
  return params;
}
