import { applyAxisMap, standardisation } from "../data/standardisation.ts";
import { UserError } from "../errors/user_error.ts";
import type { Dataset } from "../plugins/contracts.ts";
import { floatSamples, forEachBlock, type Samples } from "../data/samples.ts";
import { describeColumn } from "./columns.ts";
import type { Random } from "../random/random.ts";
import type { Pairs } from "./linear_part.ts";
import { normalScores, tiesOf } from "./tied_values.ts";

/** Rows that there must be, and rows for each column. */
const LEAST_ROWS = 50, ROWS_PER_COLUMN = 8;

/** The share of rows with one value from which on a note speaks of that value alone. */
const MOST_COMMON = 0.05;

/** Columns of both sides; beyond, the covariance would not be fitted. */
const MOST_COLUMNS = 1024;

/** One side of the pairs. */
interface Side {
  /** As what a likelihood is taken of. */
  readonly target: Samples;
  /** As what is known beside it. */
  readonly condition: Samples;
  /** What was done to columns with atoms. */
  readonly notes: readonly string[];
}

/** Both sides of the rows. */
export interface PairedColumns {
  readonly count: number;
  readonly notes: readonly string[];
  /** Whether a column of the side has atoms. */
  readonly hasAtoms: { readonly x: boolean; readonly y: boolean };
  /** The rows for the likelihood of a side, which is x, given the other, which is y. */
  of(side: "x" | "y"): Pairs;
}

/**
 * The given columns of all rows of a data set, each brought to mean 0 and standard deviation 1, which leaves their mutual
 * information as it is.
 *
 * @param names The columns' names, for messages.
 * @param random Breaks ties of columns with atoms.
 * @throws {UserError} If there are too few rows, too many columns, or a column does not vary.
 */
export function pairsOf(
  { train, validation, test }: Dataset,
  x: readonly number[],
  y: readonly number[],
  names: readonly string[],
  random: Random,
): PairedColumns {
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
  const sides = {
    x: columnsOf(parts, count, x, names, random.split("x")),
    y: columnsOf(parts, count, y, names, random.split("y")),
  };
  return {
    count,
    notes: [...sides.x.notes, ...sides.y.notes],
    hasAtoms: { x: sides.x.notes.length > 0, y: sides.y.notes.length > 0 },
    of: (side) => ({ x: sides[side].target, y: sides[side === "x" ? "y" : "x"].condition }),
  };
}

/**
 * The columns of one side as what a likelihood is taken of, where a column with atoms has none: its normal scores, with
 * ties broken at random, which leaves the information as it is ({@linkcode normalScores}).
 */
function columnsOf(
  parts: readonly Samples[],
  count: number,
  columns: readonly number[],
  names: readonly string[],
  random: Random,
): Side {
  const d = columns.length, values = valuesOf(parts, count, columns), condition = values.slice();
  const notes: string[] = [];
  columns.forEach((column, k) => {
    const own = Float64Array.from({ length: count }, (_, i) => values[i * d + k]);
    const ties = tiesOf(own);
    if (!ties || ties.distinct < 2) return;
    const [broken, kept] = [normalScores(own, random.split(column)), normalScores(own)];
    for (let i = 0; i < count; i++) {
      values[i * d + k] = broken[i];
      condition[i * d + k] = kept[i];
    }
    const percent = (share: number) => `${Number((100 * share).toPrecision(2))} %`;
    notes.push(
      ties.share > MOST_COMMON
        ? `column ${describeColumn(column, names)} has one value in ${percent(ties.share)} of the rows`
        : `column ${describeColumn(column, names)} has values that others share in ${percent(ties.tied)} of the rows`,
    );
  });
  return {
    target: standardised(values, columns, names),
    condition: standardised(condition, columns, names),
    notes: notes.map((note) => `${note}: taken by ranks, ties broken at random, which leaves the information as it is`),
  };
}

function valuesOf(parts: readonly Samples[], count: number, columns: readonly number[]): Float64Array {
  const values = new Float64Array(count * columns.length);
  let at = 0;
  for (const part of parts) {
    forEachBlock(part, (rows) => {
      for (let row = 0; row < rows.length; row += part.dimension) {
        for (const column of columns) values[at++] = rows[row + column];
      }
    });
  }
  return values;
}

function standardised(values: Float64Array, columns: readonly number[], names: readonly string[]): Samples {
  const d = columns.length;
  columns.forEach((column, k) => {
    for (let i = k; i < values.length; i += d) if (values[i] !== values[k]) return;
    throw new UserError(
      `Column ${describeColumn(column, names)} has the same value in all rows, so it has no information. Leave it out.`,
    );
  });
  return floatSamples(applyAxisMap(values, standardisation(values, d)), d);
}
