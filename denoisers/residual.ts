import * as tf from "@tensorflow/tfjs";
import { perSample, signalScale } from "../core/diffusion/channel.ts";
import { axisVariances } from "../core/reference/gaussian.ts";
import { skipPrediction, SKIPS } from "../core/reference/skip.ts";
import { initLinear, linear, linearShapes } from "../core/layers/linear.ts";
import { requireParameters } from "../core/layers/parameter_limit.ts";
import { silu } from "../core/layers/silu.ts";
import {
  type DataInfo,
  type Denoiser,
  knownValues,
  type OptionValues,
  widthOfCondition,
} from "../core/plugins/contracts.ts";
import { type HostTensors, type ParameterShapes, sizeOf } from "../core/data/tensors.ts";

export const options = {
  width: {
    default: 0,
    min: 0,
    max: 65_536,
    integer: true,
    help: "Width of the blocks, 0 for what the dimension asks for.",
  },
  blocks: { default: 3, min: 1, max: 1000, integer: true, help: "Number of residual blocks." },
  octaves: {
    default: -1,
    min: -1,
    max: 64,
    integer: true,
    help: "Octaves of sines and cosines of each value; -1: by the dimension.",
  },
  skip: {
    default: "auto",
    choices: SKIPS,
    help: "Add the ideal denoiser of the data's Gaussian or of the reference, so that the network learns the rest; " +
      "auto: of a table with classes or gaps the reference.",
  },
} as const;

/** What is known of a sample is encoded, and added to what the log SNR gives to the blocks. */
export const conditional = true;

/** Frequencies of the log SNR, in half turns per 32 nats: no two log SNRs of a range look alike. */
const LOGSNR_FREQUENCIES = 8;
const LOGSNR_PERIOD = 32;

/** What the log SNR is divided by as it is, so that it is about 1. */
const LOGSNR_SCALE = 10;

/** Values that tell the blocks of the log SNR. */
const CONDITION = 32;

/** The width of the layer between what is known of a sample and these values. */
const ENCODER = 64;

/** How many times wider a block is inside. */
const EXPANSION = 2;

/** Added to what is normalised. */
const EPSILON = 1e-5;

/**
 * A residual network for points and tables: each block is h + (1 + gate)·W₂·SiLU(W₁·(norm(h)·(1 + scale) + shift)), with
 * scale, shift and gate from the log SNR, zero at the start (FiLM, arXiv 1709.07871; arXiv 2212.09748), and the root mean
 * square for the norm (arXiv 1910.07467). Its inputs are the noisy values, standardised by what they should be at their log
 * SNR, and sines and cosines of them at octaves, which resolve fine structure.
 *
 * Of data with a condition or unknown values the vector of what is known of a sample passes an encoder of two layers, whose values are added
 * to those of the log SNR before scale, shift and gate are made of them.
 *
 * ε̂ = ε̂_skip(z, α) + √σ(α)·network(z, α): the network is zero at the start and learns what the skip leaves.
 */
