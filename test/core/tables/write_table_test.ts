import { deepEqual, equal, match, ok, rejects } from "assert";
import { join } from "node:path";
import fc from "fast-check";
import { StorageError } from "../../../core/io/atomic.ts";
import { cellsOf, readCells } from "../../../core/tables/cells.ts";
import { TableError } from "../../../core/rows/column_types.ts";
import { type InferOptions, inferSchema } from "../../../core/tables/infer_types.ts";
import { openTable } from "../../../core/tables/open_table.ts";
import { appendColumns, fillTable, writeRows } from "../../../core/tables/write_table.ts";
import { inFolder, namesIn } from "../../folders.ts";
import { fuzz } from "../io/fuzz.ts";
import { gzipped, utf16 } from "./table.ts";

/** What is written of a file: its text, unpacked. */
async function written(
  bytes: string | Uint8Array,
  ending: string,
  write: (path: string, out: string) => Promise<{ notes: readonly string[] }>,
  outEnding = ending,
): Promise<{ text: string; notes: readonly string[] }> {
  let result: { text: string; notes: readonly string[] } | undefined;
  await inFolder(async (folder) => {
    const path = join(folder, `x.${ending}`), out = join(folder, `out.${outEnding}`);
    await Deno.writeFile(path, typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes);
    const { notes } = await write(path, out), packed = await Deno.readFile(out);
    const stream = ReadableStream.from([packed]);
    const text = outEnding.endsWith(".gz")
      ? await new Response(stream.pipeThrough(new DecompressionStream("gzip"))).text()
      : new TextDecoder("utf-8", { ignoreBOM: true }).decode(packed);
    result = { text, notes };
  });
  return result!;
}

/** The rows of a table again, as if they were made up. */
const again = (options: InferOptions = {}) => async (path: string, out: string) => {
  const table = await openTable(path), { schema } = await inferSchema(table, options);
  return await writeRows(out, schema, (await readCells(schema, table)).cells);
};

/** Fills in what is unknown by a rule. */
const filledBy =
  (value: (column: number) => number, options: InferOptions = {}) => async (path: string, out: string) => {
    const table = await openTable(path), { schema } = await inferSchema(table, options), width = schema.columns.length;
    return await fillTable(
      out,
      schema,
      table,
      ({ cells }) => cells.map((x, i) => Number.isNaN(x) ? value(i % width) : x),
    );
  };

const rows = <T>(count: number, row: (i: number) => T) => Array.from({ length: count }, (_, i) => row(i));

Deno.test("rows are written in the shape that the table had", async () => {
  const cases: [string, string, string?][] = [
    [
      "x,c,n\n" +
      rows(20, (i) => `${(i * 7 % 20 / 4).toFixed(2)},${"ab"[i % 2]},${i % 5 === 0 ? "" : i * 3 % 20}`).join("\n") +
      "\n",
      "csv",
    ],
    [
      "x;c\r\n" + rows(20, (i) => `${String(i * 7 % 20 / 4).replace(".", ",")};"${"ab"[i % 2]}"`).join("\r\n") + "\r\n",
      "csv",
    ],
    ['"x"\t"c"\n' + rows(20, (i) => `"${i * 7 % 20}"\t"${"ab"[i % 2]} ""q"""`).join("\n") + "\n", "tsv"],
    [
      "when,n\n" + rows(20, (i) => `${1 + i % 12}/${1 + i}/2007,${i % 4 === 0 ? "NA" : i * 7 % 20}`).join("\n") + "\n",
      "csv",
    ],
    ["\ufeffx,big\n" + rows(20, (i) => `${i * 7 % 20},"${1 + i % 7},${100 + i * 37 % 801}"`).join("\n") + "\n", "csv"],
    [rows(20, (i) => `${(i * 7 % 20) / 8},${"ab"[i % 2]}`).join("\n") + "\n", "csv"],
    [
      "[\n" +
      rows(
        20,
        (i) =>
          `{"x":${i * 7 % 20 / 4},"c":${JSON.stringify("ab"[i % 2])},"t":${i % 3 === 0},"z":${
            i % 7 ? `"${i * 7 % 40}"` : "null"
          }}`,
      ).join(",\n") + "\n]\n",
      "json",
    ],
    [
      rows(
        20,
        (i) => `{"when": "2007-11-${10 + i}T0${i % 10}:30:00", "n": ${i * 7 % 20}${i % 4 ? `, "m": ${i}.5` : ""}}`,
      ).join("\n") + "\n",
      "jsonl",
    ],
  ];
  for (const [text, ending] of cases) equal((await written(text, ending, again())).text, text);
  const packed = await written(await gzipped(cases[0][0]), "csv.gz", again());
  equal(packed.text, cases[0][0]);
});

