import * as tf from "@tensorflow/tfjs";
import { attention } from "../../../core/layers/attention.ts";
import type { UnetConfig } from "../config.ts";
import { type Groups, type Layer, normalisation } from "../layers.ts";
import type { Run } from "../run.ts";
import { adaptiveNorm } from "./adaptive_residual.ts";
import { attentionParts, headsOf } from "./attention.ts";

/**
 * Attention between an image's pixels after normalisations that are of the time step, diffusers' `KAttentionBlock`. Where a
 * text would be, `UNet2DModel` has none, so that its second part attends to the image too.
 */
export interface KAttention {
  readonly name: string;
  readonly channels: number;
  /** Of the block that it is in, which one head has where the configuration says no width. */
  readonly ofBlock: number;
  /** Whether it attends to the image twice. */
  readonly twice: boolean;
}

/** The parts of it that attend, each with its normalisation. */
function partsOf({ name, twice }: KAttention) {
  return (twice ? [1, 2] : [2]).map((i) => ({
    norm: `${name}.norm${i}`,
    attention: `${name}.attn${i}`,
    // Of a text: it has parameters, and nothing is done with them.
    unused: i === 2 ? `${name}.attn2.norm_cross` : undefined,
  }));
}

/** Channels of one group. */
const GROUP = 32;

/** What diffusers adds to the variance here, whatever the configuration says. */
const EPSILON = 1e-5;

function groupsOf(channels: number): Groups {
  return { count: Math.max(1, Math.floor(channels / GROUP)) };
}

/** Its layers, in diffusers' order. */
export function kAttentionLayers(config: UnetConfig, block: KAttention): Layer[] {
  const { channels, ofBlock } = block, groups = groupsOf(channels);
  return partsOf(block).flatMap(({ norm, attention, unused }) => [
    { kind: "adaptive norm", name: norm, channels, groups, time: config.timeEmbeddingDim } as const,
    ...(unused ? [normalisation(unused, channels, { count: 1 })] : []),
    ...attentionParts(attention, channels, headsOf(config, channels, ofBlock)),
  ]);
}

/** @param x `[batch, channels, height, width]`. */
export function kAttend(run: Run, block: KAttention, x: tf.Tensor): tf.Tensor {
  const { channels, ofBlock } = block, { heads, size } = headsOf(run.config, channels, ofBlock);
  return partsOf(block).reduce((x, part) => {
    const normal = adaptiveNorm(run, part.norm, x, groupsOf(channels), EPSILON);
    return tf.add(attention(run.params, part.attention, normal, heads, size), x);
  }, x);
}