export function create(data: DataInfo, values: OptionValues): Denoiser {
  const { shape, gaussian } = data;
  const d = sizeOf(shape);
  const given = values as Record<"width" | "blocks" | "octaves", number>;
  const { blocks } = given,
    width = given.width || widthFor(d, data.reference === undefined),
    octaves = given.octaves < 0 ? octavesFor(d) : given.octaves;
  const inside = EXPANSION * width, conditionSize = widthOfCondition(data);
  const layers: readonly (readonly [name: string, inputs: number, outputs: number])[] = [
    ["condition", 1 + 2 * LOGSNR_FREQUENCIES, CONDITION],
    ["film", CONDITION, 3 * width * blocks],
    ["input", d * (1 + 2 * octaves), width],
    ...Array.from({ length: blocks }, (_, k) => [
      [`blocks.${k}.0`, width, inside] as const,
      [`blocks.${k}.2`, inside, width] as const,
    ]).flat(),
    ["output", width, d],
    ...(conditionSize > 0
      ? [["known.0", conditionSize, ENCODER] as const, ["known.2", ENCODER, CONDITION] as const]
      : []),
  ];
  const shapes: ParameterShapes = Object.assign({}, ...layers.map((layer) => linearShapes(...layer)));
  requireParameters(shapes, "--width, --blocks and --octaves");
  const skip = skipPrediction(data, values.skip as typeof SKIPS[number]);
  const mean = Float32Array.from(gaussian.mean), variances = Float32Array.from(axisVariances(gaussian));
  const frequencies = Float32Array.from({ length: LOGSNR_FREQUENCIES }, (_, k) => (k + 1) * Math.PI / LOGSNR_PERIOD);
  const turns = Float32Array.from({ length: octaves }, (_, k) => Math.PI / 2 * 2 ** k);

  const conditionOf = (params: Record<string, tf.Tensor>, alpha: tf.Tensor, known: tf.Tensor | undefined) => {
    const angles = tf.mul(alpha, tf.tensor2d(frequencies, [1, LOGSNR_FREQUENCIES]));
    const features = tf.concat([tf.div(alpha, LOGSNR_SCALE), tf.sin(angles), tf.cos(angles)], 1);
    const ofLogsnr = linear(params, "condition", features);
    if (conditionSize === 0) return linear(params, "film", silu(ofLogsnr));
    const vector = known ?? tf.zeros([alpha.shape[0]!, conditionSize]);
    const ofKnown = linear(params, "known.2", silu(linear(params, "known.0", vector)));
    return linear(params, "film", silu(tf.add(ofLogsnr, ofKnown)));
  };
  const featuresOf = (z: tf.Tensor, alpha: tf.Tensor, known: tf.Tensor | undefined) => {
    const own = tf.mul(tf.sigmoid(alpha), tf.tensor2d(variances, [1, d]));
    const distance = tf.sub(z, tf.mul(signalScale(alpha), tf.tensor2d(mean, [1, d])));
    const centred = known ? tf.mul(distance, tf.reshape(known, [-1, d])) : distance;
    const x = tf.mul(centred, tf.rsqrt(tf.add(own, tf.sigmoid(tf.neg(alpha)))));
    if (octaves === 0) return x;
    const angles = tf.mul(tf.reshape(x, [-1, d, 1]), tf.tensor3d(turns, [1, 1, octaves]));
    const flat = tf.reshape(angles, [-1, d * octaves]);
    return tf.concat([x, tf.sin(flat), tf.cos(flat)], 1);
  };
  const normal = (h: tf.Tensor) => tf.mul(h, tf.rsqrt(tf.add(tf.mean(tf.square(h), 1, true), EPSILON)));

  return {
    options: { ...values, width, octaves },
    shapes,
    init(random) {
      const params: HostTensors = Object.assign({}, ...layers.map((layer) => initLinear(random, ...layer)));
      for (const name of ["film", "output"]) {
        for (const part of ["weight", "bias"]) params[`${name}.${part}`].data.fill(0);
      }
      return params;
    },
    predict(params, z, logsnr, condition) {
      const flat = z.rank === 2 ? z : tf.reshape(z, [z.shape[0], d]);
      const alpha = perSample(logsnr, 2);
      const film = conditionOf(params, alpha, condition);
      let h = linear(params, "input", featuresOf(flat, alpha, knownValues(data, condition)));
      for (let k = 0; k < blocks; k++) {
        const [scale, shift, gate] = [0, 1, 2].map((part) => tf.slice(film, [0, (3 * k + part) * width], [-1, width]));
        const modulated = tf.add(tf.mul(normal(h), tf.add(scale, 1)), shift);
        const block = linear(params, `blocks.${k}.2`, silu(linear(params, `blocks.${k}.0`, modulated)));
        h = tf.add(h, tf.mul(tf.add(gate, 1), block));
      }
      const noise = tf.mul(signalScale(alpha), linear(params, "output", normal(h)));
      const epsHat = skip ? tf.add(skip(flat, logsnr, condition), noise) : noise;
      return z.rank === 2 ? epsHat : tf.reshape(epsHat, z.shape);
    },
  };
}

/** Of few values a narrow network corrects a mixture in many fast steps; alone it has to be wider. */
function widthFor(d: number, isAlone: boolean): number {
  if (d <= 4) return isAlone ? 128 : 64;
  return d <= 16 ? 128 : 256;
}

/** Many values are too many with sines and cosines of each. */
function octavesFor(d: number): number {
  return d <= 4 ? 4 : d <= 16 ? 3 : 0;
}
