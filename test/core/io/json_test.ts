import { deepEqual, match, ok, rejects } from "assert";
import { join } from "node:path";
import { DataFileError } from "../../../core/io/data_array.ts";
import { openJson } from "../../../core/io/json.ts";
import { readAll } from "../../../core/io/stored_rows.ts";
import { inFolder } from "../../folders.ts";

async function read(text: string, missing: readonly string[] = []) {
  let result:
    | { values: number[]; shape: readonly number[]; columns: readonly string[] | undefined; notes: string }
    | undefined;
  await inFolder(async (folder) => {
    const path = join(folder, "x.json");
    await Deno.writeTextFile(path, text);
    using rows = await openJson(path, missing);
    const { shape, data } = readAll(rows, path);
    result = { values: [...data], shape, columns: rows.columns, notes: rows.notes!.join() };
  });
  return result!;
}

Deno.test("records of numbers are rows", async () => {
  const expected = { values: [1, 2.5, -3e5, 4], shape: [2, 2], columns: ["a", "b"], notes: "records" };
  deepEqual(await read('[{"a": 1, "b": 2.5}, {"b": 4, "a": -3e5}]'), expected);
  deepEqual(await read('{"a": 1, "b": "2.5"}\n{"b": 4, "a": -3e5}\n'), { ...expected, notes: "a record a line" });
});

Deno.test("what is no number is named, unless its column may lack values", async () => {
  const refused = (text: string, pattern: RegExp, missing?: string[]) =>
    rejects(read(text, missing), (error) => {
      ok(error instanceof DataFileError && !error.message.includes("\n"), String(error));
      match(error.message, pattern);
      return true;
    });
  await refused('[{"a": 1}, {"a": "x"}]', /has "x" in record 2, key a, expected a number/);
  await refused('{"a": 1}\n\n{"a": null}', /has "null" in line 3, key a/);
  await refused('[{"a": 1, "b": 2}, {"a": 1}]', /has nothing in record 2, key b/);
  await refused('[{"a": true}]', /has "true" in record 1/);
  await refused('[{"a": 1}, {"a": "x"}]', /has "x"/, ["a"]);
  await refused("[]", /has no records/);
  deepEqual((await read('[{"a": 1, "b": 2}, {"a": 3}, {"a": 4, "b": null}, {"a": 5, "b": "NA"}]', ["b"])).values, [
    1,
    2,
    3,
    NaN,
    4,
    NaN,
    5,
    NaN,
  ]);
});
