import { conv2d } from "../../../core/layers/conv2d.ts";
import { upsample } from "../../../core/layers/upsample.ts";
import type { UnetConfig } from "../config.ts";
import { attend, type Attention } from "./attention.ts";
import { type Block, EACH_STATE, plainResiduals, resamplingResidual, type UpKind, withState } from "./block.ts";
import { plainLayers } from "./plain_layers.ts";
import { residual } from "./residual.ts";

/** A kind of block that goes up by itself: residual blocks, attention after each or none, and then twice the size. */
export function plainUp(
  attentionsOf: (config: UnetConfig, block: Block) => readonly Attention[],
  samplerOf: (config: UnetConfig) => "conv" | "resnet" | "none",
): UpKind {
  const samplerName = (block: Block) => `${block.name}.upsamplers.0`;
  const resnet = (config: UnetConfig, block: Block) => resamplingResidual(config, block, samplerName(block), upsample);
  return {
    takesImage: false,
    resamples: (config) => samplerOf(config) !== "none",
    ...EACH_STATE,
    layers(config, block) {
      const isResnet = block.resamples && samplerOf(config) === "resnet";
      return plainLayers(config, block, attentionsOf(config, block), {
        name: samplerName(block),
        resnet: isResnet ? resnet(config, block) : undefined,
      });
    },
    run(run, block, { h, image }, states) {
      const attentions = attentionsOf(run.config, block);
      plainResiduals(run.config, block).forEach((part, j) => {
        h = residual(run, part, withState(h, states[j]));
        if (attentions[j]) h = attend(run, attentions[j], h);
      });
      if (block.resamples) {
        h = samplerOf(run.config) === "resnet"
          ? residual(run, resnet(run.config, block), h)
          : conv2d(run.params, `${samplerName(block)}.conv`, upsample(h), [1, 1, 1, 1]);
      }
      return { h, image };
    },
  };
}
