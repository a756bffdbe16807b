import { UserError } from "../../core/errors/user_error.ts";
import { type ActivationName, ACTIVATIONS } from "../../core/layers/activation.ts";
import { DOWN_BLOCKS, type DownName, UP_BLOCKS, type UpName } from "./blocks/mod.ts";
import { ConfigValues, isBetween, isCount, MAX_CHANNELS, show } from "./config_values.ts";
import { inconsistencies } from "./consistency.ts";

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
  readonly layersPerBlock: number;
  readonly activation: ActivationName;
  /** What halves and doubles the image in blocks with attention. */
  readonly downsampleType: "conv" | "resnet";
  readonly upsampleType: "conv" | "resnet";
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
}

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

/** google/ddpm-cifar10-32's configuration, which training from scratch takes where none is given. */
export const DDPM_CIFAR10: Readonly<Record<string, unknown>> = {
  _class_name: "UNet2DModel",
  act_fn: "silu",
  attention_head_dim: null,
  block_out_channels: [128, 256, 256, 256],
  center_input_sample: false,
  down_block_types: ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"],
  downsample_padding: 0,
  flip_sin_to_cos: false,
  freq_shift: 1,
  in_channels: 3,
  layers_per_block: 2,
  mid_block_scale_factor: 1,
  norm_eps: 1e-6,
  norm_num_groups: 32,
  out_channels: 3,
  sample_size: 32,
  time_embedding_type: "positional",
  up_block_types: ["UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
};

/** Keys that say nothing about the network; sample_size only says what it was trained on. */
const IGNORED = new Set(["sample_size", "dropout_rate"]);

/**
 * Reads the parsed config.json of a `UNet2DModel`. Keys that are left out have diffusers' defaults.
 *
 * @param json The file's contents.
 * @param source The file's name for messages.
 * @throws {UnetConfigError} Naming every value that is not valid or not supported.
 */
export function parseUnetConfig(json: unknown, source: string): UnetConfig {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new UnetConfigError(`${source} is not the configuration of a model: it is no JSON object.`);
  }
  const className = (json as Record<string, unknown>)._class_name ?? "UNet2DModel";
  const values = new ConfigValues(
    Object.entries(json).filter(([key]) => !key.startsWith("_") && !IGNORED.has(key)),
  );
  const { problems } = values;
  if (className !== "UNet2DModel") problems.push(`_class_name is ${show(className)}, expected "UNet2DModel"`);

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
  // As diffusers has it: another type leaves the number without meaning.
  const embedType = values.choice("class_embed_type", [null, "timestep", "identity"]);
  const embeds = values.countOrNull("num_class_embeds");
  const classes: ClassEmbedding | undefined = embedType
    ? { kind: embedType }
    : embeds === null
    ? undefined
    : { kind: "table", count: embeds };
  const config: UnetConfig = {
    ...(classes ? { classes } : {}),
    inChannels: values.count("in_channels", 3, MAX_CHANNELS),
    outChannels: values.count("out_channels", 3, MAX_CHANNELS),
    centerInputSample: values.flag("center_input_sample", false),
    timeEmbedding: timeEmbeddingOf(values),
    timeEmbeddingDim: values.countOrNull("time_embedding_dim", null, 0) || 4 * channels[0],
    levels: channels.map((c, i) => ({
      channels: c,
      down: down[i] ?? "DownBlock2D",
      up: up[up.length - 1 - i] ?? "UpBlock2D",
    })),
    layersPerBlock: values.count("layers_per_block", 2, MAX_LAYERS, 0),
    activation: activationOf(values),
    downsampleType: values.choice("downsample_type", ["conv", "resnet", null]) ?? "conv",
    upsampleType: values.choice("upsample_type", ["conv", "resnet", null]) ?? "conv",
    midBlock: values.choice("mid_block_type", ["UNetMidBlock2D", null]) !== null,
    midAttention: values.flag("add_attention", true),
    midBlockScaleFactor: values.take("mid_block_scale_factor", 1, isScale, "a number from 1e-6 to 1e6"),
    downsamplePadding: values.take("downsample_padding", 1, isPadding, "a whole number"),
    attentionHeadDim: values.countOrNull("attention_head_dim", 8) ?? undefined,
    normNumGroups: values.countOrNull("norm_num_groups", 32),
    attnNormNumGroups: values.countOrNull("attn_norm_num_groups"),
    // Beyond these float32 has none, or nothing but it.
    normEps: values.take("norm_eps", 1e-5, isBetween(1e-30, 1e3), "a number from 1e-30 to 1000"),
    timeScaleShift: values.choice("resnet_time_scale_shift", ["default", "scale_shift"]) === "scale_shift",
    dropout: values.take("dropout", 0, isBetween(0, 1), "a number from 0 to 1"),
  };
  values.refuseTheRest();
  if (problems.length === 0) problems.push(...inconsistencies(config));
  if (problems.length > 0) {
    throw new UnetConfigError(`${source} describes a U-Net that is not supported: ${problems.join("; ")}.`);
  }
  return config;
}

/** How time steps are embedded. What does not matter to the kind may be anything that diffusers has. */
function timeEmbeddingOf(values: ConfigValues): TimeEmbedding {
  const kind = values.choice("time_embedding_type", ["positional", "fourier", "learned"]);
  const freqShift = values.take("freq_shift", 0, isBetween(-1000, 1000), "a number from -1000 to 1000");
  const flipSinToCos = values.flag("flip_sin_to_cos", true);
  const steps = values.countOrNull("num_train_timesteps", null, 1, MAX_STEPS);
  if (kind === "fourier") return { kind };
  if (kind === "positional") return { kind, freqShift, flipSinToCos };
  if (steps === null) {
    values.problems.push(`num_train_timesteps is null, expected a whole number for time_embedding_type "learned"`);
  }
  return { kind, steps: steps ?? 1 };
}

/** Its name in small letters, as diffusers reads it. */
function activationOf(values: ConfigValues): ActivationName {
  const names = Object.keys(ACTIVATIONS) as ActivationName[];
  const isName = (v: unknown): v is string => typeof v === "string" && names.some((name) => name === v.toLowerCase());
  return values.take("act_fn", "silu", isName, names.map(show).join(" or ")).toLowerCase() as ActivationName;
}

/** The most residual blocks of a block. */
const MAX_LAYERS = 64;

/** The most time steps of a learned embedding. */
const MAX_STEPS = 100_000;

function isChannels(value: unknown): value is number[] {
  return Array.isArray(value) && value.length >= 1 && value.length <= 16 && value.every(isCount(1, MAX_CHANNELS));
}

function isScale(value: unknown): value is number {
  return typeof value === "number" && isBetween(1e-6, 1e6)(Math.abs(value));
}

function isPadding(value: unknown): value is number {
  return Number.isInteger(value) && Math.abs(value as number) <= MAX_CHANNELS;
}
