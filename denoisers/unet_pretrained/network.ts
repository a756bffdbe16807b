import * as tf from "@tensorflow/tfjs";
import { attention } from "../../core/layers/attention.ts";
import { conv2d, initConv2d, type Padding } from "../../core/layers/conv2d.ts";
import { groupNorm, initGroupNorm } from "../../core/layers/group_norm.ts";
import { initLinear, linear } from "../../core/layers/linear.ts";
import { silu } from "../../core/layers/silu.ts";
import { upsample } from "../../core/layers/upsample.ts";
import type { Random } from "../../core/random/random.ts";
import { type HostTensors, sizeOf } from "../../core/data/tensors.ts";
import { classEmbedding, type ClassInput } from "./classes.ts";
import type { UnetConfig } from "./config.ts";
import { timeEmbedding } from "./time_embedding.ts";

type Params = Record<string, tf.Tensor>;

/** A residual block, by its name in diffusers, with the attention that follows it. */
interface Residual {
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly attention?: Attention;
}

interface Attention {
  readonly name: string;
  /** Of the normalisation before it; none where it has none. */
  readonly groups: number | undefined;
}

/** One block of the way down or up. */
interface Block {
  readonly residuals: readonly Residual[];
  /** The convolution that halves or follows the doubling of the image; none in the last block. */
  readonly resampler?: string;
  readonly channels: number;
}

/** The layers of a U-Net under diffusers' names, in the order in which they run. */
interface Plan {
  readonly down: readonly Block[];
  readonly mid: readonly Residual[];
  readonly up: readonly Block[];
}

const SAME: Padding = [1, 1, 1, 1];
const NONE: Padding = [0, 0, 0, 0];

function planOf(config: UnetConfig): Plan {
  const { levels, layersPerBlock } = config;
  const last = levels.length - 1;
  const block = (name: string, inputs: readonly number[], channels: number, attends: boolean, sampler?: string) => ({
    residuals: inputs.map((n, j) => ({
      name: `${name}.resnets.${j}`,
      inputs: n,
      outputs: channels,
      ...(attends ? { attention: { name: `${name}.attentions.${j}`, groups: config.normNumGroups } } : {}),
    })),
    ...(sampler ? { resampler: `${name}.${sampler}.0.conv` } : {}),
    channels,
  });
  const down = levels.map(({ channels, downAttention }, i) => {
    const before = levels[Math.max(0, i - 1)].channels;
    const inputs = Array.from({ length: layersPerBlock }, (_, j) => j === 0 ? before : channels);
    return block(`down_blocks.${i}`, inputs, channels, downAttention, i < last ? "downsamplers" : undefined);
  });
  const up = levels.map((_, i) => {
    const { channels, upAttention } = levels[last - i];
    const before = levels[Math.min(last, last - i + 1)].channels;
    const skip = levels[Math.max(0, last - i - 1)].channels;
    const inputs = Array.from(
      { length: layersPerBlock + 1 },
      (_, j) => (j === 0 ? before : channels) + (j === layersPerBlock ? skip : channels),
    );
    return block(`up_blocks.${i}`, inputs, channels, upAttention, i < last ? "upsamplers" : undefined);
  });
  const width = levels[last].channels;
  const midAttention = { name: "mid_block.attentions.0", groups: config.midAttentionGroups };
  const mid = !config.midBlock ? [] : [0, 1].map((j) => ({
    name: `mid_block.resnets.${j}`,
    inputs: width,
    outputs: width,
    ...(j === 0 && config.midAttention ? { attention: midAttention } : {}),
  }));
  return { down, mid, up };
}

/** How often the image is halved; its height and width must allow that. */
export function halvings({ levels }: UnetConfig): number {
  return levels.length - 1;
}

/** What one layer's parameters are. */
type Layer =
  | { readonly kind: "convolution"; readonly name: string; readonly shape: readonly [number, number, number, number] }
  | { readonly kind: "table"; readonly name: string; readonly rows: number; readonly size: number }
  | { readonly kind: "linear"; readonly name: string; readonly inputs: number; readonly outputs: number }
  | { readonly kind: "norm"; readonly name: string; readonly channels: number };

