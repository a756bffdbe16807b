import { KUpBlock2D } from "./blocks/k_up_block.ts";
import { IMAGE_CHANNELS } from "./blocks/skip_down.ts";
import type { UnetConfig } from "./config.ts";
import type { Layer } from "./layers.ts";
import { layersOf, type Plan, planOf } from "./plan.ts";

/** Problems of one sort that a message names. */
const LISTED = 4;

/** What of a configuration does not fit together, where diffusers fails too: while it is built, or when it is run. */
export function inconsistencies(config: UnetConfig): string[] {
  const problems = [...ofTime(config), ...ofHeads(config), ...ofSizes(config)];
  if (problems.length > 0) return problems;
  const ofNorms = layersOf(config).flatMap((layer) => groupProblem(layer));
  const shown = [...new Set(ofNorms)];
  return [
    ...shown.slice(0, LISTED),
    ...(shown.length > LISTED ? [`${shown.length - LISTED} more normalisations do not fit their channels`] : []),
    ...ofImages(config),
    ...ofStates(config),
  ];
}

function ofTime({ timeEmbedding, levels }: UnetConfig): string[] {
  if (
    timeEmbedding.kind !== "positional" || timeEmbedding.freqShift < Math.max(1, Math.floor(levels[0].channels / 2))
  ) {
    return [];
  }
  return [`freq_shift is ${timeEmbedding.freqShift}, expected less than half of block_out_channels' first entry`];
}

/** A head may leave over channels, but there has to be one. */
function ofHeads(config: UnetConfig): string[] {
  const { levels, attentionHeadDim: head = 1 } = config;
  const attends = (i: number) =>
    [levels[i].down, levels[i].up].some((name) => name.startsWith("Attn")) ||
    i === levels.length - 1 && config.midBlock && config.midAttention;
  return levels.flatMap(({ channels }, i) =>
    attends(i) && head > channels
      ? [`attention_head_dim is ${head}, expected at most the ${channels} channels of block ${i}`]
      : []
  );
}

/** Sides that come back to what they were, and blocks without residual blocks, which change no channels. */
function ofSizes({ levels, layersPerBlock, downsamplePadding, downsampleType }: UnetConfig): string[] {
  const problems: string[] = [];
  const pads = levels.slice(0, -1).some(({ down }) =>
    down === "DownBlock2D" || down === "AttnDownBlock2D" && downsampleType === "conv"
  );
  if (pads && downsamplePadding !== 0 && downsamplePadding !== 1) {
    problems.push(`downsample_padding is ${downsamplePadding}, expected 0 or 1, with which a side is halved`);
  }
  if (layersPerBlock === 0 && levels.some(({ channels }) => channels !== levels[0].channels)) {
    problems.push("layers_per_block is 0, expected at least 1 where block_out_channels differ");
  }
  return problems;
}

function groupProblem(layer: Layer): string[] {
  if (layer.kind !== "norm" && layer.kind !== "adaptive norm") return [];
  const { name, channels, groups: { count, option } } = layer;
  if (count === null) return [`${option} is null, expected a whole number for ${name}`];
  if (count >= 1 && channels % count === 0) return [];
  return [
    option
      ? `${option} ${count} does not divide the ${channels} channels of ${name}`
      : `${name} has ${count} groups, which do not divide its ${channels} channels`,
  ];
}

/** Blocks beside the image need one of three channels, and of their own size. */
function ofImages(config: UnetConfig): string[] {
  const { down, up }: Plan = planOf(config);
  const problems: string[] = [];
  let halvings = 0;
  down.forEach(({ kind, block }, i) => {
    if (!kind.takesImage || !block.resamples) return;
    halvings++;
    if (halvings !== i + 1) {
      problems.push(`${block.name} takes the image along, expected all blocks before it to do so`);
    }
    if (config.inChannels !== IMAGE_CHANNELS) {
      problems.push(`in_channels is ${config.inChannels}, expected ${IMAGE_CHANNELS} for ${block.name}`);
    }
  });
  /** How much smaller the image is than the network's output; none before the first such block. */
  let size: number | undefined;
  up.forEach(({ kind, block }, i) => {
    if (!kind.takesImage) return;
    const own = up.length - 1 - i;
    if (size !== undefined && --size !== own) {
      problems.push(`${block.name} takes the image along, expected the block before it to do so`);
    }
    if (block.resamples) size = own;
  });
  if (size !== undefined && size !== 0) {
    problems.push("the last of up_block_types hands on no image, expected a skip block as those before it");
  }
  if (size !== undefined && config.outChannels !== IMAGE_CHANNELS) {
    problems.push(`out_channels is ${config.outChannels}, expected ${IMAGE_CHANNELS} for skip blocks of the way up`);
  }
  return problems;
}

/** What the way down leaves has to be what the way up takes, in size and channels, which blocks of two sorts may spoil. */
function ofStates(config: UnetConfig): string[] {
  const { down, up } = planOf(config), first = config.levels[0].channels;
  let channels = first, halvings = 0;
  const states = [{ channels, halvings }];
  for (const { kind, block } of down) {
    if (block.inputs.length > 0) channels = block.channels;
    for (const _ of block.inputs) states.push({ channels, halvings });
    if (block.resamples) halvings++;
    if (block.resamples && kind.keepsHalved) states.push({ channels, halvings });
  }
  for (const { kind, block } of up) {
    const count = kind.takes(block);
    // Of none diffusers takes all, and then finds a block without layers.
    if (count === 0) return [`${block.name} has no residual blocks, expected layers_per_block of at least 1`];
    const own = states.splice(Math.max(0, states.length - count)).reverse();
    for (let j = 0; j < count; j++) {
      const expected = kind.joined(block, j);
      if (expected === undefined) continue;
      const state = own[j];
      if (state?.halvings !== halvings || channels + state.channels !== expected) {
        return [`${block.name} does not fit the way down, expected blocks of the same sort on both ways`];
      }
      channels = block.channels;
    }
    channels = kind.outputs(block);
    if (block.resamples) halvings--;
  }
  return channels === first ? [] : ["the last of up_block_types has other channels, expected those of the first level"];
}

/** Whether an image is mirrored at its edges where it has one pixel a side, which has nothing to mirror. */
export function mirrorsOnePixel(config: UnetConfig, [height, width]: readonly number[]): boolean {
  return planOf(config).up.some(({ kind, block }, i) =>
    kind === KUpBlock2D && block.resamples && Math.min(height, width) / 2 ** (config.levels.length - 1 - i) < 2
  );
}
