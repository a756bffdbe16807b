import { forEachBlock, type Samples, toFloat32 } from "../data/samples.ts";
import type { Proposal } from "../diffusion/logsnr.ts";
import type { Random } from "../random/random.ts";
import { drawn } from "../random/row_uniforms.ts";
import { dimensionOf, type GaussianMixture, referenceNll } from "../reference/mixture.ts";
import { TableConditionals } from "../reference/table_conditionals.ts";
import type { ErrorMeter } from "./errors.ts";
import { RunningNll } from "./running_nll.ts";
import { takeRounds } from "./take_rounds.ts";

/** −log p of rows, and what of it each value carries. */
export interface RowScores {
  /** In nats, of what is known of each row. */
  readonly nll: Float64Array;
  /** The standard error of the estimate. */
  readonly stderr: Float64Array;
  /**
   * −log p(value | the other known values) of each value, of the numbers first and then the levels, under the reference:
   * what remains unexplained of it given the others, in nats of the values that the model sees; `[n, values]`, not a number where
   * it is unknown. Nothing of data of many dimensions.
   */
  readonly surprises?: Float64Array;
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
  /** Log SNRs for each row, and places within what numbers are rounded to. */
  readonly rounds: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number) => void) | undefined;
}

/** Values of a row whose surprises are told: of a mixture along some axes, or of more values, they are not. */
const MOST_VALUES = 256;

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
  const surprises = tellsSurprises(reference) ? surprisesOf(reference, samples) : {};
  if (!meter) return { ...knownNll(reference, samples, random, rounds), ...surprises };
  const running = new RunningNll(meter, samples, proposal, random);
  const isDone = await takeRounds(running, samples.count, { rounds }, {
    ...(signal ? { signal } : {}),
    onProgress: (done, total) => onProgress?.(done / total),
  });
  return isDone ? { ...running.perSample(), ...surprises } : undefined;
}

/** Of a density that is known, which has no noise but that of where rounded values lie. */
function knownNll(reference: GaussianMixture, samples: Samples, random: Random, rounds: number) {
  const n = samples.count, draws = samples.spread ? rounds : 1;
  const nll = new Float64Array(n), squares = new Float64Array(n);
  for (let draw = 0; draw < draws; draw++) {
    const own = referenceNll(drawn(samples, random.split("draw").split(draw)), reference);
    for (let i = 0; i < n; i++) {
      const change = own[i] - nll[i];
      nll[i] += change / (draw + 1);
      squares[i] += change * (own[i] - nll[i]);
    }
  }
  return { nll, stderr: squares.map((sum) => draws > 1 ? Math.sqrt(sum / (draws - 1) / draws) : 0) };
}

function surprisesOf(reference: GaussianMixture, samples: Samples): Pick<RowScores, "surprises"> {
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
  return { surprises };
}
