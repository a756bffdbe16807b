import { firUpsample } from "../../../core/layers/fir_resample.ts";
import { adaptiveLayers, type AdaptiveResidual, adaptiveResidual, groupsOf32 } from "./adaptive_residual.ts";
import { type Block, type UpKind, withState } from "./block.ts";

/**
 * Adaptive residual blocks, one less than in other blocks, of which the first alone takes a state of the way down and the
 * last has the next block's channels; and twice the size without parameters.
 */
export const KUpBlock2D: UpKind = {
  takesImage: false,
  resamplesAny: true,
  takes: ({ inputs }) => Math.max(0, inputs.length - 1),
  joined: (_, { channels }, j) => j === 0 ? 2 * channels : undefined,
  outputs: ({ next }) => next,
  layers: (config, block) => residuals(block).flatMap((part) => adaptiveLayers(config, part)),
  run(run, block, { h, image }, states) {
    h = withState(h, states[0]);
    for (const part of residuals(block)) h = adaptiveResidual(run, part, h);
    return { h: block.resamples ? firUpsample(h, "mirrored") : h, image };
  },
};

function residuals({ name, inputs, channels, next }: Block): AdaptiveResidual[] {
  const count = inputs.length - 1;
  return Array.from({ length: Math.max(0, count) }, (_, j) => {
    const given = j === 0 ? 2 * channels : channels;
    return {
      name: `${name}.resnets.${j}`,
      inputs: given,
      outputs: j === count - 1 ? next : channels,
      groups: groupsOf32(given),
      // As diffusers has it, of the block's channels where the last one has others.
      groupsOut: groupsOf32(channels),
    };
  });
}
