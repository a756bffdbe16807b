import type * as tf from "@tensorflow/tfjs";
import { averagePool } from "../../../core/layers/average_pool.ts";
import { conv2d } from "../../../core/layers/conv2d.ts";
import type { UnetConfig } from "../config.ts";
import { attend, type Attention } from "./attention.ts";
import { type Block, type DownKind, plainResiduals, resamplingResidual } from "./block.ts";
import { plainLayers } from "./plain_layers.ts";
import { residual } from "./residual.ts";

/** A kind of block that goes down by itself: residual blocks, attention after each or none, and then half the size. */
export function plainDown(
  attentionsOf: (config: UnetConfig, block: Block) => readonly Attention[],
  samplerOf: (config: UnetConfig) => "conv" | "resnet" | "none",
): DownKind {
  const samplerName = (block: Block) => `${block.name}.downsamplers.0`;
  const resnet = (config: UnetConfig, block: Block) =>
    resamplingResidual(config, block, samplerName(block), averagePool);
  return {
    takesImage: false,
    keepsHalved: true,
    resamples: (config) => samplerOf(config) !== "none",
    layers(config, block) {
      const isResnet = block.resamples && samplerOf(config) === "resnet";
      return plainLayers(config, block, attentionsOf(config, block), {
        name: samplerName(block),
        resnet: isResnet ? resnet(config, block) : undefined,
      });
    },
    run(run, block, { h, image }) {
      const { config, params } = run;
      const attentions = attentionsOf(config, block), states: tf.Tensor[] = [];
      plainResiduals(config, block).forEach((part, j) => {
        h = residual(run, part, h);
        if (attentions[j]) h = attend(run, attentions[j], h);
        states.push(h);
      });
      if (block.resamples) {
        h = samplerOf(config) === "resnet"
          ? residual(run, resnet(config, block), h)
          // Without padding diffusers adds zeros at the end alone.
          : conv2d(params, `${samplerName(block)}.conv`, h, config.downsamplePadding === 0 ? END : SAME, 2);
        states.push(h);
      }
      return { h, image, states };
    },
  };
}

const SAME = [1, 1, 1, 1] as const;
const END = [0, 0, 1, 1] as const;
