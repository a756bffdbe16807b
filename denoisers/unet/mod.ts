import * as tf from "@tensorflow/tfjs";
import { noiseScale, perSample, signalScale } from "../../core/diffusion/channel.ts";
import { type HostTensors, type ParameterShapes, sizeOf } from "../../core/data/tensors.ts";
import { UserError } from "../../core/errors/user_error.ts";
import { DRAWS_BELOW, dropout, dropoutDraws } from "../../core/layers/dropout.ts";
import { initLinear, linear, linearShapes } from "../../core/layers/linear.ts";
import { requireParameters } from "../../core/layers/parameter_limit.ts";
import { silu } from "../../core/layers/silu.ts";
import { upsample } from "../../core/layers/upsample.ts";
import type { OptionSpec, OptionValues } from "../../core/options/spec.ts";
import { type DataInfo, type Denoiser, referenceOf, widthOfCondition } from "../../core/plugins/contracts.ts";
import { axisVariances } from "../../core/reference/gaussian.ts";
import { mixturePrediction } from "../../core/reference/mixture_prediction.ts";
import { skipPrediction, SKIPS } from "../../core/reference/skip.ts";
import {
  attentionBlock,
  convolution,
  type Drop,
  type Layer,
  normalisation,
  positions,
  residualBlock,
} from "./layers.ts";

export const options = {
  channels: {
    default: "auto",
    help:
      "Channels by level, of images half as large each, as 32,64; auto: as many of 32,32,64 as the image has halves.",
  },
  blocks: { default: 1, min: 1, max: 100, integer: true, help: "Residual blocks of a level on the way down." },
  attention: {
    default: "on",
    choices: ["on", "off"],
    help: "Attention between the pixels of the smallest images.",
  },
  dropout: {
    default: 0,
    min: 0,
    max: 1,
    help: "Share of a residual block's values that are dropped in training, against overfitting.",
  },
  octaves: {
    default: 2,
    min: 0,
    max: 16,
    integer: true,
    help: "Octaves of sines and cosines of each value, which resolve fine steps.",
  },
  skip: {
    default: "gaussian",
    choices: SKIPS,
    help: "Add the ideal denoiser of the data's Gaussian or of the reference, so that the network learns the rest.",
  },
} as const satisfies Readonly<Record<string, OptionSpec>>;

/** What is known of a sample is encoded, and added to what the log SNR gives to the blocks. */
export const conditional = true;

/** Frequencies of the log SNR, in half turns per 32 nats, and what it is divided by as it is. */
const LOGSNR_FREQUENCIES = 8, LOGSNR_PERIOD = 32, LOGSNR_SCALE = 10;

/** Values that tell the blocks of the log SNR, and the width of the layer before them. */
const CONDITION = 64;

/** After an epoch of MNIST 0.14 bits per dimension better than half of it. */
const LEARNING_RATE = 2e-3;

/** The least log SNR at which an estimate of the image is more than rounding. */
const LEAST_LOGSNR = -16;

/**
 * Standard deviations that what the network is given, and adds to, is kept within. A pixel that hardly varied in training has
 * hundreds of them where it does, and one such image outweighs thousands.
 */
const LIMIT = 5;

/** The ends of an image's range, of which many pixels have one, and the noise from there that counts as near. */
const ENDS = [-1, 1], NEAR = 3;

/** The largest log SNR at which what a pixel is away from an end is told in units of the noise. */
const LARGEST_LOGSNR = 32;

/** Turns of the slowest sine of a value from one end of [−1, 1] to the other. */
const SLOWEST = 2;

/**
 * A U-Net (arXiv 1505.04597) for images that a processor trains in an hour: residual blocks of which the log SNR scales and
 * shifts the second half, at several sizes of the image, that begins with what is known without any training.
 *
 * ε̂ = ε̂_skip(z, α) + √σ(α)·network(z, α): the ideal denoiser of the data's Gaussian and what the network, zero at the
 * start, adds to it. The network sees the noisy image standardised by what it should be at its log SNR, sines and cosines of
 * it, which tell neighbouring grey values (D. Kingma et al., arXiv 2107.00630), and the image that the reference makes of it,
 * (z − √σ(−α)·ε̂_r(z, α | c))/√σ(α), which has what is known in it as an image. ε̂_skip and what is standardised are kept
 * within ±5. Of each pixel it is told whether it may be black or white, and which noise it would then have,
 * e = (z ∓ √σ(α))/√σ(−α), as exp(−e²/18) and e·exp(−e²/18): at high log SNR a network resolves no such steps by itself. To
 * its first layer each pixel adds values of its own, so that it can tell where in the image it is.
 *
 * @throws {UserError} For data that is no image, and channels that are no numbers or more levels than the image has halves.
 */
