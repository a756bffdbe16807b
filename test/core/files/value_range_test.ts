import { deepEqual, equal, throws } from "assert";
import { describeRange, likelyRange, parseRange, surveyedRange } from "../../../core/files/value_range.ts";
import { matchColumns } from "../../../core/files/match_columns.ts";
import { momentsOf } from "../../../core/files/moments.ts";
import { heldRows } from "../../../core/io/stored_rows.ts";

Deno.test("values are taken for pictures in the smallest range that holds them", () => {
  deepEqual(likelyRange("u1", [3, 4]), [0, 255]);
  deepEqual(likelyRange("f4", [0, 1]), [0, 1]);
  deepEqual(likelyRange("f4", [-0.5, 1]), [-1, 1]);
  deepEqual(likelyRange("f8", [0, 1.01]), [0, 255]);
  deepEqual(likelyRange("u2", [0, 1]), [0, 255]);
  deepEqual(likelyRange("u2", [0, 256]), [0, 65535]);
  for (const range of [[-1.01, 0], [-0.5, 1.5], [0, 65536]] as const) equal(likelyRange("f4", range), undefined);
});

Deno.test("a range is said as two numbers", () => {
  deepEqual([parseRange("0,4095"), parseRange("-1, 1"), parseRange("auto"), parseRange("none")], [
    [0, 4095],
    [-1, 1],
    undefined,
    undefined,
  ]);
  for (const text of ["1,0", "0", "a,b", "0,1,2", "", "0,", "0,Infinity"]) throws(() => parseRange(text), /--range is/);
  equal(describeRange([-1, 0.1 + 0.2]), "[−1, 0.3]");
  deepEqual(surveyedRange(heldRows({ shape: [3], data: Float64Array.of(2, -5, 7) }), "x"), [-5, 7]);
  throws(() => surveyedRange(heldRows({ shape: [3], data: Float64Array.of(2, NaN, 7) }), "x"), /x has NaN in row 1/);
});

Deno.test("columns are matched by name", () => {
  const wanted = { width: 2, names: ["a", "b"] };
  deepEqual(matchColumns("f", 2, ["a", "b"], wanted), { notes: ["matched by name"] });
  deepEqual(matchColumns("f", 3, ["b", "c", "a"], wanted), {
    order: Uint32Array.of(2, 0),
    notes: ["matched by name", "c ignored"],
  });
  const places = { notes: ["columns matched by their places, not by name"] };
  deepEqual(matchColumns("f", 2, undefined, wanted), places);
  deepEqual(matchColumns("f", 2, ["0", "1"], wanted), places);
  deepEqual(matchColumns("f", 2, ["x", "x"], wanted), places, "names that are not unique say nothing");
  deepEqual(matchColumns("f", 2, undefined, { width: 2, names: undefined }), { notes: [] });
  throws(
    () => matchColumns("f", 2, ["a", "c"], wanted),
    /f has no column b, which the model is of; it has a, c\. Add it/,
  );
  throws(() => matchColumns("f", 2, ["x", "y"], wanted), /has no column a, b/);
  throws(() => matchColumns("f", 3, undefined, wanted), /has 3 columns, but the model is of 2 \(a, b\)/);
});

Deno.test("means and deviations of numbers far from 0 are exact", () => {
  const data = Float64Array.from({ length: 4000 }, (_, i) => i % 2 === 0 ? 1e15 + i % 8 : 1e15);
  const { mean, scale } = momentsOf(heldRows({ shape: [2000, 2], data }), 2, undefined, undefined);
  deepEqual([...mean], [1e15 + 3, 1e15]);
  deepEqual([scale[0], scale[1]], [Math.sqrt(5), 0]);
  const taken = Uint8Array.from({ length: 2000 }, (_, row) => row < 4 ? 1 : 0);
  deepEqual([...momentsOf(heldRows({ shape: [2000, 2], data }), 1, Uint32Array.of(1), taken).mean], [1e15]);
});
