import * as tf from "@tensorflow/tfjs";
import { perSample } from "../diffusion/channel.ts";
import type { Denoiser } from "../plugins/contracts.ts";
import { predict } from "../plugins/predict.ts";
import type { GaussianMixture } from "./mixture.ts";
import { mixturePrediction } from "./mixture_prediction.ts";

/**
 * How much of a denoiser counts beside a reference's ideal one: ε̂ = ε̂_r + λ(α)·(ε̂_net − ε̂_r) with λ in [0, 1], linear
 * between nodes that are evenly spaced over a range of log SNRs and constant beyond it. The squared error is quadratic in λ,
 * so that the best λ at each log SNR follows from means over held-out samples: where the network has learned noise it is
 * turned off, and the blend is never worse than either.
 */

/** The name of λ at the nodes among a model's parameters, `[nodes]`. */
export const BLEND = "blend.weight";

/** Nodes of λ over the range. */
export const BLEND_NODES = 24;

/** Passes over the nodes in which their values settle. */
const SWEEPS = 200;

/** What was measured of a denoiser beside a reference on the same noise, one value per row. */
export interface BlendErrors {
  readonly logsnr: ArrayLike<number>;
  /** ‖ε − ε̂_net‖². */
  readonly mse: ArrayLike<number>;
  /** ‖ε − ε̂_r‖². */
  readonly mseReference: ArrayLike<number>;
  /** ‖ε̂_net − ε̂_r‖². */
  readonly distance: ArrayLike<number>;
}

/** The two nodes next to a log SNR, the lower of which counts 1 − share. @param range Of the nodes, in nats. */
export function nodesAt(
  logsnr: number,
  [low, high]: readonly [number, number],
): { readonly node: number; readonly share: number } {
  const at = Math.min(BLEND_NODES - 1, Math.max(0, (logsnr - low) / (high - low) * (BLEND_NODES - 1)));
  const node = Math.min(BLEND_NODES - 2, Math.floor(at));
  return { node, share: at - node };
}

/** The log SNRs of the nodes over a range, in nats. */
export function blendNodes([low, high]: readonly [number, number]): number[] {
  return Array.from({ length: BLEND_NODES }, (_, k) => low + (high - low) * k / (BLEND_NODES - 1));
}

/** λ at a log SNR. @param weights At the nodes. @param range Of the nodes, in nats. */
export function blendAt(logsnr: number, weights: ArrayLike<number>, range: readonly [number, number]): number {
  const { node, share } = nodesAt(logsnr, range);
  return (1 - share) * weights[node] + share * weights[node + 1];
}

/** ‖ε − ε̂‖² of the blend: (1 − λ)·‖ε − ε̂_r‖² + λ·‖ε − ε̂_net‖² − λ·(1 − λ)·‖ε̂_net − ε̂_r‖². */
export function blendedError(lambda: number, mse: number, mseReference: number, distance: number): number {
  return (1 - lambda) * mseReference + lambda * mse - lambda * (1 - lambda) * distance;
}

/**
 * λ at the nodes that makes the blend's error on held-out samples the least. A node's gain that is within its noise counts
 * for less, and one below it for nothing (the positive part of James and Stein's estimator).
 *
 * @param blocks What was measured.
 * @param range In nats.
 * @param weight Of a log SNR, one over the density that it was drawn by.
 * @returns `[BLEND_NODES]`, each in [0, 1].
 */
export function fitBlend(
  blocks: readonly BlendErrors[],
  range: readonly [number, number],
  weight: (logsnr: number) => number,
): Float32Array {
  const n = BLEND_NODES;
  // The sum over rows of λ²·D − 2·λ·P, with λ a sum over nodes: a tridiagonal matrix, its neighbours, and a vector.
  const diagonal = new Float64Array(n),
    beside = new Float64Array(n),
    slope = new Float64Array(n),
    noise = new Float64Array(n);
  for (const { logsnr, mse, mseReference, distance } of blocks) {
    for (let i = 0; i < logsnr.length; i++) {
      const { node, share } = nodesAt(logsnr[i], range), w = weight(logsnr[i]);
      const square = w * distance[i], product = w * (mseReference[i] - mse[i] + distance[i]) / 2;
      diagonal[node] += (1 - share) ** 2 * square;
      diagonal[node + 1] += share ** 2 * square;
      beside[node] += share * (1 - share) * square;
      slope[node] += (1 - share) * product;
      slope[node + 1] += share * product;
      noise[node] += ((1 - share) * product) ** 2;
      noise[node + 1] += (share * product) ** 2;
    }
  }
  const kept = slope.map((sum, k) => sum > 0 ? sum * Math.max(0, 1 - noise[k] / sum ** 2) : 0);
  const weights = new Float64Array(n);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (let k = 0; k < n; k++) {
      if (!(diagonal[k] > 0)) continue;
      const neighbours = (k > 0 ? beside[k - 1] * weights[k - 1] : 0) + (k < n - 1 ? beside[k] * weights[k + 1] : 0);
      weights[k] = Math.min(1, Math.max(0, (kept[k] - neighbours) / diagonal[k]));
    }
  }
  return Float32Array.from(weights);
}

/** How much each node counts at log SNRs `[n]`: `[n, nodes]`, as operations. @param range Of the nodes, in nats. */
export function nodeShares(logsnr: tf.Tensor, [low, high]: readonly [number, number]): tf.Tensor {
  const places = Float32Array.from({ length: BLEND_NODES }, (_, k) => k), scale = (BLEND_NODES - 1) / (high - low);
  const at = tf.clipByValue(tf.mul(tf.sub(logsnr, low), scale), 0, BLEND_NODES - 1);
  return tf.relu(tf.sub(1, tf.abs(tf.sub(perSample(at, 2), tf.tensor2d(places, [1, BLEND_NODES])))));
}

/**
 * The denoiser that blends another with a reference's ideal one. It has the other's parameters and λ at the nodes, which is
 * 1 to begin with.
 *
 * @param range Of the nodes, in nats.
 */
export function blendedDenoiser(
  denoiser: Denoiser,
  reference: GaussianMixture,
  range: readonly [number, number],
): Denoiser {
  const predictReference = mixturePrediction(reference);
  const whole = () => ({ shape: [BLEND_NODES], data: new Float32Array(BLEND_NODES).fill(1) });
  return {
    ...denoiser,
    ...(denoiser.shapes ? { shapes: { ...denoiser.shapes, [BLEND]: [BLEND_NODES] } } : {}),
    init: (random) => ({ ...denoiser.init(random), [BLEND]: whole() }),
    ...(denoiser.initEach
      ? {
        *initEach(random) {
          yield* denoiser.initEach!(random);
          yield [BLEND, whole()];
        },
      }
      : {}),
    predict({ [BLEND]: weights, ...params }, z, logsnr, condition) {
      const shares = nodeShares(logsnr, range);
      const lambda = perSample(tf.sum(tf.mul(shares, tf.reshape(weights, [1, BLEND_NODES])), 1), z.rank);
      const other = predictReference(z, logsnr, condition);
      return tf.add(other, tf.mul(lambda, tf.sub(predict(denoiser, params, z, logsnr, condition), other)));
    },
  };
}
