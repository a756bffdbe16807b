import { deepEqual, equal, ok } from "assert";
import { toFloat32 } from "../../../core/data/samples.ts";
import { Random } from "../../../core/random/random.ts";
import { drawn } from "../../../core/random/row_uniforms.ts";
import { chooseTable } from "../../../core/reference/choose_table.ts";
import { referenceNll } from "../../../core/reference/mixture.ts";
import type { TableColumn, TableSchema } from "../../../core/rows/column_types.ts";
import { describeTable } from "../../../core/rows/describe_table.ts";
import {
  asTableRows,
  blocksOf,
  codingOf,
  parseCoding,
  placesOfColumns,
  storedCoding,
  tableCells,
  tableSamples,
  valuesOf,
  widthOfRow,
} from "../../../core/rows/table_coding.ts";
import { numbersSchema } from "./gaussian_table.ts";

function schemaOf(columns: readonly TableColumn[]): TableSchema {
  return { ...numbersSchema(1), columns, order: columns.map(({ name }) => name) };
}

const COLUMNS: readonly TableColumn[] = [
  { name: "mass", kind: "number", step: 25, decimals: 0, min: 2700, max: 6300 },
  { name: "sex", kind: "class", levels: ["F", "M"], counts: [50, 50] },
  { name: "doors", kind: "number", step: 1, decimals: 0, min: 2, max: 5 },
  { name: "income", kind: "number", decimals: 2, min: 0, max: 1e6 },
  { name: "when", kind: "date", step: 1, format: "YYYY-MM-DD", min: 0, max: 9000 },
];

function someCells(n: number): Float64Array {
  const random = Random.fromSeed(3), cells = new Float64Array(n * 5);
  for (let row = 0; row < n; row++) {
    const own = random.split(row), [u, v, w] = own.fillUniform(new Float64Array(3));
    cells.set([
      25 * Math.round((4500 + 700 * own.normal()) / 25),
      u < 0.5 ? 0 : 1,
      2 + Math.floor(4 * v),
      Math.round(100 * Math.exp(8 + 2 * own.normal())) / 100,
      Math.floor(9000 * w),
    ], row * 5);
    if (row % 7 === 0) cells[row * 5 + row % 5] = NaN;
  }
  return cells;
}

Deno.test("cells come back from the coordinates that they become, and what is unknown is flagged", () => {
  const n = 300, cells = someCells(n), rows = Uint32Array.from({ length: n }, (_, i) => i);
  const coding = codingOf(schemaOf(COLUMNS), cells, rows), samples = tableSamples(coding, cells);
  equal(widthOfRow(coding), 5);
  deepEqual(placesOfColumns(coding, (column) => column === 1), [3]);
  const x = toFloat32(samples), flags = toFloat32(samples.gaps!), again = tableCells(coding, x);
  cells.forEach((cell, at) => {
    if (!Number.isNaN(cell)) {
      ok(Math.abs(again[at] - cell) <= 1e-6 * Math.abs(cell) + 0.011, `${at}: ${again[at]}, ${cell}`);
    }
  });
  equal(flags.reduce((sum, flag) => sum + flag, 0), cells.filter(Number.isNaN).length);
  const values = valuesOf(coding, x, flags);
  equal(values.filter(Number.isNaN).length, cells.filter(Number.isNaN).length);
  deepEqual(describeTable(coding), [
    "mass: number in steps of 25",
    "sex: one of 2 classes",
    "doors: one of 4 values, 2, 3, 4, 5",
    "income: number, by its asinh",
    "when: date",
  ]);
});

Deno.test("a value of few that only rows have which are not trained on is one of them, and is not unknown there", () => {
  const n = 200, cells = Float64Array.from({ length: n }, (_, row) => row === n - 1 ? 9 : row % 4);
  const schema = schemaOf([{ name: "doors", kind: "number", step: 1, decimals: 0, min: 0, max: 9 }]);
  const coding = codingOf(schema, cells, Uint32Array.from({ length: n - 20 }, (_, i) => i));
  deepEqual(coding.levels[0].line?.values, [0, 1, 2, 3, 9]);
  ok(!toFloat32(tableSamples(coding, cells).gaps!).includes(1));
});

