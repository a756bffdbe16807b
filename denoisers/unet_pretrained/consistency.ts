import { KCrossAttnUpBlock2D } from "./blocks/k_cross_attn_up_block.ts";
import { KUpBlock2D } from "./blocks/k_up_block.ts";
import { IMAGE_CHANNELS } from "./blocks/skip_down.ts";
import type { UnetConfig } from "./config.ts";
import type { Layer } from "./layers.ts";
import { halvings, layersOf, type Plan, planOf } from "./plan.ts";
import { frequencies } from "./time_embedding.ts";
import { stateProblems } from "./state_consistency.ts";

/** Problems of one sort that a message names. */
const LISTED = 4;

/** What of a configuration does not fit together, where diffusers fails too: while it is built, or when it is run. */
export function inconsistencies(config: UnetConfig): string[] {
  const layers = layersOf(config), problems = [...ofTime(config), ...ofHeads(config, layers)];
  if (problems.length > 0) return problems;
  const shown = [...new Set(layers.flatMap((layer) => groupProblem(layer)))];
  return [
    ...shown.slice(0, LISTED),
    ...(shown.length > LISTED ? [`${shown.length - LISTED} more normalisations do not fit their channels`] : []),
    ...ofImages(config),
    ...stateProblems(config),
  ];
}

/** Frequencies that are numbers, which their shift may make others of. */
function ofTime({ timeEmbedding, levels }: UnetConfig): string[] {
  if (
    timeEmbedding.kind !== "positional" ||
    frequencies(levels[0].channels, timeEmbedding.freqShift).every(Number.isFinite)
  ) {
    return [];
  }
  return [`freq_shift is ${timeEmbedding.freqShift}, expected less than half of block_out_channels' first entry`];
}

/** A head may leave over channels, but there has to be one. */
function ofHeads({ attentionHeadDim: head }: UnetConfig, layers: readonly Layer[]): string[] {
  const problems = layers.flatMap((layer) => {
    if (layer.kind !== "linear" || layer.outputs > 0) return [];
    const block = layer.name.replace(/\.attentions\..*/, "");
    return [`attention_head_dim is ${head ?? null}, expected at most the ${layer.inputs} channels of ${block}`];
  });
  return [...new Set(problems)];
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
  const { down } = planOf(config);
  const problems: string[] = [];
  let halved = 0, ofImage = 0;
  down.forEach(({ kind, block }) => {
    if (block.resamples) halved++;
    if (!kind.takesImage || !block.resamples) return;
    ofImage++;
    if (ofImage !== halved) {
      problems.push(`${block.name} takes the image along, expected all blocks before it to do so`);
    }
    if (config.inChannels !== IMAGE_CHANNELS) {
      problems.push(`in_channels is ${config.inChannels}, expected ${IMAGE_CHANNELS} for ${block.name}`);
    }
  });
  /** How much smaller the image is than the network's output; none before the first such block. */
  let size: number | undefined;
  sizesUp(config).forEach(({ kind, block, size: own }) => {
    if (!kind.takesImage) return;
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

/** The blocks of the way up, each with how often what it is given has been halved. */
function sizesUp(config: UnetConfig): (Plan["up"][number] & { readonly size: number })[] {
  let size = halvings(config);
  return planOf(config).up.map((entry) => ({ ...entry, size: entry.block.resamples ? size-- : size }));
}

/** Whether an image is mirrored at its edges where it has one pixel a side, which has nothing to mirror. */
export function mirrorsOnePixel(config: UnetConfig, [height, width]: readonly number[]): boolean {
  return sizesUp(config).some(({ kind, block, size }) =>
    (kind === KUpBlock2D || kind === KCrossAttnUpBlock2D) && block.resamples && Math.min(height, width) / 2 ** size < 2
  );
}
