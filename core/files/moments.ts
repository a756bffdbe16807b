import type { AxisMap } from "../data/standardisation.ts";
import { forEachRows, type StoredRows } from "../io/stored_rows.ts";

/**
 * The mean and the population standard deviation of each value of a row, in double precision, in two passes. A value that
 * does not vary has the scale 0.
 *
 * @param d Values of a sample.
 * @param order Their places in a row.
 * @param isTaken Which rows count, 1 for those that do; all, if left out.
 */
export function momentsOf(
  rows: StoredRows,
  d: number,
  order: Uint32Array | undefined,
  isTaken: Uint8Array | undefined,
): AxisMap {
  const width = rows.shape.slice(1).reduce((product, n) => product * n, 1);
  const mean = new Float64Array(d), scale = new Float64Array(d), first = new Float64Array(d);
  let count = 0;
  forEachRows(rows, (values, begin) => {
    for (let from = 0, row = begin / width; from < values.length; from += width, row++) {
      if (isTaken && isTaken[row] === 0) continue;
      if (count++ === 0) { for (let k = 0; k < d; k++) first[k] = values[from + (order ? order[k] : k)]; }
      // Differences from the first row, which are exact for a column that does not vary, however large it is.
      for (let k = 0; k < d; k++) mean[k] += values[from + (order ? order[k] : k)] - first[k];
    }
  });
  for (let k = 0; k < d; k++) mean[k] = first[k] + mean[k] / count;
  forEachRows(rows, (values, begin) => {
    for (let from = 0, row = begin / width; from < values.length; from += width, row++) {
      if (isTaken && isTaken[row] === 0) continue;
      for (let k = 0; k < d; k++) {
        const difference = values[from + (order ? order[k] : k)] - mean[k];
        scale[k] += difference * difference;
      }
    }
  });
  return { mean, scale: scale.map((sum) => Math.sqrt(sum / count)) };
}
