import * as tf from "@tensorflow/tfjs";
import { conv2d } from "../../../core/layers/conv2d.ts";
import { firDownsample } from "../../../core/layers/fir_resample.ts";
import type { UnetConfig } from "../config.ts";
import { convolution } from "../layers.ts";
import { attend, type Attention, attentionLayers } from "./attention.ts";
import { type Block, type DownKind, quarterGroups } from "./block.ts";
import { type Residual, residual, residualLayers } from "./residual.ts";

/** Channels of the image that such blocks take along, whatever the network's input has. */
export const IMAGE_CHANNELS = 3;

/**
 * A kind of block that goes down beside the image itself (NCSN++, arXiv 2011.13456): both are smoothed and halved, and
 * channels made of the smaller image are added.
 */
export function skipDown(attentionsOf: (config: UnetConfig, block: Block) => readonly Attention[]): DownKind {
  const residuals = ({ name, inputs, channels }: Block): Residual[] =>
    inputs.map((n, j) => ({
      name: `${name}.resnets.${j}`,
      inputs: n,
      outputs: channels,
      groups: quarterGroups(n),
      groupsOut: quarterGroups(channels),
      scale: Math.SQRT2,
    }));
  const halving = ({ name, channels }: Block): Residual => ({
    name: `${name}.resnet_down`,
    inputs: channels,
    outputs: channels,
    groups: quarterGroups(channels),
    scale: Math.SQRT2,
    resample: firDownsample,
    shortcut: true,
  });
  return {
    takesImage: true,
    keepsHalved: true,
    layers: (config, block) => [
      ...attentionsOf(config, block).flatMap((part) => attentionLayers(config, part)),
      ...residuals(block).flatMap((part) => residualLayers(config, part)),
      ...(block.resamples
        ? [
          ...residualLayers(config, halving(block)),
          convolution(`${block.name}.skip_conv`, IMAGE_CHANNELS, block.channels, 1),
        ]
        : []),
    ],
    run(run, block, { h, image }) {
      const attentions = attentionsOf(run.config, block), states: tf.Tensor[] = [];
      residuals(block).forEach((part, j) => {
        h = residual(run, part, h);
        if (attentions[j]) h = attend(run, attentions[j], h);
        states.push(h);
      });
      if (block.resamples) {
        image = firDownsample(image!);
        h = tf.add(
          conv2d(run.params, `${block.name}.skip_conv`, image, [0, 0, 0, 0]),
          residual(run, halving(block), h),
        );
        states.push(h);
      }
      return { h, image, states };
    },
  };
}
