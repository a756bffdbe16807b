import { forEachBlock, type Samples, selectRows, toFloat32 } from "../data/samples.ts";
import type { Proposal } from "../diffusion/logsnr.ts";
import type { Random } from "../random/random.ts";
import { drawn } from "../random/row_uniforms.ts";
import { dimensionOf, type GaussianMixture, referenceNll } from "../reference/mixture.ts";
import { TableConditionals } from "../reference/table_conditionals.ts";
import type { ErrorMeter } from "./errors.ts";
import { RunningNll } from "./running_nll.ts";
import { takeRounds } from "./take_rounds.ts";

/** −log p of rows. */
export interface RowScores {
  /** In nats, of what is known of each row. */
  readonly nll: Float64Array;
  /** The standard error of the estimate. */
  readonly stderr: Float64Array;
}

/** What rows are scored by. */
export interface Scorer {
  /** Measures the model; nothing of one that is its reference, whose density is known. */
  readonly meter?: ErrorMeter | undefined;
  readonly reference: GaussianMixture;
  readonly proposal: Proposal;
}

/** How rows are scored. */
export interface ScoreOptions {
  /** Log SNRs for each row; of a known density, places within what numbers are rounded to, at most. */
  readonly rounds: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number) => void) | undefined;
}

/** Values of a row whose surprises are told: of a mixture along some axes, or of more values, they are not. */
const MOST_VALUES = 256;

/** A deviation in nats between two places within what numbers are rounded to that makes no difference. */
const SMALL = 0.02;

/** Whether a reference tells the surprises of a row's values. */
export function tellsSurprises({ within, given, ...mixture }: GaussianMixture): boolean {
  return !within && !given && dimensionOf(mixture) <= MOST_VALUES;
}

/** The values whose surprises are told: the numbers, and each block of levels. */
export function surpriseCount({ components, atoms }: GaussianMixture): number {
  return components[0].mean.length + (atoms?.blocks.length ?? 0);
}

/** Scores rows. @returns Nothing where the signal ended it. */
export async function scoreRows(
  { meter, reference, proposal }: Scorer,
  samples: Samples,
  random: Random,
  { rounds, signal, onProgress }: ScoreOptions,
): Promise<RowScores | undefined> {
  if (!meter) return knownNll(reference, samples, random, rounds);
  const running = new RunningNll(meter, samples, proposal, random);
  const isDone = await takeRounds(running, samples.count, { rounds }, {
    ...(signal ? { signal } : {}),
    onProgress: (done, total) => onProgress?.(done / total),
  });
  return isDone ? running.perSample() : undefined;
}

/** Of a density that is known, which has no noise but that of where rounded values lie. */
function knownNll(reference: GaussianMixture, samples: Samples, random: Random, rounds: number): RowScores {
  const n = samples.count, nll = new Float64Array(n), squares = new Float64Array(n), counts = new Uint32Array(n);
  let rows = Uint32Array.from({ length: n }, (_, row) => row);
  for (let draw = 0; draw < (samples.spread ? rounds : 1); draw++) {
    // Where the places make no difference, two are enough.
    if (draw === 2) rows = rows.filter((row) => squares[row] >= 2 * SMALL ** 2);
    if (rows.length === 0) break;
    const some = rows.length === n ? samples : selectRows(samples, rows);
    const own = referenceNll(drawn(some, random.split("draw").split(draw)), reference);
    rows.forEach((row, i) => {
      const change = own[i] - nll[row];
      nll[row] += change / ++counts[row];
      squares[row] += change * (own[i] - nll[row]);
    });
  }
  return { nll, stderr: squares.map((sum, i) => counts[i] > 1 ? Math.sqrt(sum / (counts[i] - 1) / counts[i]) : 0) };
}

/**
 * −log p(value | the other known values) of each value of rows, of the numbers first and then the levels, under a reference
 * that {@linkcode tellsSurprises}: what remains unexplained of it given the others, in nats of the values that the model sees.
 *
 * @returns `[n, values]`, not a number where a value is unknown.
 */
export function surprisesOf(reference: GaussianMixture, samples: Samples): Float64Array {
  const { count, dimension: d, gaps } = samples, values = surpriseCount(reference);
  const conditionals = new TableConditionals(reference),
    surprises = new Float64Array(count * values),
    none = new Float32Array(d);
  forEachBlock(samples, (x, first) => {
    const flags = gaps && toFloat32(gaps, first, first + x.length / d);
    for (let at = 0, row = first; at < x.length; at += d, row++) {
      const own = surprises.subarray(row * values, (row + 1) * values);
      if (flags) conditionals.surprises(x, flags, at, own);
      else conditionals.surprises(x.subarray(at, at + d), none, 0, own);
    }
  });
  return surprises;
}
