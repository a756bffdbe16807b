/** A part of an image in pixels, whose edges may lie within one. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Where the values of an image lie. */
export interface ImageLayout {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** Whether a pixel's channels are beside each other; otherwise each channel is an image by itself. */
  readonly isChannelsLast?: boolean;
}

/**
 * An image in another size, by linear interpolation between the middles of pixels, over a triangle that widens where it
 * becomes smaller, so that nothing is skipped: as Pillow's BILINEAR, and PyTorch's `interpolate` with `antialias`.
 *
 * @param box The part of it that is taken; all, if left out.
 * @returns `[channels, toHeight, toWidth]`.
 *
 * @example
 * ```ts
 * import { deepEqual } from "assert";
 * import { resizeImage } from "./resize_image.ts";
 *
 * const row = { channels: 1, height: 1, width: 2 };
 * deepEqual([...resizeImage(Float32Array.of(0, 4), row, [1, 4])], [0, 1, 3, 4]);
 * ```
 */
export function resizeImage(
  image: Float32Array | Uint8Array | Uint16Array,
  { channels, height, width, isChannelsLast = false }: ImageLayout,
  [toHeight, toWidth]: readonly [number, number],
  box: Box = { left: 0, top: 0, width, height },
): Float32Array {
  const across = weights(width, box.left, box.width, toWidth), down = weights(height, box.top, box.height, toHeight);
  const [ofChannel, ofRow, ofColumn] = isChannelsLast ? [1, width * channels, channels] : [height * width, width, 1];
  const top = down.first[0], rows = down.first[toHeight - 1] + down.count[toHeight - 1] - top;
  const half = new Float64Array(rows * toWidth), out = new Float32Array(channels * toHeight * toWidth);
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < rows; y++) {
      const row = c * ofChannel + (top + y) * ofRow;
      for (let x = 0; x < toWidth; x++) {
        let sum = 0, from = row + across.first[x] * ofColumn;
        for (let k = 0, at = x * across.most; k < across.count[x]; k++, from += ofColumn) {
          sum += across.shares[at + k] * image[from];
        }
        half[y * toWidth + x] = sum;
      }
    }
    for (let y = 0; y < toHeight; y++) {
      const begin = (c * toHeight + y) * toWidth;
      for (let x = 0; x < toWidth; x++) {
        let sum = 0;
        for (let k = 0, at = y * down.most; k < down.count[y]; k++) {
          sum += down.shares[at + k] * half[(down.first[y] - top + k) * toWidth + x];
        }
        out[begin + x] = sum;
      }
    }
  }
  return out;
}

/** What each of some places has of others: from `first` on `count` that follow each other, whose shares sum to 1. */
interface Weights {
  readonly first: Int32Array;
  readonly count: Int32Array;
  /** `[places, most]`. */
  readonly shares: Float64Array;
  readonly most: number;
}

/** The shares that `to` places have of those from `begin` on over `length`, of `size` in all. */
function weights(size: number, begin: number, length: number, to: number): Weights {
  const step = length / to, reach = Math.max(1, step), most = 2 * Math.ceil(reach) + 1;
  const first = new Int32Array(to), count = new Int32Array(to), shares = new Float64Array(to * most);
  for (let i = 0; i < to; i++) {
    const middle = begin + (i + 0.5) * step;
    first[i] = Math.min(size - 1, Math.max(0, Math.floor(middle - reach + 0.5)));
    count[i] = Math.max(1, Math.min(size, Math.floor(middle + reach + 0.5)) - first[i]);
    let total = 0;
    for (let k = 0; k < count[i]; k++) {
      const share = Math.max(0, 1 - Math.abs(first[i] + k + 0.5 - middle) / reach);
      shares[i * most + k] = share;
      total += share;
    }
    for (let k = 0; k < count[i]; k++) shares[i * most + k] /= total;
  }
  return { first, count, shares, most };
}
