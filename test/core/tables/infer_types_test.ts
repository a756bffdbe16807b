import { deepEqual, equal, match, rejects, throws } from "assert";
import { TableError } from "../../../core/rows/column_types.ts";
import { parseTypes } from "../../../core/tables/types_file.ts";
import { columnOf, tableOf } from "./table.ts";

const cycle = (values: readonly (string | number)[], rows: number) =>
  Array.from({ length: rows }, (_, i) => values[i * 7 % values.length]);
const numbers = (rows: number, value: (i: number) => number) => Array.from({ length: rows }, (_, i) => value(i));

Deno.test("the step of numbers is found from their decimals and differences", async () => {
  const masses = numbers(60, (i) => 2700 + 25 * (i * i * 11 % 139));
  equal(
    await columnOf(masses),
    `number in steps of 25, from ${Math.min(...masses)} to ${Math.max(...masses)}`,
  );
  match(await columnOf(numbers(60, (i) => 1900 + i * 37 % 61)), /^whole number, from 1900 to 1960$/);
  match(await columnOf(numbers(60, (i) => (i * 37 % 61) / 10)), /^number in steps of 0.1, from 0 to 6$/);
  match(await columnOf(numbers(60, (i) => (i * 37 % 61) / 2)), /^number in steps of 0.5, from 0 to 30$/);
  match(await columnOf(numbers(60, (i) => 5 * (i * 37 % 61) + 0.99)), /^number in steps of 5, from 0.99 to/);
  match(await columnOf(numbers(60, (i) => (i * 37 % 61) * 1000)), /^number in steps of 1000, from 0 to 60000$/);
  match(await columnOf(numbers(60, (i) => i * 37 % 61).map((k) => `${k}e-7`)), /^number in steps of 1e-7,/);
  equal(await columnOf(numbers(60, (i) => 0.1 * (i * 37 % 61))), "number in steps of 0.1, from 0 to 6");
});

Deno.test("numbers whose step is tiny beside their spread are continuous, but whole ones, and where values recur", async () => {
  match(await columnOf(numbers(60, (i) => Math.sin(i) * 1000 + i / 7)), /^number, from/);
  match(await columnOf(numbers(60, (i) => i * i * i * 9973 % 1_000_003)), /^whole number, from/);
  match(await columnOf([...Array(50).fill(0), 1_000_000, 999_999, 3, 17]), /^whole number, from 0 to 1000000$/);
});

Deno.test("a step that few values have in common by chance is not taken for one", async () => {
  const { schema } = await tableOf("x\n2\n4\n8\n10\n");
  deepEqual(schema.columns[0], { name: "x", kind: "number", step: 1, decimals: 0, min: 2, max: 10 });
  const thrice = await tableOf("x\n0.30\n0.60\n1.20\n");
  equal(thrice.schema.columns[0].kind === "number" && thrice.schema.columns[0].step, 0.1);
});

Deno.test("texts, booleans, codes and two numbers are classes", async () => {
  equal(await columnOf(cycle(["b", "a", "c"], 30)), "class of 3: a 10, b 10, c 10");
  equal(await columnOf(cycle(["True", "False"], 30)), "class of 2: False 15, True 15");
  equal(await columnOf(cycle([0, 1], 30)), "class of 2: 0 15, 1 15");
  equal(await columnOf(cycle(["01", "02", "10"], 30)), "class of 3: 01 10, 02 10, 10 10");
  equal(await columnOf(cycle([1, 2, 3], 30)), "whole number, from 1 to 3");
  match(
    await columnOf(cycle(["10", "9", "x"], 30)),
    /^class of 3: 9 10, 10 10, x 10 \| x: has 10 texts among numbers, "x" in line 4$|^class of 3: 9 10, 10 10, x 10/,
  );
});

