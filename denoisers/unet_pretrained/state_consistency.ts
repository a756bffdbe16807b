import type { UnetConfig } from "./config.ts";
import { planOf } from "./plan.ts";

/** What a block left for the way up; null where diffusers' block leaves nothing in its place. */
type State = { readonly channels: number; readonly halvings: number } | null;

/** What the way down leaves has to be what the way up takes, in size and channels, which blocks of two sorts may spoil. */
export function stateProblems(config: UnetConfig): string[] {
  const { down, up } = planOf(config), { levels, layersPerBlock } = config, first = levels[0].channels;
  const unfit = (name: string) => [
    layersPerBlock < 1
      ? `layers_per_block is ${layersPerBlock}, expected at least 1 where block_out_channels differ (${name})`
      : `${name} does not fit the way down, expected blocks of the same sort on both ways`,
  ];
  let channels = first, halvings = 0;
  const states: State[] = [{ channels, halvings }];
  for (const { kind, block } of down) {
    if (block.inputs.length > 0) {
      if (channels !== block.inputs[0]) return unfit(block.name);
      channels = block.channels;
    }
    for (const _ of block.inputs) states.push(kind.hides?.(block) ? null : { channels, halvings });
    if (!block.resamples) continue;
    if (!kind.resamplesAny && channels !== block.channels) return unfit(block.name);
    halvings++;
    if (kind.keepsHalved) states.push({ channels, halvings });
  }
  if (config.midBlock && channels !== levels[levels.length - 1].channels) return unfit("mid_block");
  for (const { kind, block } of up) {
    const count = kind.takes(block);
    // Of none diffusers takes all, and then finds a block without layers.
    if (count === 0 && kind.resamplesAny) {
      return [`${block.name} has no residual blocks, expected layers_per_block of at least 1`];
    }
    const own = states.splice(Math.max(0, states.length - count)).reverse();
    for (let j = 0; j < count; j++) {
      const expected = kind.joined(config, block, j), state = own[j];
      if (expected === undefined) continue;
      if (state === undefined || state && state.halvings !== halvings) return unfit(block.name);
      if (channels + (state?.channels ?? 0) !== expected) return unfit(block.name);
      channels = block.channels;
    }
    if (count > 0) channels = kind.outputs(block);
    if ((kind.takesImage || block.resamples && !kind.resamplesAny) && channels !== block.channels) {
      return unfit(block.name);
    }
    if (block.resamples) halvings--;
  }
  if (channels !== first) {
    return ["the last of up_block_types has other channels, expected those of the first level"];
  }
  return halvings === 0 ? [] : ["the way up doubles the image another number of times than the way down halves it"];
}
