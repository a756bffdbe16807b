import * as tf from "@tensorflow/tfjs";
import { conv2d, type Padding } from "../../core/layers/conv2d.ts";
import { groupNorm } from "../../core/layers/group_norm.ts";
import { linear } from "../../core/layers/linear.ts";
import { silu } from "../../core/layers/silu.ts";
import { perSample } from "../../core/diffusion/channel.ts";
import type { Flow } from "./blocks/block.ts";
import { mid } from "./blocks/mid_block.ts";
import { classEmbedding, type ClassInput } from "./classes.ts";
import type { UnetConfig } from "./config.ts";
import { fourierEmbedding } from "./fourier_embedding.ts";
import { learnedEmbedding } from "./learned_embedding.ts";
import { outGroups, planOf } from "./plan.ts";
import { activated, type Drop, type Run } from "./run.ts";
import { timeEmbedding } from "./time_embedding.ts";

export { halvings } from "./plan.ts";
export { initLayers, initParams, parameterCount, parameterShapes, zeroParams } from "./parameters.ts";

const SAME: Padding = [1, 1, 1, 1];

/**
 * The U-Net of diffusers' `UNet2DModel` (arXiv 2006.11239, appendix B; with skip blocks arXiv 2011.13456).
 *
 * @param params Under diffusers' names and in its layouts.
 * @param sample Images, `[batch, inChannels, height, width]`.
 * @param timestep May be fractional; of a Fourier embedding it is above 0, `[batch]`.
 * @param classes Of a U-Net that takes some.
 * @param drop In training, of a U-Net with dropout.
 * @returns `[batch, outChannels, height, width]`.
 */
export function unet(
  config: UnetConfig,
  params: Record<string, tf.Tensor>,
  sample: tf.Tensor,
  timestep: tf.Tensor,
  classes?: ClassInput,
  drop?: Drop,
): tf.Tensor {
  if ((config.classes === undefined) !== (classes === undefined)) {
    throw new RangeError("A U-Net of classes is given classes, and another none.");
  }
  const { down, up } = planOf(config);
  const embed = (values: tf.Tensor) => embedded(config, params, values);
  const hidden = silu(linear(params, "time_embedding.linear_1", embed(timestep)));
  const ofTime = linear(params, "time_embedding.linear_2", hidden);
  const time = classes ? tf.add(ofTime, classEmbedding(config.classes!, params, classes, embed)) : ofTime;
  const run: Run = { config, params, time, embedding: activated(config, time), drop };

  const image = config.centerInputSample ? tf.sub(tf.mul(sample, 2), 1) : sample;
  let flow: Flow = { h: conv2d(params, "conv_in", image, SAME), image };
  const states: (tf.Tensor | undefined)[] = [flow.h];
  for (const { kind, block } of down) {
    const next = kind.run(run, block, flow);
    states.push(...next.states);
    flow = next;
  }
  flow = { h: mid(run, flow.h) };
  for (const { kind, block } of up) {
    const own = states.splice(Math.max(0, states.length - kind.takes(block))).reverse();
    flow = kind.run(run, block, flow, own);
  }
  const normal = groupNorm(params, "conv_norm_out", flow.h, outGroups(config).count!, config.normEps);
  let y = conv2d(params, "conv_out", silu(normal), SAME);
  if (flow.image) y = tf.add(y, flow.image);
  return config.timeEmbedding.kind === "fourier" ? tf.div(y, perSample(timestep as tf.Tensor1D, y.rank)) : y;
}

/** What goes into the linear layers of an embedding of time steps, `[batch, size]`. */
function embedded({ timeEmbedding: embedding, levels }: UnetConfig, params: Record<string, tf.Tensor>, t: tf.Tensor) {
  if (embedding.kind === "fourier") return fourierEmbedding(t, params["time_proj.weight"]);
  if (embedding.kind === "learned") return learnedEmbedding(t, params["time_proj.weight"]);
  return timeEmbedding(t, levels[0].channels, embedding.freqShift, embedding.flipSinToCos);
}
