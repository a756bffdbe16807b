import { encodeCondition, givenEach } from "../data/condition.ts";
import { parseConditionRequest, type RequestedVariable, variableOf } from "../data/condition_request.ts";
import { floatSamples, type Samples } from "../data/samples.ts";
import { applyAxisMap, type AxisMap, standardisation } from "../data/standardisation.ts";
import { UserError } from "../errors/user_error.ts";
import type { Dataset } from "../plugins/contracts.ts";
import { splitInOrder } from "../plugins/split.ts";
import type { Random } from "../random/random.ts";
import type { TableCoding } from "../rows/table_coding.ts";

/** Rows of numbers as a program has them: an array of rows, or all values one after another. */
export type Rows = readonly ArrayLike<number>[] | Float64Array | Float32Array;

/** Rows that do not fit, or hold what is no number. */
export class RowsError extends UserError {}

/**
 * All values of rows, row by row, checked.
 *
 * @param d The values of a row; that of the first if left out.
 * @param mayLack Columns that may have NaN, for what is not known.
 * @throws {RowsError} That names the row and the column.
 */
export function flatRows(
  rows: Rows,
  d?: number,
  mayLack: readonly number[] = [],
): { readonly values: Float64Array; readonly dimension: number } {
  const flat = ArrayBuffer.isView(rows);
  if (flat && d === undefined) {
    throw new RowsError(`Got ${rows.length} values in one array, expected an array of rows, as [[0, 1], [2, 3]].`);
  }
  const dimension = d ?? (rows as readonly ArrayLike<number>[])[0]?.length ?? 0;
  if (dimension === 0) {
    throw new RowsError(
      "Got no rows, expected at least one row of numbers. Give an array of rows, as [[0, 1], [2, 3]].",
    );
  }
  if (flat && rows.length % dimension !== 0) {
    throw new RowsError(`Got ${rows.length} values, expected whole rows of ${dimension}.`);
  }
  const values = new Float64Array(flat ? rows.length : rows.length * dimension);
  if (flat) values.set(rows);
  else {
    rows.forEach((row, i) => {
      if (row.length !== dimension) {
        throw new RowsError(`Row ${i} (from 0) has ${row.length} values, expected ${dimension}. Make all rows alike.`);
      }
      for (let k = 0; k < dimension; k++) values[i * dimension + k] = row[k];
    });
  }
  const may = new Set(mayLack);
  const bad = values.findIndex((value, i) =>
    !Number.isFinite(value) && !(Number.isNaN(value) && may.has(i % dimension))
  );
  if (bad >= 0) {
    throw new RowsError(
      `Row ${Math.floor(bad / dimension)}, column ${bad % dimension} (from 0) is ${values[bad]}, expected a finite ` +
        "number. Leave the row out, or fill it.",
    );
  }
  return { values, dimension };
}

/** Whether rows are samples of a data set. */
export function isSamples(rows: Rows | Samples): rows is Samples {
  return "copy" in rows && typeof rows.copy === "function";
}

/**
 * The cells of a table's rows, NaN where unknown.
 *
 * @throws {RowsError} For a class or one of few values that the training did not have.
 */
export function tableRows(rows: Rows, { schema: { columns }, levels }: TableCoding): Float64Array {
  const width = columns.length, { values } = flatRows(rows, width, [...columns.keys()]);
  for (const { column, line, block } of levels) {
    // Cells may have been float32, as those that a model draws are.
    const places = line && new Map(line.values.map((value) => [Math.fround(value), value]));
    for (let at = column; at < values.length; at += width) {
      const value = values[at];
      if (Number.isNaN(value)) continue;
      const isOne = Number.isInteger(value) && value >= 0 && value <= block.size;
      const own = places ? places.get(Math.fround(value)) : isOne ? value : undefined;
      if (own === undefined) {
        const expected = line ? `one of ${line.values.join(", ")}` : `a whole number from 0 to ${block.size}`;
        throw new RowsError(
          `Row ${Math.floor(at / width)} (from 0) has ${columns[column].name} ${value}, expected ${expected}, as in ` +
            "training. Leave the row out, or give NaN, which is unknown.",
        );
      }
      values[at] = own;
    }
  }
  return values;
}

/** Rows in the data's own units as samples that a model sees. @throws {RowsError} */
export function scaledRows(rows: Rows, dimension: number, axes: AxisMap | undefined): Samples {
  const { values } = flatRows(rows, dimension);
  return floatSamples(axes ? applyAxisMap(values, axes) : Float32Array.from(values), dimension);
}

/**
 * Columns of rows, counted from 0, that are known of a sample: `[2]`, or `["2:class", 3]` where it is said what they are.
 * NaN in them is unknown.
 */
export type ConditionColumns = readonly (number | string)[];

/**
 * Splits rows in what is known of the samples and their values.
 *
 * @throws {RowsError} For a column that there is not, or where none is left.
 */
function splitColumns(values: Float64Array, width: number, requested: readonly RequestedVariable[]) {
  const places = requested.map(({ name }) => {
    const place = Number(name);
    if (Number.isInteger(place) && place >= 0 && place < width) return place;
    throw new RowsError(`condition names column ${name}, expected whole numbers from 0 to ${width - 1}.`);
  });
  const kept = Array.from({ length: width }, (_, place) => place).filter((place) => !places.includes(place));
  if (kept.length === 0) throw new RowsError("condition takes every column of the rows. Leave one.");
  const n = values.length / width,
    at = (of: readonly number[]) => (_: unknown, i: number) =>
      values[Math.floor(i / of.length) * width + of[i % of.length]];
  return {
    ...{ places, dimension: kept.length },
    known: Float64Array.from({ length: n * places.length }, at(places)),
    own: Float64Array.from({ length: n * kept.length }, at(kept)),
  };
}

/**
 * A data set of rows: a tenth of them, drawn at random, validates, and each axis is brought to mean 0 and standard
 * deviation 1 over the others. What a model of it says is again in the rows' own units.
 *
 * @param columns What is known of a sample; nothing, if left out.
 * @throws {UserError} For rows, or columns of them, that do not fit.
 */
export function datasetOf(rows: Rows, random: Random, dimension?: number, columns: ConditionColumns = []): Dataset {
  const requested = columns.length > 0 ? parseConditionRequest(columns.join()) : [];
  const { values: all, dimension: width } = flatRows(rows, dimension, requested.map(({ name }) => Number(name)));
  const split = requested.length > 0 ? splitColumns(all, width, requested) : undefined;
  const { own: values, dimension: d } = split ?? { own: all, dimension: width };
  const n = values.length / d;
  if (n < 20) throw new RowsError(`Got ${n} rows, expected at least 20 to train on. Give more.`);
  const order = random.permutation(n), trained = Math.floor(0.9 * n);
  const training = new Float64Array(trained * d);
  for (let i = 0; i < trained; i++) training.set(values.subarray(order[i] * d, (order[i] + 1) * d), i * d);
  const axes = standardisation(training, d);
  const plain = floatSamples(applyAxisMap(values, axes), d);
  const condition = split && requested.map((one, k) => {
    const m = split.places.length, own = Float64Array.from({ length: n }, (_, i) => split.known[i * m + k]);
    return variableOf(one, own, order.subarray(0, trained), split.places[k]);
  });
  const samples = condition ? givenEach(plain, encodeCondition(condition, split!.known)) : plain;
  return {
    shape: [d],
    ...splitInOrder(samples, order),
    ...(condition ? { condition } : {}),
    axes,
    logScale: axes.scale.reduce((sum, s) => sum + Math.log(s), 0),
  };
}
