import { UserError } from "../../core/errors/user_error.ts";

/** A U-Net's architecture, from the config.json of diffusers' `UNet2DModel`. */
export interface UnetConfig {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly centerInputSample: boolean;
  /** Subtracted from the number of frequencies that the time embedding's exponents are divided by. */
  readonly freqShift: number;
  /** Whether the time embedding has cosines before sines. */
  readonly flipSinToCos: boolean;
  readonly timeEmbeddingDim: number;
  /** For every level from the largest image down: channels, and whether attention follows its residual blocks. */
  readonly levels: readonly {
    readonly channels: number;
    readonly downAttention: boolean;
    readonly upAttention: boolean;
  }[];
  readonly layersPerBlock: number;
  /** Whether there is a block between the way down and the way up, and whether it has attention. */
  readonly midBlock: boolean;
  readonly midAttention: boolean;
  readonly midBlockScaleFactor: number;
  readonly downsamplePadding: number;
  /** Channels of one attention head; none for one head of the block's width. */
  readonly attentionHeadDim: number | undefined;
  readonly normNumGroups: number;
  /** Groups of the normalisation before the middle block's attention; none where it has none. */
  readonly midAttentionGroups: number | undefined;
  readonly normEps: number;
  /** Whether the time embedding scales and shifts the second normalisation, instead of being added before it. */
  readonly timeScaleShift: boolean;
  /** How classes are embedded; none of a U-Net that takes none. */
  readonly classes?: ClassEmbedding;
  /** The share of values that diffusers drops in training; this network drops none. */
  readonly dropout: number;
}

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
const IGNORED = new Set(["sample_size", "dropout_rate", "num_train_timesteps"]);

/** Values that have one supported choice. What a file leaves out has diffusers' default, the first. */
const FIXED: Readonly<Record<string, readonly unknown[]>> = {
  act_fn: ["silu", "swish"],
  downsample_type: ["conv"],
  time_embedding_type: ["positional"],
  upsample_type: ["conv"],
};

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
  const given = new Map(Object.entries(json).filter(([key]) => !key.startsWith("_") && !IGNORED.has(key)));
  const problems: string[] = [];
  const className = (json as Record<string, unknown>)._class_name ?? "UNet2DModel";
  if (className !== "UNet2DModel") problems.push(`_class_name is ${show(className)}, expected "UNet2DModel"`);

  const take = <T>(key: string, fallback: T, fits: (value: unknown) => value is T, expected: string): T => {
    const value = given.has(key) ? given.get(key) : fallback;
    given.delete(key);
    if (fits(value)) return value;
    problems.push(`${key} is ${show(value)}, expected ${expected}`);
    return fallback;
  };
  const count = (key: string, fallback: number, max: number) =>
    take(key, fallback, isCount(max), `a whole number from 1 to ${max}`);
  const countOrNull = (key: string, fallback: number | null) =>
    take(key, fallback, (v): v is number | null => v === null || isCount(MAX_CHANNELS)(v), "a whole number or null");
  const flag = (key: string, fallback: boolean) => take(key, fallback, isBoolean, "true or false");
  for (const [key, values] of Object.entries(FIXED)) {
    const supported = values.map(show).join(" or ");
    take(key, values[0], (v): v is unknown => values.includes(v), `${supported}, which is what is supported`);
  }

  const channels = take("block_out_channels", [224, 448, 672, 896], isChannels, "1 to 16 whole numbers");
  const down = take(
    "down_block_types",
    [DOWN[0], DOWN[1], DOWN[1], DOWN[1]],
    isOneOf(DOWN),
    `a list of ${DOWN.join(" and ")}`,
  );
  const up = take("up_block_types", [UP[1], UP[1], UP[1], UP[0]], isOneOf(UP), `a list of ${UP.join(" and ")}`);
  if (down.length !== channels.length || up.length !== channels.length) {
    problems.push(
      `block_out_channels has ${channels.length} entries, down_block_types ${down.length} and up_block_types ${up.length}, ` +
        "expected as many of each",
    );
  }
  const midBlockType = take(
    "mid_block_type",
    "UNetMidBlock2D" as string | null,
    (v): v is string | null => v === null || v === "UNetMidBlock2D",
    '"UNetMidBlock2D" or null',
  );
  const headDim = countOrNull("attention_head_dim", 8);
  const normNumGroups = count("norm_num_groups", 32, MAX_CHANNELS);
  const timeScaleShift =
    take("resnet_time_scale_shift", "default", isOneOfStrings(SHIFT), SHIFT.map(show).join(" or ")) === SHIFT[1];
  const embedType = take(
    "class_embed_type",
    null as "timestep" | "identity" | null,
    (v): v is "timestep" | "identity" | null => v === null || v === "timestep" || v === "identity",
    'null, "timestep" or "identity"',
  );
  const embeds = countOrNull("num_class_embeds", null);
  // As diffusers has it: another type leaves the number without meaning.
  const classes: ClassEmbedding | undefined = embedType
    ? { kind: embedType }
    : embeds === null
    ? undefined
    : { kind: "table", count: embeds };
  const config: UnetConfig = {
    ...(classes ? { classes } : {}),
    inChannels: count("in_channels", 3, 4),
    outChannels: count("out_channels", 3, 4),
    centerInputSample: flag("center_input_sample", false),
    freqShift: take("freq_shift", 0, isBetween(-1000, 1000), "a number from -1000 to 1000"),
    flipSinToCos: flag("flip_sin_to_cos", true),
    timeEmbeddingDim: countOrNull("time_embedding_dim", null) ?? 4 * channels[0],
    levels: channels.map((c, i) => ({
      channels: c,
      downAttention: down[i] === DOWN[1],
      upAttention: up[up.length - 1 - i] === UP[1],
    })),
    layersPerBlock: count("layers_per_block", 2, 16),
    midBlock: midBlockType !== null,
    midAttention: flag("add_attention", true),
    midBlockScaleFactor: take("mid_block_scale_factor", 1, isBetween(1e-6, 1e6), "a number from 1e-6 to 1e6"),
    downsamplePadding: take("downsample_padding", 1, (v): v is number => v === 0 || v === 1, "0 or 1"),
    attentionHeadDim: headDim ?? undefined,
    normNumGroups,
    midAttentionGroups: countOrNull("attn_norm_num_groups", null) ?? (timeScaleShift ? undefined : normNumGroups),
    // Beyond these float32 has none, or nothing but it.
    normEps: take("norm_eps", 1e-5, isBetween(1e-30, 1), "a number from 1e-30 to 1"),
    timeScaleShift,
    dropout: take("dropout", 0, (v): v is number => isBetween(0, 1)(v) && v < 1, "a number from 0 to below 1"),
  };
  const unknown = [...given].map(([key, value]) => `${shownKey(key)} is ${show(value)}, which is not known`);
  problems.push(...unknown.slice(0, LISTED));
  if (unknown.length > LISTED) problems.push(`${unknown.length - LISTED} more keys are not known`);
  if (problems.length === 0) problems.push(...inconsistencies(config));
  if (problems.length > 0) {
    throw new UnetConfigError(`${source} describes a U-Net that is not supported: ${problems.join("; ")}.`);
  }
  return config;
}

