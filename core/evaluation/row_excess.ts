import { floatSamples, type Samples, toFloat32 } from "../data/samples.ts";
import { type Scorer, surpriseCount, surprisesOf } from "./row_scores.ts";
import type { GaussianMixture } from "../reference/mixture.ts";
import type { ReferenceRows } from "./row_comparison.ts";

/** Sets of unknown values that have reference rows of their own, at most, and the rows of these. */
export const MOST_SETS = 64, ROWS_A_SET = 2000;

/** The median of each value's surprise over rows that have it, `[values]`, in nats; 0 of one that none has. */
export function usualOf(reference: GaussianMixture, samples: Samples): Float64Array {
  const values = surpriseCount(reference), surprises = surprisesOf(reference, samples);
  return Float64Array.from({ length: values }, (_, k) => {
    const own = Float64Array.from({ length: samples.count }, (_, row) => surprises[row * values + k])
      .filter((value) => !Number.isNaN(value)).sort();
    return own.length > 0 ? own[own.length >> 1] : 0;
  });
}

/**
 * By how many nats values are above usual given the others. A value tells more where others that would tell it are unknown, so
 * that what is usual in a row with unknown values is that of reference rows which lose the same; beyond the first 64 sets of
 * unknown values that of whole rows.
 */
export class RowExcess {
  readonly #sets = new Map<string, Float64Array>();

  constructor(readonly scorer: Pick<Scorer, "reference">, readonly rows: ReferenceRows) {}

  /** `[n, values]`, not a number where a value is unknown; nothing where surprises are not told. */
  of(samples: Samples): Float64Array {
    const { usual } = this.rows, { gaps, dimension: d } = samples;
    if (!usual) return new Float64Array();
    const surprises = surprisesOf(this.scorer.reference, samples),
      flags = gaps && toFloat32(gaps),
      width = usual.length;
    for (let row = 0; row < samples.count; row++) {
      const own = this.#usual(usual, flags?.subarray(row * d, (row + 1) * d));
      for (let k = 0; k < width; k++) surprises[row * width + k] -= own[k];
    }
    return surprises;
  }

  #usual(whole: Float64Array, gaps: Float32Array | undefined): Float64Array {
    if (!gaps?.includes(1)) return whole;
    const key = gaps.join(""), known = this.#sets.get(key);
    if (known) return known;
    if (this.#sets.size >= MOST_SETS) return whole;
    const { samples } = this.rows, d = gaps.length, count = Math.min(samples.count, ROWS_A_SET);
    const own = samples.gaps ? toFloat32(samples.gaps, 0, count) : new Float32Array(count * d);
    const masked = floatSamples(own.map((gap, i) => Math.max(gap, gaps[i % d])), d);
    const usual = usualOf(this.scorer.reference, { ...floatSamples(toFloat32(samples, 0, count), d), gaps: masked });
    this.#sets.set(key, usual);
    return usual;
  }
}
