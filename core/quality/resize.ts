/**
 * An image in another size, by linear interpolation between the middles of pixels, over a triangle that widens where it
 * becomes smaller, so that nothing is skipped: as Pillow's BILINEAR, and PyTorch's `interpolate` with `antialias`.
 *
 * @param image `[channels, height, width]`.
 * @returns `[channels, toHeight, toWidth]`.
 *
 * @example
 * ```ts
 * import { deepEqual } from "assert";
 * import { resizeImage } from "./resize.ts";
 *
 * deepEqual([...resizeImage(Float32Array.of(0, 4), [1, 1, 2], [1, 4])], [0, 1, 3, 4]);
 * ```
 */
export function resizeImage(
  image: Float32Array,
  [channels, height, width]: readonly [number, number, number],
  [toHeight, toWidth]: readonly [number, number],
): Float32Array {
  const [across, down] = [weights(width, toWidth), weights(height, toHeight)];
  const half = new Float64Array(channels * height * toWidth), out = new Float32Array(channels * toHeight * toWidth);
  for (let row = 0; row < channels * height; row++) {
    across.forEach(({ first, shares }, x) => {
      shares.forEach((share, k) => half[row * toWidth + x] += share * image[row * width + first + k]);
    });
  }
  for (let c = 0; c < channels; c++) {
    down.forEach(({ first, shares }, y) => {
      for (let x = 0; x < toWidth; x++) {
        let sum = 0;
        for (let k = 0; k < shares.length; k++) sum += shares[k] * half[(c * height + first + k) * toWidth + x];
        out[(c * toHeight + y) * toWidth + x] = sum;
      }
    });
  }
  return out;
}

/** What each of `to` places has of those of `from`: some that follow each other, with shares that sum to 1. */
function weights(from: number, to: number): { readonly first: number; readonly shares: readonly number[] }[] {
  const step = from / to, reach = Math.max(1, step);
  return Array.from({ length: to }, (_, i) => {
    const middle = (i + 0.5) * step;
    const first = Math.max(0, Math.floor(middle - reach + 0.5)),
      last = Math.min(from, Math.floor(middle + reach + 0.5));
    const raw = Array.from(
      { length: Math.max(1, last - first) },
      (_, k) => Math.max(0, 1 - Math.abs(first + k + 0.5 - middle) / reach),
    );
    const total = raw.reduce((sum, share) => sum + share, 0);
    return { first, shares: raw.map((share) => share / total) };
  });
}
