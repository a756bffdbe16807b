import { deepEqual, equal, match, ok, rejects, throws } from "assert";
import { join } from "node:path";
import {
  beyondBounds,
  DESCRIPTION_BOUNDS,
  JsonFileError,
  parseBoundedJson,
  PYTHON_BOUNDS,
  readBoundedJson,
} from "../../../core/io/bounded_json.ts";
import { parsePythonJson, pythonJson } from "../../../core/io/python_json.ts";
import { inFolder } from "../../folders.ts";

const POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 143000000\n";

const bytesOf = (text: string) => new TextEncoder().encode(text);

Deno.test("depth and values are counted outside of strings, up to the bounds", () => {
  const bounds = { bytes: 100, depth: 2, values: 4 };
  for (const text of ['{"a[[[\\"{{{":[1,2]}', "[[],[]]", '"\\\\"', "1", ""]) {
    equal(beyondBounds(bytesOf(text), bounds), undefined, text);
  }
  match(beyondBounds(bytesOf('{"a":[[1]]}'), bounds)!, /^nests more deeply .* at most 2 levels$/);
  match(beyondBounds(bytesOf("[1,2,3,4,5]"), bounds)!, /^holds more than the 4 values/);
  match(beyondBounds(bytesOf("[[],[],[]]"), bounds)!, /^holds more than the 4 values/);
  match(beyondBounds(new Uint8Array(101), bounds)!, /^has 101 bytes, .* at most 100 are read$/);
});

Deno.test("what is no JSON within its bounds is a line that names it", () => {
  deepEqual(parseBoundedJson(bytesOf('{"x":[1]}'), DESCRIPTION_BOUNDS, "x.json"), { x: [1] });
  const cases: [string, RegExp][] = [
    ["{", /^Cannot read x\.json: it is not valid JSON\. /],
    ["[".repeat(1000), /^Cannot read x\.json: it nests more deeply/],
    [POINTER, /^x\.json is a pointer of Git LFS, not the file itself\. Run git lfs pull .*, or download/],
  ];
  for (const [text, message] of cases) {
    throws(() => parseBoundedJson(bytesOf(text), DESCRIPTION_BOUNDS, "x.json"), (error) => {
      ok(error instanceof JsonFileError && !error.message.includes("\n"));
      match(error.message, message);
      return true;
    });
  }
});

Deno.test("numbers that Python's json writes and JSON has not are read where they may be, and written again", () => {
  const text = '{"a": [-Infinity, Infinity, NaN, 1], "Infinity": "NaN, \\"Infinity", "b": "-Infinity"}';
  const value = { a: [-Infinity, Infinity, NaN, 1], Infinity: 'NaN, "Infinity', b: "-Infinity" };
  deepEqual(parseBoundedJson(bytesOf(text), PYTHON_BOUNDS, "x.json"), value);
  deepEqual(parsePythonJson(pythonJson(value)), value);
  match(pythonJson(value), /\[\n +-Infinity,\n +Infinity,\n +NaN,\n +1\n +\]/);
  for (
    const [wrong, bounds] of [[text, DESCRIPTION_BOUNDS], ["[Infinit]", PYTHON_BOUNDS], [
      "[--NaN]",
      PYTHON_BOUNDS,
    ]] as const
  ) {
    throws(() => parseBoundedJson(bytesOf(wrong), bounds, "x.json"), /x\.json: it is not valid JSON/);
  }
});

Deno.test("a file that is too large is refused before it is read", () =>
  inFolder(async (folder) => {
    const path = join(folder, "config.json");
    await rejects(readBoundedJson(path, DESCRIPTION_BOUNDS), { message: /config\.json: there is no such file/ });
    await Deno.writeTextFile(path, "");
    await Deno.truncate(path, 5e9);
    await rejects(readBoundedJson(path, DESCRIPTION_BOUNDS), {
      message: /config\.json has 5000000000 bytes, too many/,
    });
    await Deno.writeTextFile(path, '{"a":1}');
    deepEqual(await readBoundedJson(path, DESCRIPTION_BOUNDS), { a: 1 });
  }));