Deno.test("what is not modelled is written where it is known, and left out elsewhere", async () => {
  const text = "id,k,c,twin,renamed,note,dropped\n" +
    rows(20, (i) => `${i},7.50,${i % 3},${i % 3},${"xyz"[i % 3]},n${i},${i * 7 % 20}`).join("\n") + "\n";
  const { text: got, notes } = await written(
    text,
    "csv",
    again({ drop: ["dropped"], id: ["id"], types: new Map([["c", { kind: "class" }]]) }),
  );
  equal(got, "k,c,twin,renamed\n" + rows(20, (i) => `7.50,${i % 3},${i % 3},${"xyz"[i % 3]}`).join("\n") + "\n");
  deepEqual(notes, ["id, note, dropped left out"]);
});

Deno.test("a table is written as another kind where its name says so", async () => {
  const csv = 'a b;c;n\n"x; y";true;1,5\n;false;2,25\nz;true;\nz;true;7,1\nz;false;3\n';
  equal(
    (await written(csv, "csv", again(), "jsonl")).text,
    '{"a b":"x; y","c":"true","n":1.5}\n{"a b":null,"c":"false","n":2.25}\n{"a b":"z","c":"true","n":null}\n{"a b":"z","c":"true","n":7.1}\n{"a b":"z","c":"false","n":3}\n',
  );
  const json = '[{"a": "x, y", "c": true, "n": 1.5}, {"c": false, "n": 7.25}, {"a": "z", "c": true, "n": 2.5}]';
  equal((await written(json, "json", again(), "csv")).text, 'a,c,n\n"x, y",true,1.5\n,false,7.25\nz,true,2.5\n');
  const { text, notes } = await written(json, "json", filledBy((k) => k === 0 ? 1 : 0), "tsv");
  deepEqual([text, notes], ["a\tc\tn\nx, y\ttrue\t1.5\nz\tfalse\t7.25\nz\ttrue\t2.5\n", []]);
  await rejects(
    written(csv, "csv", again(), "parquet"),
    (error) => error instanceof TableError && /is no table that is written/.test(error.message),
  );
  await rejects(written(csv, "csv", again(), "png"), /is no table that is written/);
});

Deno.test("filling in leaves all other bytes as they are", async () => {
  const csv =
    '# about\nn ; "c d" ;when;note\n1.50 ; "a" ;2007-11-11;"x; ""y"""\n\n NA;b;;\n  ; "b";2007-11-13;\'z\n2.25;"" ;2007-11-12; é\n7.1;a;2007-11-12;w';
  const { text } = await written(csv, "csv", filledBy((k) => [2, 1, 13830][k]));
  equal(
    text,
    '# about\nn ; "c d" ;when;note\n1.50 ; "a" ;2007-11-11;"x; ""y"""\n\n 2;b;2007-11-13;\n  2; "b";2007-11-13;\'z\n2.25;b ;2007-11-12; é\n7.1;a;2007-11-12;w',
  );
  const json =
    '[ {"n" : 1.50, "c": "a", "l": 1e1},\n  {"c": null , "l" :null},\n  { }, {"l": -0.0, "n": 7.25 ,"c":"b"}, {"l":3,"n":2.1,"c":"b"} ]\n';
  equal(
    (await written(json, "json", filledBy((k) => [2, 1, 5][k]))).text,
    '[ {"n" : 1.50, "c": "a", "l": 1e1},\n  {"c": "b" , "l" :5,"n": 2},\n  {"n": 2,"c": "b","l": 5 }, {"l": -0.0, "n": 7.25 ,"c":"b"}, {"l":3,"n":2.1,"c":"b"} ]\n'
      .replace('"l" :5,"n": 2', '"l" :5, "n": 2').replace('{"n": 2,"c": "b","l": 5 }', '{"n": 2, "c": "b", "l": 5 }'),
  );
});