export function create(data: DataInfo, values: OptionValues): Denoiser {
  const { shape, gaussian } = data;
  if (shape.length !== 3) {
    throw new UserError(
      `The denoiser unet is for images, [channels, height, width]; the data has samples of shape [${shape}]. ` +
        "Take --denoiser residual.",
    );
  }
  const [colours, height, width] = shape, d = sizeOf(shape);
  const channels = channelsOf(String(values.channels), height, width);
  const blocks = Number(values.blocks), octaves = Number(values.octaves), conditionSize = widthOfCondition(data);
  const last = channels.length - 1;
  const input = convolution("input", colours * (2 + 2 * ENDS.length + 2 * octaves), channels[0]);
  const position = positions("position", [channels[0], height, width]);
  const down = channels.map((c, level) =>
    Array.from({ length: blocks }, (_, k) => residualBlock(`down.${level}.${k}`, c, c, CONDITION))
  );
  const shrink = channels.slice(1).map((c, level) => convolution(`shrink.${level}`, channels[level], c, { stride: 2 }));
  const middle = residualBlock("middle", channels[last], channels[last], CONDITION);
  const attention = values.attention === "on" ? attentionBlock("attention", channels[last]) : undefined;
  const up = channels.map((c, level) => residualBlock(`up.${level}`, 2 * c, c, CONDITION));
  const grow = channels.slice(1).map((c, level) => convolution(`grow.${level}`, c, channels[level]));
  const norm = normalisation("norm", channels[0]);
  const output = convolution("output", channels[0], colours, { isZero: true });
  const layers: readonly Layer[] = [
    ...[input, position, ...down.flat(), ...shrink, middle, ...(attention ? [attention] : [])],
    ...[...up, ...grow, norm, output],
  ];
  const linears: readonly (readonly [name: string, inputs: number, outputs: number])[] = [
    ["condition.0", 1 + 2 * LOGSNR_FREQUENCIES, CONDITION],
    ["condition.2", CONDITION, CONDITION],
    ...(conditionSize > 0
      ? [["known.0", conditionSize, CONDITION] as const, ["known.2", CONDITION, CONDITION] as const]
      : []),
  ];
  const shapes: ParameterShapes = Object.assign(
    {},
    ...layers.map((layer) => layer.shapes),
    ...linears.map((layer) => linearShapes(...layer)),
  );
  requireParameters(shapes, "--channels and --blocks");
  const skip = skipPrediction(data, values.skip as typeof SKIPS[number]);
  const idealOfReference = mixturePrediction(referenceOf(data));
  const image = [1, colours, height, width];
  const mean = Float32Array.from(gaussian.mean), variances = Float32Array.from(axisVariances(gaussian));
  const frequencies = Float32Array.from({ length: LOGSNR_FREQUENCIES }, (_, k) => (k + 1) * Math.PI / LOGSNR_PERIOD);

  const conditionOf = (params: Record<string, tf.Tensor>, logsnr: tf.Tensor, known: tf.Tensor | undefined) => {
    const alpha = perSample(logsnr, 2), angles = tf.mul(alpha, tf.tensor2d(frequencies, [1, LOGSNR_FREQUENCIES]));
    const features = tf.concat([tf.div(alpha, LOGSNR_SCALE), tf.sin(angles), tf.cos(angles)], 1);
    const ofLogsnr = linear(params, "condition.2", silu(linear(params, "condition.0", features)));
    if (conditionSize === 0) return silu(ofLogsnr);
    const vector = known ?? tf.zeros([alpha.shape[0]!, conditionSize]);
    return silu(tf.add(ofLogsnr, linear(params, "known.2", silu(linear(params, "known.0", vector)))));
  };
  const predictionOf = (
    ideal: typeof idealOfReference,
    z: tf.Tensor,
    logsnr: tf.Tensor,
    known: tf.Tensor | undefined,
  ) => tf.reshape(ideal(tf.reshape(z, [-1, d]), logsnr, known), z.shape);
  const featuresOf = (z: tf.Tensor, alpha: tf.Tensor, epsReference: tf.Tensor) => {
    const signal = tf.sigmoid(alpha), noise = tf.sigmoid(tf.neg(alpha));
    const centred = tf.sub(z, tf.mul(signalScale(alpha), tf.tensor(mean, image)));
    const x = within(tf.mul(centred, tf.rsqrt(tf.add(tf.mul(signal, tf.tensor(variances, image)), noise))));
    const waves = Array.from({ length: octaves }, (_, k) => tf.mul(z, SLOWEST * Math.PI * 2 ** k));
    const guess = tf.div(
      tf.sub(z, tf.mul(noiseScale(alpha), epsReference)),
      signalScale(tf.maximum(alpha, LEAST_LOGSNR)),
    );
    const noiseLevel = noiseScale(tf.minimum(alpha, LARGEST_LOGSNR));
    const ends = ENDS.flatMap((end) => {
      const eps = tf.div(tf.sub(z, tf.mul(signalScale(alpha), end)), noiseLevel);
      const near = tf.exp(tf.div(tf.square(eps), -2 * NEAR ** 2));
      return [near, tf.mul(near, eps)];
    });
    return tf.concat([x, guess, ...ends, ...waves.flatMap((angles) => [tf.sin(angles), tf.cos(angles)])], 1);
  };

  const predict = (
    params: Record<string, tf.Tensor>,
    z: tf.Tensor,
    logsnr: tf.Tensor,
    known?: tf.Tensor,
    drop?: Drop,
  ) => {
    const alpha = perSample(logsnr, 4), condition = conditionOf(params, logsnr, known);
    const features = featuresOf(z, alpha, predictionOf(idealOfReference, z, logsnr, known));
    let h = position.run(params, input.run(params, features));
    const kept: tf.Tensor[] = [];
    down.forEach((level, k) => {
      for (const block of level) h = block.run(params, h, condition, drop);
      kept.push(h);
      if (k < last) h = shrink[k].run(params, h);
    });
    h = middle.run(params, h, condition, drop);
    if (attention) h = attention.run(params, h);
    for (let k = last; k >= 0; k--) {
      h = up[k].run(params, tf.concat([h, kept[k]], 1), condition, drop);
      if (k > 0) h = grow[k - 1].run(params, upsample(h));
    }
    const noise = tf.mul(signalScale(alpha), output.run(params, silu(norm.run(params, h))));
    return skip ? tf.add(within(predictionOf(skip, z, logsnr, known)), noise) : noise;
  };
  const share = Number(values.dropout), dropped = [Math.max(...channels), height * width] as const;

  return {
    learningRate: LEARNING_RATE,
    options: { ...values, channels: channels.join() },
    shapes,
    init(random) {
      const own = (k: number) => random.split(k);
      const params: HostTensors[] = [
        ...layers.map((layer, k) => layer.init(own(k))),
        ...linears.map((layer, k) => initLinear(own(layers.length + k), ...layer)),
      ];
      return Object.assign({}, ...params);
    },
    predict,
    ...(share > 0
      ? {
        training: {
          draws: dropoutDraws(...dropped),
          below: DRAWS_BELOW,
          predict: (params, z, logsnr, draws, known) =>
            predict(params, z, logsnr, known, dropout(draws, ...dropped, share)),
        },
      }
      : {}),
  };
}

function within(x: tf.Tensor): tf.Tensor {
  return tf.maximum(tf.minimum(x, LIMIT), -LIMIT);
}

/** Channels by level where nothing is said: most is told at the full size, at equal time (README.md). */
const CHANNELS = [32, 32, 64];

/** Reads channels by level. @throws {UserError} For what is none, and for more levels than the image can be halved. */
function channelsOf(text: string, height: number, width: number): number[] {
  if (text === "auto") return CHANNELS.filter((_, level) => height % 2 ** level === 0 && width % 2 ** level === 0);
  const channels = text.split(",").map(Number);
  if (channels.some((c) => !Number.isInteger(c) || c < 1 || c > 4096)) {
    throw new UserError(`--channels is ${text}, expected whole numbers from 1 to 4096 with commas, as 32,64.`);
  }
  const halves = 2 ** (channels.length - 1);
  if (height % halves !== 0 || width % halves !== 0) {
    throw new UserError(
      `--channels has ${channels.length} levels, but images of ${height} x ${width} cannot be halved ` +
        `${channels.length - 1} times. Give fewer.`,
    );
  }
  return channels;
}
