/** Images that narrow U-Nets are trained on at a time. */
export const NARROW_BATCH = 64;

/** A U-Net as people train it on their own machine. */
interface NarrowUnet {
  /** By level; attention at the second. */
  readonly channels: readonly number[];
  readonly images: readonly [channels: number, side: number];
}

/** By the beginning of their cases' names: the first level's channels, and the images' side, digits or colours. */
export const NARROW_UNETS: Readonly<Record<string, NarrowUnet>> = {
  "unet-16-28": { channels: [16, 32], images: [1, 28] },
  "unet-32-28": { channels: [32, 64], images: [1, 28] },
  "unet-16-32": { channels: [16, 32], images: [3, 32] },
  "unet-32-32": { channels: [32, 64], images: [3, 32] },
};

/** The arguments of `torch_unet.py` that make the same. */
export function narrowPeer(name: string, mode: "train" | "eval"): string[] {
  const { channels, images: [colours, side] } = NARROW_UNETS[name];
  return [
    ...["torch_unet.py", "--mode", mode, "--channels", channels.join(), "--batch", String(NARROW_BATCH)],
    ...["--side", String(side), "--colours", String(colours), "--groups", String(channels[0] / 2)],
  ];
}