Deno.test("what is known of a cell that is unknown is filled in of its twin too, and classes that are new stay", async () => {
  const text = "k,c,renamed,n\n" +
    rows(12, (i) => i === 5 ? ",,," : `7,${"ab"[i % 2]},${"xy"[i % 2]},${i * 5 % 12}`).join("\n") +
    "\n";
  const { text: got } = await written(text, "csv", filledBy(() => 1));
  equal(got.split("\n")[6], ",b,y,1");
  await inFolder(async (folder) => {
    const [train, path, out] = ["train.csv", "x.csv", "out.csv"].map((name) => join(folder, name));
    await Deno.writeTextFile(train, text);
    await Deno.writeTextFile(path, "n,c,extra\n,new,?\n3,,\n");
    const { schema } = await inferSchema(await openTable(train));
    const { filled, rows, notes } = await fillTable(
      out,
      schema,
      await openTable(path),
      ({ cells }) => cells.map((x) => Number.isNaN(x) ? 0 : x),
    );
    equal(await Deno.readTextFile(out), "n,c,extra\n0,new,?\n3,a,\n");
    deepEqual([filled, rows], [2, 2]);
    deepEqual(notes, ["extra ignored", 'c: "new" in 1 row, which the model does not know, taken for unknown']);
  });
});

Deno.test("bytes of other encodings stay, those of UTF-16 too", async () => {
  const text = "größe;n\nmüßig;1\n;2\nmüßig;5\n“x”;2\n“x”;3\n",
    latin1 = (text: string) =>
      Uint8Array.from(text, (letter) => "“”".includes(letter) ? 0x93 + "“”".indexOf(letter) : letter.charCodeAt(0));
  const filled = text.replace("\n;2", "\n“x”;2");
  await inFolder(async (folder) => {
    const path = join(folder, "x.csv");
    await Deno.writeFile(path, latin1(text));
    await filledBy(() => 1)(path, path);
    deepEqual(await Deno.readFile(path), latin1(filled));
  });
  equal((await written(`\ufeff${text}`, "csv", filledBy(() => 1))).text, `\ufeff${filled}`);
  await inFolder(async (folder) => {
    const path = join(folder, "x.csv"), out = join(folder, "out.csv");
    for (const bytes of [utf16(text, true), utf16(text, false), utf16(text, true).subarray(2)]) {
      await Deno.writeFile(path, bytes);
      await filledBy(() => 1)(path, out);
      const isMarked = bytes[0] > 0xf0, isLittle = bytes[isMarked ? 2 : 0] !== 0 && bytes[0] !== 0xfe;
      deepEqual(await Deno.readFile(out), utf16(filled, isLittle).subarray(isMarked ? 0 : 2));
    }
  });
  equal((await written(await gzipped(text), "csv.gz", filledBy(() => 1))).text, filled);
});

Deno.test("columns are added after those that are there", async () => {
  const added = (values: readonly number[]) => async (path: string, out: string) => {
    const table = await openTable(path), { schema } = await inferSchema(table);
    return await appendColumns(
      out,
      schema,
      table,
      ["nll", "error"],
      ({ first, count }) => Float64Array.from({ length: 2 * count }, (_, i) => values[2 * first + i]),
    );
  };
  const values = [1.123456789, 0.5, NaN, 1e-9, -3, 2];
  equal(
    (await written('a;"nll"\r\n1,5;x\r\n2;"y;"\r\n3;x', "csv", added(values))).text,
    'a;"nll";nll (2);error\r\n1,5;x;1,1234568;0,5\r\n2;"y;";;1e-9\r\n3;x;-3;2',
  );
  equal(
    (await written('[{"a": 1}, {},\n{"a": 3 }]', "json", added(values))).text,
    '[{"a": 1, "nll": 1.1234568, "error": 0.5}, {"nll": null, "error": 1e-9},\n{"a": 3, "nll": -3, "error": 2 }]',
  );
  equal(
    (await written('{"a":1}\n{"a":2.5}\n{"a":5}', "jsonl", added(values), "csv")).text,
    "a,nll,error\n1,1.1234568,0.5\n2.5,,1e-9\n5,-3,2\n",
  );
  equal((await written("1,x\n2,x\n2.5,x\n", "csv", added(values))).text, "1,x,1.1234568,0.5\n2,x,,1e-9\n2.5,x,-3,2\n");
});

