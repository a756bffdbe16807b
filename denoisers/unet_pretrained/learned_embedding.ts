import * as tf from "@tensorflow/tfjs";

/**
 * The rows of a table of time steps, as diffusers' `nn.Embedding` of them. Between two steps it is the line from one row to
 * the next, so that every log SNR has an embedding.
 *
 * @param timestep From 0 to the last row; what is beyond has the nearest one, `[batch]`.
 * @param table `[steps, size]`.
 * @returns `[batch, size]`.
 */
export function learnedEmbedding(timestep: tf.Tensor, table: tf.Tensor): tf.Tensor {
  const steps = table.shape[0];
  const within = tf.reshape(tf.clipByValue(timestep, 0, steps - 1), [-1, 1]);
  const rows = tf.tensor(Float32Array.from({ length: steps }, (_, i) => i), [1, steps]);
  const share = tf.relu(tf.sub(1, tf.abs(tf.sub(within, rows))));
  return tf.matMul(share as tf.Tensor2D, table as tf.Tensor2D);
}
