import { deepEqual, equal, match, ok, rejects } from "assert";
import { join } from "node:path";
import fc from "fast-check";
import { UserError } from "../../../core/errors/user_error.ts";
import { CELL, KIND } from "../../../core/io/cell_block.ts";
import { openTable } from "../../../core/tables/open_table.ts";
import { inFolder } from "../../folders.ts";
import { fuzz } from "../io/fuzz.ts";
import { gzipped, tableOf, utf16 } from "./table.ts";

/** The texts of a file's cells, row by row, where it has some; `null` where it is null and nothing where it is absent. */
async function textsOf(text: string | Uint8Array, ending = "csv") {
  let result: { names: readonly string[]; rows: (string | null | undefined)[][]; places: string[] } | undefined;
  await inFolder(async (folder) => {
    const path = join(folder, `x.${ending}`);
    await Deno.writeFile(path, typeof text === "string" ? new TextEncoder().encode(text) : text);
    const table = await openTable(path), width = table.names.length;
    result = { names: table.names, rows: [], places: [] };
    for await (const block of table.blocks()) {
      equal(block.first, result.rows.length);
      for (let row = 0; row < block.count; row++) {
        result.places.push(block.place(row));
        result.rows.push(Array.from({ length: width }, (_, k) => {
          const cell = row * width + k, kind = block.kinds[cell] & KIND;
          return kind === CELL.null ? null : kind === CELL.absent ? undefined : block.text(cell);
        }));
      }
    }
  });
  return result!;
}

const refused = (text: string, pattern: RegExp, ending = "csv") =>
  rejects(tableOf(text, { ending }), (error) => {
    ok(error instanceof UserError, String(error));
    match(error.message, pattern);
    ok(!error.message.includes("\n"), error.message);
    return true;
  });

Deno.test("texts of CSV are read with their quotes, delimiters and line ends", async () => {
  for (const end of ["\n", "\r\n", "\r"]) {
    const text = ['name,"of, what",n', '"a ""b""", x y ,1', '"line\nbreak","",2', '"","c d",3', "plain,é,4"].join(end);
    const { names, rows } = await textsOf(text);
    deepEqual(names, ["name", "of, what", "n"]);
    deepEqual(rows, [['a "b"', "x y", "1"], ["line\nbreak", "", "2"], ["", "c d", "3"], ["plain", "é", "4"]]);
  }
  deepEqual((await textsOf("a;b\nx, y;1,5\nz;2,25\n")).rows, [["x, y", "1,5"], ["z", "2,25"]]);
  deepEqual((await textsOf("a\tb\nx y\t1\n\t2\n", "tsv")).rows, [["x y", "1"], ["", "2"]]);
});

Deno.test("encodings, byte order marks and compression are recognised", async () => {
  const text = "größe,b\nmüßig,1\nz,2\n",
    expected = { names: ["größe", "b"], rows: [["müßig", "1"], ["z", "2"]], places: ["line 2", "line 3"] };
  deepEqual(await textsOf(text), expected);
  deepEqual(await textsOf(`\ufeff${text}`), expected);
  deepEqual(await textsOf(Uint8Array.from(text, (letter) => letter.charCodeAt(0))), expected);
  deepEqual(await textsOf(utf16(text, true)), expected);
  deepEqual(await textsOf(utf16(text, false)), expected);
  deepEqual(await textsOf(await gzipped(text), "csv.gz"), expected);
  deepEqual((await textsOf(await gzipped('{"a":"é"}\n{"a":1}'), "ndjson.gz")).rows, [["é"], ["1"]]);
});

Deno.test("names are there once each, whatever the header has", async () => {
  const { names, tableNotes } = await tableOf('x,x,,"two\nlines",x (2)\n1,2,3,4,5\n6,7,8,1,2\n3,3,9,2,1\n');
  deepEqual(names, ["x", "x (3)", "column 3", "two\nlines", "x (2)"]);
  match(tableNotes.join("; "), /two columns are named "x": one is x \(3\)/);
  deepEqual((await tableOf("1,a\n2,b\n3,a\n")).names, ["column 1", "column 2"]);
});

Deno.test("a header is told from a row of texts", async () => {
  const rows = async (text: string) => (await tableOf(text)).rows;
  equal(await rows("5.1,setosa\n4.9,setosa\n6.3,virginica\n4.9,virginica\n6.3,setosa\n"), 5);
  equal(await rows("length,species\n5.1,setosa\n4.9,setosa\n6.3,virginica\n"), 3);
  equal(await rows("yes,no\nno,yes\nyes,yes\nno,no\n"), 4);
  equal(await rows("a,b\nno,yes\nyes,yes\nno,no\n"), 3);
  equal(await rows("country,2019,2020\nFrance,1.5,2\nSpain,1,2.5\nFrance,2,3\n"), 3);
  equal(await rows("x,n\nx,1\ny,2\nx,5\n"), 3);
});

