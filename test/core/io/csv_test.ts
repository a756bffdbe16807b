import { deepEqual, equal, match, ok, rejects } from "assert";
import { join } from "node:path";
import { openCsv } from "../../../core/io/csv.ts";
import { DataFileError } from "../../../core/io/data_array.ts";
import { readAll } from "../../../core/io/stored_rows.ts";
import { inFolder } from "../../folders.ts";
import { fuzz } from "./fuzz.ts";

const DINO = new URL("../../reference/datasets/dino.csv", import.meta.url).pathname;

/** What reading a file of this text, or of these bytes, gives. */
async function read(text: string | Uint8Array, header: "auto" | "on" | "off" = "auto", ending = "csv") {
  let result: { shape: readonly number[]; values: number[]; columns?: readonly string[]; notes: string } | undefined;
  await inFolder(async (folder) => {
    const path = join(folder, `x.${ending}`);
    await Deno.writeFile(path, typeof text === "string" ? new TextEncoder().encode(text) : text);
    using rows = await openCsv(path, header);
    const { shape, columns, notes } = rows, { data } = readAll(rows, path);
    result = { shape, values: [...data], ...(columns ? { columns } : {}), notes: notes!.join("; ") };
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
  using rows = await openCsv(DINO);
  deepEqual([rows.shape, rows.columns, rows.notes], [[142, 2], ["x", "y"], ["header found"]]);
  deepEqual([...rows.read(0, 2)], [55.3846, 97.1795, 51.5385, 96.0256]);
});

Deno.test("headers, delimiters, quotes, spaces and line ends are understood", async () => {
  const values = [1, -2, 3000, 0.25];
  for (
    const text of [
      "1,-2\n3e3,.25\n",
      "1,-2\n3e3,.25",
      "x,y\r\n1,-2\r\n3e3,.25\r\n",
      "\ufeffx;y\n1;-2\n3E3;+.25\n",
      "1\t-2\n3000.\t0.25",
      '"the x, in m","y"\n"1", -2\n\n 3e3 ,"0.25"\n\n',
    ]
  ) {
    const got = await read(text);
    deepEqual([got.shape, got.values], [[2, 2], values], JSON.stringify(text));
  }
  deepEqual(await read("4\n5\n6"), { shape: [3, 1], values: [4, 5, 6], notes: "no header" });
});

Deno.test("many rows are read to the last", async () => {
  const rows = Array.from({ length: 30_000 }, (_, i) => [i, i / 8, -i]);
  const { shape, values } = await read(rows.map((row) => row.join(",")).join("\n"));
  deepEqual(shape, [30_000, 3]);
  deepEqual(values, rows.flat());
});

Deno.test("what is no number is named by line and column", async () => {
  await refused("x,y\n1,2\n3,abc\n", /has "abc" in line 3, column 2 \(y\), expected a finite number\. Clean the data/);
  await refused("1,2\n3,\n", /has nothing in line 2, column 2, expected/);
  for (const bad of ["nan", "NaN", "inf", "-Infinity", "1e999", "0x10", "1_000", "1 2", "--1", "."]) {
    await refused(`1,2\n3,${bad}\n`, /in line 2, column 2/);
  }
  await refused("nan,nan\n1,2\n", /has "nan" in line 1, column 1/);
  await refused("?,?\n1,2\n", /has "\?" in line 1, column 1/);
  await refused(
    "x;y\n1,234;2\n5,678;3\n",
    /"1,234" in line 2, column 1 \(x\).*decimals with a point, and numbers without/,
  );
  await refused("x;y\n1,5;2\n1.5;2\n", /"1,5" in line 2, column 1 \(x\).*decimals with a point/);
});

Deno.test("ragged and empty tables are refused", async () => {
  await refused("1,2\n3\n", /line 2 has 1 columns, expected 2 as in the first row/);
  await refused("1,2\n\n3,4,5\n", /line 3 has 3 columns/);
  for (const text of ["", "\n\n", "x,y\n", "\ufeff"]) await refused(text, /has no rows of numbers/);
  await refused('1,2\n"3,4\n5,6\n', /is no CSV file: Quote Not Closed/);
  await refused('1,2\n3"x,4\n', /is no CSV file: Invalid|has "3/);
});

const table = (header: string, rows = 20, cell = (i: number, k: number) => `${Math.sin(3 * i + k).toFixed(6)}`) => {
  const width = header.split(/[,;]/).length;
  const lines = Array.from({ length: rows }, (_, i) => Array.from({ length: width }, (_, k) => cell(i, k)).join());
  return [header, ...lines].join("\n") + "\n";
};

Deno.test("a header of numbers is told from a row of numbers", async () => {
  for (const header of ["2020,2021", "0,1", "0,1,2", '"0","1"', "400,410.5,421", "1,2,3,4", "101,205"]) {
    const { shape, columns, notes } = await read(table(header));
    deepEqual([shape[0], columns], [20, header.replaceAll('"', "").split(",")], header);
    match(notes, /^first line taken for a header: .*; --header off if it is data$/);
    const kept = await read(table(header), "off");
    deepEqual([kept.shape[0], kept.columns, kept.notes], [21, undefined, "no header, as --header says"]);
  }
  // Whole numbers below as well: only what counts, over rows that do not.
  const counts = (i: number, k: number) => `${(7 * i + 13 * k * k) % 50}`;
  for (const header of ["2020,2021,2022", "0,1,2,3"]) {
    equal((await read(table(header, 30, counts))).shape[0], 30, header);
  }
  for (const first of ["3,17,2", "0.5,0.25", "7,7", "5,3", "0.1,0.2,0.35"]) {
    const { shape, notes } = await read(table(first));
    deepEqual([shape[0], notes], [21, "no header"], first);
  }
  equal((await read(table("0"))).shape[0], 20, "pandas' name of a single column");
  equal((await read(table("0"), "auto", "txt")).shape[0], 21, "a series that begins with 0");
  const steps = (i: number, k: number) => `${i + k}`;
  equal((await read(table("0,1,2", 30, steps))).shape[0], 31, "rows that all count");
  const mixed = await read("name,1\n2,3\n");
  deepEqual([mixed.columns, mixed.values], [["name", "1"], [2, 3]]);
  const forced = await read("5,6\n2,3\n", "on");
  deepEqual([forced.columns, forced.values, forced.notes], [["5", "6"], [2, 3], "header taken as --header says"]);
});

Deno.test("index columns, empty columns and what other programs add are left out, and said", async () => {
  const cases: [string, string[] | undefined, number[], RegExp][] = [
    [",a,b\n0,1.5,2\n1,3,4\n", ["a", "b"], [1.5, 2, 3, 4], /column 1 left out, an index without a name/],
    ["Unnamed: 0,a\n0,1.5\n1,3\n", ["a"], [1.5, 3], /column 1 left out/],
    ["a,b,\n1,2,\n3,4,\n", ["a", "b"], [1, 2, 3, 4], /empty column 3 left out/],
    ["a,b\n1,2,\n3,4,\n", ["a", "b"], [1, 2, 3, 4], /empty column 3 left out/],
    ["1,2,\n3,4,\n", undefined, [1, 2, 3, 4], /empty column 3 left out/],
    ['"mpg" "hp"\n"Mazda" 21 110\n"Fiat" 32 66\n', ["mpg", "hp"], [21, 110, 32, 66], /column 1 left out/],
    ["sep=;\na;b\n1;2\n", ["a", "b"], [1, 2], /separated by ; as its first line says/],
    [
      "# made by hand\n# a b\n1 2\n3 4\n",
      ["a", "b"],
      [1, 2, 3, 4],
      /begin with # left out; names found in the comment/,
    ],
    ["\n\na,b\n1,2\n", ["a", "b"], [1, 2], /^header found$/],
    ["a|b\n1|2\n", ["a", "b"], [1, 2], /^header found$/],
    ["a;b\n1,5;-2\n-,25;3,125e2\n", ["a", "b"], [1.5, -2, -0.25, 312.5], /^header found; decimal commas$/],
    ["1,5\t2\n3,25\t4\n", undefined, [1.5, 2, 3.25, 4], /^no header; decimal commas$/],
    ["  1.0   2.0\n  3.0   4.0  \n", undefined, [1, 2, 3, 4], /^no header$/],
    ['"a\nb",c\n1,2\n', ["a\nb", "c"], [1, 2], /^header found$/],
    ["a,,b\n1,5,2\n3,6,4\n", ["a", "column 2", "b"], [1, 5, 2, 3, 6, 4], /^header found$/],
  ];
  for (const [text, columns, values, notes] of cases) {
    const got = await read(text);
    deepEqual([got.columns, got.values], [columns, values], JSON.stringify(text));
    match(got.notes, notes);
  }
  await refused("a,b,\n" + "1,2,\n".repeat(300) + "1,2,3\n", /has "3" in line 302, column 3/);
  await refused("a,b,c\n1,2\n3,4\n5,6,7,8\n", /line 4 has|header has 3 columns, but its first row 2/);
  await refused('a,b\n1,"1,234.5"\n', /"1,234\.5" in line 2, column 2 \(b\).*without thousands separators/);
});

Deno.test("encodings and compression are recognised", async () => {
  const text = "größe,b\n1,-2\n3,4\n",
    utf16 = (littleEndian: boolean, mark: boolean) => {
      const codes = [...(mark ? "\ufeff" : "") + text].map((c) => c.charCodeAt(0)),
        bytes = new Uint8Array(2 * codes.length);
      codes.forEach((code, i) => new DataView(bytes.buffer).setUint16(2 * i, code, littleEndian));
      return bytes;
    };
  const gzip = async (bytes: Uint8Array<ArrayBuffer>) =>
    new Uint8Array(
      await new Response(ReadableStream.from([bytes]).pipeThrough(new CompressionStream("gzip"))).arrayBuffer(),
    );
  const utf8 = new TextEncoder().encode(text), latin1 = Uint8Array.from([...text].map((c) => c.charCodeAt(0)));
  const plain = new TextEncoder().encode("a" + text.slice(5));
  for (
    const [bytes, notes, name = "größe"] of [
      [utf8, "header found"],
      [latin1, "header found"],
      [utf16(true, true), "UTF-16LE; header found"],
      [utf16(false, true), "UTF-16BE; header found"],
      [await gzip(utf8), "gzip; header found"],
      [await gzip(utf16(true, true)), "gzip; UTF-16LE; header found"],
      [plain, "header found", "a"],
    ] as const
  ) {
    const got = await read(bytes);
    deepEqual([got.columns, got.values, got.notes], [[name, "b"], [1, -2, 3, 4], notes]);
  }
  for (const end of [20, 30]) await rejects(read((await gzip(utf8)).slice(0, end)), /is not whole gzip/);
});

Deno.test("cells, quotes and line ends that fall on the ends of what is read at once", async () => {
  // One chunk is 1 MB and the head 256 KB, so that in files of growing padding each byte of a row falls on their ends.
  for (const end of ["\n", "\r\n", "\r"]) {
    const rows = Array.from({ length: 40_000 }, (_, i) => [i, i / 8, -i * 1e9]);
    const cell = (value: number, k: number) => k === 1 ? `"${value}"` : `${value}`;
    for (let padding = 0; padding < 24; padding += 5) {
      const text = "x".repeat(1 + padding) + `,b,c${end}` + rows.map((row) => row.map(cell).join()).join(end);
      const { shape, values } = await read(text);
      deepEqual(shape, [40_000, 3]);
      const wrong = values.findIndex((value, i) => value !== rows[Math.floor(i / 3)][i % 3]);
      equal(wrong, -1, `${JSON.stringify(end)}, ${padding}`);
    }
  }
});

Deno.test("damaged CSV files are read or refused, never anything else", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "x.csv");
    const refusals = await fuzz(await Deno.readFile(DINO), 300, async (bytes) => {
      await Deno.writeFile(path, bytes);
      using table = await openCsv(path);
      const { shape: [rows, columns] } = table;
      equal(readAll(table, path).data.length, rows * columns);
    });
    ok(refusals > 100, `${refusals}`);
  });
});

Deno.test("lines longer than what is read at once", async () => {
  const width = 200_000, names = Array.from({ length: width }, (_, k) => `name${k}`);
  const rows = Array.from({ length: 3 }, (_, i) => Array.from({ length: width }, (_, k) => i + k));
  const { shape, values, columns } = await read([names, ...rows].map((row) => row.join()).join("\n"));
  deepEqual([shape, columns?.length, columns?.at(-1)], [[3, width], width, `name${width - 1}`]);
  equal(values.findIndex((value, i) => value !== Math.floor(i / width) + i % width), -1);
});
