import { givenNothing } from "../data/condition.ts";
import { type Samples, selectRows, toFloat32 } from "../data/samples.ts";
import { InterruptedError } from "../errors/interrupted_error.ts";
import type { Random } from "../random/random.ts";
import { TableComponents } from "../reference/table_mixture.ts";
import { MOST_SETS, ROWS_A_SET, usualOf } from "./row_excess.ts";
import { type RowScores, type Scorer, scoreRows, tellsSurprises } from "./row_scores.ts";
import { pValues } from "./score_ranks.ts";

/** Rows that others are compared with. */
export interface ReferenceRows {
  readonly samples: Samples;
  readonly scores: RowScores;
  /** The median of each value's surprise, `[values]`; nothing where they are not told. */
  readonly usual?: Float64Array;
}

/** Reference rows at most: more do not change a p-value that matters. */
const MOST_REFERENCE = 20_000;

/** Validation rows from which they are enough for p-values. */
const ENOUGH = 200;

/** The rows of a data set that others are compared with, where none are asked for: those that the model has not seen, if enough. */
export function partToCompareWith({ validation }: { readonly validation: Samples }): "train" | "validation" {
  return validation.count >= ENOUGH ? "validation" : "train";
}

/**
 * Scores the rows that others are compared with.
 *
 * @param compared Rows to be compared: where nothing is known of them besides their values, nothing is of the others.
 * @throws {InterruptedError}
 */
export async function referenceRows(
  scorer: Scorer,
  all: Samples,
  compared: Pick<Samples, "condition">,
  { random, rounds, signal }: {
    readonly random: Random;
    readonly rounds: number;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<ReferenceRows> {
  const samples = compared.condition ? all : givenNothing(all);
  const some = samples.count <= MOST_REFERENCE
    ? samples
    : selectRows(samples, random.split("rows").permutation(samples.count).slice(0, MOST_REFERENCE).sort());
  const scores = await scoreRows(scorer, some, random, { rounds, signal });
  if (!scores) throw new InterruptedError("Stopped before the reference rows were scored; nothing is written.");
  const { reference } = scorer;
  return { samples: some, scores, ...(tellsSurprises(reference) ? { usual: usualOf(reference, some) } : {}) };
}

/**
 * p-values of rows, each among reference rows of which the same is known: of a row with unknown values the reference rows
 * lose these as well, and both are scored by the reference density, in closed form. Rows of sets of unknown values beyond the
 * first 64 are compared with whole rows.
 */
export class RowComparison {
  readonly #components: TableComponents;
  readonly #x: Float32Array;
  readonly #gaps: Float32Array | undefined;
  readonly #sets = new Map<string, Float64Array>();

  constructor(readonly scorer: Scorer, readonly rows: ReferenceRows) {
    const { samples } = rows, count = Math.min(samples.count, ROWS_A_SET);
    this.#components = new TableComponents(scorer.reference);
    this.#x = toFloat32(samples, 0, count);
    this.#gaps = samples.gaps && toFloat32(samples.gaps, 0, count);
  }

  pValues(samples: Samples, nll: Float64Array): Float64Array {
    const p = pValues(nll, this.rows.scores.nll), { gaps, dimension: d, count } = samples;
    if (!gaps || !tellsSurprises(this.scorer.reference)) return p;
    const flags = toFloat32(gaps),
      x = toFloat32(samples),
      logs = new Float64Array(this.scorer.reference.weights.length);
    for (let row = 0; row < count; row++) {
      const own = flags.subarray(row * d, (row + 1) * d);
      if (!own.includes(1)) continue;
      const key = own.join("");
      let known = this.#sets.get(key);
      if (!known && this.#sets.size >= MOST_SETS) continue;
      if (!known) {
        known = this.#masked(own);
        this.#sets.set(key, known);
      }
      p[row] = pValues(Float64Array.of(-this.#components.logs(x, flags, row * d, logs)), known)[0];
    }
    return p;
  }

  /** −log p of the reference rows with some values taken away. */
  #masked(gaps: Float32Array): Float64Array {
    const d = gaps.length, logs = new Float64Array(this.scorer.reference.weights.length);
    return Float64Array.from({ length: this.#x.length / d }, (_, row) => {
      const own = gaps.map((gap, j) => Math.max(gap, this.#gaps?.[row * d + j] ?? 0));
      return -this.#components.logs(this.#x.subarray(row * d, (row + 1) * d), own, 0, logs);
    });
  }
}
