import type * as tf from "@tensorflow/tfjs";
import { firDownsample } from "../../../core/layers/fir_resample.ts";
import { adaptiveLayers, adaptiveResidual } from "./adaptive_residual.ts";
import type { Block, DownKind } from "./block.ts";
import { kAttend, type KAttention, kAttentionLayers } from "./k_attention.ts";
import { residuals } from "./k_down_block.ts";

/** Adaptive residual blocks with attention, and half the size without parameters; the last block keeps no states. */
export const KCrossAttnDownBlock2D: DownKind = {
  takesImage: false,
  resamplesAny: true,
  keepsHalved: false,
  hides: ({ resamples }) => !resamples,
  layers: (config, block) => [
    ...residuals(block).flatMap((part) => adaptiveLayers(config, part)),
    ...attentions(block).flatMap((part) => kAttentionLayers(config, part)),
  ],
  run(run, block, { h, image }) {
    const states: (tf.Tensor | undefined)[] = [], attending = attentions(block);
    residuals(block).forEach((part, j) => {
      h = kAttend(run, attending[j], adaptiveResidual(run, part, h));
      states.push(block.resamples ? h : undefined);
    });
    return { h: block.resamples ? firDownsample(h, "mirrored") : h, image, states };
  },
};

function attentions({ name, inputs, channels, resamples }: Block): KAttention[] {
  return inputs.map((_, j) => ({ name: `${name}.attentions.${j}`, channels, ofBlock: channels, twice: !resamples }));
}
