import { deepEqual, equal, throws } from "assert";
import type { TableSchema } from "../../../core/rows/column_types.ts";
import { codingOf, FARTHEST, tableSamples } from "../../../core/rows/table_coding.ts";
import { UnseenValues } from "../../../core/rows/unseen_values.ts";
import { toFloat32 } from "../../../core/data/samples.ts";
import { numbersSchema } from "./gaussian_table.ts";

const SCHEMA: TableSchema = {
  ...numbersSchema(4),
  columns: [
    { name: "mass", kind: "number", step: 0.1, decimals: 1, min: 0, max: 30 },
    { name: "price", kind: "number", decimals: 2, min: 1, max: 300, transform: "log" },
    { name: "week", kind: "date", step: 7, offset: 4, format: "YYYY-MM-DD", min: 4, max: 2000 },
    { name: "stars", kind: "number", step: 1, decimals: 0, min: 1, max: 5 },
  ],
  order: ["mass", "price", "week", "stars"],
};

Deno.test("values that a model's table cannot have are told, or refused where nothing stands for them", () => {
  const n = 300;
  const cells = Float64Array.from({ length: 4 * n }, (_, i) => {
    const row = Math.floor(i / 4);
    return [row / 10, row + 1, 4 + 7 * row, 1 + row % 5][i % 4];
  });
  const coding = codingOf(SCHEMA, cells, Uint32Array.from({ length: n }, (_, i) => i));
  const unseen = new UnseenValues(coding, "new.csv");
  unseen.add(cells, 0);
  deepEqual(unseen.notes, []);
  const others = Float64Array.of(1.25, 5, 5, 6, -1e40, NaN, 11, 2.5, 12345678.3, 1, NaN, NaN);
  unseen.add(others, n);
  deepEqual(unseen.notes, [
    "mass: 1.25 in 1 row, between the model's steps of 0.1, and taken for all within half a step of it",
    "mass: -1e+40 in 1 row, farther out than a float32 can tell: −log p there is larger than is said",
    "week: 1970-01-06 in 1 row, between the model's steps of 7, and taken for all within half a step of it",
    "stars: 6, 2.5 in 2 rows, which the model does not know, taken for unknown",
  ]);
  equal(toFloat32(tableSamples(coding, others))[4], -Math.fround(FARTHEST));
  throws(
    () => unseen.add(Float64Array.of(1, -3, 4, 1), 7),
    /^TableError: new.csv has -3 in row 7 \(from 0\), column price, expected numbers above 0/,
  );
});
