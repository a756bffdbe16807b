import * as tf from "@tensorflow/tfjs";
import { attention } from "../../../core/layers/attention.ts";
import { groupNorm } from "../../../core/layers/group_norm.ts";
import type { UnetConfig } from "../config.ts";
import { affine, type Groups, type Layer, normalisation } from "../layers.ts";
import { rescaled, type Run } from "../run.ts";

/** Attention between an image's pixels and the way around it, diffusers' `Attention`. */
export interface Attention {
  readonly name: string;
  readonly channels: number;
  /** Of the normalisation before it; none where it has none. */
  readonly groups: Groups | undefined;
  /** What the sum is divided by. */
  readonly scale: number;
}

/** How many heads there are, and the channels of each: of a width that they do not divide the rest has none. */
interface Heads {
  readonly heads: number;
  readonly size: number;
}

/** Heads of as many channels as the configuration says, or one of the block's. */
export function headsOf({ attentionHeadDim }: UnetConfig, channels: number, ofBlock = channels): Heads {
  const size = attentionHeadDim ?? ofBlock;
  return { heads: Math.floor(channels / size), size };
}

/** The linear layers of attention, in diffusers' order. */
export function attentionParts(name: string, channels: number, { heads, size }: Heads): Layer[] {
  return [
    ...["to_q", "to_k", "to_v"].map((part) => affine(`${name}.${part}`, channels, heads * size)),
    affine(`${name}.to_out.0`, heads * size, channels),
  ];
}

/** Its layers, in diffusers' order. */
export function attentionLayers(config: UnetConfig, { name, channels, groups }: Attention): Layer[] {
  return [
    ...(groups ? [normalisation(`${name}.group_norm`, channels, groups)] : []),
    ...attentionParts(name, channels, headsOf(config, channels)),
  ];
}

/** @param x `[batch, channels, height, width]`. */
export function attend({ config, params }: Run, { name, channels, groups, scale }: Attention, x: tf.Tensor): tf.Tensor {
  const { heads, size } = headsOf(config, channels);
  const normal = groups ? groupNorm(params, `${name}.group_norm`, x, groups.count!, config.normEps) : x;
  return rescaled(tf.add(attention(params, name, normal, heads, size), x), scale);
}
