import { squaredDistance } from "./nearest_rows.ts";
import { chanceStderr, type Estimate, median, normalTail, shareBelow } from "./significance.ts";
import type { EncodedBlocks, EncodedRows } from "./table.ts";

/** Whether samples lie closer to single training rows than other data does: what copies, and near copies, do. */
export interface NearestRecords {
  /** The median distance of the samples to the nearest training row. */
  readonly median: number;
  /** That of held-out rows. */
  readonly heldOutMedian: number;
  /** The samples' over the held-out rows'; below 1 they lie closer. */
  readonly ratio: number;
  /** How likely a sample is closer to its nearest training row than a held-out row is; ½ by chance. */
  readonly closer: Estimate;
  /** How likely chance alone gives so much, by the rank test of H. B. Mann and D. R. Whitney. */
  readonly pValue: number;
  /**
   * How likely a sample's distance to its nearest training row is a smaller part of that to the next than a held-out row's
   * is. A copy is close to one row alone; what is smoother than data, to all.
   */
  readonly lonelier: Estimate;
  /** How likely chance alone gives so much. */
  readonly lonelierPValue: number;
  /** The share of samples that are closer than all but a twentieth of the held-out rows: 0.05 by chance. */
  readonly near: number;
  /** The share of samples that are so alone with their nearest row as a twentieth of the held-out rows: 0.05 by chance. */
  readonly alone: number;
  /** The share of samples that equal a training row, up to rounding. */
  readonly copies: number;
  /** The share of held-out rows that do. */
  readonly heldOutCopies: number;
}

/** The root mean square difference per value, in standard deviations, up to which two rows are one: float32's rounding. */
const SAME = 1e-5;

/** The nearest training row of each of some rows. */
export interface Nearest {
  /** How far it is, in the units of the rows. */
  readonly distances: Float64Array;
  /** How far the next is. */
  readonly seconds: Float64Array;
  /** Which the nearest is. */
  readonly rows: Uint32Array;
}

/**
 * The nearest training row of each row, of equals the first.
 *
 * @param rows In the units of `training`.
 * @param own Of rows that are training rows themselves, which: the index of each, which is passed over.
 */
export function nearestTrainingRows(
  { values, width }: EncodedRows,
  training: EncodedBlocks,
  own?: Uint32Array,
): Nearest {
  const count = values.length / width, rows = new Uint32Array(count);
  const nearest = new Float64Array(count).fill(Infinity), second = nearest.slice();
  training.forEach((block, first) => {
    const n = block.length / width;
    for (let i = 0; i < count; i++) {
      let least = nearest[i], next = second[i];
      for (let j = 0; j < n; j++) {
        if (own && own[i] === first + j) continue;
        const distance = squaredDistance(values, i * width, block, j * width, width, next);
        if (distance >= next) continue;
        if (distance < least) {
          next = least;
          least = distance;
          rows[i] = first + j;
        } else next = distance;
      }
      nearest[i] = least;
      second[i] = next;
    }
  });
  return { distances: nearest.map(Math.sqrt), seconds: second.map(Math.sqrt), rows };
}

/**
 * Compares the samples' distances to the nearest training row with those of held-out rows to the same training rows.
 *
 * @param samples At least two.
 * @param heldOut At least two.
 * @param width Values of a row.
 *
 * @example
 * ```ts
 * import { equal, ok } from "assert";
 * import { compareNearest } from "./nearest_records.ts";
 *
 * const of = (...distances: number[]) => ({ distances, seconds: distances.map(() => 3) });
 * const { ratio, copies, pValue } = compareNearest(of(0, 0, 0, 0.5, 0), of(1, 2, 3, 2, 2), 2);
 * equal(copies, 0.8);
 * ok(ratio === 0 && pValue < 0.01);
 * ```
 */
export function compareNearest(samples: NearestOf, heldOut: NearestOf, width: number): NearestRecords {
  const same = SAME * Math.sqrt(width), parts = [samples, heldOut].map((of) => of.distances);
  const copies = (of: ArrayLike<number>) => Array.from(of).filter((distance) => distance <= same).length / of.length;
  const [[own, other], [alone, otherAlone]] = [parts, [samples, heldOut].map(shares)];
  const closer = shareBelow(own, other), lonelier = shareBelow(alone, otherAlone);
  const chance = chanceStderr(own.length, other.length), [mine, theirs] = [median(own), median(other)];
  const below = (of: ArrayLike<number>, others: ArrayLike<number>) => {
    const limit = Float64Array.from(others).sort()[Math.floor(NEAR * others.length)];
    return Array.from(of).filter((x) => x < limit).length / of.length;
  };
  return {
    median: mine,
    heldOutMedian: theirs,
    ratio: theirs > 0 ? mine / theirs : mine > 0 ? Infinity : 1,
    closer,
    pValue: normalTail((closer.value - 0.5) / chance),
    lonelier,
    lonelierPValue: normalTail((lonelier.value - 0.5) / chance),
    near: below(own, other),
    alone: below(alone, otherAlone),
    copies: copies(own),
    heldOutCopies: copies(other),
  };
}

/** Distances to the nearest training row and to the next, of each row. */
export type NearestOf = { readonly distances: ArrayLike<number>; readonly seconds: ArrayLike<number> };

/** The part of held-out rows that is called close. */
export const NEAR = 0.05;

/** What part the nearest distance is of the next; 1 where both are 0. */
function shares({ distances, seconds }: NearestOf): Float64Array {
  return Float64Array.from(distances, (distance, i) => seconds[i] > 0 ? distance / seconds[i] : 1);
}