Deno.test("ragged rows, open quotes and empty files are refused", async () => {
  await refused("a,b\nx,1\ny\n", /x\.csv: line 3 has 1 columns, expected 2 as in the first row/);
  await refused("a,b\nx,1\ny,2,3\n", /line 3 has 3 columns, expected 2/);
  await refused('a,b\nx,1\n"y,2\n', /Quote Not Closed/);
  await refused(`a,b\n${"x,1\n".repeat(300)}"x"y,2\n`, /Invalid Closing Quote, before other text in line 302/);
  for (const text of ["", "\n\n", "\ufeff"]) await refused(text, /has no rows/);
  await refused("a,b\n", /has no rows/);
});

Deno.test("records of JSON are read, in a list or one a line", async () => {
  const records = [
    '{"a": "x \\"y\\"", "b": 1.50, "c": true}',
    '{"b": null, "a": "\\u00e9"}',
    '{ "d" : "007" , "b":-2e3 }',
    "{}",
  ];
  const rows = [['x "y"', "1.50", "true", undefined], ["é", null, undefined, undefined], [
    undefined,
    "-2e3",
    undefined,
    "007",
  ], [undefined, undefined, undefined, undefined]];
  for (
    const [ending, text] of [["json", `[${records.join(",\n")}]`], ["json", records.join("\n")], [
      "jsonl",
      records.join("\n"),
    ], ["ndjson", records.join("\r\n") + "\n\n"]] as const
  ) {
    const got = await textsOf(text, ending);
    deepEqual(got.names, ["a", "b", "c", "d"]);
    deepEqual(got.rows, rows, text);
  }
  deepEqual((await textsOf(records.join("\n"), "jsonl")).places, ["line 1", "line 2", "line 3", "line 4"]);
  deepEqual((await textsOf(`[${records.join(",\n")}]`, "json")).places[2], "record 3");
  deepEqual((await textsOf('[\n  {\n    "a": 1\n  },\n  {\n    "a": NaN\n  }\n]\n', "json")).rows, [["1"], [null]]);
});

Deno.test("keys of JSON that are names of properties are columns like others", async () => {
  const { names, rows } = await textsOf(
    '[{"__proto__": 1, "constructor": "a"}, {"toString": 2, "__proto__": 3}]',
    "json",
  );
  deepEqual(names, ["__proto__", "constructor", "toString"]);
  deepEqual(rows, [["1", "a", undefined], ["3", undefined, "2"]]);
});

