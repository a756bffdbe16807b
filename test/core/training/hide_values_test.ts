import { equal, ok } from "assert";
import { Random } from "../../../core/random/random.ts";
import { hiding } from "../../../core/training/hide_values.ts";
import { gaussianOfTable } from "../../../core/reference/table_moments.ts";
import { mixedTable } from "../reference/mixed_table.ts";

Deno.test("a quarter of the rows have values hidden, from none to all, levels as a whole, and only those that may be unknown", () => {
  const mixture = mixedTable(), n = 20_000, width = 7, gaps = [0, 1, 3, 4, 5, 6];
  const info = { shape: [7], gaussian: gaussianOfTable(mixture), reference: mixture, gaps };
  const vectors = new Float32Array(n * width), isTold = new Uint8Array(n).fill(1);
  hiding(gaps, info, width)(vectors, isTold, Random.fromSeed(1));
  let hidden = 0, all = 0;
  for (let row = 0; row < n; row++) {
    const own = vectors.subarray(row * width, (row + 1) * width), some = own.includes(1);
    equal(isTold[row], some ? 0 : 1);
    equal(own[2], 0);
    equal(own[4], own[5]);
    hidden += Number(some);
    all += Number(own.filter((flag) => flag === 1).length === 6);
  }
  // Of a part that is uniform five values are all spared by one in six, and all hidden by as many.
  ok(Math.abs(hidden / n - 0.25 * 5 / 6) < 0.01, `${hidden / n}`);
  ok(Math.abs(all / n - 0.25 / 6) < 0.01, `${all / n}`);
});
