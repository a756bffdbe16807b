import * as tf from "@tensorflow/tfjs";
import { conv2d, type Padding } from "../../../core/layers/conv2d.ts";
import { groupNorm } from "../../../core/layers/group_norm.ts";
import { linear } from "../../../core/layers/linear.ts";
import type { UnetConfig } from "../config.ts";
import { affine, convolution, type Groups, type Layer, normalisation } from "../layers.ts";
import { activated, rescaled, type Run } from "../run.ts";

/** A residual block, diffusers' `ResnetBlock2D`. */
export interface Residual {
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly groups: Groups;
  /** Of the second normalisation; those of the first if left out. */
  readonly groupsOut?: Groups;
  /** What the sum is divided by. */
  readonly scale: number;
  /** Changes the image's size, of what is added as of what it is added to. */
  readonly resample?: (x: tf.Tensor) => tf.Tensor;
  /** Whether a convolution of single pixels is on the way around it though its channels stay. */
  readonly shortcut?: boolean;
}

const SAME: Padding = [1, 1, 1, 1];
const NONE: Padding = [0, 0, 0, 0];

function hasShortcut({ inputs, outputs, shortcut }: Residual): boolean {
  return shortcut || inputs !== outputs;
}

/** Its layers, in diffusers' order. */
export function residualLayers(config: UnetConfig, block: Residual): Layer[] {
  const { name, inputs, outputs, groups, groupsOut = groups } = block;
  return [
    normalisation(`${name}.norm1`, inputs, groups),
    convolution(`${name}.conv1`, inputs, outputs),
    affine(`${name}.time_emb_proj`, config.timeEmbeddingDim, config.timeScaleShift ? 2 * outputs : outputs),
    normalisation(`${name}.norm2`, outputs, groupsOut),
    convolution(`${name}.conv2`, outputs, outputs),
    ...(hasShortcut(block) ? [convolution(`${name}.conv_shortcut`, inputs, outputs, 1)] : []),
  ];
}

/** @param x `[batch, inputs, height, width]`. @returns `[batch, outputs, …]`. */
export function residual({ config, params, embedding, drop }: Run, block: Residual, x: tf.Tensor): tf.Tensor {
  const { name, outputs, groups, groupsOut = groups, resample = (x: tf.Tensor) => x } = block;
  const norm = (key: string, x: tf.Tensor, { count }: Groups) =>
    groupNorm(params, `${name}.${key}`, x, count!, config.normEps);
  const time = linear(params, `${name}.time_emb_proj`, embedding);
  const perChannel = (t: tf.Tensor) => tf.reshape(t, [-1, outputs, 1, 1]);
  let h = conv2d(params, `${name}.conv1`, resample(activated(config, norm("norm1", x, groups))), SAME);
  if (config.timeScaleShift) {
    const [factor, shift] = tf.split(time, 2, 1).map(perChannel);
    h = tf.add(tf.mul(norm("norm2", h, groupsOut), tf.add(factor, 1)), shift);
  } else {
    h = norm("norm2", tf.add(h, perChannel(time)), groupsOut);
  }
  h = activated(config, h);
  h = conv2d(params, `${name}.conv2`, drop ? drop(h) : h, SAME);
  const around = resample(x);
  const shortcut = hasShortcut(block) ? conv2d(params, `${name}.conv_shortcut`, around, NONE) : around;
  return rescaled(tf.add(shortcut, h), block.scale);
}
