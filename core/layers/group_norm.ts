import * as tf from "@tensorflow/tfjs";
import type { HostTensors } from "../data/tensors.ts";
import { operation } from "./operation.ts";

/**
 * Group normalisation (arXiv 1803.08494) with PyTorch's names and layout (`torch.nn.GroupNorm`).
 *
 * @param params Holds `NAME.weight` and `NAME.bias`, `[channels]`.
 * @param name The layer's name.
 * @param x Images, `[batch, channels, height, width]`.
 * @param groups Divides the channels.
 * @param epsilon Added to the variance.
 */
export function groupNorm(
  params: Record<string, tf.Tensor>,
  name: string,
  x: tf.Tensor,
  groups: number,
  epsilon: number,
): tf.Tensor {
  const scale = params[`${name}.weight`];
  const shift = params[`${name}.bias`];
  return operation("GroupNormNchw", { x, scale, shift }, { groups, epsilon }) ??
    composed(x, scale, shift, groups, epsilon);
}

function composed(x: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor, groups: number, epsilon: number): tf.Tensor {
  const grouped = tf.reshape(x, [x.shape[0], groups, -1]);
  const centred = tf.sub(grouped, tf.mean(grouped, 2, true));
  const variance = tf.mean(tf.square(centred), 2, true);
  const normal = tf.reshape(tf.mul(centred, tf.rsqrt(tf.add(variance, epsilon))), x.shape);
  return tf.add(tf.mul(normal, tf.reshape(scale, [1, -1, 1, 1])), tf.reshape(shift, [1, -1, 1, 1]));
}

export function initGroupNorm(name: string, channels: number): HostTensors {
  return {
    [`${name}.weight`]: { shape: [channels], data: new Float32Array(channels).fill(1) },
    [`${name}.bias`]: { shape: [channels], data: new Float32Array(channels) },
  };
}
