import * as tf from "@tensorflow/tfjs";
import type { UnetConfig } from "../config.ts";
import type { Groups, Layer } from "../layers.ts";
import type { Run } from "../run.ts";
import type { Attention } from "./attention.ts";
import type { Residual } from "./residual.ts";

/** Where one block of the way down or up stands. */
export interface Block {
  /** In diffusers, as `down_blocks.0`. */
  readonly name: string;
  /** Channels that each of its residual blocks is given, on the way up with those of the way down. */
  readonly inputs: readonly number[];
  /** Of them those that come from the way down; 0 on that way itself. */
  readonly skips: readonly number[];
  readonly channels: number;
  /** Channels of the block after it on the way up, its own in the last; 0 on the way down. */
  readonly next: number;
  /** Whether it halves or doubles the image: all but the last one of a way. */
  readonly resamples: boolean;
}

/** What goes from block to block. */
export interface Flow {
  readonly h: tf.Tensor;
  /**
   * For blocks that take the image itself along: on the way down the network's input in the block's size, on the way up the
   * sum of what was added to it so far, where anything was.
   */
  readonly image?: tf.Tensor | undefined;
}

/** A kind of block of the way down. */
export interface DownKind {
  /** Whether it takes the network's input along, in its own size. */
  readonly takesImage: boolean;
  /** Whether the way up takes what it halved as a state of its own. */
  readonly keepsHalved: boolean;
  /** Whether it changes the size where it is not the last of its way; it does, if left out. */
  resamples?(config: UnetConfig): boolean;
  /** Whether it does so whatever the channels are. */
  readonly resamplesAny?: boolean;
  /** Whether what would be its states is nothing. */
  hides?(block: Block): boolean;
  /** In diffusers' order. */
  layers(config: UnetConfig, block: Block): Layer[];
  /** @returns What is next, and the states that the way up will take, in their order. */
  run(run: Run, block: Block, flow: Flow): Flow & { readonly states: readonly (tf.Tensor | undefined)[] };
}

/** A kind of block of the way up. */
export interface UpKind {
  readonly takesImage: boolean;
  /** Whether it changes the size where it is not the last of its way; it does, if left out. */
  resamples?(config: UnetConfig): boolean;
  /** Whether it does so whatever the channels are. */
  readonly resamplesAny?: boolean;
  /** How many states of the way down it takes. */
  takes(block: Block): number;
  /** Channels that it is given with the j-th of these states, if it uses that, and those that it ends with. */
  joined(config: UnetConfig, block: Block, j: number): number | undefined;
  outputs(block: Block): number;
  layers(config: UnetConfig, block: Block): Layer[];
  /** @param states Of the way down, in the order in which they are taken. */
  run(run: Run, block: Block, flow: Flow, states: readonly (tf.Tensor | undefined)[]): Flow;
}

/** The configuration's number of groups. */
export function ownGroups({ normNumGroups }: UnetConfig): Groups {
  return { count: normNumGroups, option: "norm_num_groups" };
}

/** A quarter of the channels, at most 32: the groups where nothing is said. */
export function quarterGroups(channels: number): Groups {
  return { count: Math.min(Math.floor(channels / 4), 32) };
}

/** The residual blocks of a block whose normalisations all have the configuration's groups. */
export function plainResiduals(config: UnetConfig, { name, inputs, channels }: Block): Residual[] {
  return inputs.map((n, j) => ({
    name: `${name}.resnets.${j}`,
    inputs: n,
    outputs: channels,
    groups: ownGroups(config),
    scale: 1,
  }));
}

/** An attention for each of them. */
export function plainAttentions(config: UnetConfig, { name, inputs, channels }: Block): Attention[] {
  return inputs.map((_, j) => ({ name: `${name}.attentions.${j}`, channels, groups: ownGroups(config), scale: 1 }));
}

/** A residual block that changes the image's size. */
export function resamplingResidual(
  config: UnetConfig,
  { channels }: Block,
  name: string,
  resample: (x: tf.Tensor) => tf.Tensor,
): Residual {
  return { name, inputs: channels, outputs: channels, groups: ownGroups(config), scale: 1, resample };
}

/** Of kinds of blocks of which each residual block takes a state. */
export const EACH_STATE: Pick<UpKind, "takes" | "joined" | "outputs"> = {
  takes: ({ inputs }) => inputs.length,
  joined: (_, { inputs }, j) => inputs[j],
  outputs: ({ channels }) => channels,
};

/** A block's values beside a state of the way down, where there is one. */
export function withState(h: tf.Tensor, state: tf.Tensor | undefined): tf.Tensor {
  return state ? tf.concat([h, state], 1) : h;
}
