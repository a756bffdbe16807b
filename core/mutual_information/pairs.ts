import { applyAxisMap, standardisation } from "../data/standardisation.ts";
import { UserError } from "../errors/user_error.ts";
import type { Dataset } from "../plugins/contracts.ts";
import { floatSamples, forEachBlock, type Samples } from "../data/samples.ts";
import { describeColumn } from "./columns.ts";
import type { Random } from "../random/random.ts";
import { type Label, labelOf } from "./label_entropy.ts";
import type { Pairs } from "./linear_part.ts";
import { normalScores, ranksOf, tiesOf } from "./tied_values.ts";

/** Rows that there must be, and rows for each column. */
const LEAST_ROWS = 50, ROWS_PER_COLUMN = 8;

/** The share of rows with one value from which on a note speaks of that value alone. */
const MOST_COMMON = 0.05;

/** Columns of both sides; beyond, the covariance would not be fitted. */
const MOST_COLUMNS = 1024;

/** One side of the pairs. */
interface Side {
  /** The values, each column brought to mean 0 and standard deviation 1. */
  readonly standardised: Samples;
  /** Of each column, with ties broken at random, `[rows, columns]`. */
  readonly ranks: Uint32Array;
  /** Normal scores as what a likelihood is taken of. */
  readonly target: Samples;
  /** Normal scores as what is known beside it. */
  readonly condition: Samples;
  /** What is said of columns with atoms. */
  readonly notes: readonly string[];
  /** Of one column of few values. */
  readonly label?: Label;
}

/** Sides that are one column of few values. */
export interface Labels {
  readonly x?: Label;
  readonly y?: Label;
}

/** Both sides of the rows. */
export interface PairedColumns {
  readonly count: number;
  readonly notes: readonly string[];
  /** The place of each row in the source of the data, which may have been split at random. */
  readonly places: Uint32Array;
  /** The sides that are one column of few values. */
  readonly labels: Labels;
  /** Whether a column of the side has atoms. */
  readonly hasAtoms: { readonly x: boolean; readonly y: boolean };
  /** The values, each column brought to mean 0 and standard deviation 1. */
  readonly standardised: Pairs;
  /** The columns that are given, standardised; none where there are none. */
  readonly given?: Samples;
  /** The ranks of the columns of x, z and y, in this order, from 0, with ties broken at random, `[rows, columns]`. */
  readonly ranks: Uint32Array;
  /** The normal scores of the rows for the likelihood of a side, which is x, given the other, which is y. */
  of(side: "x" | "y"): Pairs;
}

/**
 * The given columns of all rows of a data set by the ranks of their values: a monotone map of each column leaves their
 * mutual information as it is, and gives any column with a density the margin that it is best learned with.
 *
 * @param names The columns' names, for messages.
 * @param random Breaks ties of columns with atoms.
 * @param z Columns that are given.
 * @throws {UserError} If there are too few rows, too many columns, or a column does not vary.
 */
export function pairsOf(
  { train, validation, test, splitOrder }: Dataset,
  x: readonly number[],
  y: readonly number[],
  names: readonly string[],
  random: Random,
  z: readonly number[] = [],
): PairedColumns {
  const columns = [...x, ...z, ...y];
  if (columns.length > MOST_COLUMNS) {
    throw new UserError(
      `--x, --y and --z have ${columns.length} columns, expected at most ${MOST_COLUMNS}. Name fewer.`,
    );
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
  const given = z.length > 0 ? columnsOf(parts, count, z, names, random.split("z"), false) : undefined;
  const xz = given ? besides(sides.x.ranks, x.length, given.ranks, z.length) : sides.x.ranks;
  return {
    count,
    notes: [...sides.x.notes, ...given?.notes ?? [], ...sides.y.notes],
    ...(given ? { given: given.standardised } : {}),
    places: Uint32Array.from({ length: count }, (_, row) => splitOrder?.[row] ?? row),
    labels: {
      ...(sides.x.label ? { x: sides.x.label } : {}),
      ...(sides.y.label ? { y: sides.y.label } : {}),
    },
    hasAtoms: { x: sides.x.notes.length > 0, y: sides.y.notes.length > 0 },
    standardised: { x: sides.x.standardised, y: sides.y.standardised },
    ranks: besides(xz, x.length + z.length, sides.y.ranks, y.length),
    of: (side) => ({ x: sides[side].target, y: sides[side === "x" ? "y" : "x"].condition }),
  };
}

/**
 * The columns of one side. Of one with atoms, which has no density, ties are broken at random where a likelihood is taken of
 * it, which leaves the information as it is ({@linkcode normalScores}).
 */
function columnsOf(
  parts: readonly Samples[],
  count: number,
  columns: readonly number[],
  names: readonly string[],
  random: Random,
  mayBeLabel = true,
): Side {
  const d = columns.length, values = valuesOf(parts, count, columns);
  const whole = standardised(values.slice(), columns, names);
  const [target, condition] = [new Float32Array(values.length), new Float32Array(values.length)];
  const ranks = new Uint32Array(values.length), notes: string[] = [];
  const label = d === 1 && mayBeLabel ? labelOf(values) : undefined;
  columns.forEach((column, k) => {
    const own = Float64Array.from({ length: count }, (_, i) => values[i * d + k]);
    const ties = tiesOf(own), stream = random.split(column);
    const [broken, kept] = [normalScores(own, stream.split("scores")), normalScores(own)];
    const places = ranksOf(own, stream.split("scores"));
    for (let i = 0; i < count; i++) {
      ranks[i * d + k] = places[i];
      target[i * d + k] = broken[i];
      condition[i * d + k] = kept[i];
    }
    const percent = (share: number) => `${Number((100 * share).toPrecision(2))} %`,
      name = describeColumn(column, names);
    if (label) {
      const most = percent(Math.max(...label.counts) / count);
      return notes.push(
        `column ${name} is a label of ${label.counts.length} values, one of them in ${most} of the rows`,
      );
    }
    if (!ties) return;
    const what = ties.share > MOST_COMMON
      ? `one value in ${percent(ties.share)} of the rows`
      : `values that others share in ${percent(ties.tied)} of the rows`;
    notes.push(
      `column ${name} has ${what}: taken by ranks, ties broken at random, which leaves the information as it is`,
    );
  });
  return {
    ...{ standardised: whole, ranks, target: floatSamples(target, d), condition: floatSamples(condition, d) },
    ...(label ? { label } : {}),
    notes,
  };
}

/** Each row of one table followed by its row of another. */
function besides(a: Uint32Array, da: number, b: Uint32Array, db: number): Uint32Array {
  const d = da + db, n = a.length / da;
  return Uint32Array.from({ length: n * d }, (_, at) => {
    const row = Math.floor(at / d), k = at % d;
    return k < da ? a[row * da + k] : b[row * db + k - da];
  });
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
