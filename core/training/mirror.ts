import type { Samples } from "../data/samples.ts";

/**
 * Pictures, some of which are mirrored, left for right.
 *
 * @param shape Of a picture, `[channels, height, width]`.
 * @param isMirrored 1 for each row that is; all are, if left out.
 */
export function mirrored(samples: Samples, shape: readonly number[], isMirrored?: Uint8Array): Samples {
  const width = shape[shape.length - 1], { dimension } = samples;
  return {
    ...samples,
    copy(begin, end, out, at = 0) {
      samples.copy(begin, end, out, at);
      for (let row = begin; row < end; row++, at += dimension) {
        if (isMirrored && isMirrored[row] === 0) continue;
        for (let line = at; line < at + dimension; line += width) out.subarray(line, line + width).reverse();
      }
    },
  };
}
