import * as tf from "@tensorflow/tfjs";

const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;

/** What of Adam's step depends on its number; computed on the host in double precision. */
export interface AdamSchedule {
  /** The learning rate over the first moment's bias correction. */
  readonly stepSize: number;
  /** One over the root of the second moment's bias correction. */
  readonly correction: number;
}

/** @param step The number of the step, from 1. */
export function adamSchedule(learningRate: number, step: number): AdamSchedule {
  return { stepSize: learningRate / (1 - BETA1 ** step), correction: 1 / Math.sqrt(1 - BETA2 ** step) };
}

/** A vector of parameters with Adam's two moments. */
export interface AdamState {
  readonly params: tf.Tensor;
  readonly m: tf.Tensor;
  readonly v: tf.Tensor;
}

/**
 * One step of Adam (arXiv 1412.6980) with PyTorch's defaults: β₁ = 0.9, β₂ = 0.999, ε = 1e-8 added to the corrected
 * root of the second moment.
 *
 * @param stepSize and correction, scalars, are those of {@linkcode adamSchedule}.
 */
export function adam({ params, m, v }: AdamState, gradient: tf.Tensor, stepSize: tf.Tensor, correction: tf.Tensor) {
  const nextM = tf.add(tf.mul(m, BETA1), tf.mul(gradient, 1 - BETA1));
  const nextV = tf.add(tf.mul(v, BETA2), tf.mul(tf.square(gradient), 1 - BETA2));
  const denominator = tf.add(tf.mul(tf.sqrt(nextV), correction), EPSILON);
  return { params: tf.sub(params, tf.mul(tf.div(nextM, denominator), stepSize)), m: nextM, v: nextV };
}
