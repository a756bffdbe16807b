import { UserError } from "../errors/user_error.ts";
import { density } from "../evaluation/density.ts";
import type { Scorer } from "../evaluation/row_scores.ts";
import type { RowBlock } from "../files/table_blocks.ts";
import type { Random } from "../random/random.ts";
import { mixtureNll } from "../reference/mixture.ts";
import { type Imputation, imputeRows, type LogRatio } from "./impute_rows.ts";
import type { RowForm } from "./row_form.ts";

/** Log SNRs by which a model weighs candidates, the same for all of them. */
const LEVELS = 16;

/** Rows that are whole, and the place of the first. */
export interface ImputedBlock extends Imputation {
  readonly first: number;
  readonly count: number;
}

/**
 * Fills what is unknown of rows, block by block, as {@linkcode imputeRows} does.
 *
 * @param scorer What says how likely whole rows are: its reference, in closed form, where it measures nothing.
 * @param blocks With their cells.
 */
export async function* imputeBlocks(
  form: RowForm,
  scorer: Scorer,
  blocks: AsyncIterable<RowBlock> | Iterable<RowBlock>,
  random: Random,
  { draws, signal }: { readonly draws: number; readonly signal?: AbortSignal | undefined },
): AsyncGenerator<ImputedBlock> {
  const logRatio = logRatioOf(scorer, random.split("ratio"));
  for await (const { first, samples, cells } of blocks) {
    signal?.throwIfAborted();
    const filled = await imputeRows(form, scorer.reference, cells!, samples, random.split(first), {
      ...{ draws, logRatio, signal },
    });
    yield { ...filled, first, count: samples.count };
  }
}

/** What says how much likelier the model finds whole rows than its reference; nothing of one that is its reference. */
function logRatioOf({ meter, proposal, reference }: Scorer, random: Random): LogRatio | undefined {
  if (!meter) return undefined;
  return async (samples) => {
    // All candidates of a row are weighed with the same noise, so that it does not choose among them.
    const { logDensity } = await density(meter, samples, proposal, random, LEVELS);
    const nll = mixtureNll(samples, reference), ratios = Float64Array.from(logDensity, (log, i) => log + nll[i]);
    if (ratios.every(Number.isFinite)) return ratios;
    throw new UserError(
      "The model's likelihoods came out as no finite numbers, so that it weighs nothing: it has diverged.",
    );
  };
}
