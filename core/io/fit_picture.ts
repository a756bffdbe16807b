import { type Box, resizeImage } from "../data/resize_image.ts";
import type { Picture } from "./picture.ts";

/** Width and height in pixels. */
export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

/**
 * A picture in another size: the largest part of it that has the sides' ratio, around its middle, is resized
 * ({@linkcode resizeImage}), as Pillow's `ImageOps.fit` does with BILINEAR. A picture of the size is left as it is.
 */
export function fitPicture(picture: Picture, size: PictureSize): Picture {
  const { width, height, channels, pixels } = picture;
  if (width === size.width && height === size.height) return picture;
  const values = resizeImage(
    pixels,
    { channels, height, width, isChannelsLast: true },
    [size.height, size.width],
    middleOf(picture, size),
  );
  const count = size.width * size.height;
  const out = pixels instanceof Uint8Array ? new Uint8Array(values.length) : new Uint16Array(values.length);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < count; i++) out[i * channels + c] = Math.round(values[c * count + i]);
  }
  return { ...picture, ...size, pixels: out };
}

function middleOf(picture: PictureSize, size: PictureSize): Box {
  const scale = Math.min(picture.width / size.width, picture.height / size.height);
  const width = scale * size.width, height = scale * size.height;
  return { left: (picture.width - width) / 2, top: (picture.height - height) / 2, width, height };
}