Deno.test("texts of many values are left out; rare classes are one where few rows have them", async () => {
  match(
    await columnOf(numbers(60, (i) => i).map((i) => `name ${i}`)),
    /^left out: text \| x: left out, its texts are nearly all different$/,
  );
  match(
    await columnOf(numbers(400, (i) => i % 100).map((i) => `name ${i}`)),
    /^left out: text \| x: left out, 100 different texts, too many/,
  );
  const common = cycle(["a", "b", "c"], 2000), rare = numbers(80, (i) => i).map((i) => `rare ${i}`);
  match(
    await columnOf([...common, ...rare]),
    /^class of 64: a 667, b 667, c 666, \(other\) 20, .* \| x: 20 rare classes in 20 rows are one, \(other\)$/,
  );
  match(await columnOf(numbers(5000, (i) => i).map((i) => `t${i % 3000}`)), /texts, too many to be classes/);
  match(await columnOf(numbers(90, (i) => i).map((i) => `0${i}`)), /^left out: text/);
});

Deno.test("a text among numbers makes a column one of texts, and is named", async () => {
  const got = await columnOf([...numbers(90, (i) => i + 0.5), "12O"]);
  match(got, /^left out: text \| x: has a text among numbers, "12O" in line 92 \| x: left out, /);
  const films = await tableOf(
    '[{"title": 300}, {"title": "Avatar"}, {"title": "Up"}, {"title": 300}, {"title": "Up"}, {"title": "Up"}]',
    {
      ending: "json",
    },
  );
  deepEqual(films.schema.columns, [{
    name: "title",
    kind: "class",
    levels: ["300", "Avatar", "Up"],
    counts: [2, 1, 3],
    bare: true,
  }]);
});

Deno.test("texts that are numbers with a unit say so", async () => {
  match(
    await columnOf(numbers(90, (i) => i).map((i) => `$${i}.5`)),
    /^left out: text .*; as numbers they would be modelled, as "\$0.5" in line 2 without "\$"$/,
  );
  match(await columnOf(numbers(90, (i) => i).map((i) => `${i} %`)), /as "0 %" in line 2 without "%"$/);
  match(await columnOf(numbers(90, (i) => i).map((i) => `no ${i} of`)), /its texts are nearly all different$/);
});

Deno.test("what is doubtful of numbers is said: marks of missing ones, values that recur in a density, digits that are lost", async () => {
  const ages = numbers(90, (i) => 18 + i * 37 % 61);
  match(
    await columnOf([...ages, -999, -999]),
    /x: is -999 in 2 rows, far from all else; where that stands for unknown/,
  );
  match(await columnOf([...ages.map((age) => age / 10), 9999.9, 9999.9]), /x: is 9999.9 in 2 rows, far from all else/);
  for (const usual of [[...ages, -999], [...ages, 99, 99], [...ages, -500, -500], [-999, -999, -998, -997, -999, 3]]) {
    equal((await columnOf(usual)).includes("far from"), false, usual.slice(-3).join());
  }
  const shares = numbers(5000, (i) => i % 10 === 0 ? 0 : i % 15 === 1 ? 1 : (i * 0.7548776662) % 1);
  match(await columnOf(shares), /x: is 0 in 500 rows, 1 in 334 rows: a density has no bound/);
  equal((await columnOf(shares.filter((share) => share > 0 && share < 1))).includes("|"), false);
  match(
    await columnOf(numbers(30, (i) => i).map((i) => `90071992547410${10 + 3 * i}`)),
    /x: has whole numbers beyond 2\^53/,
  );
  const { remarks } = await tableOf(
    "a,b\n" + numbers(30, (i) => i).map((i) => `1,${i * 7 % 11 ? i / 10 : -999}`).join("\n"),
  );
  deepEqual(remarks, ["b: is -999 in 3 rows, far from all else; where that stands for unknown, empty these cells"]);
});

