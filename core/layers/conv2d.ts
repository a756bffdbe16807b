import * as tf from "@tensorflow/tfjs";
import type { Random } from "../random/random.ts";
import { type HostTensors, sizeOf } from "../data/tensors.ts";
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
  const whole = operation("ConvolutionNchw", { x, filter, bias }, { padding, stride });
  if (whole) return whole;
  const padded = tf.pad(channelsLast(x), [[0, 0], [top, bottom], [left, right], [0, 0]]);
  const y = unpadded(padded, tf.transpose(filter, [2, 3, 1, 0]), stride);
  return tf.add(channelsFirst(y), tf.reshape(bias, [1, -1, 1, 1]));
}

/**
 * A convolution of `[batch, height, width, in]` with a filter `[height, width, in, out]`. Its gradients are here since
 * that of the filter is missing from tfjs's WebAssembly and slow in its other backends but TensorFlow.
 */
function unpadded(x: tf.Tensor, filter: tf.Tensor, stride: number): tf.Tensor {
  if (tf.getBackend() === "tensorflow") return tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, stride, "valid");
  const f = tf.customGrad((...given) => {
    const [x, filter, save] = given as [tf.Tensor4D, tf.Tensor4D, tf.GradSaveFunc];
    save([x, filter]);
    return {
      value: tf.conv2d(x, filter, stride, "valid"),
      gradFunc(dy, saved) {
        const [x, filter] = saved as [tf.Tensor4D, tf.Tensor4D];
        return [
          tf.conv2dTranspose(dy as tf.Tensor4D, filter, x.shape, stride, "valid"),
          filterGradient(x, dy, filter.shape, stride),
        ];
      },
    };
  });
  return f(x, filter);
}

/** Each element of the filter sees a shifted part of the input: a product over batch and space for each. */
function filterGradient(
  x: tf.Tensor,
  dy: tf.Tensor,
  [height, width, inputs, outputs]: readonly number[],
  stride: number,
): tf.Tensor {
  const [n, rows, columns] = dy.shape;
  const pixels = n * rows * columns;
  const elements: tf.Tensor[] = [];
  for (let top = 0; top < height; top++) {
    for (let left = 0; left < width; left++) {
      const end = [n, top + (rows - 1) * stride + 1, left + (columns - 1) * stride + 1, inputs];
      const seen = tf.stridedSlice(x, [0, top, left, 0], end, [1, stride, stride, 1]);
      const product = tf.matMul(tf.reshape(seen, [pixels, inputs]), tf.reshape(dy, [pixels, outputs]), true);
      elements.push(product);
    }
  }
  return tf.reshape(tf.stack(elements), [height, width, inputs, outputs]);
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
