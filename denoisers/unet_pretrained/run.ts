import * as tf from "@tensorflow/tfjs";
import { ACTIVATIONS } from "../../core/layers/activation.ts";
import type { UnetConfig } from "./config.ts";

/** Drops values of what a residual block computes, in training. */
export type Drop = (x: tf.Tensor) => tf.Tensor;

/** What the blocks of a U-Net have in common while it runs. */
export interface Run {
  readonly config: UnetConfig;
  readonly params: Record<string, tf.Tensor>;
  /** Of the time step and the class, `[batch, size]`. */
  readonly time: tf.Tensor;
  /** The same, activated as most residual blocks want it. */
  readonly embedding: tf.Tensor;
  readonly drop?: Drop | undefined;
}

/** The configuration's activation of x. */
export function activated({ activation }: UnetConfig, x: tf.Tensor): tf.Tensor {
  return ACTIVATIONS[activation](x);
}

/** x over the scale of a block's output. */
export function rescaled(x: tf.Tensor, scale: number): tf.Tensor {
  return scale === 1 ? x : tf.div(x, scale);
}
