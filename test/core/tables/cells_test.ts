import { deepEqual, equal, match, ok, rejects } from "assert";
import { join } from "node:path";
import { readCells } from "../../../core/tables/cells.ts";
import { TableError } from "../../../core/rows/column_types.ts";
import { inferSchema } from "../../../core/tables/infer_types.ts";
import { openTable } from "../../../core/tables/open_table.ts";
import { parseSchema } from "../../../core/tables/parse_schema.ts";
import { inFolder } from "../../folders.ts";
import { tableOf } from "./table.ts";

const TRAIN = "mass,species,when\n" +
  Array.from(
    { length: 30 },
    (_, i) => `${2700 + 25 * (i * 7 % 30)},${["Adelie", "Gentoo"][i % 2]},2007-11-${10 + i * 11 % 20}`,
  ).join("\n");

/** The cells of another file as the schema of the first has them. */
async function cellsAs(train: string, text: string, ending = "csv", trainEnding = "csv") {
  let result: { cells: number[][]; notes: readonly string[] } | undefined;
  await inFolder(async (folder) => {
    const paths = [join(folder, `train.${trainEnding}`), join(folder, `x.${ending}`)];
    await Deno.writeTextFile(paths[0], train);
    await Deno.writeTextFile(paths[1], text);
    const { schema } = await inferSchema(await openTable(paths[0])), width = schema.columns.length;
    const { cells, count, notes } = await readCells(schema, await openTable(paths[1]));
    result = { cells: Array.from({ length: count }, (_, i) => [...cells.subarray(i * width, (i + 1) * width)]), notes };
  });
  return result!;
}

Deno.test("columns are matched by name, whatever their order and the file's kind", async () => {
  const day = Date.UTC(2007, 10, 12) / 86_400_000, expected = [[3000, 1, day], [NaN, 0, NaN]];
  const csv = await cellsAs(TRAIN, "when;more;species;mass\n2007-11-12;1;Gentoo;3000,0\n;2;Adelie;NA\n");
  deepEqual(csv, { cells: expected, notes: ["more ignored"] });
  const json = await cellsAs(
    TRAIN,
    '{"species": "Gentoo", "mass": 3e3, "when": "2007-11-12"}\n{"species": "Adelie"}',
    "jsonl",
  );
  deepEqual(json, { cells: expected, notes: [] });
  const lacking = await cellsAs(TRAIN, "species\nGentoo\nAdelie\nAdelie\n");
  deepEqual(lacking, {
    cells: [[NaN, 1, NaN], [NaN, 0, NaN], [NaN, 0, NaN]],
    notes: ["mass, when not there: unknown in every row"],
  });
});