Deno.test("what stands for a missing cell is unknown, and said where it may mean something else", async () => {
  const { cells, notes, unknown, schema } = await tableOf(
    "a,b\n1,x\n,NA\nN/A,\nnan,?\nNULL,y\n?,x\n#N/A,x\n<NA>,y\n5,y\n.,x\n2,x\n",
  );
  deepEqual(unknown, [8, 3]);
  deepEqual(cells.map(([a]) => a), [1, NaN, NaN, NaN, NaN, NaN, NaN, NaN, 5, NaN, 2]);
  deepEqual(cells.map(([, b]) => b), [0, NaN, NaN, NaN, 1, 0, 0, 1, 1, 0, 0]);
  deepEqual(notes, [
    'a: "?" taken for unknown in 1 row',
    'a: "." taken for unknown in 1 row',
    'b: "?" taken for unknown in 1 row',
  ]);
  equal(schema.file.missing, "");
  equal((await tableOf("a\n1\nNA\n3\nNA\n\n")).schema.file.missing, "NA");
  equal(
    await columnOf(["None", 1, 2, 5.7, "none", "-"]),
    'number in steps of 0.1, from 1 to 5.7, 3 unknown | x: "None" taken for unknown in 1 row | x: "none" taken for unknown in 1 row | x: "-" taken for unknown in 1 row',
  );
  equal(
    await columnOf(cycle(["None", "minor", "major"], 30)),
    'class of 3: None 10, major 10, minor 10 | x: "None" is a class, not a missing value',
  );
});

Deno.test("dates are read in the forms that people write", async () => {
  const year = numbers(40, (i) => Date.UTC(2012, 0, 1 + i * 13 % 365));
  const parts = year.map((time) => new Date(time).toISOString().slice(0, 10).split("-"));
  const write = (form: (y: string, m: string, d: string) => string) =>
    columnOf(parts.map(([y, m, d]) => form(y, m, d)));
  const short = (text: string) => String(Number(text)),
    month = (m: string) =>
      ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][Number(m) - 1];
  equal(await write((y, m, d) => `${y}-${m}-${d}`), "date in steps of a day, from 2012-01-01 to 2012-12-30");
  equal(await write((y, m, d) => `${y}/${m}/${d}`), "date in steps of a day, from 2012/01/01 to 2012/12/30");
  equal(
    await write((y, m, d) => `${short(m)}/${short(d)}/${y}`),
    "date in steps of a day, from 1/1/2012 to 12/30/2012",
  );
  equal(await write((y, m, d) => `${d}/${m}/${y}`), "date in steps of a day, from 01/01/2012 to 30/12/2012");
  equal(await write((y, m, d) => `${d}.${m}.${y}`), "date in steps of a day, from 01.01.2012 to 30.12.2012");
  equal(await write((y, m, d) => `${month(m)} ${d} ${y}`), "date in steps of a day, from Jan 01 2012 to Dec 30 2012");
  equal(
    await write((y, m, d) => `${short(m)}/${short(d)}/${y} ${1 + Number(d) % 12}:30 ${Number(d) % 2 ? "AM" : "PM"}`),
    "date in steps of 30 minutes, from 1/1/2012 2:30 AM to 12/30/2012 7:30 PM".replace("30 minutes", "an hour"),
  );
  match(
    await write((y, m, d) => `"${["January", "May", "June"][Number(m) % 3]} ${short(d)}, ${y}"`),
    /^date in steps of a day, from January \d+, 2012 to June \d+, 2012$/,
  );
  equal(
    await write((y, m, d) => `${short(d)} ${month(m)} ${y}`),
    "date in steps of a day, from 1 Jan 2012 to 30 Dec 2012",
  );
  equal(
    await write((y, m, d) => `${d}-${month(m)}-${y.slice(2)}`),
    "date in steps of a day, from 01-Jan-12 to 30-Dec-12",
  );
  equal(await write((y, m) => `${y}-${m}`), "date in steps of a month, from 2012-01 to 2012-12");
  equal(
    await write((y, m, d) => `${y}-${m}-${d}T${d}:30:00Z`).then((line) => line.slice(0, 21)),
    "left out: text | x: l",
  );
  equal(
    await write((y, m, d) => `${y}-${m}-${d} 0${d[1]}:30`),
    "date in steps of a minute, from 2012-01-01 01:30 to 2012-12-30 00:30".replace("a minute", "an hour"),
  );
  match(
    await write((y, _, d) => `0${1 + Number(d[0])}/0${1 + Number(d[1]) % 9}/${y}`),
    /dates read as MM\/DD\/YYYY, though D\/M would do as well/,
  );
  equal(
    await columnOf(parts.map(([y]) => Number(y) + Number(y) % 7).map((y, i) => y + i)),
    "whole number, from 2015 to 2054",
  );
});

