import type { Block, DownKind, UpKind } from "./blocks/block.ts";
import { midLayers } from "./blocks/mid_block.ts";
import { DOWN_BLOCKS, UP_BLOCKS } from "./blocks/mod.ts";
import { quarterGroups } from "./blocks/block.ts";
import type { UnetConfig } from "./config.ts";
import { affine, convolution, type Groups, type Layer, normalisation } from "./layers.ts";

/** The blocks of a U-Net in the order in which they run. */
export interface Plan {
  readonly down: readonly { readonly kind: DownKind; readonly block: Block }[];
  readonly up: readonly { readonly kind: UpKind; readonly block: Block }[];
}

/** What a configuration's blocks are. */
export function planOf(config: UnetConfig): Plan {
  const { levels, layersPerBlock } = config;
  const last = levels.length - 1;
  const down = levels.map(({ channels, down }, i) => {
    const before = levels[Math.max(0, i - 1)].channels;
    const inputs = Array.from({ length: Math.max(0, layersPerBlock) }, (_, j) => j === 0 ? before : channels);
    const kind: DownKind = DOWN_BLOCKS[down];
    const block = {
      name: `down_blocks.${i}`,
      inputs,
      skips: inputs.map(() => 0),
      channels,
      next: 0,
      resamples: i < last && (kind.resamples?.(config) ?? true),
    };
    return { kind, block };
  });
  const up = levels.map((_, i) => {
    const { channels, up } = levels[last - i];
    const before = levels[Math.min(last, last - i + 1)].channels;
    const skip = levels[Math.max(0, last - i - 1)].channels;
    const skips = Array.from({ length: layersPerBlock + 1 }, (_, j) => j === layersPerBlock ? skip : channels);
    const inputs = skips.map((n, j) => (j === 0 ? before : channels) + n);
    const kind: UpKind = UP_BLOCKS[up], resamples = i < last && (kind.resamples?.(config) ?? true);
    return { kind, block: { name: `up_blocks.${i}`, inputs, skips, channels, next: skip, resamples } };
  });
  return { down, up };
}

/** How often the image is halved; its height and width must allow that. */
export function halvings(config: UnetConfig): number {
  return planOf(config).down.filter(({ block }) => block.resamples).length;
}

/** Groups of the last normalisation. */
export function outGroups({ normNumGroups, levels }: UnetConfig): Groups {
  return normNumGroups === null
    ? quarterGroups(levels[0].channels)
    : { count: normNumGroups, option: "norm_num_groups" };
}

/** Values of what embeds a time step, before its two linear layers. */
function timeInputs({ timeEmbedding, levels }: UnetConfig): number {
  return timeEmbedding.kind === "fourier" ? 2 * levels[0].channels : levels[0].channels;
}

/** All layers with parameters, in diffusers' order. */
export function layersOf(config: UnetConfig): Layer[] {
  const { down, up } = planOf(config);
  const { timeEmbeddingDim: time, timeEmbedding, classes } = config;
  const first = config.levels[0].channels;
  const embedding = (name: string) => [
    affine(`${name}.linear_1`, timeInputs(config), time),
    affine(`${name}.linear_2`, time, time),
  ];
  const ofTime: readonly Layer[] = timeEmbedding.kind === "fourier"
    ? [{ kind: "frequencies", name: "time_proj", size: first }]
    : timeEmbedding.kind === "learned"
    ? [{ kind: "table", name: "time_proj", rows: timeEmbedding.steps, size: first }]
    : [];
  const ofClasses: readonly Layer[] = classes?.kind === "table"
    ? [{ kind: "table", name: "class_embedding", rows: classes.count, size: time }]
    : classes?.kind === "timestep"
    ? embedding("class_embedding")
    : [];
  return [
    convolution("conv_in", config.inChannels, first),
    ...ofTime,
    ...embedding("time_embedding"),
    ...ofClasses,
    ...down.flatMap(({ kind, block }) => kind.layers(config, block)),
    ...up.flatMap(({ kind, block }) => kind.layers(config, block)),
    ...midLayers(config),
    normalisation("conv_norm_out", first, outGroups(config)),
    convolution("conv_out", first, config.outChannels),
  ];
}
