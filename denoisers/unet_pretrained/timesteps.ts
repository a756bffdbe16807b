import * as tf from "@tensorflow/tfjs";
import { cosineLevel, OFFSET } from "./betas.ts";

/** A step of the schedule is cut into this many, so that time steps are fractions. */
export const REFINEMENT = 10;

/** ᾱ = ∏(1 − β) with every step's β cut into parts, as the seed refines it: `[steps·REFINEMENT]`, decreasing. */
export function refinedLevels(beta: (u: number) => number, steps: number): Float32Array {
  const count = steps * REFINEMENT;
  let level = 1;
  return Float32Array.from({ length: count }, (_, i) => level *= 1 - beta(i / (count - 1)) / REFINEMENT);
}

/**
 * The index of the level nearest to σ(α), in steps: the number of midpoints between levels that σ(α) lies below. It lands
 * 0.5 to 3.9 steps above the exact inverse of the 1,000-step schedule, as the seed's map does.
 */
export function tableTimestep(logsnr: tf.Tensor, levels: Float32Array): tf.Tensor {
  const midpoints = Float32Array.from({ length: levels.length - 1 }, (_, i) => (levels[i] + levels[i + 1]) / 2);
  const below = tf.less(tf.reshape(tf.sigmoid(logsnr), [-1, 1]), tf.tensor(midpoints, [1, midpoints.length]));
  return tf.div(tf.sum(tf.cast(below, "float32"), 1), REFINEMENT);
}

/** The cosine schedule's inverse (arXiv 2102.09672, equation 17), within its steps. */
export function cosineTimestep(logsnr: tf.Tensor, steps: number): tf.Tensor {
  const angle = tf.acos(tf.mul(tf.sqrt(tf.sigmoid(logsnr)), Math.sqrt(cosineLevel(0))));
  const time = tf.sub(tf.mul(angle, 2 / Math.PI * (1 + OFFSET)), OFFSET);
  return tf.clipByValue(tf.mul(time, steps), 0, steps - 1);
}

/**
 * The time step of any schedule by its steps' log SNRs: exact at each of them, on the line between two, and the first where
 * there is more signal. Where the last step has no signal, √ᾱ is on the line that ends in it.
 *
 * @param levels αₜ, falling; the last may be −∞. Steps of equal levels are passed over.
 */
export function stepTimestep(logsnr: tf.Tensor, levels: Float64Array): tf.Tensor {
  const finite = levels.filter(Number.isFinite), last = finite.length - 1;
  const column = tf.reshape(logsnr, [-1, 1]);
  const row = (of: (i: number) => number) => tf.tensor(Float32Array.from({ length: last }, (_, i) => of(i)), [1, last]);
  const parts = tf.mul(
    tf.sub(row((i) => levels[i]), column),
    row((i) => 1 / Math.max(1e-6, levels[i] - levels[i + 1])),
  );
  const time = tf.sum(tf.clipByValue(parts, 0, 1), 1);
  if (finite.length === levels.length) return time;
  const signal = tf.mul(tf.sqrt(tf.sigmoid(logsnr)), Math.sqrt(1 + Math.exp(-levels[last])));
  return tf.add(time, tf.clipByValue(tf.sub(1, signal), 0, 1));
}
