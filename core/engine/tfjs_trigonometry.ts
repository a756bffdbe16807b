import * as tf from "@tensorflow/tfjs";
import { COEFFICIENTS, PI_PARTS } from "./kernels/trigonometry.ts";

/**
 * Replaces a tfjs backend's sine and cosine by products and sums, as for the compiled engine: a GPU's own are not precise
 * enough for embeddings.
 */
export function registerTrigonometry(backendName: string): void {
  for (const [kernelName, shift] of [["Sin", 0], ["Cos", 0.5]] as const) {
    tf.unregisterKernel(kernelName, backendName);
    tf.registerKernel({
      kernelName,
      backendName,
      kernelFunc: ({ inputs }) => tf.tidy(() => shiftedSine(inputs.x as tf.Tensor, shift)),
    });
  }
}

/** sin(x + shift·π): the sine for a shift of 0, the cosine for ½. */
function shiftedSine(x: tf.Tensor, shift: number): tf.Tensor {
  // x + shift·π = whole·π + r with r between −π/2 and π/2.
  const whole = tf.floor(tf.add(tf.mul(x, 1 / Math.PI), shift + 0.5));
  const halves = tf.sub(whole, shift);
  const r = PI_PARTS.reduce((rest, part) => tf.sub(rest, tf.mul(halves, part)), x);
  const square = tf.square(r);
  const [last, ...others] = COEFFICIENTS.toReversed();
  const series = others.reduce((sum: tf.Tensor, c) => tf.add(tf.mul(sum, square), c), tf.fill(x.shape, last));
  const sign = tf.sub(1, tf.mul(tf.sub(whole, tf.mul(tf.floor(tf.mul(whole, 0.5)), 2)), 2));
  return tf.mul(tf.mul(series, r), sign);
}
