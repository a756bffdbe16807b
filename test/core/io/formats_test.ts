import { deepEqual, equal, match, ok, rejects } from "assert";
import { join } from "node:path";
import { DataFileError } from "../../../core/io/data_array.ts";
import { DATA_NAMES, type DataEnding } from "../../../core/data/data_file.ts";
import { formatOf, FORMATS, type ReadOptions } from "../../../core/io/formats.ts";
import { readAll } from "../../../core/io/stored_rows.ts";
import { inFolder } from "../../folders.ts";

const FILES = new URL("../../reference/files/", import.meta.url).pathname;
const OPTIONS: ReadOptions = { header: "auto", transpose: "auto" };

Deno.test("the format of a file is told by its name", () => {
  const kinds: Record<string, readonly string[]> = {
    csv: ["a.csv", "A.CSV", "a.b.tsv", "x/y.txt", "x.dat", "x.csv.gz", "x.tar.tsv.gz"],
    json: ["x.json", "x.jsonl", "X.NDJSON", "x.json.gz", "x.jsonl.gz", "x.ndjson.gz"],
    npz: ["x.npz"],
    mat: ["x.mat"],
    parquet: ["x.parquet"],
    pt: ["x.pt", "x.pth"],
    png: ["x.png", "x.JPG", "x.jpeg", "x.webp"],
    idx: [
      "train-images-idx3-ubyte",
      "train-labels-idx1-ubyte.gz",
      "train-images.idx3-ubyte",
      "emnist-letters-test-images-idx3-ubyte.gz",
      "t10k-images.idx3-ubyte.gz",
      "x.idx",
      "x.idx.gz",
    ],
  };
  for (const [kind, names] of Object.entries(kinds)) {
    for (const name of names) equal(formatOf(name), FORMATS[kind as DataEnding], name);
  }
  const none = ["x.ts", "x.gz", "x", "", "csv", ".csv/x", "x.npy.gz", "x.parquet.gz", "x.constructor", "idx3-ubyte/x"];
  for (const name of none) equal(formatOf(name), undefined, name);
  ok(!DATA_NAMES.includes("\n"));
  for (const ending of Object.keys(FORMATS)) if (!ending.endsWith(".gz")) ok(DATA_NAMES.includes(`.${ending}`), ending);
});

Deno.test("every format opens with the names that it lists", () =>
  inFolder(async (folder) => {
    const mat = join(folder, "x.mat");
    await Deno.copyFile(`${FILES}types.h5`, mat);
    for (
      const [path, name] of [[mat, "u1"], [`${FILES}types.h5`, "u1"], [`${FILES}tensors.safetensors`, "shared.part"]]
    ) {
      const format = formatOf(path)!;
      ok((await format.names!(path)).includes(name), path);
      using rows = await format.open(path, name, `${path}:${name}`, OPTIONS);
      equal(rows.read(0, 1).length, rows.shape.slice(1).reduce((a, b) => a * b, 1));
    }
    const numbers = `${FILES}numbers.parquet`;
    using rows = await formatOf(numbers)!.open(numbers, "", numbers, OPTIONS);
    deepEqual(rows.shape, [40, 11]);
  }));

Deno.test("a MATLAB file of an older version says how to save it", () =>
  inFolder(async (folder) => {
    const path = join(folder, "x.mat"), { mat } = FORMATS;
    const refused = async (bytes: Uint8Array, pattern: RegExp) => {
      await Deno.writeFile(path, bytes);
      for (const read of [() => mat.names!(path), () => mat.open(path, "x", path, OPTIONS)]) {
        await rejects(read, (error) => {
          ok(error instanceof DataFileError, String(error));
          match(error.message, pattern);
          return true;
        });
      }
    };
    const old = new TextEncoder().encode("MATLAB 5.0 MAT-file, Platform: GLNXA64, Created on: ".padEnd(200));
    await refused(old, /x\.mat is a MATLAB file of a version before 7\.3, which alone is read\. Save it .*"-v7\.3"/);
    await refused(Uint8Array.of(0, 0, 0, 0, 2, 0, 0, 0), /x\.mat is no MATLAB file of version 7\.3/);
    await refused(new Uint8Array(0), /x\.mat is no MATLAB file of version 7\.3/);

    // MATLAB's block of 512 bytes before an HDF5 file.
    const block = new Uint8Array(512);
    block.set(new TextEncoder().encode("MATLAB 7.3 MAT-file, Platform: GLNXA64".padEnd(116)));
    await Deno.writeFile(path, Uint8Array.from([...block, ...await Deno.readFile(`${FILES}types.h5`)]));
    ok((await mat.names!(path)).includes("u1"));
    using whole = await FORMATS.h5.open(`${FILES}types.h5`, "u1", "u1", OPTIONS);
    using rows = await mat.open(path, "u1", path, OPTIONS);
    deepEqual(readAll(rows, path), readAll(whole, path));
  }));