Deno.test("rounded values are spread over their steps alone, the same for a row whatever others are asked for", () => {
  const n = 200,
    cells = someCells(n),
    coding = codingOf(schemaOf(COLUMNS), cells, Uint32Array.from({ length: n }, (_, i) => i));
  const samples = tableSamples(coding, cells), spread = drawn(samples, Random.fromSeed(1));
  deepEqual([...tableCells(coding, toFloat32(spread))], [...tableCells(coding, toFloat32(samples))]);
  ok(toFloat32(spread).some((value, i) => value !== toFloat32(samples)[i]));
  // As the table writes them they are the data's own values again, to the bit.
  const own = toFloat32(samples), flags = toFloat32(samples.gaps!), again = asTableRows(coding, toFloat32(spread));
  const places = placesOfColumns(coding, (column) => column !== 3);
  own.forEach((value, i) => places.includes(i % 5) && flags[i] === 0 && equal(again[i], value));
  deepEqual([...toFloat32(spread, 40, 50)], [...toFloat32(spread).subarray(200, 250)]);
  equal(drawn(spread, Random.fromSeed(2)), spread);
});

Deno.test("−log p in a column's own units is of a density whose integral is 1, and of rounded values of probabilities", () => {
  const n = 2000, random = Random.fromSeed(4), normal = random.fillNormal(new Float64Array(n));
  const schema = schemaOf([
    { name: "x", kind: "number", decimals: 6, min: 0, max: 1e4, transform: "asinh" },
  ]);
  const cells = normal.map((value) => Math.exp(3 + value)), rows = Uint32Array.from({ length: n }, (_, i) => i);
  const coding = codingOf(schema, cells, rows), samples = tableSamples(coding, cells);
  const mixture = chooseTable(samples, samples, [], [0], random, { components: 2 });
  const grid = Float64Array.from({ length: 20_000 }, (_, i) => -2000 + 0.3 * (i + 0.5));
  const nll = referenceNll(tableSamples(coding, grid), mixture);
  const integral = nll.reduce((sum, value) => sum + 0.3 * Math.exp(-value), 0);
  ok(Math.abs(integral - 1) < 5e-3, `${integral}`);

  const whole = schemaOf([
    { name: "k", kind: "number", step: 1, decimals: 0, min: 0, max: 100 },
    { name: "c", kind: "class", levels: ["a", "b", "c"], counts: [1, 1, 1] },
  ]);
  const counts = Float64Array.from(
    { length: 2 * n },
    (_, i) => i % 2 === 0 ? Math.round(40 + 6 * normal[i >> 1]) : (i >> 1) % 3,
  );
  const coded = codingOf(whole, counts, rows), own = drawn(tableSamples(coded, counts), random);
  const two = chooseTable(own, own, blocksOf(coded), [0, 1, 2], random, { components: 2 });
  const all = Float64Array.from({ length: 2 * 3 * 80 }, (_, i) => i % 2 === 0 ? Math.floor(i / 6) : (i >> 1) % 3);
  // −log of a probability is at most this, so that the sum is at most 1, and near it.
  const bounds = new Float64Array(all.length / 2), draws = 64;
  for (let k = 0; k < draws; k++) {
    referenceNll(drawn(tableSamples(coded, all), Random.fromSeed(k)), two).forEach((value, i) =>
      bounds[i] += value / draws
    );
  }
  const sum = bounds.reduce((total, value) => total + Math.exp(-value), 0);
  ok(sum < 1.003 && sum > 0.99, `${sum}`);
});

Deno.test("a coding is kept and read back; a damaged one is none", () => {
  const n = 300,
    cells = someCells(n),
    coding = codingOf(schemaOf(COLUMNS), cells, Uint32Array.from({ length: n }, (_, i) => i));
  const stored = JSON.parse(JSON.stringify(storedCoding(coding)));
  deepEqual(parseCoding(stored, coding.schema), coding);
  const damages: ((stored: Record<string, unknown[]>) => void)[] = [
    ({ numbers }) => numbers.pop(),
    ({ numbers }) => Object.assign(numbers[0] as object, { column: 1 }),
    ({ numbers }) => Object.assign(numbers[0] as object, { scale: 0 }),
    ({ numbers }) => Object.assign(numbers[0] as object, { step: -1 }),
    ({ numbers }) => Object.assign(numbers[1] as object, { transform: { kind: "asinh", centre: 0, width: 0 } }),
    ({ numbers }) => numbers[0] = null,
    ({ levels }) => Object.assign(levels[1] as object, { line: { values: [3, 2], mean: 0, scale: 1 } }),
    ({ levels }) => Object.assign(levels[0] as object, { line: null }),
    ({ levels }) => Object.assign(levels[0] as object, { column: 99 }),
  ];
  damages.forEach((damage, k) => {
    const damaged = structuredClone(stored);
    damage(damaged);
    equal(parseCoding(damaged, coding.schema), undefined, `damage ${k}`);
  });
});
