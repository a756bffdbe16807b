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

/** Heads of as many channels as the configuration says: what is left over of a width that they do not divide has none. */
function headsOf(
  { attentionHeadDim }: UnetConfig,
  channels: number,
): { readonly heads: number; readonly size: number } {
  const size = attentionHeadDim ?? channels;
  return { heads: Math.floor(channels / size), size };
}

/** Its layers, in diffusers' order. */
export function attentionLayers(config: UnetConfig, { name, channels, groups }: Attention): Layer[] {
  const { heads, size } = headsOf(config, channels);
  return [
    ...(groups ? [normalisation(`${name}.group_norm`, channels, groups)] : []),
    ...["to_q", "to_k", "to_v"].map((part) => affine(`${name}.${part}`, channels, heads * size)),
    affine(`${name}.to_out.0`, heads * size, channels),
  ];
}

/** @param x `[batch, channels, height, width]`. */
export function attend({ config, params }: Run, { name, channels, groups, scale }: Attention, x: tf.Tensor): tf.Tensor {
  const { heads, size } = headsOf(config, channels);
  const normal = groups ? groupNorm(params, `${name}.group_norm`, x, groups.count!, config.normEps) : x;
  return rescaled(tf.add(attention(params, name, normal, heads, size), x), scale);
}