Deno.test("Parquet comes back as CSV, and says so", async () => {
  const file = new URL("../../reference/files/flag.parquet", import.meta.url).pathname;
  await inFolder(async (folder) => {
    const table = await openTable(file), { schema } = await inferSchema(table), out = join(folder, "x.csv");
    const { notes } = await fillTable(out, schema, table, ({ cells }) => cells);
    deepEqual([await Deno.readTextFile(out), notes], ["a,flag\n1,true\n2,false\n", [
      "Parquet comes back as another kind of table",
    ]]);
  });
});

Deno.test("rows written and read again have the same cells", async () => {
  const text = fc.string({ unit: fc.constantFrom(..."ab ,;\"\n'é1.-#"), minLength: 1, maxLength: 6 });
  const column = fc.oneof(
    fc.record({
      kind: fc.constant("number"),
      decimals: fc.integer({ min: 0, max: 8 }),
      scale: fc.integer({ min: 1, max: 1e9 }),
    }),
    fc.record({ kind: fc.constant("class"), levels: fc.uniqueArray(text, { minLength: 2, maxLength: 5 }) }),
    fc.record({ kind: fc.constant("date"), step: fc.constantFrom(1, 7, 1 / 24, 1 / 86_400) }),
  );
  type Column = { kind: string; decimals?: number; scale?: number; levels?: string[]; step?: number };
  await fc.assert(
    fc.asyncProperty(
      fc.array(column, { minLength: 1, maxLength: 4 }),
      fc.constantFrom("csv", "json", "jsonl"),
      fc.nat(),
      (columns: Column[], ending, seed) =>
        inFolder(async (folder) => {
          const path = join(folder, `x.${ending}`), out = join(folder, `y.${ending}`), count = 40;
          let state = seed;
          const random = (n: number) => (state = (Math.imul(state, 1103515245) + 12345) >>> 1) % n;
          const cell = ({ kind, decimals, scale, levels, step }: Column): string | undefined => {
            if (random(10) === 0) return undefined;
            if (kind === "number") return ((random(2 * scale!) - scale!) / 10 ** decimals!).toFixed(decimals!);
            if (kind === "class") return levels![random(levels!.length)];
            const time = new Date(86_400_000 * (10_000 + step! * random(1000)));
            return step! >= 1 ? time.toISOString().slice(0, 10) : time.toISOString().slice(0, 19);
          };
          const data = rows(count, () => columns.map(cell));
          const quoted = (cell: string | undefined) => cell === undefined ? "" : `"${cell.replaceAll('"', '""')}"`;
          const csv = [
            columns.map((_, k) => `name ${k}`).join(),
            ...data.map((row) => row.length === 1 ? quoted(row[0]) || '""' : row.map(quoted).join()),
          ].join("\n");
          const records = data.map((row) =>
            JSON.stringify(Object.fromEntries(row.map((cell, k) => [`name ${k}`, cell ?? null])))
          );
          await Deno.writeTextFile(
            path,
            ending === "csv" ? csv : ending === "json" ? `[${records.join()}]` : records.join("\n"),
          );
          const table = await openTable(path),
            { schema } = await inferSchema(table).catch((error) => {
              // Every column may be one that says nothing.
              if (error instanceof TableError && /has no column to model/.test(error.message)) {
                return { schema: undefined };
              }
              throw error;
            });
          if (!schema) return;
          const { cells } = await readCells(schema, table);
          await writeRows(out, schema, cells);
          const back = await readCells(schema, await openTable(out));
          deepEqual([...back.cells], [...cells]);
          // Filling in nothing gives the same file, byte for byte.
          await fillTable(out, schema, table, ({ cells }) => cells);
          deepEqual(await Deno.readFile(out), await Deno.readFile(path));
        }),
    ),
    { seed: 11, numRuns: 200 },
  );
});

