import * as tf from "@tensorflow/tfjs";
import { conv2d } from "../../../core/layers/conv2d.ts";
import { firUpsample } from "../../../core/layers/fir_resample.ts";
import { groupNorm } from "../../../core/layers/group_norm.ts";
import { silu } from "../../../core/layers/silu.ts";
import { convolution, type Groups, normalisation } from "../layers.ts";
import { attend, type Attention, attentionLayers } from "./attention.ts";
import { type Block, EACH_STATE, quarterGroups, type UpKind, withState } from "./block.ts";
import { type Residual, residual, residualLayers } from "./residual.ts";
import { IMAGE_CHANNELS } from "./skip_down.ts";

/**
 * A kind of block that goes up beside an image (NCSN++, arXiv 2011.13456): each adds what it knows of the image in its own
 * size, smoothed and doubled from block to block, and the last one hands it to the network's output.
 *
 * @param attentionOf After the last residual block; none where it has none.
 * @param groupsOf Of a residual block's first normalisation, by the channels it is given and those of the way down.
 */
export function skipUp(
  attentionOf: (block: Block) => Attention | undefined,
  groupsOf: (channels: number, skip: number) => Groups,
): UpKind {
  const residuals = ({ name, inputs, skips, channels }: Block): Residual[] =>
    inputs.map((n, j) => ({
      name: `${name}.resnets.${j}`,
      inputs: n,
      outputs: channels,
      groups: groupsOf(n - skips[j], skips[j]),
      groupsOut: quarterGroups(channels),
      scale: Math.SQRT2,
    }));
  const doubling = ({ name, channels }: Block): Residual => ({
    name: `${name}.resnet_up`,
    inputs: channels,
    outputs: channels,
    groups: quarterGroups(channels),
    scale: Math.SQRT2,
    resample: firUpsample,
    shortcut: true,
  });
  return {
    takesImage: true,
    ...EACH_STATE,
    layers(config, block) {
      const { name, channels, resamples } = block, attention = attentionOf(block);
      return [
        ...(attention ? attentionLayers(config, attention) : []),
        ...residuals(block).flatMap((part) => residualLayers(config, part)),
        ...(resamples
          ? [
            ...residualLayers(config, doubling(block)),
            convolution(`${name}.skip_conv`, channels, IMAGE_CHANNELS),
            normalisation(`${name}.skip_norm`, channels, quarterGroups(channels)),
          ]
          : []),
      ];
    },
    run(run, block, { h, image }, states) {
      const { config, params } = run, { name, channels } = block, attention = attentionOf(block);
      residuals(block).forEach((part, j) => h = residual(run, part, withState(h, states[j])));
      if (attention) h = attend(run, attention, h);
      let sum = image && firUpsample(image);
      if (block.resamples) {
        const normal = groupNorm(params, `${name}.skip_norm`, h, quarterGroups(channels).count!, config.normEps);
        const own = conv2d(params, `${name}.skip_conv`, silu(normal), [1, 1, 1, 1]);
        sum = sum ? tf.add(sum, own) : own;
        h = residual(run, doubling(block), h);
      }
      return { h, image: sum };
    },
  };
}
