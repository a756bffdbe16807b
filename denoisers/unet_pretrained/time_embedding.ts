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
  const row = frequencies(size, freqShift);
  const angles = tf.mul(tf.reshape(timestep, [-1, 1]), tf.tensor(row, [1, row.length]));
  const parts = flipSinToCos ? [tf.cos(angles), tf.sin(angles)] : [tf.sin(angles), tf.cos(angles)];
  if (size % 2 === 1) parts.push(tf.zeros([timestep.shape[0]!, 1]));
  return tf.concat(parts, 1);
}

/** The frequencies, `[half]`, in the order of diffusers' operations on float32, so that those above 1 are its own too. */
export function frequencies(size: number, freqShift: number): Float32Array {
  const half = Math.floor(size / 2),
    { fround } = Math,
    log = fround(-Math.log(10000)),
    divisor = fround(half - freqShift);
  return Float32Array.from({ length: half }, (_, i) => Math.exp(fround(fround(log * i) / divisor)));
}
