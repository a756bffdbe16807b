import * as tf from "@tensorflow/tfjs";

/** The standard deviation of the frequencies that diffusers draws. */
export const FOURIER_SCALE = 16;

/**
 * Sines and cosines of 2π·f·log σ (arXiv 2011.13456), as diffusers' `GaussianFourierProjection` makes them.
 *
 * @param noise A noise level or time step above 0, `[batch]`.
 * @param frequencies Drawn once and never trained, `[size]`.
 * @returns `[batch, 2·size]`.
 */
export function fourierEmbedding(noise: tf.Tensor, frequencies: tf.Tensor): tf.Tensor {
  const log = tf.reshape(tf.log(noise), [-1, 1]);
  // In diffusers' order: in float32 the angle's rounding is what is seen of high frequencies.
  const angles = tf.mul(tf.mul(tf.mul(log, tf.reshape(fixed(frequencies), [1, -1])), 2), Math.PI);
  return tf.concat([tf.sin(angles), tf.cos(angles)], 1);
}

/** The same values, which no gradient reaches. */
function fixed(x: tf.Tensor): tf.Tensor {
  return tf.customGrad((x) => ({ value: (x as tf.Tensor).clone(), gradFunc: (dy) => tf.zerosLike(dy as tf.Tensor) }))(
    x,
  );
}
