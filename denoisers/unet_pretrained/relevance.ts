import type { UnetConfig } from "./config.ts";
import { layersOf } from "./plan.ts";

/** Keys that matter to some networks alone, and to which; in others diffusers takes any value. */
const MATTERS: Readonly<Record<string, (config: UnetConfig, hasLayer: (end: string) => boolean) => boolean>> = {
  freq_shift: ({ timeEmbedding: { kind } }) => kind === "positional",
  num_train_timesteps: ({ timeEmbedding: { kind } }) => kind === "learned",
  mid_block_scale_factor: ({ midBlock }) => midBlock,
  attn_norm_num_groups: ({ midBlock, midAttention }) => midBlock && midAttention,
  downsample_padding: (_, hasLayer) => hasLayer(".downsamplers.0.conv"),
  attention_head_dim: (_, hasLayer) => hasLayer(".to_q"),
  resnet_time_scale_shift: (_, hasLayer) => hasLayer(".time_emb_proj"),
};

/** Keys that matter to some networks alone. */
export const OPTIONAL: ReadonlySet<string> = new Set(Object.keys(MATTERS));

/** Of the problems with such keys, by the key, those that matter to a network. */
export function thatMatter(doubts: ReadonlyMap<string, string>, config: UnetConfig): string[] {
  if (doubts.size === 0) return [];
  const names = layersOf(config).map(({ name }) => name);
  const hasLayer = (end: string) => names.some((name) => name.endsWith(end));
  return [...doubts].flatMap(([key, problem]) => MATTERS[key](config, hasLayer) ? [problem] : []);
}
