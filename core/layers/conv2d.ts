import * as tf from "@tensorflow/tfjs";
import type { Random } from "../random.ts";
import { type HostTensors, sizeOf } from "../tensors.ts";
import { operation } from "./operation.ts";

/** Rows and columns of zeros at the top, left, bottom and right. */
export type Padding = readonly [number, number, number, number];

/**
 * A convolution with PyTorch's names and layout (`torch.nn.Conv2d`).
 *
 * @param params Holds `NAME.weight`, `[out, in, height, width]`, and `NAME.bias`, `[out]`.
 * @param name The layer's name.
 * @param x Images, `[batch, in, height, width]`.
 * @param stride Step in both directions.
 * @returns `[batch, out, height, width]`.
 */
export function conv2d(
  params: Record<string, tf.Tensor>,
  name: string,
  x: tf.Tensor,
  padding: Padding,
  stride = 1,
): tf.Tensor {
  const filter = params[`${name}.weight`];
  const bias = params[`${name}.bias`];
  const [top, left, bottom, right] = padding;
  return operation("ConvolutionNchw", { x, filter, bias }, { padding, stride }) ??
    tf.add(
      channelsFirst(tf.conv2d(
        tf.pad(channelsLast(x), [[0, 0], [top, bottom], [left, right], [0, 0]]) as tf.Tensor4D,
        tf.transpose(filter, [2, 3, 1, 0]) as tf.Tensor4D,
        stride,
        "valid",
      )),
      tf.reshape(bias, [1, -1, 1, 1]),
    );
}

/** PyTorch's initialisation of a convolution: weights and biases uniform within ±1/√(values that a filter sees). */
export function initConv2d(
  random: Random,
  name: string,
  shape: readonly [number, number, number, number],
): HostTensors {
  const bound = 1 / Math.sqrt(sizeOf(shape.slice(1)));
  return {
    [`${name}.weight`]: random.uniformTensor(shape, -bound, bound),
    [`${name}.bias`]: random.uniformTensor([shape[0]], -bound, bound),
  };
}

function channelsLast(x: tf.Tensor): tf.Tensor {
  return tf.transpose(x, [0, 2, 3, 1]);
}

function channelsFirst(x: tf.Tensor): tf.Tensor {
  return tf.transpose(x, [0, 3, 1, 2]);
}
