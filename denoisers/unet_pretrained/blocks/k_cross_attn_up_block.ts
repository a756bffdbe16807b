import { firUpsample } from "../../../core/layers/fir_resample.ts";
import type { UnetConfig } from "../config.ts";
import { adaptiveLayers, type AdaptiveResidual, adaptiveResidual, groupsOf32 } from "./adaptive_residual.ts";
import { type Block, type UpKind, withState } from "./block.ts";
import { kAttend, type KAttention, kAttentionLayers } from "./k_attention.ts";

/**
 * Adaptive residual blocks with attention, one less than in other blocks, and twice the size without parameters. The first
 * takes a state of the way down, except in a block that is as wide as the next one and the time step's embedding, which
 * diffusers takes for the first of its way.
 */
export const KCrossAttnUpBlock2D: UpKind = {
  takesImage: false,
  resamplesAny: true,
  takes: ({ inputs }) => Math.max(0, inputs.length - 1),
  joined: (config, block, j) => j === 0 ? given(config, block) : undefined,
  outputs: ({ next }) => next,
  layers: (config, block) => [
    ...residuals(config, block).flatMap((part) => adaptiveLayers(config, part)),
    ...attentions(config, block).flatMap((part) => kAttentionLayers(config, part)),
  ],
  run(run, block, { h, image }, states) {
    const attending = attentions(run.config, block);
    h = withState(h, states[0]);
    residuals(run.config, block).forEach((part, j) => h = kAttend(run, attending[j], adaptiveResidual(run, part, h)));
    return { h: block.resamples ? firUpsample(h, "mirrored") : h, image };
  },
};

function isFirst({ timeEmbeddingDim }: UnetConfig, { channels, next }: Block): boolean {
  return next === channels && channels === timeEmbeddingDim;
}

/** Channels that its first residual block is given. */
function given(config: UnetConfig, block: Block): number {
  return isFirst(config, block) ? block.channels : 2 * block.channels;
}

function residuals(config: UnetConfig, block: Block): AdaptiveResidual[] {
  const { name, inputs, channels, next } = block, count = inputs.length - 1;
  return Array.from({ length: Math.max(0, count) }, (_, j) => {
    const own = j === 0 ? given(config, block) : channels;
    return {
      name: `${name}.resnets.${j}`,
      inputs: own,
      outputs: channels,
      groups: groupsOf32(own),
      groupsOut: groupsOf32(channels),
      ends: j === count - 1 ? next : channels,
    };
  });
}

function attentions(config: UnetConfig, block: Block): KAttention[] {
  return residuals(config, block).map(({ ends = block.channels }, j) => ({
    name: `${block.name}.attentions.${j}`,
    channels: ends,
    ofBlock: block.channels,
    twice: isFirst(config, block),
  }));
}
