import { deepEqual, ok, rejects } from "assert";
import { join } from "node:path";
import { UserError } from "../../../core/errors/user_error.ts";
import { CELL, KIND } from "../../../core/io/cell_block.ts";
import { openParquetCells } from "../../../core/io/parquet_cells.ts";
import { inFolder } from "../../folders.ts";
import { fuzz } from "./fuzz.ts";

const FILES = new URL("../../reference/files/", import.meta.url).pathname;

const KINDS = Object.fromEntries(Object.entries(CELL).map(([name, kind]) => [kind, name]));

/** The kind and text of each cell. */
async function read(path: string) {
  const { names, notes, blocks } = await openParquetCells(path), rows: string[][] = [];
  for await (const { count, kinds, text, first } of blocks()) {
    deepEqual(first, rows.length);
    for (let row = 0; row < count; row++) {
      rows.push(names.map((_, k) => {
        const cell = row * names.length + k;
        return `${KINDS[kinds[cell] & KIND]} ${text(cell)}`;
      }));
    }
  }
  return { names, notes, rows };
}

Deno.test("texts, dates, true and false are cells, and lists and records are left out", async () => {
  const of = async (name: string) => {
    const { names, rows, notes } = await read(`${FILES}${name}.parquet`);
    return [names, rows, notes];
  };
  deepEqual(await of("text"), [["a", "text"], [["number 1", "text a"], ["number 2", "text b"]], []]);
  deepEqual(await of("flag"), [["a", "flag"], [["number 1", "boolean true"], ["number 2", "boolean false"]], []]);
  deepEqual(await of("date"), [["a", "date"], [["number 1", "date 1970-01-02"], ["number 2", "date 1970-01-03"]], []]);
  deepEqual(await of("missing"), [["a", "missing"], [["number 1", "number 1.5"], ["number 2", "null null"]], []]);
  deepEqual(await of("list"), [["a"], [["number 1"], ["number 2"]], [
    'column "list" left out, it holds lists or records',
  ]]);
  deepEqual((await of("record"))[2], ['column "record" left out, it holds lists or records']);
});

Deno.test("numbers of every type are cells, in several groups of rows", async () => {
  const { names, rows, notes } = await read(`${FILES}numbers.parquet`);
  deepEqual([names.length, rows.length, notes], [11, 40, [`pandas' index column "__index_level_0__" left out`]]);
  ok(rows.flat().every((cell) => /^number -?[\d.e+]+$/.test(cell)));
});

Deno.test("damaged tables of Parquet are read or refused, never anything else", () =>
  inFolder(async (folder) => {
    const path = join(folder, "x.parquet");
    for (const name of ["text", "flag", "date", "time", "encodings"]) {
      let read = 0;
      const refused = await fuzz(await Deno.readFile(`${FILES}${name}.parquet`), 150, async (bytes) => {
        await Deno.writeFile(path, bytes);
        for await (const { count, text } of (await openParquetCells(path)).blocks()) if (count > 0) text(0);
        read++;
      });
      ok(refused > 20 && read > 5, `${name}: ${refused} refused, ${read} read`);
    }
    await Deno.writeTextFile(path, "PAR1");
    await rejects(openParquetCells(path), UserError);
  }));
