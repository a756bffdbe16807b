import * as tf from "@tensorflow/tfjs";
import { noiseScale, perSample, signalScale } from "../diffusion/channel.ts";
import { conditionalPrediction } from "./conditioning.ts";
import { wholeBasis } from "./eigenbasis.ts";
import { gaussianDenoiser } from "./gaussian.ts";
import type { GaussianMixture } from "./mixture.ts";
import { columnsOf, gaussianWithin, type Subspace } from "./subspace.ts";
import { tablePrediction } from "./table_prediction.ts";

/**
 * The ideal denoiser of data of a mixture's distribution: at every log SNR the posterior mean of ε, which is the mean of
 * the components' linear ones under the components' posterior probabilities. It has no parameters.
 *
 * @returns ε̂ of the shape of z, `[batch, ...]`, at log SNRs `[batch]`; of a mixture that goes by what is known of a sample
 * given that, `[batch, width]`, or without it where it is left out.
 */
export function mixturePrediction(
  mixture: GaussianMixture,
): (z: tf.Tensor, logsnr: tf.Tensor, condition?: tf.Tensor) => tf.Tensor {
  const { weights, components, within, given } = mixture;
  if (mixture.atoms || mixture.gaps) return tablePrediction(mixture);
  if (within) return predictionWithin({ weights, components, ...(given ? { given } : {}) }, within);
  if (given) {
    const plain = mixturePrediction({ weights, components }),
      conditional = conditionalPrediction({ weights, components }, given);
    return (z, logsnr, condition) => condition ? conditional(z, logsnr, condition) : plain(z, logsnr);
  }
  const k = components.length, d = components[0].mean.length;
  if (k === 1) return (z, logsnr) => gaussianDenoiser(z, logsnr, components[0]);
  // Column i·d + j is eigenvector j of component i, so that one product projects on the axes of all.
  const axes = new Float32Array(d * k * d);
  // The means in their components' axes, in double precision, since they are subtracted from near values.
  const centres = new Float32Array(k * d);
  const variances = new Float32Array(k * d);
  components.forEach((gaussian, i) => {
    const { mean, eigenvalues } = gaussian, basis = wholeBasis(gaussian, d);
    variances.set(eigenvalues, i * d);
    for (let j = 0; j < d; j++) {
      let centre = 0;
      for (let row = 0; row < d; row++) {
        const value = basis[row * d + j];
        axes[row * k * d + i * d + j] = value;
        centre += value * mean[row];
      }
      centres[i * d + j] = centre;
    }
  });
  const logWeights = Float32Array.from(weights, Math.log);

  return (z, logsnr) => {
    const batch = z.shape[0];
    const alpha = perSample(logsnr, 3);
    const basis = tf.tensor2d(axes, [d, k * d]);
    const projected = tf.reshape(tf.matMul(tf.reshape(z, [batch, d]) as tf.Tensor2D, basis), [batch, k, d]);
    const centred = tf.sub(projected, tf.mul(signalScale(alpha), tf.tensor(centres, [1, k, d])));
    // What the noisy data has along each axis, between the component's variance and 1.
    const variance = tf.add(
      tf.mul(tf.sigmoid(alpha), tf.tensor(variances, [1, k, d])),
      tf.sigmoid(tf.neg(alpha)),
    );
    const whitened = tf.div(centred, variance);
    const exponent = tf.sum(tf.add(tf.mul(centred, whitened), tf.log(variance)), 2);
    const posterior = tf.softmax(tf.sub(tf.tensor(logWeights, [1, k]), tf.mul(exponent, 0.5)));
    const mean = tf.mul(tf.reshape(posterior, [batch, k, 1]), tf.mul(noiseScale(alpha), whitened));
    const epsHat = tf.matMul(tf.reshape(mean, [batch, k * d]) as tf.Tensor2D, basis, false, true);
    return tf.reshape(epsHat, z.shape);
  };
}

/**
 * That of a mixture along some of a Gaussian's coordinates. A turn leaves the noise as it is, so that ε̂ is the Gaussian's
 * own but for these coordinates, where it is the mixture's.
 */
function predictionWithin(
  mixture: GaussianMixture,
  within: Subspace,
): ReturnType<typeof mixturePrediction> {
  const { gaussian, axes } = within, d = gaussian.mean.length;
  const columns = Float32Array.from(columnsOf(within)),
    mean = Float32Array.from(gaussian.mean),
    same = gaussianWithin(within);
  const predictOwn = mixturePrediction(mixture);
  return (z, logsnr, condition) => {
    const basis = tf.tensor2d(columns, [d, axes.length]);
    const flat = tf.reshape(z, [z.shape[0], d]);
    const centred = tf.sub(flat, tf.mul(signalScale(perSample(logsnr, 2)), tf.tensor2d(mean, [1, d])));
    const own = tf.matMul(centred as tf.Tensor2D, basis);
    const change = tf.sub(predictOwn(own, logsnr, condition), gaussianDenoiser(own, logsnr, same));
    const turned = tf.matMul(change as tf.Tensor2D, basis, false, true);
    return tf.add(gaussianDenoiser(z, logsnr, gaussian), tf.reshape(turned, z.shape));
  };
}
