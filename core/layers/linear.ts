import * as tf from "@tensorflow/tfjs";
import type { Random } from "../random/random.ts";
import type { HostTensors } from "../data/tensors.ts";

/**
 * An affine layer, y = x·Wᵀ + b, with PyTorch's names and layout.
 *
 * @param params Holds `NAME.weight`, `[out, in]`, and `NAME.bias`, `[out]`.
 * @param name The layer's name.
 * @param x `[batch, in]`.
 * @returns `[batch, out]`.
 */
export function linear(params: Record<string, tf.Tensor>, name: string, x: tf.Tensor): tf.Tensor {
  const product = tf.matMul(x as tf.Tensor2D, params[`${name}.weight`] as tf.Tensor2D, false, true);
  return tf.add(product, params[`${name}.bias`]);
}

/** The shapes of an affine layer's parameters. */
export function linearShapes(name: string, inputs: number, outputs: number): Record<string, readonly number[]> {
  return { [`${name}.weight`]: [outputs, inputs], [`${name}.bias`]: [outputs] };
}

/** PyTorch's initialisation of an affine layer: weights and biases uniform within ±1/√in. */
export function initLinear(random: Random, name: string, inputs: number, outputs: number): HostTensors {
  const bound = 1 / Math.sqrt(inputs);
  return {
    [`${name}.weight`]: random.uniformTensor([outputs, inputs], -bound, bound),
    [`${name}.bias`]: random.uniformTensor([outputs], -bound, bound),
  };
}
