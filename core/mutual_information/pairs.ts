import { standardisationOf } from "../data/standardisation.ts";
import { UserError } from "../errors/user_error.ts";
import type { Dataset } from "../plugins/contracts.ts";
import { floatSamples, forEachBlock, type Samples } from "../data/samples.ts";
import { describeColumn } from "./columns.ts";
import type { Pairs } from "./linear_part.ts";

/** Rows that there must be, and rows for each column. */
const LEAST_ROWS = 50, ROWS_PER_COLUMN = 8;

/** A column with as few values has no density: its likelihood would grow without bound with log SNR. */
const FEW_VALUES = 20;

/** Columns of both sides; beyond, the covariance would not be fitted. */
const MOST_COLUMNS = 1024;

/**
 * The given columns of all rows of a data set, each brought to mean 0 and standard deviation 1, which leaves their mutual
 * information as it is.
 *
 * @param names The columns' names, for messages.
 * @throws {UserError} If there are too few rows, too many columns, or a column does not vary.
 */
export function pairsOf(
  { train, validation, test }: Dataset,
  x: readonly number[],
  y: readonly number[],
  names: readonly string[] = [],
): Pairs {
  const columns = [...x, ...y];
  if (columns.length > MOST_COLUMNS) {
    throw new UserError(`--x and --y have ${columns.length} columns, expected at most ${MOST_COLUMNS}. Name fewer.`);
  }
  const parts = [train, validation, ...(test ? [test] : [])];
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  const least = Math.max(LEAST_ROWS, ROWS_PER_COLUMN * columns.length);
  if (count < least) {
    throw new UserError(
      `The data has ${count} rows, expected at least ${least} for ${columns.length} columns. Give more rows.`,
    );
  }
  const pick = (side: readonly number[]) => standardised(parts, count, side, names);
  return { x: pick(x), y: pick(y) };
}

/**
 * Checks that the side whose likelihood is taken may have a density.
 *
 * @param columns The columns that `side` has.
 * @param other What to call for instead, as `--direction y`.
 * @throws {UserError} That names a column of few different values.
 */
export function requireDensity(
  side: Samples,
  columns: readonly number[],
  names: readonly string[],
  other: string,
): void {
  const values = columns.map(() => new Set<number>());
  const d = columns.length;
  forEachBlock(side, (rows) => {
    rows.forEach((value, i) => {
      if (values[i % d].size <= FEW_VALUES) values[i % d].add(value);
    });
  });
  const few = values.findIndex(({ size }) => size <= FEW_VALUES);
  if (few < 0) return;
  throw new UserError(
    `Column ${describeColumn(columns[few], names)} has ${
      values[few].size
    } different values, but the likelihood of its ` +
      `side needs a density, expected more than ${FEW_VALUES}. Take that of the other side with ${other}.`,
  );
}

function standardised(
  parts: readonly Samples[],
  count: number,
  columns: readonly number[],
  names: readonly string[],
): Samples {
  const d = columns.length, values = new Float32Array(count * d);
  let at = 0;
  for (const part of parts) {
    forEachBlock(part, (rows) => {
      for (let row = 0; row < rows.length; row += part.dimension) {
        for (const column of columns) values[at++] = rows[row + column];
      }
    });
  }
  const samples = floatSamples(values, d);
  const { mean, scale } = standardisationOf(samples);
  for (let i = 0; i < values.length; i++) values[i] = (values[i] - mean[i % d]) / scale[i % d];
  // A constant column is only centred.
  columns.forEach((column, k) => {
    for (let i = k; i < values.length; i += d) if (values[i] !== 0) return;
    throw new UserError(
      `Column ${describeColumn(column, names)} has the same value in all rows, so it has no information. Leave it out.`,
    );
  });
  return samples;
}
