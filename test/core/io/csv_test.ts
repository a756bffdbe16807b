import { deepEqual, equal, match, ok, rejects } from "assert";
import { join } from "node:path";
import { readCsv } from "../../../core/io/csv.ts";
import { DataFileError } from "../../../core/io/data_array.ts";
import { inFolder } from "../../folders.ts";
import { fuzz } from "./fuzz.ts";

const DINO = new URL("../../reference/datasets/dino.csv", import.meta.url).pathname;

/** What reading a file of this text gives: its values, and its shape. */
async function read(text: string): Promise<{ shape: readonly number[]; values: number[] }> {
  let result: { shape: readonly number[]; values: number[] } | undefined;
  await inFolder(async (folder) => {
    const path = join(folder, "x.csv");
    await Deno.writeTextFile(path, text);
    const { shape, data } = await readCsv(path);
    result = { shape, values: [...data] };
  });
  return result!;
}

const refused = (text: string, pattern: RegExp) =>
  rejects(read(text), (error) => {
    ok(error instanceof DataFileError, String(error));
    match(error.message, pattern);
    ok(/x\.csv/.test(error.message) && !error.message.includes("\n"), error.message);
    return true;
  });

Deno.test("a table with a header is read", async () => {
  const { shape, data } = await readCsv(DINO);
  deepEqual(shape, [142, 2]);
  deepEqual(data.subarray(0, 3), Float32Array.of(55.3846, 97.1795, 51.5385));
});

Deno.test("headers, delimiters, quotes, spaces and line ends are understood", async () => {
  const expected = { shape: [2, 2], values: [1, -2, 3000, 0.25] };
  for (
    const text of [
      "1,-2\n3e3,.25\n",
      "1,-2\n3e3,.25",
      "x,y\r\n1,-2\r\n3e3,.25\r\n",
      "\ufeffx;y\n1;-2\n3E3;+.25\n",
      "1\t-2\n3000.\t0.25",
      '"the x, in m","y"\n"1", -2\n\n 3e3 ,"0.25"\n\n',
    ]
  ) deepEqual(await read(text), expected, JSON.stringify(text));
  deepEqual(await read("4\n5\n6"), { shape: [3, 1], values: [4, 5, 6] });
});

Deno.test("many rows are read to the last", async () => {
  const rows = Array.from({ length: 30_000 }, (_, i) => [i, i / 8, -i]);
  const { shape, values } = await read(rows.map((row) => row.join(",")).join("\n"));
  deepEqual(shape, [30_000, 3]);
  deepEqual(values, rows.flat().map(Math.fround));
});

Deno.test("what is no number is named by line and column", async () => {
  await refused("x,y\n1,2\n3,abc\n", /has "abc" in line 3, column 2 \(y\), expected a finite number\. Clean the data/);
  await refused("1,2\n3,\n", /has nothing in line 2, column 2, expected/);
  for (const bad of ["nan", "NaN", "inf", "-Infinity", "1e999", "1e39", "0x10", "1_000", "1 2", "--1", "."]) {
    await refused(`1,2\n3,${bad}\n`, /in line 2, column 2/);
  }
  await refused("nan,nan\n1,2\n", /has "nan" in line 1, column 1/);
  await refused("x,1\n1,2\n", /has "x" in line 1, column 1/);
  await refused("x;y\n1,5;2\n", /"1,5" in line 2, column 1 \(x\).*decimals with a point/);
});

Deno.test("ragged and empty tables are refused", async () => {
  await refused("1,2\n3\n", /line 2 has 1 columns, expected 2 as in the first line/);
  await refused("1,2\n\n3,4,5\n", /line 3 has 3 columns/);
  for (const text of ["", "\n\n", "x,y\n", "\ufeff"]) await refused(text, /has no rows of numbers/);
  await refused('1,2\n"3,4\n5,6\n', /is no CSV file: Quote Not Closed/);
  await refused('1,2\n3"x,4\n', /is no CSV file: Invalid|has "3/);
});

Deno.test("damaged CSV files are read or refused, never anything else", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "x.csv");
    const refusals = await fuzz(await Deno.readFile(DINO), 300, async (bytes) => {
      await Deno.writeFile(path, bytes);
      const { shape: [rows, columns], data } = await readCsv(path);
      equal(data.length, rows * columns);
    });
    ok(refusals > 100, `${refusals}`);
  });
});
