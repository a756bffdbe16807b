import { deepEqual, equal, match, ok, rejects } from "assert";
import { join } from "node:path";
import { DataFileError } from "../../../core/io/data_array.ts";
import { datasetNames, openDataset, readDataset } from "../../../core/io/hdf5.ts";
import { readSafetensors } from "../../../core/io/safetensors.ts";
import { inFolder } from "../../folders.ts";
import { fuzz } from "./fuzz.ts";

const REFERENCE = new URL("../../reference/", import.meta.url).pathname;
const TYPES = `${REFERENCE}files/types.h5`, CASES = `${REFERENCE}cases/`;

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
  for (const name of ["i1", "u2", "i2", "f2", "f4", "big_f4", "big_i2", "soft"]) {
    deepEqual(await readDataset(TYPES, name), { shape: [4, 3], data: Float32Array.from(count) }, name);
  }
  // What a float32 may not hold is float64.
  for (const name of ["u4", "i4", "u8", "i8", "f8"]) {
    deepEqual(await readDataset(TYPES, name), { shape: [4, 3], data: Float64Array.from(count) }, name);
  }
  deepEqual(await readDataset(TYPES, "u1"), { shape: [4, 3], data: Uint8Array.from(count) });
  deepEqual(await readDataset(TYPES, "group/x"), { shape: [6], data: Float64Array.of(0, 1, 2, 3, 4, 5) });
  const gzip = await readDataset(TYPES, "gzip");
  deepEqual(gzip, { shape: [20, 3], data: Float64Array.from({ length: 60 }, (_, i) => i) });
});

Deno.test("the data sets of a file are listed with their groups, without links that lead nowhere", async () => {
  const names = await datasetNames(TYPES);
  for (const name of ["f4", "group/x", "soft", "text"]) ok(names.includes(name), name);
  for (const name of ["group", "broken", "outside"]) ok(!names.includes(name), name);
});

Deno.test("types whose bits lie otherwise than the machine's are those that h5py reads, or refused by name", async () => {
  const first = async (name: string) => [...(await readDataset(`${CASES}${name}`, "x")).data.subarray(0, 4)];
  deepEqual(await first("bf16.h5"), [3.34375, -1.25, 3.328125, -2.75]);
  deepEqual(await first("int_prec14.h5"), [3346, -1252, 3330, -2747]);
  deepEqual(await first("int_prec20_off8.h5"), [3346, -1252, 3330, -2747]);
  await refused(
    readDataset(`${CASES}longdouble.h5`, "x"),
    /holds floats of 80 bits \(long double\), .*expected integers/,
  );
});

Deno.test("units are noted, where a file says them", () =>
  inFolder(async (folder) => {
    const path = join(folder, "units.h5"), library = await import("h5wasm/node");
    await library.ready;
    const file = new library.File(path, "w"), data = Float64Array.of(1, 2, 3);
    file.create_dataset({ name: "t", data, shape: [3] }).create_attribute("units", "degrees\nC");
    file.create_dataset({ name: "n", data, shape: [3] }).create_attribute("units", 3);
    file.close();
    using rows = await openDataset(path, "t");
    using other = await openDataset(path, "n");
    deepEqual([rows.notes, other.notes], [["in degrees C"], undefined]);
  }));

Deno.test("links in a circle do not hide what is healthy beside them", async () => {
  deepEqual(await datasetNames(`${CASES}softloop.h5`), ["data"]);
  deepEqual((await readDataset(`${CASES}softloop.h5`, "data")).shape, [1000, 2]);
});

Deno.test("a table of MATLAB is transposed, as its user sees it, or as the file has it", () =>
  inFolder(async (folder) => {
    const path = join(folder, "m.mat"), library = await import("h5wasm/node");
    await library.ready;
    const file = new library.File(path, "w"), data = Float64Array.from({ length: 600 }, (_, i) => i);
    file.create_dataset({ name: "T", data, shape: [20, 30] }).create_attribute("MATLAB_class", "double");
    file.close();
    const read = async (transpose: "auto" | "off") => {
      using rows = await openDataset(path, "T", path, { transpose });
      return { shape: rows.shape, notes: rows.notes, values: [...rows.read(0, rows.shape[0])] };
    };
    const [seen, stored] = [await read("auto"), await read("off")];
    deepEqual([seen.shape, seen.notes], [[30, 20], ["MATLAB's axes reversed, --transpose off if not"]]);
    deepEqual(seen.values, seen.values.map((_, i) => i % 20 * 30 + Math.floor(i / 20)));
    deepEqual([stored.shape, stored.notes, stored.values], [[20, 30], undefined, [...data]]);
    const images = new library.File(path, "w"), pixels = Uint8Array.from({ length: 2 * 6 * 5 }, (_, i) => i);
    // In MATLAB 5 x 6 x 2: two images of height 5 and width 6; and one photograph of 5 x 6 x 3.
    images.create_dataset({ name: "T", data: pixels, shape: [2, 6, 5] }).create_attribute("MATLAB_class", "uint8");
    const photograph = Uint8Array.from({ length: 90 }, (_, i) => i);
    images.create_dataset({ name: "P", data: photograph, shape: [3, 6, 5] }).create_attribute("MATLAB_class", "uint8");
    images.close();
    const two = await read("auto");
    deepEqual([two.shape, two.notes], [[2, 5, 6], ["images along MATLAB's last axis, --transpose off if not"]]);
    deepEqual(two.values.slice(0, 7), [0, 5, 10, 15, 20, 25, 1]);
    using one = await openDataset(path, "P");
    deepEqual([one.shape, [...one.read(0, 1)].slice(0, 4)], [[5, 6, 3], [0, 30, 60, 5]]);
    using on = await openDataset(TYPES, "f4", TYPES, { transpose: "on" });
    deepEqual([on.shape, [...on.read(0, 1)]], [[3, 4], [0, 3, 6, 9]]);
  }));

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
