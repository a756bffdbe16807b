import { deepEqual, match, ok, rejects } from "assert";
import { join } from "node:path";
import { DataFileError } from "../../../core/io/data_array.ts";
import { openIdx } from "../../../core/io/idx.ts";
import { readAll } from "../../../core/io/stored_rows.ts";
import { inFolder } from "../../folders.ts";
import { gzip } from "./archives.ts";
import { fuzz } from "./fuzz.ts";

/** An IDX file of the given type, sizes and bytes. */
function idx(type: number, shape: readonly number[], bytes: Iterable<number>): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([0, 0, type, shape.length, ...shape.flatMap((n) => [n >>> 24, n >> 16, n >> 8, n]), ...bytes]);
}

/** The big-endian bytes of numbers. */
function bigEndian(numbers: ArrayBufferView & { readonly BYTES_PER_ELEMENT: number }): number[] {
  const bytes = [...new Uint8Array(numbers.buffer)], size = numbers.BYTES_PER_ELEMENT;
  return Array.from({ length: bytes.length / size }, (_, i) => bytes.slice(i * size, (i + 1) * size).reverse()).flat();
}

async function read(path: string) {
  using rows = await openIdx(path);
  return { ...readAll(rows, path), type: rows.type };
}

Deno.test("every type of IDX file is read, gzipped or not", () =>
  inFolder(async (folder) => {
    const values = [3, -2, 1, 0, -7, 100];
    const path = join(folder, "x");
    for (
      const [code, type, numbers] of [
        [8, "u1", Uint8Array.from(values)],
        [9, "i1", Int8Array.from(values)],
        [11, "i2", Int16Array.from(values, (x) => 300 * x)],
        [12, "i4", Int32Array.from(values, (x) => 20_000_001 * x)],
        [13, "f4", Float32Array.from(values, (x) => x / 3)],
        [14, "f8", Float64Array.from(values, (x) => x / 3)],
      ] as const
    ) {
      const bytes = idx(code, [3, 1, 2], bigEndian(numbers));
      for (const file of [bytes, await gzip(bytes)]) {
        await Deno.writeFile(path, file);
        const { shape, data, type: found } = await read(path);
        deepEqual([shape, found, [...data]], [[3, 1, 2], type, [...numbers]]);
      }
    }
    await Deno.writeFile(path, idx(8, [2], [5, 6]));
    using labels = await openIdx(path);
    deepEqual([labels.shape, ...labels.read(1, 2)], [[2], 6]);
  }));

Deno.test("more than one part of a gzipped file is read", () =>
  inFolder(async (folder) => {
    const path = join(folder, "x.gz"), pixels = Uint8Array.from({ length: 28 * 28 * 300 }, (_, i) => i % 251);
    await Deno.writeFile(path, await gzip(idx(8, [300, 28, 28], pixels)));
    deepEqual(await read(path), { shape: [300, 28, 28], data: pixels, type: "u1" });
  }));

Deno.test("a header that does not fit the file is refused before anything is made room for", () =>
  inFolder(async (folder) => {
    const path = join(folder, "x-idx3-ubyte");
    const refused = async (bytes: Uint8Array<ArrayBuffer>, pattern: RegExp) => {
      for (const file of [bytes, await gzip(bytes)]) {
        await Deno.writeFile(path, file);
        await rejects(openIdx(path), (error) => {
          ok(error instanceof DataFileError, String(error));
          match(error.message, pattern);
          return true;
        });
      }
    };
    await refused(idx(8, [2, 2], [1, 2, 3]), /\[2,2\] values of u1 take 16 bytes with their header, but it has 15/);
    await refused(idx(8, [2, 2], [1, 2, 3, 4, 5]), /but it has (17|more)/);
    await refused(idx(8, [2, 2], new Uint8Array(100)), /but it has (112|more)/);
    await refused(idx(8, [60_000, 28, 28], [1]), /47040016 bytes with|claims \[60000,28,28\] values/);
    await refused(idx(14, [4e9, 4e9, 4e9], []), /too many values to count/);
    await refused(idx(10, [1], [1]), /does not start as an IDX file does/);
    await refused(Uint8Array.of(0, 0, 8, 3, 0, 0), /ends within its header/);
    await refused(Uint8Array.of(0, 0, 8, 0, 0, 0), /does not start as an IDX file does/);
    await refused(new Uint8Array(0), /does not start as an IDX file does/);
    await Deno.writeFile(path, (await gzip(idx(8, [2, 2], [1, 2, 3, 4]))).slice(0, -6));
    await rejects(openIdx(path), /is not whole gzip: .*Write or download it again/);
  }));

Deno.test("damaged IDX files are read or refused, never anything else", () =>
  inFolder(async (folder) => {
    const path = join(folder, "x"), whole = idx(11, [3, 2, 2], bigEndian(Int16Array.from({ length: 12 }, (_, i) => i)));
    for (const bytes of [whole, await gzip(whole)]) {
      const refusals = await fuzz(bytes, 300, async (damaged) => {
        await Deno.writeFile(path, damaged);
        ok((await read(path)).data.length <= damaged.length);
      });
      ok(refusals > 100, `${refusals}`);
    }
  }));
