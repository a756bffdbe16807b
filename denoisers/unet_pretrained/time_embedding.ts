import * as tf from "@tensorflow/tfjs";

/**
 * The sinusoidal embedding of time steps as diffusers' `Timesteps` makes it.
 *
 * @param timestep May be fractional, `[batch]`.
 * @param size Of the embedding; an odd one ends in a zero.
 * @param freqShift The frequencies are exp(−log(10⁴)·i/(half − freqShift)), half = ⌊size/2⌋.
 * @param flipSinToCos Whether the cosines come first.
 * @returns `[batch, size]`.
 */
export function timeEmbedding(timestep: tf.Tensor, size: number, freqShift: number, flipSinToCos: boolean): tf.Tensor {
  const half = Math.floor(size / 2);
  const frequencies = Float32Array.from(
    { length: half },
    (_, i) => Math.exp(Math.fround(-Math.log(10000) * i) / (half - freqShift)),
  );
  const angles = tf.mul(tf.reshape(timestep, [-1, 1]), tf.tensor(frequencies, [1, half]));
  const parts = flipSinToCos ? [tf.cos(angles), tf.sin(angles)] : [tf.sin(angles), tf.cos(angles)];
  if (size % 2 === 1) parts.push(tf.zeros([timestep.shape[0]!, 1]));
  return tf.concat(parts, 1);
}
