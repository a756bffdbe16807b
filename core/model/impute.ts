import { type Samples, selectRows } from "../data/samples.ts";
import { sizeOf } from "../data/tensors.ts";
import { UsageError } from "../errors/usage_error.ts";
import { tellsSurprises } from "../evaluation/row_scores.ts";
import { requireAllowed } from "../options/given.ts";
import { referenceOf } from "../plugins/contracts.ts";
import { Random } from "../random/random.ts";
import { imputeBlocks } from "../sampling/impute_blocks.ts";
import type { ImputedCell } from "../sampling/impute_rows.ts";
import { cellsOfSamples, pointForm, pointsWithGaps, type RowForm, tableForm } from "../sampling/row_form.ts";
import type { InpaintingMethod } from "../sampling/inpainting.ts";
import type { InpaintingOptions } from "../sampling/inpainting_plan.ts";
import { tableSamples } from "../rows/table_coding.ts";
import { toldSamples } from "./given.ts";
import { inpaintRows } from "./inpaint_rows.ts";
import type { CommonOptions, GivenOptions, Model } from "./model.ts";
import { flatRows, isSamples, type Rows, tableRows } from "./rows.ts";
import { type ScorerName, scorerOf, SCORERS } from "./scorer.ts";
import { IMPUTING, requireCount } from "./use_ranges.ts";

/**
 * How what is unknown of rows is filled in. Those of {@linkcode InpaintingOptions} and `batchSize` are of what is filled in by
 * sampling, `by` of what is not.
 */
export interface ImputationOptions extends CommonOptions, GivenOptions, InpaintingOptions {
  /** Conditional samples of all that a row lacks, together: 0 if left out, of images 5, which the means are then of. */
  readonly draws?: number;
  /**
   * What says how likely whole rows are: `model`; `reference`, in closed form; or `auto`, if left out, the model where its
   * network changes anything.
   */
  readonly by?: ScorerName;
  /** Samples per run of the denoiser, 16 if left out. */
  readonly batchSize?: number;
}

/** Rows that are whole, in the data's own units, row by row as {@linkcode Model} has them. */
export interface ImputedRows {
  /** With the means of numbers that were unknown, and the likeliest levels of classes, `[n, columns]` or `[n, ...shape]`. */
  readonly means: Float64Array;
  /** The standard deviations of these, 0 for what was known and NaN of classes, or where a single draw tells none. */
  readonly deviations: Float64Array;
  /** With draws from p(unknown | known), several times. */
  readonly draws: readonly Float64Array[];
  /** Of tables and points, for each value that was unknown: its quantiles, or the probabilities of its levels. */
  readonly cells: readonly ImputedCell[];
  /**
   * What says so: `model`; `reference`, in closed form, where the network changes nothing; or the way by which samples were
   * filled in.
   */
  readonly by: "model" | "reference" | InpaintingMethod;
}

/** The options that sampling alone heeds. */
const OF_SAMPLING = [
  "method",
  "resample",
  "jump",
  "iterations",
  "sampler",
  "steps",
  "clip",
  "batchSize",
] as const satisfies readonly (keyof ImputationOptions)[];

/** {@linkcode Model.impute}. */
export async function impute(model: Model, rows: Rows | Samples, options: ImputationOptions): Promise<ImputedRows> {
  const { info } = model, { table, axes, shape, condition } = info, d = sizeOf(shape);
  requireAllowed({ ...IMPUTING, by: { optional: "string", choices: SCORERS } }, options);
  const { seed = 0, signal, given, by, draws = 0 } = options, random = Random.fromSeed(seed).split("impute");
  signal?.throwIfAborted();
  const form = table ? tableForm(table) : pointForm(d, axes), width = form.columns;
  const cells = table && !isSamples(rows) ? tableRows(rows, table) : valuesOf(form, rows, d), n = cells.length / width;
  const known = isSamples(rows) ? rows : { count: n, dimension: d, copy() {} };
  const told = toldSamples(known, given, condition).condition;
  const what = table
    ? "a table"
    : shape.length > 1
    ? "images"
    : told
    ? "points of which something is given"
    : `points of ${d} numbers`;
  const { given: _, ...unconditional } = referenceOf(info);
  if (!table && (shape.length > 1 || told || !tellsSurprises(unconditional))) {
    if (by === undefined) return await inpaintRows(model, cells, told, random, options);
    throw new UsageError(`by is ${by}, but ${what} are filled in by sampling. Leave it out.`);
  }
  const wrong = OF_SAMPLING.find((key) => options[key] !== undefined);
  if (wrong !== undefined) {
    throw new UsageError(
      `${wrong} is of what is filled in by sampling, as images are, but the model is of ${what}, whose reference says ` +
        "what is unknown. Leave it out.",
    );
  }
  const samples = isSamples(rows) ? rows : table ? tableSamples(table, cells) : pointsWithGaps(cells, d, axes);
  requireCount(n * Math.max(1, draws), width);
  const whole: ImputedRows = {
    ...{ means: cells.slice(), deviations: new Float64Array(cells.length), cells: [] },
    ...{ draws: Array.from({ length: draws }, () => cells.slice()), by: "reference" },
  };
  if (!samples.gaps) return whole;
  await using scorer = await scorerOf(model, by ?? "auto", { signal });
  const { deviations } = whole, imputed: ImputedCell[] = [], blocks = blocksOf(samples, cells, width);
  for await (const filled of imputeBlocks(form, scorer, blocks, random, { draws, signal })) {
    const at = filled.first * width;
    whole.means.set(filled.means, at);
    whole.draws.forEach((draw, k) => draw.set(filled.draws[k], at));
    for (const cell of filled.cells) {
      const row = filled.first + cell.row;
      imputed.push({ ...cell, row });
      deviations[row * width + cell.column] = cell.deviation;
    }
  }
  return { ...whole, cells: imputed, by: scorer.isReference ? "reference" : "model" };
}

/** Values of rows in the data's own units, NaN where unknown. */
function valuesOf(form: RowForm, rows: Rows | Samples, d: number): Float64Array {
  if (isSamples(rows)) return cellsOfSamples(form, rows);
  return flatRows(rows, d, Array.from({ length: d }, (_, k) => k)).values;
}

/** Rows that are filled in together. */
const ROWS = 1 << 14;

function* blocksOf(samples: Samples, cells: Float64Array, width: number) {
  for (let first = 0; first < samples.count; first += ROWS) {
    const count = Math.min(ROWS, samples.count - first);
    const rows = Uint32Array.from({ length: count }, (_, i) => first + i);
    yield { first, samples: selectRows(samples, rows), cells: cells.subarray(first * width, (first + count) * width) };
  }
}