Deno.test("damaged tables that are read can be filled in and added to, and keep their cells", () =>
  inFolder(async (folder) => {
    const records = rows(
      20,
      (i) => ({ n: i * 17 % 20, text: `a ${i % 4}`, when: `2001-02-${10 + i}`, none: i % 3 ? null : i / 2 }),
    );
    const seeds = {
      csv: ["n;text;when;none", ...records.map(({ n, text, when, none }) => `${n};"${text}";${when};${none ?? ""}`)]
        .join("\r\n"),
      json: JSON.stringify(records, null, 1),
      jsonl: records.map((row) => JSON.stringify(row)).join("\n"),
    };
    for (const [ending, text] of Object.entries(seeds)) {
      let written = 0;
      await fuzz(new TextEncoder().encode(text), 200, async (bytes) => {
        const path = join(folder, `x.${ending}`), out = join(folder, `out.${ending}`);
        await Deno.writeFile(path, bytes);
        const table = await openTable(path), { schema } = await inferSchema(table);
        const before = await readCells(schema, table), width = schema.columns.length;
        const value = schema.columns.map((column) => column.kind === "class" ? 0 : column.min);
        await fillTable(out, schema, table, ({ cells }) => cells.map((x, i) => Number.isNaN(x) ? value[i % width] : x));
        const after = await readCells(schema, await openTable(out));
        deepEqual([...after.cells], [...before.cells].map((x, i) => Number.isNaN(x) ? value[i % width] : x));
        await appendColumns(out, schema, table, ["nll"], ({ count }) => new Float64Array(count).fill(1.5));
        const added = await openTable(out);
        equal((await readCells(schema, added)).count, before.count);
        ok(added.names.some((name) => name.startsWith("nll")) || !table.isNamed);
        written++;
      });
      ok(written > 20, `${ending}: ${written}`);
    }
  }));

Deno.test("a file appears once it is whole, and an error leaves what was there", () =>
  inFolder(async (folder) => {
    const path = join(folder, "x.csv"), out = join(folder, "out.csv.gz");
    await Deno.writeTextFile(path, "a,c\n1,x\n2,y\n,x\nbad,y\n5.5,x\n");
    await Deno.writeTextFile(out, "before");
    const table = await openTable(path),
      { schema } = await inferSchema(table, { types: new Map([["c", { kind: "class" }]]) });
    const failing = {
      ...schema,
      columns: [
        { name: "a", kind: "number" as const, decimals: 1, min: 0, max: 9 },
        ...schema.columns.filter(({ name }) => name !== "a"),
      ],
    };
    await rejects(
      fillTable(out, failing, table, ({ cells }) => cells),
      /has "bad" in line 5, column a, expected a number/,
    );
    await rejects(fillTable(out, schema, table, () => new Float64Array(1)), /fill gave 1 cells/);
    equal(await Deno.readTextFile(out), "before");
    deepEqual(await namesIn(folder), ["out.csv.gz", "x.csv"]);
    await rejects(writeRows(folder + "/x.csv/y.csv", schema, new Float64Array()), (error) =>
      error instanceof StorageError);
  }));

Deno.test("rows may come some at a time", () =>
  inFolder(async (folder) => {
    const path = join(folder, "x.csv"), out = join(folder, "out.jsonl"), count = 60_000;
    await Deno.writeTextFile(path, "x,c\n" + rows(count, (i) => `${i / 4},${"ab"[i % 2]}`).join("\n"));
    const table = await openTable(path), { schema } = await inferSchema(table);
    const { rows: written } = await writeRows(out, schema, cellsOf(schema, table).blocks());
    const lines = (await Deno.readTextFile(out)).trimEnd().split("\n");
    deepEqual([written, lines.length, lines.at(-1)], [count, count, '{"x":14999.75,"c":"b"}']);
    ok(lines.every((line, i) => line === `{"x":${i / 4},"c":"${"ab"[i % 2]}"}`));
    match(lines[0], /^\{/);
  }));
