import { floatSamples, type Samples, selectRows } from "../data/samples.ts";
import { applyAxisMap, type AxisMap, standardisation } from "../data/standardisation.ts";
import { UserError } from "../errors/user_error.ts";
import type { Dataset } from "../plugins/contracts.ts";
import type { Random } from "../random/random.ts";

/** Rows of numbers as a program has them: an array of rows, or all values one after another. */
export type Rows = readonly ArrayLike<number>[] | Float64Array | Float32Array;

/** Rows that do not fit, or hold what is no number. */
export class RowsError extends UserError {}

/**
 * All values of rows, row by row, checked.
 *
 * @param d The values of a row; that of the first if left out.
 * @throws {RowsError} That names the row and the column.
 */
export function flatRows(rows: Rows, d?: number): { readonly values: Float64Array; readonly dimension: number } {
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
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new RowsError(
      `Row ${Math.floor(bad / dimension)}, column ${bad % dimension} (from 0) is ${values[bad]}, expected a finite ` +
        "number. Leave the row out, or fill it.",
    );
  }
  return { values, dimension };
}

/** Rows in the data's own units as samples that a model sees. @throws {RowsError} */
export function scaledRows(rows: Rows, dimension: number, axes: AxisMap | undefined): Samples {
  const { values } = flatRows(rows, dimension);
  return floatSamples(axes ? applyAxisMap(values, axes) : Float32Array.from(values), dimension);
}

/**
 * A data set of rows: a tenth of them, drawn at random, validates, and each axis is brought to mean 0 and standard
 * deviation 1 over the others. What a model of it says is again in the rows' own units.
 *
 * @throws {RowsError}
 */
export function datasetOf(rows: Rows, random: Random, dimension?: number): Dataset {
  const { values, dimension: d } = flatRows(rows, dimension);
  const n = values.length / d;
  if (n < 20) throw new RowsError(`Got ${n} rows, expected at least 20 to train on. Give more.`);
  const order = random.permutation(n), trained = Math.floor(0.9 * n);
  const training = new Float64Array(trained * d);
  for (let i = 0; i < trained; i++) training.set(values.subarray(order[i] * d, (order[i] + 1) * d), i * d);
  const axes = standardisation(training, d);
  const all = floatSamples(applyAxisMap(values, axes), d);
  const part = (begin: number, end: number) => selectRows(all, order.subarray(begin, end));
  return {
    shape: [d],
    train: part(0, trained),
    validation: part(trained, n),
    axes,
    logScale: axes.scale.reduce((sum, s) => sum + Math.log(s), 0),
  };
}
