import { DDPM_CIFAR10, parseUnetConfig } from "../../../denoisers/unet_pretrained/config.ts";

/** A small U-Net, whose convolutions suit Winograd's minimal filtering. */
export const config = parseUnetConfig({
  ...DDPM_CIFAR10,
  block_out_channels: [64, 128],
  down_block_types: ["DownBlock2D", "AttnDownBlock2D"],
  up_block_types: ["AttnUpBlock2D", "UpBlock2D"],
  layers_per_block: 1,
  norm_num_groups: 8,
}, "config.json");