Deno.test("what says nothing of its own is left out, and said", async () => {
  const rows = numbers(30, (i) => i).map((
    i,
  ) => [
    i + 1,
    "k",
    "",
    ["a", "b", "c"][i % 3],
    ["x", "y", "z"][i % 3],
    i * 17 % 31 / 10,
    i * 17 % 31 / 10,
    i % 2 ? "k" : "",
  ]);
  const { lines, notes, schema } = await tableOf(
    ["id,constant,empty,class,renamed,size,twin,sometimes", ...rows.map((row) => row.join())].join("\n"),
  );
  deepEqual(lines, [
    "id         left out: names the rows",
    'constant   left out: constant, "k"',
    "empty      left out: empty",
    "class      class of 3: a 10, b 10, c 10",
    "renamed    left out: says the same as class",
    "size       number in steps of 0.1, from 0 to 3",
    "twin       left out: says the same as size",
    'sometimes  left out: constant, "k"',
  ]);
  deepEqual(schema.leftOut[3], { name: "renamed", reason: "duplicate", of: "class", levels: ["x", "y", "z"] });
  deepEqual(schema.leftOut[4], { name: "twin", reason: "duplicate", of: "size" });
  deepEqual(notes, [
    "id: left out, it counts the rows",
    'constant: left out, is "k" in every row',
    "empty: left out, no row has a value",
    "renamed: left out, says the same as class",
    "twin: left out, says the same as size",
    'sometimes: left out, is "k" where it is known in every row',
  ]);
});

Deno.test("of columns that say the same, one that is no identifier is kept", async () => {
  const { lines } = await tableOf(
    "item_id,name,x\n" +
      numbers(30, (i) => i).map((i) => `i${i % 3},${["ox", "hen", "cow"][i % 3]},${i * i % 11}`).join("\n"),
  );
  deepEqual(lines.slice(0, 2), [
    "item_id  left out: says the same as name",
    "name     class of 3: cow 10, hen 10, ox 10",
  ]);
});

Deno.test("decimal commas are found beside texts, dates and thousands", async () => {
  const rows = numbers(20, (i) => i).map((i) =>
    `${i},${i % 4}5;Nr. ${i % 3}.5;1${i % 9}.11.2007;1.${100 + i * 7 % 20},50`
  );
  const { lines, tableNotes } = await tableOf(["a;b;c;d", ...rows].join("\n"));
  deepEqual(lines, [
    "a  number in steps of 0.1, from 0.05 to 19.35",
    "b  class of 3: Nr. 0.5 7, Nr. 1.5 7, Nr. 2.5 6",
    "c  date in steps of a day, from 10.11.2007 to 18.11.2007",
    "d  number in steps of 1, from 1100.5 to 1119.5",
  ]);
  match(tableNotes.join("; "), /decimal commas/);
});

Deno.test("an index is left out by its name, another count is kept", async () => {
  const rows = numbers(30, (i) => i);
  const of = async (header: string, cell: (i: number) => number) =>
    (await tableOf([header, ...rows.map((i) => `${cell(i)},${i * i % 11}`)].join("\n"))).lines[0];
  match(await of(",y", (i) => i), /names the rows/);
  match(await of("Unnamed: 0,y", (i) => i), /names the rows/);
  match(await of("index,y", (i) => i + 1), /names the rows/);
  match(await of("user_id,y", (i) => 7 * (i * 37 % 61)), /names the rows/);
  match(await of("day,y", (i) => i), /^day {2}whole number/);
  match(await of("id,y", (i) => i % 7), /^id {2}whole number/);
});

