import type { Samples } from "../data/samples.ts";
import { sizeOf } from "../data/tensors.ts";
import { UsageError } from "../errors/usage_error.ts";
import { UserError } from "../errors/user_error.ts";
import { partToCompareWith, referenceRows } from "../evaluation/row_comparison.ts";
import { RowExcess } from "../evaluation/row_excess.ts";
import { sampleBlocks, scoreBlocks } from "../evaluation/score_blocks.ts";
import { ranksFromHighest } from "../evaluation/score_ranks.ts";
import { requireAllowed } from "../options/given.ts";
import { Random } from "../random/random.ts";
import { valueNames } from "../rows/describe_table.ts";
import { internalsOf } from "./internals.ts";
import type { CommonOptions, GivenOptions, Model } from "./model.ts";
import { isSamples, type Rows } from "./rows.ts";
import { type ScorerName, scorerOf, SCORERS } from "./scorer.ts";
import { MEASURING } from "./use_ranges.ts";

/** How anomalies are scored. */
export interface AnomalyOptions extends CommonOptions, GivenOptions {
  /**
   * Rows that p-values are among, best those that the model has not seen; if left out the model's own validation rows, or from
   * under 200 of these its training rows. They are scored anew in each call.
   */
  readonly against?: Rows | Samples;
  /** What scores: `model`; `reference`, in closed form; or `auto`, if left out, the model where its network changes anything. */
  readonly by?: ScorerName;
  /** Log SNRs per row, 16 if left out. */
  readonly rounds?: number;
}

/** How unlikely rows are, and what of them is. */
export interface AnomalyScores {
  /** −log p of what is known of each row, in nats of the data in its own units. */
  readonly nll: Float64Array;
  /** Its standard error, of the noise of the estimate. */
  readonly stderr: Float64Array;
  /** The place of each row, 1 for the most unlikely. */
  readonly ranks: Uint32Array;
  /**
   * The share of the rows compared with that are as unlikely or more so, the row itself counted among them; those of a row with
   * unknown values lose these as well.
   */
  readonly p: Float64Array;
  /** Of how many rows the p-values are. */
  readonly against: number;
  /** The values of a row: the columns of a table, its numbers first. */
  readonly columns: readonly string[];
  /**
   * By how many nats each value is more unlikely given the others than usual, `[n, columns]`, by the reference density; NaN
   * where it is unknown. Empty of images and of points beyond 256 dimensions.
   */
  readonly excess: Float64Array;
  /** What scored: `reference` where the network changes nothing, or as asked for. */
  readonly by: "model" | "reference";
}

/** The log SNRs of a row, where no number of them is asked for. */
const ROUNDS = 16;

/**
 * {@linkcode Model.anomalyScores}.
 *
 * @param logScale What −log p of the values that the model sees lacks of one in the data's own units.
 */
export async function anomalyScores(
  model: Model,
  rows: Rows | Samples,
  options: AnomalyOptions,
  logScale: number,
): Promise<AnomalyScores> {
  const { against, by = "auto", rounds = ROUNDS, seed = 0, signal, given } = options;
  requireAllowed({ ...MEASURING, by: { optional: "string", choices: SCORERS } }, { ...options });
  if (against && !isSamples(against) && Array.isArray(given)) {
    throw new UsageError(
      "given has a record for each row, but the rows of against have none. Give these as samples of a data set.",
    );
  }
  signal?.throwIfAborted();
  const { samplesOf } = internalsOf(model), samples = samplesOf(rows, given);
  const all = against ? samplesOf(against, isSamples(against) ? undefined : given) : await ownRowsOf(model);
  if (all.count === 0) {
    throw new UserError("Got no rows as against, expected at least one. Give some, or leave it out.");
  }
  const random = Random.fromSeed(seed).split("score");
  try {
    await using scorer = await scorerOf(model, by, { signal });
    const how = { rounds, signal };
    const reference = await referenceRows(scorer, all, samples, { random: random.split("reference"), ...how });
    const scores = await scoreBlocks(sampleBlocks(samples), { scorer, reference, random, ...how });
    const nll = scores.nll.map((value) => value + logScale);
    if (!nll.every(Number.isFinite)) {
      throw new UserError("Scores came out as no finite numbers: the model has diverged, or the data is not its own.");
    }
    const { table, columns, shape } = model.info;
    return {
      ...{ nll, stderr: scores.stderr, ranks: ranksFromHighest(nll), p: scores.p, against: reference.samples.count },
      columns: valueNames(table, columns, sizeOf(shape)),
      excess: new RowExcess(scorer, reference).of(samples),
      by: scorer.isReference ? "reference" : "model",
    };
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

async function ownRowsOf(model: Model): Promise<Samples> {
  const own = await internalsOf(model).ownRows?.();
  if (own) return own[partToCompareWith(own)];
  throw new UserError("The model has no data of its own that rows are compared with. Give some as against.");
}