/** All layers with parameters, in diffusers' order. */
function layersOf(config: UnetConfig): Layer[] {
  const { down, mid, up } = planOf(config);
  const time = config.timeEmbeddingDim;
  const layers: Layer[] = [];
  const conv = (name: string, inputs: number, outputs: number, size = 3) =>
    layers.push({ kind: "convolution", name, shape: [outputs, inputs, size, size] });
  const affine = (name: string, inputs: number, outputs: number) =>
    layers.push({ kind: "linear", name, inputs, outputs });
  const norm = (name: string, channels: number) => layers.push({ kind: "norm", name, channels });
  const attention = ({ attention, outputs }: Residual) => {
    if (!attention) return;
    const { name, groups } = attention;
    if (groups !== undefined) norm(`${name}.group_norm`, outputs);
    for (const part of ["to_q", "to_k", "to_v", "to_out.0"]) affine(`${name}.${part}`, outputs, outputs);
  };
  const residual = ({ name, inputs, outputs }: Residual) => {
    norm(`${name}.norm1`, inputs);
    conv(`${name}.conv1`, inputs, outputs);
    affine(`${name}.time_emb_proj`, time, config.timeScaleShift ? 2 * outputs : outputs);
    norm(`${name}.norm2`, outputs);
    conv(`${name}.conv2`, outputs, outputs);
    if (inputs !== outputs) conv(`${name}.conv_shortcut`, inputs, outputs, 1);
  };
  const block = ({ residuals, resampler, channels }: Block) => {
    residuals.forEach(attention);
    residuals.forEach(residual);
    if (resampler) conv(resampler, channels, channels);
  };
  const first = config.levels[0].channels;
  conv("conv_in", config.inChannels, first);
  affine("time_embedding.linear_1", first, time);
  affine("time_embedding.linear_2", time, time);
  const { classes } = config;
  if (classes?.kind === "table") {
    layers.push({ kind: "table", name: "class_embedding", rows: classes.count, size: time });
  } else if (classes?.kind === "timestep") {
    affine("class_embedding.linear_1", first, time);
    affine("class_embedding.linear_2", time, time);
  }
  down.forEach(block);
  up.forEach(block);
  mid.forEach(attention);
  mid.forEach(residual);
  norm("conv_norm_out", first);
  conv("conv_out", first, config.outChannels);
  return layers;
}

/** The shape of every parameter under its name in diffusers, in the order of its state dict. */
export function parameterShapes(config: UnetConfig): Map<string, readonly number[]> {
  return new Map(
    layersOf(config).flatMap((layer): [string, readonly number[]][] => {
      if (layer.kind === "table") return [[`${layer.name}.weight`, [layer.rows, layer.size]]];
      const [weight, bias] = layer.kind === "convolution"
        ? [layer.shape, [layer.shape[0]]]
        : layer.kind === "linear"
        ? [[layer.outputs, layer.inputs], [layer.outputs]]
        : [[layer.channels], [layer.channels]];
      return [[`${layer.name}.weight`, weight], [`${layer.name}.bias`, bias]];
    }),
  );
}

/** How many numbers the parameters are, by arithmetic alone. */
export function parameterCount(config: UnetConfig): number {
  return [...parameterShapes(config).values()].reduce((sum, shape) => sum + sizeOf(shape), 0);
}

/** Parameters that are all zero, for their names and shapes. */
export function zeroParams(config: UnetConfig): HostTensors {
  return Object.fromEntries(
    [...parameterShapes(config)].map(([name, shape]) => [name, { shape, data: new Float32Array(sizeOf(shape)) }]),
  );
}

/** Initial parameters as PyTorch draws them, under diffusers' names and in its layouts. */
export function initParams(config: UnetConfig, random: Random): HostTensors {
  const params = layersOf(config).map((layer) => {
    if (layer.kind === "norm") return initGroupNorm(layer.name, layer.channels);
    const own = random.split(layer.name);
    // As PyTorch's nn.Embedding.
    if (layer.kind === "table") return { [`${layer.name}.weight`]: own.normalTensor([layer.rows, layer.size]) };
    return layer.kind === "convolution"
      ? initConv2d(own, layer.name, layer.shape)
      : initLinear(own, layer.name, layer.inputs, layer.outputs);
  });
  return Object.assign({}, ...params);
}

