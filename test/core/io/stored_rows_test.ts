import { deepEqual, ok, throws } from "assert";
import { join } from "node:path";
import { DataFileError } from "../../../core/io/data_array.ts";
import { datasetNames, openDataset, readDataset } from "../../../core/io/hdf5.ts";
import { openNpy, readNpy } from "../../../core/io/npy.ts";
import { encodeSafetensors, openTensor, readTensor, tensorNames } from "../../../core/io/safetensors.ts";
import { heldRows, type StoredRows, storedSamples } from "../../../core/io/stored_rows.ts";
import { selectRows, toFloat32 } from "../../../core/data/samples.ts";
import { inFolder } from "../../folders.ts";
import { fuzz } from "./fuzz.ts";

const FILES = new URL("../../reference/files/", import.meta.url).pathname;

/** All rows one by one, from the last to the first, in the order of the file. */
function rowByRow(rows: StoredRows): number[] {
  const parts: number[][] = [];
  for (let i = rows.shape[0] - 1; i >= 0; i--) parts.unshift([...rows.read(i, i + 1)]);
  return parts.flat();
}

Deno.test("rows read one by one are those of the whole array, in every format and type", async () => {
  for (const name of ["f4", "big_i2", "big_f8", "i8", "f2", "u1", "fortran"]) {
    using rows = await openNpy(`${FILES}${name}.npy`);
    const { shape, data } = await readNpy(`${FILES}${name}.npy`);
    deepEqual([rows.shape, rows.type === "u1", rowByRow(rows)], [shape, data instanceof Uint8Array, [...data]], name);
  }
  const tensors = `${FILES}tensors.safetensors`;
  for (const name of await tensorNames(tensors)) {
    using rows = await openTensor(tensors, name, name);
    const { shape, data } = await readTensor(tensors, name, name);
    if (shape.length > 0) deepEqual([rows.shape, rowByRow(rows)], [shape, [...data]], name);
  }
  for (const name of ["i1", "u1", "u8", "f2", "big_f4", "gzip", "group/x"]) {
    using rows = await openDataset(`${FILES}types.h5`, name);
    const { shape, data } = await readDataset(`${FILES}types.h5`, name);
    deepEqual([rows.shape, rowByRow(rows)], [shape, [...data]], name);
  }
});

Deno.test("samples of stored rows are read in any order, each as the map makes it", () => {
  const values = Float32Array.from({ length: 3 * 50_001 }, (_, i) => i % 997);
  const samples = storedSamples(heldRows({ shape: [50_001, 3], data: values }), (rows, out) => {
    ok(rows.length === out.length && rows.length % 3 === 0);
    out.set(rows.map((x) => 2 * x));
  });
  deepEqual([samples.count, samples.dimension], [50_001, 3]);
  deepEqual(toFloat32(samples), values.map((x) => 2 * x));
  for (const [begin, end] of [[50_000, 50_001], [5_000, 12_000], [0, 1], [49_000, 50_001], [7, 7]]) {
    deepEqual(toFloat32(samples, begin, end), values.slice(3 * begin, 3 * end).map((x) => 2 * x));
  }
  const rows = Uint32Array.of(40_000, 3, 3, 50_000, 0);
  deepEqual(
    [...toFloat32(selectRows(samples, rows))],
    [...rows].flatMap((row) => [0, 1, 2].map((k) => 2 * values[3 * row + k])),
  );
  const out = new Float32Array(8).fill(-1);
  samples.copy(1, 3, out, 1);
  deepEqual([...out], [-1, 6, 8, 10, 12, 14, 16, -1]);
});

Deno.test("rows that are packed together are read together", () => {
  const asked: number[][] = [];
  const rows: StoredRows = {
    shape: [100_000, 2],
    type: "f4",
    packed: 30_000,
    read(begin, end) {
      asked.push([begin, end]);
      return new Float32Array(2 * (end - begin));
    },
    [Symbol.dispose]() {},
  };
  const samples = storedSamples(rows, (values, out) => out.set(values));
  for (const row of [5, 29_999, 95_000]) samples.copy(row, row + 1, new Float32Array(2));
  deepEqual(asked, [[0, 30_000], [90_000, 100_000]]);
});

Deno.test("a file that is cut off while it is open is named, and no row of it is made up", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "x.safetensors");
    const data = Float32Array.from({ length: 40_000 }, (_, i) => i);
    await Deno.writeFile(path, encodeSafetensors({ x: { shape: [20_000, 2], data } }));
    using rows = await openTensor(path, "x", `${path}:x`);
    deepEqual([...rows.read(19_999, 20_000)], [39_998, 39_999]);
    await Deno.truncate(path, 100_000);
    throws(() => rows.read(19_999, 20_000), (error) => {
      ok(error instanceof DataFileError && /x\.safetensors:x: it ended after 0 of 8 bytes/.test(error.message));
      return true;
    });
  });
});

Deno.test("rows of damaged files are those of the whole array, or refused", async () => {
  await inFolder(async (folder) => {
    // The whole is read once the rows are, so that nothing is still being read when the next copy is written.
    const same = async (rows: StoredRows, whole: () => Promise<{ readonly data: ArrayLike<number> }>) => {
      using open = rows;
      if (open.shape.length > 0) deepEqual(rowByRow(open), Array.from((await whole()).data));
    };
    const npy = join(folder, "x.npy");
    await fuzz(await Deno.readFile(`${FILES}big_f8.npy`), 200, async (bytes) => {
      await Deno.writeFile(npy, bytes);
      await same(await openNpy(npy), () => readNpy(npy));
    });
    const tensors = join(folder, "x.safetensors");
    await fuzz(await Deno.readFile(`${FILES}tensors.safetensors`), 200, async (bytes) => {
      await Deno.writeFile(tensors, bytes);
      for (const name of await tensorNames(tensors)) {
        await same(await openTensor(tensors, name, name), () => readTensor(tensors, name, name));
      }
    });
    await fuzz(await Deno.readFile(`${FILES}parts.h5`), 100, async (bytes, copy) => {
      const path = join(folder, `${copy}.h5`);
      await Deno.writeFile(path, bytes);
      for (const name of await datasetNames(path)) {
        await same(await openDataset(path, name), () => readDataset(path, name));
      }
    });
  });
});
