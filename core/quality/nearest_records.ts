import { squaredDistance } from "./nearest_rows.ts";
import { chanceStderr, type Estimate, median, normalTail, shareBelow } from "./significance.ts";
import type { EncodedBlocks, EncodedRows } from "./table.ts";

/** Whether samples lie closer to single training rows than other data does: what copies, and near copies, do. */
export interface NearestRecords {
  /** The median distance to the nearest training row, of the samples and of held-out rows. */
  readonly median: number;
  readonly heldOutMedian: number;
  /** The samples' over the held-out rows'; below 1 they lie closer. */
  readonly ratio: number;
  /** How likely a sample is closer to its nearest training row than a held-out row is; ½ by chance. */
  readonly closer: Estimate;
  /** How likely chance alone gives so much, by the rank test of H. B. Mann and D. R. Whitney. */
  readonly pValue: number;
  /** The share of samples that equal a training row, up to rounding, and that of held-out rows which do. */
  readonly copies: number;
  readonly heldOutCopies: number;
}

/** The root mean square difference per value, in standard deviations, up to which two rows are one: float32's rounding. */
const SAME = 1e-5;

/**
 * The distance of each row to the nearest training row.
 *
 * @param rows In the units of `training`.
 * @param own Of rows that are training rows themselves, which: the index of each, which is passed over.
 * @param onProgress Told the share of the training rows that is done.
 */
export function nearestDistances(
  { values, width }: EncodedRows,
  training: EncodedBlocks,
  own?: Uint32Array,
  onProgress?: (share: number) => void,
): Float64Array {
  const count = values.length / width, nearest = new Float64Array(count).fill(Infinity);
  training.forEach((block, first) => {
    const n = block.length / width;
    for (let i = 0; i < count; i++) {
      let least = nearest[i];
      for (let j = 0; j < n; j++) {
        if (own && own[i] === first + j) continue;
        const distance = squaredDistance(values, i * width, block, j * width, width, least);
        if (distance < least) least = distance;
      }
      nearest[i] = least;
    }
    onProgress?.((first + n) / training.count);
  });
  return nearest.map(Math.sqrt);
}

/**
 * Compares the samples' distances to the nearest training row with those of held-out rows to the same training rows.
 *
 * @param samples Of each sample, as {@linkcode nearestDistances} gives them; at least two.
 * @param heldOut Of each held-out row; at least two.
 * @param width Values of a row.
 *
 * @example
 * ```ts
 * import { equal, ok } from "assert";
 * import { compareNearest } from "./nearest_records.ts";
 *
 * const { ratio, copies, pValue } = compareNearest([0, 0, 0, 0.5, 0], [1, 2, 3, 2, 2], 2);
 * equal(copies, 0.8);
 * ok(ratio === 0 && pValue < 0.01);
 * ```
 */
export function compareNearest(
  samples: ArrayLike<number>,
  heldOut: ArrayLike<number>,
  width: number,
): NearestRecords {
  const same = SAME * Math.sqrt(width),
    copies = (of: ArrayLike<number>) => Array.from(of).filter((distance) => distance <= same).length / of.length;
  const [own, other] = [median(samples), median(heldOut)], closer = shareBelow(samples, heldOut);
  return {
    median: own,
    heldOutMedian: other,
    ratio: other > 0 ? own / other : own > 0 ? Infinity : 1,
    closer,
    pValue: normalTail((closer.value - 0.5) / chanceStderr(samples.length, heldOut.length)),
    copies: copies(samples),
    heldOutCopies: copies(heldOut),
  };
}
