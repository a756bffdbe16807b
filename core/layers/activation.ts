import * as tf from "@tensorflow/tfjs";
import { silu } from "./silu.ts";

/** Activations by the names that diffusers gives them. */
export const ACTIVATIONS = { silu, swish: silu, mish, gelu, relu: (x: tf.Tensor) => tf.relu(x) } as const;

/** An activation's name. */
export type ActivationName = keyof typeof ACTIVATIONS;

/** x·tanh(log(1 + exp x)), element by element (arXiv 1908.08681). */
export function mish(x: tf.Tensor): tf.Tensor {
  return tf.mul(x, tf.tanh(tf.softplus(x)));
}

/** x·Φ(x), element by element, with the normal distribution itself and no approximation (arXiv 1606.08415). */
export function gelu(x: tf.Tensor): tf.Tensor {
  return tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));
}
