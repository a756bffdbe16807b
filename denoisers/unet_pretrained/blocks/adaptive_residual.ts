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
  /** Channels that it ends with, where they are others than those of its second normalisation. */
  readonly ends?: number;
}

/** Its layers, in diffusers' order. */
export function adaptiveLayers({ timeEmbeddingDim: time }: UnetConfig, block: AdaptiveResidual): Layer[] {
  const { name, inputs, outputs, groups, groupsOut, ends = outputs } = block;
  return [
    { kind: "adaptive norm", name: `${name}.norm1`, channels: inputs, groups, time },
    convolution(`${name}.conv1`, inputs, outputs),
    { kind: "adaptive norm", name: `${name}.norm2`, channels: outputs, groups: groupsOut, time },
    convolution(`${name}.conv2`, outputs, ends),
    ...(inputs === ends ? [] : [convolution(`${name}.conv_shortcut`, inputs, ends, 1, false)]),
  ];
}

/** @param x `[batch, inputs, height, width]`. @returns `[batch, ends, height, width]`. */
export function adaptiveResidual(run: Run, block: AdaptiveResidual, x: tf.Tensor): tf.Tensor {
  const { config, params, drop } = run, { name, inputs, outputs, groups, groupsOut, ends = outputs } = block;
  const norm = (key: string, x: tf.Tensor, groups: Groups) =>
    activated(config, adaptiveNorm(run, `${name}.${key}`, x, groups, config.normEps));
  let h = norm("norm2", conv2d(params, `${name}.conv1`, norm("norm1", x, groups), [1, 1, 1, 1]), groupsOut);
  h = conv2d(params, `${name}.conv2`, drop ? drop(h) : h, [1, 1, 1, 1]);
  if (inputs === ends) return tf.add(x, h);
  const shortcut = { "a.weight": params[`${name}.conv_shortcut.weight`], "a.bias": tf.zeros([ends]) };
  return tf.add(conv2d(shortcut, "a", x, [0, 0, 0, 0]), h);
}

/** A normalisation whose scales and shifts are of the time step, diffusers' `AdaGroupNorm`. */
export function adaptiveNorm({ params, time }: Run, name: string, x: tf.Tensor, { count }: Groups, epsilon: number) {
  const channels = x.shape[1]!;
  const plain = { "plain.weight": tf.ones([channels]), "plain.bias": tf.zeros([channels]) };
  const [scale, shift] = tf.split(linear(params, `${name}.linear`, time), 2, 1)
    .map((t) => tf.reshape(t, [-1, channels, 1, 1]));
  return tf.add(tf.mul(groupNorm(plain, "plain", x, count!, epsilon), tf.add(scale, 1)), shift);
}

/** Groups of 32 channels. */
export function groupsOf32(channels: number): Groups {
  return { count: Math.floor(channels / 32) };
}
