import { AttnDownBlock2D } from "./attn_down_block.ts";
import { AttnSkipDownBlock2D } from "./attn_skip_down_block.ts";
import { AttnSkipUpBlock2D } from "./attn_skip_up_block.ts";
import { AttnUpBlock2D } from "./attn_up_block.ts";
import type { DownKind, UpKind } from "./block.ts";
import { DownBlock2D } from "./down_block.ts";
import { KCrossAttnDownBlock2D } from "./k_cross_attn_down_block.ts";
import { KCrossAttnUpBlock2D } from "./k_cross_attn_up_block.ts";
import { KDownBlock2D } from "./k_down_block.ts";
import { KUpBlock2D } from "./k_up_block.ts";
import { ResnetDownsampleBlock2D } from "./resnet_downsample_block.ts";
import { ResnetUpsampleBlock2D } from "./resnet_upsample_block.ts";
import { SkipDownBlock2D } from "./skip_down_block.ts";
import { SkipUpBlock2D } from "./skip_up_block.ts";
import { UpBlock2D } from "./up_block.ts";

/** The blocks of the way down, by their names in diffusers. */
export const DOWN_BLOCKS = {
  DownBlock2D,
  AttnDownBlock2D,
  SkipDownBlock2D,
  AttnSkipDownBlock2D,
  ResnetDownsampleBlock2D,
  KDownBlock2D,
  KCrossAttnDownBlock2D,
} as const satisfies Record<string, DownKind>;

/** The blocks of the way up, by their names in diffusers. */
export const UP_BLOCKS = {
  UpBlock2D,
  AttnUpBlock2D,
  SkipUpBlock2D,
  AttnSkipUpBlock2D,
  ResnetUpsampleBlock2D,
  KUpBlock2D,
  KCrossAttnUpBlock2D,
} as const satisfies Record<string, UpKind>;

/** The name of a block of the way down. */
export type DownName = keyof typeof DOWN_BLOCKS;

/** The name of a block of the way up. */
export type UpName = keyof typeof UP_BLOCKS;
