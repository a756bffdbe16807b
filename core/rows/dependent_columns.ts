/** Rows that dependences are looked for in at most, and columns. */
const MOST_ROWS = 4096, MOST_COLUMNS = 256;

/** The part of a column's variance that others leave unexplained below which it is a function of them. */
const LEAST_REST = 1e-8;

/** Of a column that is a linear function of others, the columns that say it. */
export interface DependentColumn {
  readonly column: number;
  readonly of: readonly number[];
}

/**
 * The columns that are linear functions of those before them, as degrees Fahrenheit of degrees Celsius, by Gram and Schmidt's
 * orthogonalisation: a density of both has no bound.
 *
 * @param cells `[n, width]`, NaN where unknown: only rows in which all of the columns are known tell.
 * @param columns Those that are looked at.
 *
 * @example
 * ```ts
 * import { deepEqual } from "assert";
 * import { dependentColumns } from "./dependent_columns.ts";
 *
 * const cells = Float64Array.from({ length: 300 }, (_, i) => [Math.sin(i), 32 + 1.8 * Math.sin(i - 1), i * i][i % 3]);
 * deepEqual(dependentColumns(cells, 3, [0, 1, 2]), [{ column: 1, of: [0] }]);
 * ```
 */
export function dependentColumns(cells: Float64Array, width: number, columns: readonly number[]): DependentColumn[] {
  if (columns.length < 2 || columns.length > MOST_COLUMNS) return [];
  const rows: number[] = [], count = cells.length / width, every = Math.max(1, count / MOST_ROWS);
  for (let at = 0; at < count; at += every) {
    const row = Math.floor(at);
    if (columns.every((column) => Number.isFinite(cells[row * width + column]))) rows.push(row);
  }
  // As many rows as there are columns are always explained.
  if (rows.length < 2 * columns.length + 8) return [];
  const axes: { readonly column: number; readonly values: Float64Array }[] = [], found: DependentColumn[] = [];
  for (const column of columns) {
    const own = standardised(Float64Array.from(rows, (row) => cells[row * width + column]));
    if (!own) continue;
    const rest = own.slice(), shares = axes.map(({ values }) => takeOff(rest, values));
    // Once more for what rounding leaves.
    axes.forEach(({ values }) => takeOff(rest, values));
    const left = product(rest, rest);
    if (left < LEAST_REST) {
      found.push({ column, of: axes.flatMap((axis, k) => shares[k] ** 2 > LEAST_REST ? [axis.column] : []) });
    } else axes.push({ column, values: rest.map((value) => value / Math.sqrt(left)) });
  }
  return found;
}

/** Values of mean 0 and length 1; nothing of equal ones, or of numbers whose squares are none. */
function standardised(values: Float64Array): Float64Array | undefined {
  const mean = values.reduce((sum, value) => sum + value / values.length, 0),
    centred = values.map((value) => value - mean);
  const length = Math.sqrt(product(centred, centred));
  return length > 0 && Number.isFinite(length) ? centred.map((value) => value / length) : undefined;
}

function product(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** Takes what lies along an axis off values. @returns How much that was. */
function takeOff(values: Float64Array, axis: Float64Array): number {
  const along = product(values, axis);
  for (let i = 0; i < values.length; i++) values[i] -= along * axis[i];
  return along;
}
