import type * as tf from "@tensorflow/tfjs";
import type { UnetConfig } from "../config.ts";
import type { Groups, Layer } from "../layers.ts";
import type { Run } from "../run.ts";
import { attend, type Attention, attentionLayers } from "./attention.ts";
import { ownGroups, quarterGroups } from "./block.ts";
import { type Residual, residual, residualLayers } from "./residual.ts";

const NAME = "mid_block";

interface MidParts {
  readonly residuals: readonly Residual[];
  readonly attention?: Attention;
}

/** Two residual blocks with attention between them, diffusers' `UNetMidBlock2D`; nothing of a U-Net without one. */
function partsOf(config: UnetConfig): MidParts {
  if (!config.midBlock) return { residuals: [] };
  const channels = config.levels[config.levels.length - 1].channels, scale = config.midBlockScaleFactor;
  const groups = config.normNumGroups === null ? quarterGroups(channels) : ownGroups(config);
  const own = config.attnNormNumGroups;
  const attentionGroups: Groups | undefined = own !== null
    ? { count: own, option: "attn_norm_num_groups" }
    : config.timeScaleShift
    ? undefined
    : groups;
  return {
    residuals: [0, 1].map((j) => ({
      name: `${NAME}.resnets.${j}`,
      inputs: channels,
      outputs: channels,
      groups,
      scale,
    })),
    ...(config.midAttention
      ? { attention: { name: `${NAME}.attentions.0`, channels, groups: attentionGroups, scale } }
      : {}),
  };
}

/** Its layers, in diffusers' order. */
export function midLayers(config: UnetConfig): Layer[] {
  const { residuals, attention } = partsOf(config);
  return [
    ...(attention ? attentionLayers(config, attention) : []),
    ...residuals.flatMap((part) => residualLayers(config, part)),
  ];
}

/** @param h Of the smallest image. */
export function mid(run: Run, h: tf.Tensor): tf.Tensor {
  const { residuals, attention } = partsOf(run.config);
  residuals.forEach((part, j) => {
    h = residual(run, part, h);
    if (j === 0 && attention) h = attend(run, attention, h);
  });
  return h;
}