/**
 * The U-Net of diffusers' `UNet2DModel` (arXiv 2006.11239, appendix B).
 *
 * @param params Under diffusers' names and in its layouts.
 * @param sample Images, `[batch, channels, height, width]`.
 * @param timestep May be fractional, `[batch]`.
 * @param classes Of a U-Net that takes some.
 * @returns Of the shape of `sample`.
 */
export function unet(
  config: UnetConfig,
  params: Params,
  sample: tf.Tensor,
  timestep: tf.Tensor,
  classes?: ClassInput,
): tf.Tensor {
  if ((config.classes === undefined) !== (classes === undefined)) {
    throw new RangeError("A U-Net of classes is given classes, and another none.");
  }
  const { down, mid, up } = planOf(config);
  const norm = (name: string, x: tf.Tensor, groups = config.normNumGroups) =>
    groupNorm(params, name, x, groups, config.normEps);

  const residual = ({ name, inputs, outputs }: Residual, x: tf.Tensor, scale: number) => {
    const time = linear(params, `${name}.time_emb_proj`, embedding);
    const perChannel = (t: tf.Tensor) => tf.reshape(t, [-1, outputs, 1, 1]);
    let h = conv2d(params, `${name}.conv1`, silu(norm(`${name}.norm1`, x)), SAME);
    if (config.timeScaleShift) {
      const [factor, shift] = tf.split(time, 2, 1).map(perChannel);
      h = tf.add(tf.mul(norm(`${name}.norm2`, h), tf.add(factor, 1)), shift);
    } else {
      h = norm(`${name}.norm2`, tf.add(h, perChannel(time)));
    }
    h = conv2d(params, `${name}.conv2`, silu(h), SAME);
    const shortcut = inputs === outputs ? x : conv2d(params, `${name}.conv_shortcut`, x, NONE);
    return rescaled(tf.add(shortcut, h), scale);
  };
  const attend = ({ name, groups }: Attention, x: tf.Tensor, scale: number) => {
    const channels = x.shape[1]!;
    const heads = channels / (config.attentionHeadDim ?? channels);
    const normal = groups === undefined ? x : norm(`${name}.group_norm`, x, groups);
    return rescaled(tf.add(attention(params, name, normal, heads), x), scale);
  };

  const raw = timeEmbedding(timestep, config.levels[0].channels, config.freqShift, config.flipSinToCos);
  const hidden = silu(linear(params, "time_embedding.linear_1", raw));
  // Every residual block applies SiLU to the embedding first.
  const ofTime = linear(params, "time_embedding.linear_2", hidden);
  const timesteps = { size: config.levels[0].channels, freqShift: config.freqShift, flipSinToCos: config.flipSinToCos };
  const embedding = silu(
    classes ? tf.add(ofTime, classEmbedding(config.classes!, params, classes, timesteps)) : ofTime,
  );

  let h = conv2d(params, "conv_in", config.centerInputSample ? tf.sub(tf.mul(sample, 2), 1) : sample, SAME);
  const skips = [h];
  for (const { residuals, resampler } of down) {
    for (const part of residuals) {
      h = residual(part, h, 1);
      if (part.attention) h = attend(part.attention, h, 1);
      skips.push(h);
    }
    if (resampler) {
      h = conv2d(params, resampler, h, config.downsamplePadding === 0 ? [0, 0, 1, 1] : SAME, 2);
      skips.push(h);
    }
  }
  for (const part of mid) {
    h = residual(part, h, config.midBlockScaleFactor);
    if (part.attention) h = attend(part.attention, h, config.midBlockScaleFactor);
  }
  for (const { residuals, resampler } of up) {
    for (const part of residuals) {
      h = residual(part, tf.concat([h, skips.pop()!], 1), 1);
      if (part.attention) h = attend(part.attention, h, 1);
    }
    if (resampler) h = conv2d(params, resampler, upsample(h), SAME);
  }
  return conv2d(params, "conv_out", silu(norm("conv_norm_out", h)), SAME);
}

function rescaled(x: tf.Tensor, scale: number): tf.Tensor {
  return scale === 1 ? x : tf.div(x, scale);
}
