import type * as tf from "@tensorflow/tfjs";
import { firDownsample } from "../../../core/layers/fir_resample.ts";
import { adaptiveLayers, type AdaptiveResidual, adaptiveResidual, groupsOf32 } from "./adaptive_residual.ts";
import type { Block, DownKind } from "./block.ts";

/** Adaptive residual blocks, and half the size without parameters (those of k-diffusion, arXiv 2206.00364). */
export const KDownBlock2D: DownKind = {
  takesImage: false,
  resamplesAny: true,
  keepsHalved: false,
  layers: (config, block) => residuals(block).flatMap((part) => adaptiveLayers(config, part)),
  run(run, block, { h, image }) {
    const states: tf.Tensor[] = [];
    for (const part of residuals(block)) {
      h = adaptiveResidual(run, part, h);
      states.push(h);
    }
    return { h: block.resamples ? firDownsample(h, "mirrored") : h, image, states };
  },
};

/** The residual blocks of a block of the way down. */
export function residuals({ name, inputs, channels }: Block): AdaptiveResidual[] {
  return inputs.map((n, j) => ({
    name: `${name}.resnets.${j}`,
    inputs: n,
    outputs: channels,
    groups: groupsOf32(n),
    groupsOut: groupsOf32(channels),
  }));
}
