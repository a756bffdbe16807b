import * as tf from "@tensorflow/tfjs";

export const BETA1 = 0.9;
/** PyTorch's default, and the seed's. */
export const BETA2 = 0.999;
const EPSILON = 1e-8;

/**
 * What of Adam's step depends on its number: the step is m/(rootScale·√v + offset). Computed on the host in double
 * precision.
 */
export interface AdamSchedule {
  readonly rootScale: number;
  readonly offset: number;
}

/**
 * The two scalars of a step. Bias corrections, the learning rate and the factors 1 − β that the moments leave out are
 * gathered here, so that a step is ten operations on each vector.
 *
 * @param learningRate Positive.
 * @param step The number of the step, from 1.
 * @param beta2 β₂.
 */
export function adamSchedule(learningRate: number, step: number, beta2 = BETA2): AdamSchedule {
  const stepSize = learningRate * (1 - BETA1) / (1 - BETA1 ** step);
  return {
    rootScale: Math.sqrt((1 - beta2) / (1 - beta2 ** step)) / stepSize,
    offset: EPSILON / stepSize,
  };
}

/** A vector of parameters with Adam's two moments, which leave out their factors 1 − β. */
export interface AdamState {
  readonly params: tf.Tensor;
  readonly m: tf.Tensor;
  readonly v: tf.Tensor;
}

/**
 * One step of Adam (arXiv 1412.6980) with PyTorch's defaults: β₁ = 0.9, β₂ = 0.999, ε = 1e-8 added to the corrected
 * root of the second moment.
 *
 * @param rootScale and offset, scalars, are those of {@linkcode adamSchedule}.
 * @param beta2 β₂.
 */
export function adam(
  { params, m, v }: AdamState,
  gradient: tf.Tensor,
  rootScale: tf.Tensor,
  offset: tf.Tensor,
  beta2 = BETA2,
): AdamState {
  const nextM = tf.add(tf.mul(m, BETA1), gradient);
  const nextV = tf.add(tf.mul(v, beta2), tf.square(gradient));
  const denominator = tf.add(tf.mul(tf.sqrt(nextV), rootScale), offset);
  return { params: tf.sub(params, tf.div(nextM, denominator)), m: nextM, v: nextV };
}
