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
  let hidden = 0, all = 0, numbersAlone = 0, levelsAlone = 0;
  for (let row = 0; row < n; row++) {
    const own = vectors.subarray(row * width, (row + 1) * width), some = own.includes(1);
    equal(isTold[row], some ? 0 : 1);
    equal(own[2], 0);
    equal(own[4], own[5]);
    hidden += Number(some);
    const [numbers, levels] = [own.subarray(0, 4), own.subarray(4)].map((part) =>
      part.filter((flag) => flag === 1).length
    );
    all += Number(numbers === 3 && levels === 3);
    numbersAlone += Number(numbers === 0 && levels === 3);
    levelsAlone += Number(numbers === 3 && levels === 0);
  }
  // All of m values are hidden, and as often spared, with ¼ + ½∫sᵐds: of three numbers 3/8, of two levels 5/12.
  const together = 3 / 8 * 5 / 12;
  ok(Math.abs(hidden / n - 0.25 * (1 - together)) < 0.01, `${hidden / n}`);
  for (const share of [all, numbersAlone, levelsAlone]) {
    ok(Math.abs(share / n - 0.25 * together) < 0.01, `${share / n}`);
  }
});
