import { UserError } from "../../core/errors/user_error.ts";
import type { ActivationName } from "../../core/layers/activation.ts";
import { DOWN_BLOCKS, type DownName, UP_BLOCKS, type UpName } from "./blocks/mod.ts";
import {
  activationOf,
  classesOf,
  classNameOf,
  countOrNothing,
  headWidthOf,
  isChannels,
  isScale,
  MAX_LAYERS,
  paddingOf,
  samplerOf,
  timeEmbeddingOf,
} from "./config_options.ts";
import { ConfigValues, isBetween, isCount, MAX_CHANNELS } from "./config_values.ts";
import { inconsistencies } from "./consistency.ts";
import { OPTIONAL, thatMatter } from "./relevance.ts";

export { DDPM_CIFAR10 } from "./ddpm_cifar10.ts";

/** A U-Net's architecture, from the config.json of diffusers' `UNet2DModel`. */
export interface UnetConfig {
  readonly inChannels: number;
  /** As many as those of the image, or twice as many where the second half is a learned variance. */
  readonly outChannels: number;
  readonly centerInputSample: boolean;
  readonly timeEmbedding: TimeEmbedding;
  readonly timeEmbeddingDim: number;
  /** For every level from the largest image down: channels, and its blocks on both ways. */
  readonly levels: readonly { readonly channels: number; readonly down: DownName; readonly up: UpName }[];
  /** Residual blocks on the way down; on the way up there is one more, and none where this is -1. */
  readonly layersPerBlock: number;
  readonly activation: ActivationName;
  /** What halves and doubles the image in blocks with attention. */
  readonly downsampleType: Sampler;
  readonly upsampleType: Sampler;
  /** Whether there is a block between the way down and the way up, and whether it has attention. */
  readonly midBlock: boolean;
  readonly midAttention: boolean;
  readonly midBlockScaleFactor: number;
  readonly downsamplePadding: number;
  /** Channels of one attention head; none for one head of the block's width. */
  readonly attentionHeadDim: number | undefined;
  /** Null where blocks have a quarter of their channels, at most 32. */
  readonly normNumGroups: number | null;
  /** Groups of the normalisation before the middle block's attention, where they are not those of its other ones. */
  readonly attnNormNumGroups: number | null;
  readonly normEps: number;
  /** Whether the time embedding scales and shifts the second normalisation, instead of being added before it. */
  readonly timeScaleShift: boolean;
  /** How classes are embedded; none of a U-Net that takes none. */
  readonly classes?: ClassEmbedding;
  /** The share of a residual block's values that is dropped in training. */
  readonly dropout: number;
  /** What else the file says and diffusers passes over, in words. */
  readonly ignored: readonly string[];
}

/** A convolution, a residual block, or nothing, so that the size stays. */
export type Sampler = "conv" | "resnet" | "none";

/** Sines and cosines of the time step, of the logarithm of a noise level at frequencies drawn once, or rows of a table. */
export type TimeEmbedding =
  | {
    readonly kind: "positional";
    /** Subtracted from the number of frequencies that the exponents are divided by. */
    readonly freqShift: number;
    /** Whether cosines come before sines. */
    readonly flipSinToCos: boolean;
  }
  | { readonly kind: "fourier" }
  | { readonly kind: "learned"; readonly steps: number };

/** A table with a row for each class, a number that is embedded as a time step, or an embedding that is given as it is. */
export type ClassEmbedding =
  | { readonly kind: "table"; readonly count: number }
  | { readonly kind: "timestep" }
  | { readonly kind: "identity" };

/** A configuration that is not valid or has a value that this U-Net does not support. */
export class UnetConfigError extends UserError {}

/** Keys that say nothing about the network; sample_size only says what it was trained on. */
const IGNORED = new Set(["sample_size", "dropout_rate"]);

/**
 * Reads the parsed config.json of a `UNet2DModel` as diffusers' `from_config` does: keys that are left out have its
 * defaults, and those that it does not know change nothing.
 *
 * @param json The file's contents.
 * @param source The file's name for messages.
 * @throws {UnetConfigError} Naming every value that is not valid or not supported.
 */
