import * as tf from "@tensorflow/tfjs";
import { noiseScale, perSample, signalScale } from "../../core/diffusion/channel.ts";
import type { ClassInput } from "./classes.ts";
import type { UnetConfig } from "./config.ts";
import { unet } from "./network.ts";
import type { Drop } from "./run.ts";
import type { Schedule } from "./schedule.ts";

/** The least time step of an embedding by its logarithm, which the first of a schedule, 0, does not have. */
const LEAST_STEP = 0.1;

/** What a U-Net says of a step, both in the shape of the images. */
export interface Prediction {
  readonly epsHat: tf.Tensor;
  /** Of a network that predicts a variance too: the second half of its channels. */
  readonly v?: tf.Tensor;
}

/**
 * ε̂(z, α) by a U-Net, whatever it predicts, and what it says of a variance, where it does.
 *
 * @param z `[batch, channels, height, width]`.
 * @param logsnr α in nats, `[batch]`.
 */
export function prediction(
  config: UnetConfig,
  schedule: Schedule,
  params: Record<string, tf.Tensor>,
  z: tf.Tensor,
  logsnr: tf.Tensor,
  classes?: ClassInput,
  drop?: Drop,
): Prediction {
  const time = schedule.timestep(logsnr);
  const isLogarithm = config.timeEmbedding.kind === "fourier" && schedule.steps !== undefined;
  const timestep = isLogarithm ? tf.maximum(time, LEAST_STEP) : time;
  const whole = unet(config, params, schedule.input?.(z, logsnr) ?? z, timestep, classes, drop);
  const [n, , h, w] = whole.shape, { inChannels: channels } = config;
  const half = (begin: number) => tf.slice(whole, [0, begin, 0, 0], [n, channels, h, w]);
  const isHalf = config.outChannels > channels, output = isHalf ? half(0) : whole;
  const epsHat = epsilon(schedule, output, z, perSample(logsnr as tf.Tensor1D, z.rank), timestep);
  return { epsHat, ...(isHalf ? { v: half(channels) } : {}) };
}

/** ε̂ from what the network predicts: ε, v = √σ(α)·ε − √σ(−α)·x (arXiv 2202.00512), x, or the score −ε/σ. */
function epsilon({ prediction }: Schedule, output: tf.Tensor, z: tf.Tensor, logsnr: tf.Tensor, noise: tf.Tensor) {
  if (prediction === "epsilon") return output;
  if (prediction === "score") return tf.neg(tf.mul(output, perSample(noise as tf.Tensor1D, z.rank)));
  const [signal, scale] = [signalScale(logsnr), noiseScale(logsnr)];
  if (prediction === "v_prediction") return tf.add(tf.mul(signal, output), tf.mul(scale, z));
  return tf.div(tf.sub(z, tf.mul(signal, output)), scale);
}