Deno.test("tables without names are matched by their places", async () => {
  const bare = TRAIN.slice(TRAIN.indexOf("\n") + 1),
    row = "3000,Gentoo,2007-11-12\n3025,Adelie,2007-11-12\n3000,Adelie,2007-11-12\n";
  const places = "columns matched by their places, not by name";
  deepEqual((await cellsAs(TRAIN, row)).notes, [places]);
  deepEqual((await cellsAs(TRAIN, row)).cells[0].slice(0, 2), [3000, 1]);
  deepEqual((await cellsAs(bare, row)).notes, []);
  deepEqual((await cellsAs(bare, `a,b,c\n${row}`)).cells[1].slice(0, 2), [3025, 0]);
  await rejects(cellsAs(TRAIN, "1,2\n3,4\n5,7\n"), /has 2 columns without names, but the model is of 3/);
  await rejects(cellsAs(TRAIN, "x,y\n1,2\n"), /has none of the model's columns mass, species, when; it has x, y/);
});

Deno.test("true and false are the same however a file writes them", async () => {
  const train = "ok,n\n" + Array.from({ length: 20 }, (_, i) => `${i % 3 ? "True" : "False"},${i / 2}`).join("\n");
  const json = '[{"ok":true,"n":1},{"ok":false,"n":2},{"ok":null,"n":3}]';
  deepEqual(await cellsAs(train, json, "json"), { cells: [[1, 1], [0, 2], [NaN, 3]], notes: [] });
  deepEqual((await cellsAs(json, "ok,n\nTRUE,1\nfalse,2\nyes,3\n", "csv", "json")).cells, [[1, 1], [0, 2], [NaN, 3]]);
});

Deno.test("what is left out is heeded: a copy knows what its twin lacks, and what is not as in training is said", async () => {
  const train = "kind,code,size,twin,lab\n" +
    Array.from({ length: 30 }, (_, i) => `${["ox", "hen"][i % 2]},${["O", "H"][i % 2]},${i / 2},${i / 2},A`).join("\n");
  const { cells, notes } = await cellsAs(
    train,
    "kind,code,size,twin,lab\nox,O,1,1,A\n,H,,2.5,\nhen,O,3,4,B\nhen,H,3,3.0,C\n",
  );
  deepEqual(cells, [[1, 1], [0, 2.5], [0, 3], [0, 3]]);
  deepEqual(notes, [
    "code: in 1 row not what kind says, as it was in training; ignored there",
    "twin: in 1 row not what size says, as it was in training; ignored there",
    'lab: "B", "C" in 2 rows, in training always "A"; ignored',
  ]);
  deepEqual(await cellsAs(train, "code,size,lab\nH,1,NA\nO,2,A\n"), { cells: [[0, 1], [1, 2]], notes: [] });
});

Deno.test("a class that is not known is unknown, and said once", async () => {
  const text = "mass,species,when\n3000,Emperor,2007-11-12\n3000,King,\n3000,King,\n3000,Gentoo,\n";
  const { cells, notes } = await cellsAs(TRAIN, text);
  deepEqual(cells.map(([, species]) => species), [NaN, NaN, NaN, 1]);
  deepEqual(notes, ['species: "King", "Emperor" in 3 rows, which the model does not know, taken for unknown']);
  const many = "class\n" + Array.from({ length: 3000 }, (_, i) => i < 100 ? `rare ${i}` : "abc"[i % 3]).join("\n");
  const other = await cellsAs(many, "class\na\nrare 99\nnew\n");
  deepEqual(other, { cells: [[0], [63], [63]], notes: [] });
});

Deno.test("a level is known however its number is written", async () => {
  const train = "flag,code\n" + Array.from({ length: 20 }, (_, i) => `${i % 2},0${i % 3}`).join("\n");
  const { cells } = await cellsAs(
    train,
    '[{"flag": 1.0, "code": "01"}, {"flag": "0", "code": 2}, {"flag": 0}]',
    "json",
  );
  deepEqual(cells, [[1, 1], [0, 2], [0, NaN]]);
});

Deno.test("a cell that is not what its column is has its line and column named", async () => {
  const refused = (text: string, pattern: RegExp, ending = "csv") =>
    rejects(cellsAs(TRAIN, text, ending), (error) => {
      ok(error instanceof TableError && !error.message.includes("\n"), String(error));
      match(error.message, pattern);
      return true;
    });
  await refused(
    "mass,species\n3000,Adelie\nheavy,Adelie\n",
    /x\.csv has "heavy" in line 3, column mass, expected a number\./,
  );
  await refused("when\n12.11.2007\n", /has "12.11.2007" in line 2, column when, expected a date as YYYY-MM-DD/);
  await refused('{"when": 3}', /has "3" in line 1, column when, expected a date/, "jsonl");
  await refused('[{"mass": true}]', /has "true" in record 1, column mass, expected a number/, "json");
});

Deno.test("many rows are read to the last, in blocks that know their place", () =>
  inFolder(async (folder) => {
    const path = join(folder, "x.csv"), rows = 100_000;
    await Deno.writeTextFile(
      path,
      "x,c\n" + Array.from({ length: rows }, (_, i) => `${i / 4},${"ab"[i % 2]}`).join("\n"),
    );
    const table = await openTable(path), { schema } = await inferSchema(table);
    const { cells, count } = await readCells(schema, table);
    equal(count, rows);
    equal(
      Array.from({ length: rows }, (_, i) => i).findIndex((i) => cells[2 * i] !== i / 4 || cells[2 * i + 1] !== i % 2),
      -1,
    );
  }));

Deno.test("a schema is the same after it was saved, and a damaged one is refused", async () => {
  const text = "id,mass,species,twin,when,k,note\n" +
    Array.from(
      { length: 30 },
      (_, i) => `${i},${(i * 7 % 30) / 4},${["x", "y"][i % 2]},${i % 2},2007-11-${10 + i * 11 % 20},7,n${i}`,
    ).join("\n");
  const { schema } = await tableOf(text), saved = JSON.stringify(schema);
  deepEqual(parseSchema(JSON.parse(saved)), schema);
  const refused = (change: (json: ReturnType<typeof JSON.parse>) => void, pattern: RegExp) => {
    const json = JSON.parse(saved);
    change(json);
    return rejects(Promise.try(() => parseSchema(json, "columns.json")), (error) => {
      ok(error instanceof TableError && !error.message.includes("\n"), String(error));
      match(error.message, pattern);
      return true;
    });
  };
  await refused((json) => json.columns = [], /columns is \[\], expected a list of columns/);
  await refused((json) => delete json.order, /order is nothing, expected a list/);
  await refused(
    (json) => json.columns[0].kind = "numbr",
    /columns\[0\].kind is "numbr", expected one of "number", "date", "class"/,
  );
  await refused((json) => json.columns[0].step = 0, /columns\[0\].step is 0, expected a number above 0/);
  await refused(
    (json) => json.columns[0].min = 1e9,
    /columns\[0\].max is .*, expected a number of at least 1000000000/,
  );
  await refused(
    (json) => json.columns[1].levels.push("x"),
    /levels is .*, expected from 1 to 4096 levels, and a count of each/,
  );
  await refused((json) => json.columns[1].counts[0] = -1, /counts\[0\] is -1/);
  await refused((json) => json.columns[2].format = "%Y", /format is "%Y", expected a form of dates/);
  await refused((json) => json.columns[2].name = json.columns[0].name, /the column mass twice/);
  await refused((json) => json.columns[2].name = "new", /the column new which is not in its order/);
  await refused((json) => json.leftOut.pop(), /order is .*, expected the names of all columns/);
  await refused((json) => json.leftOut[1].of = "k", /of is "k", expected the name of a column/);
  await refused((json) => json.file.delimiter = "\n", /delimiter is "\\n", expected one character/);
  await refused((json) => json.file = null, /file is null, expected a record/);
});
