import { deepEqual, match, ok, rejects } from "assert";
import { join } from "node:path";
import { Uint8ArrayReader, Uint8ArrayWriter, ZipWriter } from "@zip.js/zip.js";
import { DataFileError } from "../../../core/io/data_array.ts";
import { npzNames, openNpz } from "../../../core/io/npz.ts";
import { readAll } from "../../../core/io/stored_rows.ts";
import { inFolder } from "../../folders.ts";
import { fuzz } from "./fuzz.ts";

const FILES = new URL("../../reference/files/", import.meta.url).pathname;

/** An archive of files of the reference folder, deflated or stored. */
async function archive(names: readonly string[], level: number): Promise<Uint8Array<ArrayBuffer>> {
  const zip = new ZipWriter(new Uint8ArrayWriter(), { level, dataDescriptor: false });
  for (const name of names) {
    await zip.add(`${name}.npy`, new Uint8ArrayReader(await Deno.readFile(`${FILES}${name}.npy`)));
  }
  return new Uint8Array(await zip.close());
}

async function read(path: string, name: string) {
  using rows = await openNpz(path, name, `${path}:${name}`);
  return readAll(rows, path);
}

const refused = (promise: Promise<unknown>, pattern: RegExp) =>
  rejects(promise, (error) => {
    ok(error instanceof DataFileError, String(error));
    match(error.message, pattern);
    ok(!error.message.includes("\n"));
    return true;
  });

Deno.test("the arrays of an NPZ file are those of the NPY files in it, stored or deflated", () =>
  inFolder(async (folder) => {
    const values = Array.from({ length: 12 }, (_, i) => i - 2), path = join(folder, "x.npz");
    for (const level of [0, 6]) {
      await Deno.writeFile(path, await archive(["f4", "big_i2", "big_f8", "i8", "fortran", "u1"], level));
      deepEqual(await npzNames(path), ["f4", "big_i2", "big_f8", "i8", "fortran", "u1"]);
      deepEqual(await read(path, "f4"), { shape: [3, 4], data: Float32Array.from(values) });
      deepEqual(await read(path, "big_i2"), { shape: [3, 4], data: Float32Array.from(values) });
      deepEqual(await read(path, "big_f8"), { shape: [3, 4], data: Float64Array.from(values, (x) => x / 3) });
      deepEqual(await read(path, "i8"), { shape: [3, 4], data: Float64Array.from(values) });
      deepEqual(await read(path, "fortran"), { shape: [3, 2, 2], data: Float32Array.from(values) });
      deepEqual(await read(path, "u1"), { shape: [3, 4], data: Uint8Array.from(values, (x) => x + 2) });
      using rows = await openNpz(path, "big_i2", path);
      deepEqual([rows.type, ...rows.read(2, 3)], ["i2", 6, 7, 8, 9]);
      deepEqual([...rows.read(0, 1)], [-2, -1, 0, 1]);
    }
  }));

Deno.test("what is no array, or damaged, is refused", () =>
  inFolder(async (folder) => {
    const path = join(folder, "x.npz");
    await Deno.writeFile(path, await archive(["f4", "complex"], 0));
    await refused(read(path, "g"), /x\.npz has no array "g"/);
    await refused(read(path, "complex"), /x\.npz:complex holds '<c8', expected integers or floats/);
    await refused(npzNames(join(folder, "y.npz")), /there is no such file/);
    await Deno.writeFile(path, new Uint8Array(100));
    await refused(npzNames(path), /is not a readable zip archive/);

    // One byte of the values is changed, which only the checksum tells.
    const stored = await archive(["f4"], 0);
    stored[30 + 6 + 128 + 7] ^= 1;
    await Deno.writeFile(path, stored);
    await refused(read(path, "f4"), /is not a readable zip archive \(Invalid CRC32/);

    // The directory claims a terabyte.
    const packed = await archive(["f4"], 6), view = new DataView(packed.buffer);
    const directory = view.getUint32(packed.length - 22 + 16, true);
    view.setUint32(directory + 24, 0x7fffffff, true);
    await Deno.writeFile(path, packed);
    await refused(read(path, "f4"), /"f4\.npy" claims 2147483647 bytes, more than are in the file/);
  }));

Deno.test("damaged NPZ files are read or refused, never anything else", () =>
  inFolder(async (folder) => {
    const path = join(folder, "x.npz");
    for (const level of [0, 6]) {
      const refusals = await fuzz(await archive(["fortran", "i8"], level), 400, async (bytes) => {
        await Deno.writeFile(path, bytes);
        for (const name of await npzNames(path)) ok((await read(path, name)).data.length <= 12);
      });
      ok(refusals > 200, `${refusals}`);
    }
  }));
