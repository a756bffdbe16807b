import * as tf from "@tensorflow/tfjs";

/**
 * Sinusoidal embeddings: per scalar v the sines and then the cosines of v·fᵢ, with frequencies
 * fᵢ = exp(−log(10⁴)·i/(size/2 − 1)).
 *
 * @param values `[batch, n]`, scaled as wanted.
 * @param size Values per scalar; even and at least 4.
 * @returns `[batch, n·size]`.
 */
export function sinusoidalEmbedding(values: tf.Tensor, size: number): tf.Tensor {
  const [batch, n] = values.shape;
  const half = size / 2;
  const frequencies = Float32Array.from({ length: half }, (_, i) => Math.exp(-Math.log(10000) * i / (half - 1)));
  const angles = tf.mul(tf.reshape(values, [batch, n, 1]), tf.tensor(frequencies, [1, 1, half]));
  return tf.reshape(tf.concat([tf.sin(angles), tf.cos(angles)], 2), [batch, n * size]);
}
