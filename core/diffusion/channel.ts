import * as tf from "@tensorflow/tfjs";

/** Reshapes a value per sample, `[batch]`, so that it multiplies samples of the given rank from the left. */
export function perSample(value: tf.Tensor, rank: number): tf.Tensor {
  return tf.reshape(value, [value.shape[0], ...new Array<number>(rank - 1).fill(1)]);
}

/** √σ(α), the channel's factor on the signal. */
export function signalScale(logsnr: tf.Tensor): tf.Tensor {
  return tf.sqrt(tf.sigmoid(logsnr));
}

/** √σ(−α), the channel's factor on the noise. */
export function noiseScale(logsnr: tf.Tensor): tf.Tensor {
  return tf.sqrt(tf.sigmoid(tf.neg(logsnr)));
}

/**
 * The Gaussian noise channel, z = √σ(α)·x + √σ(−α)·ε.
 *
 * @param x Samples, `[batch, ...shape]`.
 * @param eps Standard normal noise of the same shape.
 * @param logsnr Log SNR of each sample in nats, `[batch]`.
 */
export function noisyChannel(x: tf.Tensor, eps: tf.Tensor, logsnr: tf.Tensor): tf.Tensor {
  const alpha = perSample(logsnr, x.rank);
  return tf.add(tf.mul(signalScale(alpha), x), tf.mul(noiseScale(alpha), eps));
}

/**
 * The squared error of a noise estimate per sample, ‖ε − ε̂‖², summed over the components: about d where nothing of
 * the noise is known.
 *
 * @param known 1 for each component that counts and 0 for the others; all count, if left out.
 * @returns A tensor of shape `[batch]`.
 */
export function squaredError(eps: tf.Tensor, epsHat: tf.Tensor, known?: tf.Tensor): tf.Tensor1D {
  const difference = tf.sub(eps, epsHat), error = known ? tf.mul(difference, known) : difference;
  return tf.sum(tf.square(error), error.shape.map((_, axis) => axis).slice(1));
}

/**
 * The score of the noisy density at log SNR α, ∇ log p_α(z) = −ε̂/√σ(−α).
 *
 * @param epsHat Noise estimates, `[batch, ...shape]`.
 * @param logsnr Log SNR of each sample in nats, `[batch]`.
 */
export function score(epsHat: tf.Tensor, logsnr: tf.Tensor): tf.Tensor {
  return tf.neg(tf.div(epsHat, noiseScale(perSample(logsnr, epsHat.rank))));
}
