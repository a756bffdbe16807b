import { deepEqual, equal, fail, match, ok } from "assert";
import { join } from "node:path";
import { UserError } from "../../core/errors/user_error.ts";
import { locate } from "../../core/files/locate.ts";
import { formatOf, type ReadOptions } from "../../core/io/formats.ts";
import { readAll } from "../../core/io/stored_rows.ts";
import { inFolder } from "../folders.ts";
import { runPython } from "../python.ts";

const PACKAGES = ["h5py", "numpy", "pandas", "pyarrow", "PIL", "safetensors", "scipy", "torch"];

/** A file, and what other libraries read of it or why it is refused. */
interface Case {
  readonly file: string;
  readonly name: string;
  readonly shape?: readonly number[];
  readonly values?: string;
  readonly columns?: readonly string[];
  readonly notes?: string;
  readonly options?: Partial<ReadOptions>;
  readonly refused?: string;
}

Deno.test("files of every format are what the libraries that wrote them read, or refused by name", (t) =>
  inFolder(async (folder) => {
    await runPython("make_data_files.py", [folder], PACKAGES);
    const cases: Case[] = JSON.parse(await Deno.readTextFile(join(folder, "cases.json")));
    ok(new Set(cases.map(({ file }) => file)).size >= 80);
    for (const each of cases) {
      const what = `${each.file}${each.name === "" ? "" : `:${each.name}`}${each.refused ? " is refused" : ""}`;
      await t.step(what, () => check(folder, each));
    }
    console.log(`${cases.length} arrays, ${cases.filter(({ refused }) => refused).length} of them refused`);
  }));

async function check(folder: string, each: Case): Promise<void> {
  const path = join(folder, each.file), source = each.name === "" ? path : `${path}:${each.name}`;
  const options = { header: "auto", transpose: "auto", ...each.options } as const;
  const open = async () => {
    if ((await Deno.stat(path)).isDirectory) return await (await locate(path, options)).train.open();
    const format = formatOf(path) ?? fail("its name is not known");
    if (each.shape && format.names) ok((await format.names(path)).includes(each.name), "its name is listed");
    return await format.open(path, each.name, source, options);
  };
  if (each.refused !== undefined) {
    let read: string | undefined;
    try {
      using rows = await open();
      read = `[${rows.shape}] ${rows.type}: ${readAll(rows, source).data.slice(0, 6)}`;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      match(error.message, new RegExp(each.refused));
      ok(error.message.includes(folder) && !error.message.includes("\n"), error.message);
    }
    equal(read, undefined);
    return;
  }
  using rows = await open();
  const { shape, data } = readAll(rows, source);
  deepEqual(shape, each.shape);
  const expected = new Float64Array((await Deno.readFile(join(folder, each.values!))).buffer);
  // Object.is tells −0 from 0, and NaN from none.
  const wrong = Array.from(data).findIndex((x, i) => !Object.is(x, expected[i]));
  if (wrong >= 0) fail(`value ${wrong} is ${data[wrong]}, expected ${expected[wrong]}`);
  if (each.columns) deepEqual(rows.columns, each.columns);
  if (each.notes) match((rows.notes ?? []).join("; "), new RegExp(each.notes));
}
