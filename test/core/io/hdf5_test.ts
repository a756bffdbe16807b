import { deepEqual, equal, match, ok, rejects } from "assert";
import { join } from "node:path";
import { DataFileError } from "../../../core/io/data_array.ts";
import { datasetNames, readDataset } from "../../../core/io/hdf5.ts";
import { readSafetensors } from "../../../core/io/safetensors.ts";
import { inFolder } from "../../folders.ts";
import { fuzz } from "./fuzz.ts";

const REFERENCE = new URL("../../reference/", import.meta.url).pathname;
const TYPES = `${REFERENCE}files/types.h5`;

/** Expects a {@link DataFileError} of one line that names the file. */
const refused = (promise: Promise<unknown>, pattern: RegExp) =>
  rejects(promise, (error) => {
    ok(error instanceof DataFileError, String(error));
    match(error.message, pattern);
    ok(error.message.includes(".h5") && !error.message.includes("\n"), error.message);
    return true;
  });

Deno.test("chunked and compressed data sets equal the reference", async () => {
  const { tensors: { points, images } } = await readSafetensors(`${REFERENCE}datasets/hdf5.safetensors`);
  deepEqual(await readDataset(`${REFERENCE}datasets/points.h5`, "x"), points);
  const { shape, data } = await readDataset(`${REFERENCE}datasets/images.h5`, "x");
  ok(data instanceof Uint8Array);
  deepEqual([shape, [...data]], [images.shape, [...images.data as Int32Array]]);
});

Deno.test("integers and floats of every size and byte order are read, bytes stay bytes", async () => {
  const count = Array.from({ length: 12 }, (_, i) => i);
  for (const name of ["i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "big_f4", "big_i2", "soft"]) {
    deepEqual(await readDataset(TYPES, name), { shape: [4, 3], data: Float32Array.from(count) }, name);
  }
  deepEqual(await readDataset(TYPES, "u1"), { shape: [4, 3], data: Uint8Array.from(count) });
  deepEqual(await readDataset(TYPES, "group/x"), { shape: [6], data: Float32Array.of(0, 1, 2, 3, 4, 5) });
  const gzip = await readDataset(TYPES, "gzip");
  deepEqual(gzip, { shape: [20, 3], data: Float32Array.from({ length: 60 }, (_, i) => i) });
});

Deno.test("the data sets of a file are listed with their groups, without links that lead nowhere", async () => {
  const names = await datasetNames(TYPES);
  for (const name of ["f4", "group/x", "soft", "text"]) ok(names.includes(name), name);
  for (const name of ["group", "broken", "outside"]) ok(!names.includes(name), name);
});

Deno.test("what is no data set of numbers is refused", async () => {
  await refused(readDataset(TYPES, "text"), /types\.h5:text holds the type S, expected integers or floats/);
  await refused(readDataset(TYPES, "complex"), /holds records/);
  await refused(readDataset(TYPES, "scalar"), /is a single number or empty/);
  await refused(readDataset(TYPES, "empty"), /is a single number or empty/);
  await refused(readDataset(TYPES, "lzf"), /is packed with lzf, expected gzip/);
  await refused(readDataset(TYPES, "huge"), /claims 1000000000000 values, more than a file of \d+ bytes can hold/);
  for (const name of ["group", "nothing", "broken", "outside"]) {
    await refused(readDataset(TYPES, name), new RegExp(`has no data set "${name}"`));
  }
  await refused(readDataset(`${REFERENCE}nowhere.h5`, "x"), /there is no such file/);
  await inFolder(async (folder) => {
    const path = join(folder, "x.h5");
    await Deno.writeTextFile(path, "<html>no such file</html>");
    await refused(datasetNames(path), /not a readable HDF5 file \(file signature not found\)/);
  });
});

Deno.test("damaged HDF5 files are read or refused, never anything else", async () => {
  await inFolder(async (folder) => {
    for (const file of ["datasets/points.h5", "files/parts.h5"]) {
      const whole = await Deno.readFile(REFERENCE + file);
      const refusals = await fuzz(whole, 400, async (bytes, copy) => {
        // The library knows a file by its path as long as any part of it is open.
        const path = join(folder, `${copy}-${file.length}.h5`);
        await Deno.writeFile(path, bytes);
        for (const name of await datasetNames(path)) {
          const { shape, data } = await readDataset(path, name);
          equal(data.length, shape.reduce((product, n) => product * n, 1));
        }
      });
      ok(refusals > 80, `${file}: ${refusals}`);
    }
  });
});