Deno.test("what is no table of JSON is refused in one line", async () => {
  const json = (text: string, pattern: RegExp, ending = "json") => refused(text, pattern, ending);
  await json('[{"a": 1}, {"a": {"b": 2}}]', /x\.json has a record in record 2, key a, expected a number, a text/);
  await json('{"a": 1}\n{"b": [2]}', /has a list in line 2, key b/, "jsonl");
  await json("[[1, 2], [3, 4]]", /has ".*" in record 1, expected a record, as \{…\}: its rows are lists/);
  await json("[1, 2]", /in record 1, expected a record/);
  await json("null", /expected a list of records, or a record a line/);
  for (const text of ["", "[]", "[{}, {}]", "  \n"]) await json(text, /has no records/);
  await json('[{"a": 1}', /ends before its list does, after 1 records/);
  await json('[{"a": 1', /ends within record 1/);
  await json('[{"a": 1}{"a": 2}]', /in record 2, expected a comma before it/);
  await json('[{"a": 1} {"a": 2}]', /expected a comma before it/);
  await json('[{"a": 1}] x', /expected nothing after the end of the list/);
  await json('[{"a": 1e999}]', /has "1e999" in record 1, expected a value of JSON for the key a/);
  await json('[{"a": Infinity}]', /has "Infinity" in record 1/);
  await json("[{a: 1}]", /expected a key in quotes/);
  await json('[{"a" 1}]', /expected a colon/);
  await json('[{"a": 1 "b": 2}]', /expected a comma or the record's end/);
  await json('[{"a": "\\x"}]', /expected a text that is valid JSON/);
  await json('[{"a": "two\nlines"}]', /expected a text that is valid JSON/);
  await json('{"x": [1, 2], "y": [3, 4]}', /has a list in line 1, key x|has a list in record 1, key x/);
});

Deno.test("cells that fall on the ends of what is read at once", async () => {
  const rows = Array.from(
    { length: 30_000 },
    (_, i) => ({ n: i, text: `a "${i % 7}"\n`, x: i / 8, class: "xyz"[i % 3] }),
  );
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
  for (let padding = 0; padding < 12; padding += 5) {
    const name = "y".repeat(1 + padding),
      expected = rows.map(({ n, text, x, class: level }) => [String(n), text, String(x), level]);
    const csv = `${name},text,x,class\r\n` +
      rows.map((row) => [row.n, quoted(row.text), row.x, row.class].join()).join("\r\n");
    deepEqual((await textsOf(csv)).rows, expected);
    const lines = rows.map(({ n, ...row }) => JSON.stringify({ [name]: n, ...row }));
    deepEqual((await textsOf(lines.join("\n"), "jsonl")).rows, expected);
    deepEqual((await textsOf(`[${lines.join(", ")}]`, "json")).rows, expected);
  }
});

Deno.test("records that lack most keys come in blocks of bounded size", () =>
  inFolder(async (folder) => {
    const width = 3000, all = JSON.stringify(Object.fromEntries(Array.from({ length: width }, (_, k) => [`k${k}`, k])));
    for (
      const [ending, text] of [["jsonl", `${all}\n${"{}\n".repeat(5000)}${all}`], [
        "json",
        `[${all}${",{}".repeat(5000)},${all}]`,
      ]]
    ) {
      const path = join(folder, `x.${ending}`);
      await Deno.writeTextFile(path, text);
      let rows = 0, sum = 0, largest = 0;
      for await (const { first, count, numbers } of (await openTable(path)).blocks()) {
        equal(first, rows);
        rows += count;
        largest = Math.max(largest, count);
        for (const x of numbers.subarray(0, count * width)) if (!Number.isNaN(x)) sum += x;
      }
      deepEqual([rows, sum], [5002, width * (width - 1)]);
      ok(largest < 1000, `${largest}`);
    }
    await Deno.writeTextFile(join(folder, "wide.csv"), `${"a,".repeat(200_000)}b\n${"1,".repeat(200_000)}2\n`);
    await rejects(async () => {
      for await (const _ of (await openTable(join(folder, "wide.csv"))).blocks());
    }, /has 200001 columns, of which a table has at most 100000/);
  }));

Deno.test("any texts are read as they were written", async () => {
  const cell = fc.string({ unit: fc.constantFrom(..."ab1 ,;\t\"\n\r'\\é\u2028𝄞{}[]:#".split(/(?:)/u)), maxLength: 12 });
  const table = fc.array(fc.array(cell, { minLength: 2, maxLength: 2 }), { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(table, async (rows) => {
      const csv = [
        "first name,second name",
        ...rows.map((row) => row.map((text) => `"${text.replaceAll('"', '""')}"`).join()),
      ].join("\n");
      deepEqual((await textsOf(csv)).rows, rows);
      const records = rows.map(([a, b]) => ({ a, b }));
      deepEqual((await textsOf(JSON.stringify(records, null, 2), "json")).rows, rows);
      deepEqual((await textsOf(records.map((record) => JSON.stringify(record)).join("\n"), "jsonl")).rows, rows);
    }),
    { seed: 3, numRuns: 150 },
  );
});

Deno.test("damaged tables are read or refused, never anything else", () =>
  inFolder(async (folder) => {
    const rows = Array.from(
      { length: 20 },
      (_, i) => ({ n: i * 17 % 20, text: `a ${i % 4}`, when: `2001-02-${10 + i}`, none: i % 3 ? null : i / 2 }),
    );
    const seeds = {
      csv: ["n;text;when;none", ...rows.map(({ n, text, when, none }) => `${n};"${text}";${when};${none ?? ""}`)].join(
        "\n",
      ),
      json: JSON.stringify(rows),
      jsonl: rows.map((row) => JSON.stringify(row)).join("\n"),
    };
    for (const [ending, text] of Object.entries(seeds)) {
      let read = 0;
      const refusals = await fuzz(new TextEncoder().encode(text), 300, async (bytes) => {
        await Deno.writeFile(join(folder, `x.${ending}`), bytes);
        await tableOf(bytes, { ending });
        read++;
      });
      ok(refusals > 20 && read > 20, `${ending}: ${refusals} refused, ${read} read`);
    }
  }));