Deno.test("columns are chosen, dropped and typed by name", async () => {
  const text = [
    "name,a,b,c,d",
    ...numbers(20, (i) => i).map((i) => `n${i},${i % 4},${i % 5},0${i % 3},${2000 + i}-01-01`),
  ].join("\n");
  const types = parseTypes({
    a: "class",
    b: { kind: "number", step: 0, bounds: [0, 10] },
    name: "id",
    d: { kind: "date", format: "YYYY-MM-DD" },
  });
  deepEqual((await tableOf(text, { types, drop: ["c"] })).lines, [
    "name  left out: names the rows",
    "a     class of 4: 0 5, 1 5, 2 5, 3 5",
    "b     number, from 0 to 4, within 0 and 10",
    "c     left out: as said",
    "d     date in steps of a year, from 2000-01-01 to 2019-01-01",
  ]);
  deepEqual((await tableOf(text, { columns: ["b", "d"] })).schema.columns.map(({ name }) => name), ["b", "d"]);
  deepEqual(
    (await tableOf(text, { id: ["b"], types: parseTypes({ c: { kind: "class", levels: ["02", "07"] } }) })).lines.slice(
      2,
      4,
    ),
    [
      "b     left out: names the rows",
      "c     class of 4: 02 6, 07 0, 00 7, 01 7",
    ],
  );
});

Deno.test("what a column cannot be is refused in one line", async () => {
  const text = ["name,a,c", ...numbers(20, (i) => i).map((i) => `n${i},${i * 1.25},x${i % 3}`)].join("\n");
  const refused = (options: Parameters<typeof tableOf>[1], pattern: RegExp) =>
    rejects(
      tableOf(text, options),
      (error) => error instanceof TableError && pattern.test(error.message) && !error.message.includes("\n"),
    );
  await refused({ drop: ["nmae"] }, /has no column "nmae"\. Did you mean name\?/);
  await refused({ columns: ["zzzzzz"] }, /has no column "zzzzzz"\. It has name, a, c\./);
  await refused({ types: parseTypes({ c: "number" }) }, /c is to be a number, but has "x0" in line 2/);
  await refused(
    { types: parseTypes({ a: "date" }) },
    /a is to be a date, expected one form .* but it has "0" in line 2/,
  );
  await refused(
    { types: parseTypes({ c: { kind: "date", format: "MMM-YY" } }) },
    /c is to be a date, expected MMM-YY, but it has "x0" in line 2/,
  );
  await refused(
    { types: parseTypes({ a: { kind: "number", bounds: [1, 2] } }) },
    /a goes from 0 to 23.75, beyond its bounds 1, 2/,
  );
  await refused(
    { types: parseTypes({ a: { kind: "number", step: 1 } }) },
    /a is to be in steps of 1, but its values are in steps of 1.25/,
  );
  await refused(
    { types: parseTypes({ a: { kind: "number", step: 2.5 } }) },
    /in steps of 2.5, but its values are in steps of 1.25/,
  );
  equal(
    (await tableOf(text, { types: parseTypes({ a: { kind: "number", step: 0.25 } }) })).lines[1],
    "a     number in steps of 0.25, from 0 to 23.75",
  );
  await refused({ columns: [] }, /has no column to model: name \(dropped\)/);
  await rejects(tableOf("a,b\n"), /has no rows/);
});

Deno.test("what is said of columns is checked", () => {
  const refused = (json: unknown, pattern: RegExp) => throws(() => parseTypes(json, "types.json"), pattern);
  refused([], /types.json is \[\], expected a record of columns/);
  refused(
    { a: "clas" },
    /types.json: a is "clas", expected one of number, date, class, drop, id\. Did you mean class\?/,
  );
  refused(
    { a: { kind: "number", steps: 3 } },
    /a says "steps", but of a number there is step, transform, bounds\. Did you mean step\?/,
  );
  refused({ a: { kind: "number", step: -1 } }, /a has the step -1, expected/);
  refused({ a: { kind: "number", transform: "log10" } }, /the transform "log10", expected one of auto, none, log/);
  refused({ a: { kind: "number", bounds: [3, 1] } }, /the bounds \[3,1\], expected two numbers/);
  refused({ a: { kind: "date", format: "yyyy-mm-dd" } }, /the format "yyyy-mm-dd", expected a form of dates/);
  refused({ a: { kind: "class", levels: ["a", "a"] } }, /the levels \["a","a"\], expected a list of different texts/);
  refused({ a: { kind: "drop", step: 1 } }, /a says "step", but of a drop there is nothing/);
  refused({ a: null }, /a is null, expected/);
});