const MAX_CHANNELS = 1 << 16;
const DOWN = ["DownBlock2D", "AttnDownBlock2D"] as const;
const UP = ["UpBlock2D", "AttnUpBlock2D"] as const;
const SHIFT = ["default", "scale_shift"] as const;

/** What does not fit together: groups and heads must divide the channels that they split. */
function inconsistencies(config: UnetConfig): string[] {
  const problems: string[] = [];
  if (config.inChannels !== config.outChannels) {
    problems.push(
      `out_channels is ${config.outChannels} for in_channels ${config.inChannels}; a prediction of ε has as many as the image`,
    );
  }
  const frequencies = Math.floor(config.levels[0].channels / 2);
  if (config.freqShift >= frequencies) {
    problems.push(`freq_shift is ${config.freqShift}, expected less than half of block_out_channels' first entry`);
  }
  config.levels.forEach(({ channels, downAttention, upAttention }, i) => {
    if (channels % config.normNumGroups !== 0) {
      problems.push(`norm_num_groups ${config.normNumGroups} does not divide the ${channels} channels of block ${i}`);
    }
    const midAttends = i === config.levels.length - 1 && config.midBlock && config.midAttention;
    if (midAttends && channels % (config.midAttentionGroups ?? 1) !== 0) {
      problems.push(`attn_norm_num_groups ${config.midAttentionGroups} does not divide the last ${channels} channels`);
    }
    const attends = downAttention || upAttention || midAttends;
    const head = config.attentionHeadDim ?? channels;
    if (attends && channels % head !== 0) {
      problems.push(`attention_head_dim ${head} does not divide the ${channels} channels of block ${i}`);
    }
  });
  return problems;
}

function isCount(max: number) {
  return (value: unknown): value is number =>
    typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= max;
}

function isBoolean(value: unknown): value is boolean {
  return typeof value === "boolean";
}

function isBetween(min: number, max: number) {
  return (value: unknown): value is number => typeof value === "number" && value >= min && value <= max;
}

function isChannels(value: unknown): value is number[] {
  return Array.isArray(value) && value.length >= 1 && value.length <= 16 && value.every(isCount(MAX_CHANNELS));
}

function isOneOf<T extends string>(choices: readonly T[]) {
  return (value: unknown): value is T[] =>
    Array.isArray(value) && value.length <= 16 && value.every((v) => (choices as readonly unknown[]).includes(v));
}

function isOneOfStrings<T extends string>(choices: readonly T[]) {
  return (value: unknown): value is T => (choices as readonly unknown[]).includes(value);
}

/** Unknown keys that a message names at most. */
const LISTED = 8;

/** A key of a file as messages show it. */
function shownKey(key: string): string {
  return /^\w{1,60}$/.test(key) ? key : show(key);
}

/** A value of a file as messages show it: on one line, and not at any length. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? "undefined";
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
