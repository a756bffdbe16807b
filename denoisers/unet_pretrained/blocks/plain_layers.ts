import type { UnetConfig } from "../config.ts";
import { convolution } from "../layers.ts";
import { type Attention, attentionLayers } from "./attention.ts";
import { type Block, plainResiduals } from "./block.ts";
import { residualLayers } from "./residual.ts";

/**
 * The layers of a block of residual blocks, with attention after each or none, that then changes the size, the same up and
 * down.
 *
 * @param sampler The name of what changes it, and the residual block that does; a convolution, if left out.
 */
export function plainLayers(
  config: UnetConfig,
  block: Block,
  attentions: readonly Attention[],
  sampler: { readonly name: string; readonly resnet?: Parameters<typeof residualLayers>[1] | undefined },
): ReturnType<typeof residualLayers> {
  const resampling = !block.resamples
    ? []
    : sampler.resnet
    ? residualLayers(config, sampler.resnet)
    : [convolution(`${sampler.name}.conv`, block.channels, block.channels)];
  return [
    ...attentions.flatMap((part) => attentionLayers(config, part)),
    ...plainResiduals(config, block).flatMap((part) => residualLayers(config, part)),
    ...resampling,
  ];
}