export function parseUnetConfig(json: unknown, source: string): UnetConfig {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new UnetConfigError(`${source} is not the configuration of a model: it is no JSON object.`);
  }
  const values = new ConfigValues(
    Object.entries(json).filter(([key]) => !key.startsWith("_") && !IGNORED.has(key)),
    OPTIONAL,
  );
  const { problems } = values, className = classNameOf(json, problems);
  const channels = values.take("block_out_channels", [224, 448, 672, 896], isChannels, "1 to 16 whole numbers");
  const down = values.names("down_block_types", Object.keys(DOWN_BLOCKS) as DownName[], [
    "DownBlock2D",
    ...Array<DownName>(3).fill("AttnDownBlock2D"),
  ]);
  const up = values.names("up_block_types", Object.keys(UP_BLOCKS) as UpName[], [
    ...Array<UpName>(3).fill("AttnUpBlock2D"),
    "UpBlock2D",
  ]);
  if (down.length !== channels.length || up.length !== channels.length) {
    problems.push(
      `block_out_channels has ${channels.length} entries, down_block_types ${down.length} and up_block_types ${up.length}, ` +
        "expected as many of each",
    );
  }
  const classes = classesOf(values), expectedLayers = `a whole number from 0 to ${MAX_LAYERS}`;
  const config: UnetConfig = {
    ...(classes ? { classes } : {}),
    inChannels: values.number("in_channels", 3, isCount(1, MAX_CHANNELS), `a whole number from 1 to ${MAX_CHANNELS}`),
    outChannels: values.count("out_channels", 3, MAX_CHANNELS),
    centerInputSample: values.flag("center_input_sample", false),
    timeEmbedding: timeEmbeddingOf(values),
    timeEmbeddingDim: values.read("time_embedding_dim", null, countOrNothing, "a whole number, or null") ??
      4 * channels[0],
    levels: channels.map((c, i) => ({
      channels: c,
      down: down[i] ?? "DownBlock2D",
      up: up[up.length - 1 - i] ?? "UpBlock2D",
    })),
    // Below 0 there are none on the way up either.
    layersPerBlock: Math.max(
      -1,
      values.number("layers_per_block", 2, isCount(-MAX_LAYERS, MAX_LAYERS), expectedLayers),
    ),
    activation: activationOf(values),
    downsampleType: samplerOf(values, "downsample_type"),
    upsampleType: samplerOf(values, "upsample_type"),
    // diffusers builds the same one whatever its name is.
    midBlock: values.read("mid_block_type", true, (type) => type !== null, "a name or null"),
    midAttention: values.flag("add_attention", true),
    midBlockScaleFactor: values.number("mid_block_scale_factor", 1, isScale, "a number from 1e-6 to 1e30"),
    downsamplePadding: values.read("downsample_padding", 1, paddingOf, "0 or 1, with which a side is halved"),
    attentionHeadDim: values.read("attention_head_dim", 8, headWidthOf, "a whole number from 1, or null") ?? undefined,
    normNumGroups: values.countOrNull("norm_num_groups", 32),
    attnNormNumGroups: values.countOrNull("attn_norm_num_groups"),
    normEps: values.number("norm_eps", 1e-5, isBetween(-1e-3, 1e30), "a number from -1e-3 to 1e30"),
    timeScaleShift: values.choice("resnet_time_scale_shift", ["default", "scale_shift"]) === "scale_shift",
    dropout: values.number("dropout", 0, isBetween(0, 1), "a number from 0 to 1"),
    ignored: [...className, ...values.rest()],
  };
  problems.push(...thatMatter(values.doubts, config));
  if (problems.length === 0) problems.push(...inconsistencies(config));
  if (problems.length > 0) {
    throw new UnetConfigError(`${source} describes a U-Net that is not supported: ${problems.join("; ")}.`);
  }
  return config;
}
