import { deepEqual } from "assert";
import { Random } from "../../../core/random/random.ts";
import { dependentColumns } from "../../../core/rows/dependent_columns.ts";

Deno.test("columns that are linear functions of others are found, those with noise of their own are not", () => {
  const n = 200, random = Random.fromSeed(1);
  const cells = new Float64Array(6 * n);
  for (let row = 0; row < n; row++) {
    const [a, b, c] = [random.normal(), random.normal(), random.normal()];
    cells.set([1e6 + a, b, Number((32 + 1.8 * a).toFixed(6)), a - 3 * b, a + 0.01 * c, 7], 6 * row);
  }
  deepEqual(dependentColumns(cells, 6, [0, 1, 2, 3, 4, 5]), [{ column: 2, of: [0] }, { column: 3, of: [0, 1] }]);
  deepEqual(dependentColumns(cells, 6, [1, 2, 4]), []);
  // Rows that lack a value tell nothing, and too few rows neither.
  for (let row = 0; row < n; row++) if (row % 3 === 0) cells[6 * row + row % 2] = NaN;
  deepEqual(dependentColumns(cells, 6, [0, 1, 2]), [{ column: 2, of: [0] }]);
  deepEqual(dependentColumns(cells.subarray(0, 60), 6, [0, 1, 2]), []);
});
