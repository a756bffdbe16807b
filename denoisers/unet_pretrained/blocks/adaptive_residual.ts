import * as tf from "@tensorflow/tfjs";
import { conv2d } from "../../../core/layers/conv2d.ts";
import { groupNorm } from "../../../core/layers/group_norm.ts";
import { linear } from "../../../core/layers/linear.ts";
import type { UnetConfig } from "../config.ts";
import { convolution, type Groups, type Layer } from "../layers.ts";
import { activated, type Run } from "../run.ts";

/** A residual block whose normalisations' scales and shifts are of the time step, diffusers' `ResnetBlockCondNorm2D`. */
export interface AdaptiveResidual {
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly groups: Groups;
  readonly groupsOut: Groups;
}

/** Its layers, in diffusers' order. */
export function adaptiveLayers({ timeEmbeddingDim: time }: UnetConfig, block: AdaptiveResidual): Layer[] {
  const { name, inputs, outputs, groups, groupsOut } = block;
  return [
    { kind: "adaptive norm", name: `${name}.norm1`, channels: inputs, groups, time },
    convolution(`${name}.conv1`, inputs, outputs),
    { kind: "adaptive norm", name: `${name}.norm2`, channels: outputs, groups: groupsOut, time },
    convolution(`${name}.conv2`, outputs, outputs),
    ...(inputs === outputs ? [] : [convolution(`${name}.conv_shortcut`, inputs, outputs, 1, false)]),
  ];
}

/** @param x `[batch, inputs, height, width]`. @returns `[batch, outputs, height, width]`. */
export function adaptiveResidual(
  { config, params, time, drop }: Run,
  block: AdaptiveResidual,
  x: tf.Tensor,
): tf.Tensor {
  const { name, inputs, outputs, groups, groupsOut } = block;
  const norm = (key: string, x: tf.Tensor, channels: number, { count }: Groups) => {
    const plain = { "plain.weight": tf.ones([channels]), "plain.bias": tf.zeros([channels]) };
    const normal = groupNorm(plain, "plain", x, count!, config.normEps);
    const [scale, shift] = tf.split(linear(params, `${name}.${key}.linear`, time), 2, 1)
      .map((t) => tf.reshape(t, [-1, channels, 1, 1]));
    return tf.add(tf.mul(normal, tf.add(scale, 1)), shift);
  };
  let h = activated(config, norm("norm1", x, inputs, groups));
  h = activated(config, norm("norm2", conv2d(params, `${name}.conv1`, h, [1, 1, 1, 1]), outputs, groupsOut));
  h = conv2d(params, `${name}.conv2`, drop ? drop(h) : h, [1, 1, 1, 1]);
  if (inputs === outputs) return tf.add(x, h);
  const shortcut = { "a.weight": params[`${name}.conv_shortcut.weight`], "a.bias": tf.zeros([outputs]) };
  return tf.add(conv2d(shortcut, "a", x, [0, 0, 0, 0]), h);
}

/** Groups of 32 channels. */
export function groupsOf32(channels: number): Groups {
  return { count: Math.floor(channels / 32) };
}
