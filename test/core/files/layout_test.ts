import { deepEqual, match, throws } from "assert";
import { describeShape, laidOut } from "../../../core/files/layout.ts";
import { heldRows } from "../../../core/io/stored_rows.ts";

const rowsOf = (...shape: number[]) =>
  heldRows({ shape, data: Uint8Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i % 251) });

Deno.test("an array is read in the way that gives the model's shape", () => {
  const cases: [number[], number[] | undefined, number[], number, RegExp][] = [
    [[64, 64, 3], undefined, [3, 64, 64], 1, /^\[64,64,3\] taken for one photograph$/],
    [[3, 32, 32], undefined, [1, 32, 32], 3, /^$/],
    [[3, 32, 32], [3, 32, 32], [3, 32, 32], 1, /^\[3,32,32\] taken for one photograph$/],
    [[10, 3, 4], undefined, [1, 3, 4], 10, /^$/],
    [[5, 1, 64, 3], undefined, [1, 64, 3], 5, /^\[5,1,64,3\] taken with channels first, --layout nhwc if not$/],
    [[5, 1, 64, 3], [3, 1, 64], [3, 1, 64], 5, /^$/],
    [[5, 3, 9, 3], [3, 3, 9], [3, 3, 9], 5, /^$/],
  ];
  for (const [shape, wanted, expected, count, notes] of cases) {
    const { rows, layout } = laidOut(rowsOf(...shape), "x", "auto", wanted);
    deepEqual([layout.shape, rows.shape[0]], [expected, count], `${shape}`);
    match(layout.notes.join("; "), notes);
  }
  const { rows, layout } = laidOut(rowsOf(8, 6, 3), "x", "auto");
  deepEqual([...layout.order!.subarray(0, 3)], [0, 3, 6]);
  deepEqual(rows.read(0, 1).length, 144);
  throws(() => laidOut(rowsOf(2, 5, 5, 5), "x", "auto"), /has 5 channels, expected at most 4/);
});

Deno.test("samples are described in words", () => {
  deepEqual(
    [describeShape([2], 1), describeShape([1], 5), describeShape([3, 8, 8], 1)],
    ["1 row of 2 values", "5 rows of 1 value", "1 image of 3 x 8 x 8"],
  );
});
