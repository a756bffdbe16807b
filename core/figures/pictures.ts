import { encode } from "fast-png";

/** An image of 8 bits a channel. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Grey, grey and opacity, RGB, or RGB and opacity. */
  readonly channels: 1 | 2 | 3 | 4;
  /** `[height, width, channels]`. */
  readonly data: Uint8Array;
}

/** How images lie in a sample: `[channels, height, width]`, or `[height, width]` for grey ones. */
export type ImageShape = Omit<Picture, "data">;

/** What samples of a shape are as images: of 1 to 4 channels; nothing where they are none. */
export function imageShape(shape: readonly number[]): ImageShape | undefined {
  const [channels, height, width] = shape.length === 2 ? [1, ...shape] : shape;
  if (shape.length < 2 || shape.length > 3) return undefined;
  return channels === 1 || channels === 2 || channels === 3 || channels === 4 ? { channels, height, width } : undefined;
}

/**
 * A sample as a picture.
 *
 * @param sample `[channels, height, width]`.
 * @param range The values that are black and white; what lies beyond them is clipped.
 */
export function pictureOf(sample: Float32Array, shape: ImageShape, [low, high]: readonly [number, number]): Picture {
  const { width, height, channels } = shape;
  // A clamped array also rounds.
  const data = new Uint8ClampedArray(sample.length);
  const pixels = width * height;
  for (let i = 0; i < sample.length; i++) {
    data[i % pixels * channels + Math.floor(i / pixels)] = 255 * (sample[i] - low) / (high - low);
  }
  return { width, height, channels, data: new Uint8Array(data.buffer) };
}

/** Pixels between the pictures of a grid. */
const GAP = 2;

/**
 * Pictures in a grid, row by row, with transparent gaps.
 *
 * @param pictures At least one, all of one size.
 * @param columns How many are in a row; so many that it is about square, if left out.
 */
export function pictureGrid(
  pictures: readonly Picture[],
  columns: number = Math.ceil(Math.sqrt(pictures.length)),
): Picture {
  const [{ width, height, channels }] = pictures;
  const rows = Math.ceil(pictures.length / columns);
  const opaque = channels % 2 === 1;
  const total = (channels + (opaque ? 1 : 0)) as 2 | 4;
  const [gridWidth, gridHeight] = [columns * (width + GAP) - GAP, rows * (height + GAP) - GAP];
  const data = new Uint8Array(gridWidth * gridHeight * total);
  pictures.forEach((picture, index) => {
    const [left, top] = [index % columns * (width + GAP), Math.floor(index / columns) * (height + GAP)];
    for (let pixel = 0; pixel < width * height; pixel++) {
      const at = ((top + Math.floor(pixel / width)) * gridWidth + left + pixel % width) * total;
      for (let c = 0; c < channels; c++) data[at + c] = picture.data[pixel * channels + c];
      if (opaque) data[at + channels] = 255;
    }
  });
  return { width: gridWidth, height: gridHeight, channels: total, data };
}

/** A picture as the bytes of a PNG file. */
export function encodePng(picture: Picture): Uint8Array {
  return encode({ ...picture, depth: 8 });
}
