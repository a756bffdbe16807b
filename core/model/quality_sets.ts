import { givenNothing } from "../data/condition.ts";
import { type Samples, selectRows, toFloat32 } from "../data/samples.ts";
import { sizeOf } from "../data/tensors.ts";
import { UsageError } from "../errors/usage_error.ts";
import { UserError } from "../errors/user_error.ts";
import { type ImageShape, imageShape } from "../figures/pictures.ts";
import type { SavedDataInfo } from "../plugins/contracts.ts";
import type { ComparedSets } from "../quality/compare.ts";
import { comparedTable, withGapsOf } from "../quality/compared_table.ts";
import { asTableRows } from "../rows/table_coding.ts";
import { FEWEST_ROWS } from "../quality/told_apart.ts";
import type { Random } from "../random/random.ts";

/** Rows of each set where no number of them is asked for: as many as are held out, and at most these. */
export const MOST_COMPARED = { points: 5000, images: 1000 } as const;

/** Rows to compare samples with, in the values that the model sees. */
export interface QualityRows {
  /** Held-out rows, `[rows, d]`, drawn from all of them. */
  readonly heldOut: Float32Array;
  readonly training: Samples;
  /** The given samples, `[rows, d]`, drawn from all of them; none where samples are to be drawn. */
  readonly samples?: Float32Array;
  /** Of each set. */
  readonly rows: number;
  /** Of a table what is unknown of the held-out rows and of the given samples, 1 or 0 `[rows, d]`. */
  readonly gaps?: { readonly heldOut: Float32Array; readonly samples?: Float32Array };
}

/**
 * As many rows of each set, drawn from all of them.
 *
 * @param count As many as are asked for; as there are of each, at most `most`, if left out.
 * @throws {UserError} Where there are too few of any.
 */
export function qualityRows(
  { heldOut, training, samples }: {
    readonly heldOut: Samples;
    readonly training: Samples;
    readonly samples?: Samples | undefined;
  },
  { count, most, random }: { readonly count: number | undefined; readonly most: number; readonly random: Random },
): QualityRows {
  const [fewest] = [
    { what: "held-out rows", count: heldOut.count },
    { what: "training rows", count: training.count },
    ...(samples ? [{ what: "samples", count: samples.count }] : []),
  ].sort((a, b) => a.count - b.count);
  const rows = Math.min(count ?? most, count ?? fewest.count);
  if (rows > fewest.count) {
    throw new UsageError(
      `--count is ${count}, but there are ${fewest.count} ${fewest.what}, of which as many are compared. Ask for fewer.`,
    );
  }
  if (rows < FEWEST_ROWS) {
    throw new UserError(
      `There are ${rows} ${fewest.what} to compare, expected at least ${FEWEST_ROWS}. Give more data.`,
    );
  }
  const some = (all: Samples, label: string) =>
    toFloat32(selectRows(givenNothing(all), random.split(label).permutation(all.count).slice(0, rows)));
  const gapsOf = ({ gaps, count, dimension }: Samples, label: string) =>
    gaps ? some(gaps, label) : new Float32Array(Math.min(rows, count) * dimension);
  return {
    heldOut: some(heldOut, "held out"),
    training: givenNothing(training),
    ...(samples ? { samples: some(samples, "samples") } : {}),
    rows,
    ...(heldOut.gaps
      ? {
        gaps: {
          heldOut: gapsOf(heldOut, "held out"),
          ...(samples ? { samples: gapsOf(samples, "samples") } : {}),
        },
      }
      : {}),
  };
}

/**
 * Samples and the rows that they are compared with. Samples that were drawn are rounded as their table is, and lose what training
 * rows lack.
 *
 * @param samples `[rows, d]`, in the values that the model sees; those of a data set are changed in place.
 */
export function comparedSets(
  { shape, table, columns }: SavedDataInfo,
  data: QualityRows,
  samples: Float32Array,
  random: Random,
): ComparedSets {
  const images = imageShape(shape), d = sizeOf(shape);
  const rows = table && !data.samples ? asTableRows(table, samples) : samples;
  const gaps = table && (data.gaps?.samples ?? withGapsOf(rows, data.training, random.split("gaps")));
  const own = table && comparedTable(table, { ...data, samples: rows }, { samples: gaps, heldOut: data.gaps?.heldOut });
  return {
    samples: rows,
    heldOut: data.heldOut,
    training: data.training,
    names: columns ?? Array.from({ length: d }, (_, k) => images ? placeOf(k, images) : `x${k + 1}`),
    isImages: images !== undefined,
    ...(own ? { table: own } : {}),
  };
}

/** Brings what lies beyond black and white to them, as pictures have it. @returns How many values did. */
export function clipToRange(samples: Float32Array, [low, high]: readonly [number, number]): number {
  let beyond = 0;
  for (let i = 0; i < samples.length; i++) {
    // An estimate is off by rounding at least.
    if (samples[i] < low - 1e-3 || samples[i] > high + 1e-3) beyond++;
    samples[i] = Math.max(low, Math.min(high, samples[i]));
  }
  return beyond;
}

/** What a value of an image is called. */
function placeOf(k: number, { channels, height, width }: ImageShape): string {
  const pixels = height * width, at = k % pixels, place = `row ${Math.floor(at / width)}, column ${at % width}`;
  return channels === 1 ? place : `${place}, channel ${Math.floor(k / pixels)}`;
}
