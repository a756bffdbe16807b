import { deepEqual, match, ok, rejects } from "assert";
import { join } from "node:path";
import { DataFileError, requireFinite } from "../../../core/io/data_array.ts";
import { readNpy } from "../../../core/io/npy.ts";
import { inFolder } from "../../folders.ts";
import { fuzz } from "./fuzz.ts";

const FILES = new URL("../../reference/files/", import.meta.url).pathname;

const count = Array.from({ length: 12 }, (_, i) => i);
const values = Float32Array.from(count, (i) => i - 2);

/** An NPY file of version 1 with the given header and data. */
function npy(header: string, data: Uint8Array = new Uint8Array(0)): Uint8Array<ArrayBuffer> {
  const text = `\x93NUMPY\x01\0${String.fromCharCode(header.length & 255, header.length >> 8)}${header}`;
  return Uint8Array.from([...Array.from(text, (c) => c.charCodeAt(0)), ...data]);
}

/** Expects a {@link DataFileError} for the bytes. */
async function refused(bytes: Uint8Array, pattern: RegExp): Promise<void> {
  await inFolder(async (folder) => {
    const path = join(folder, "x.npy");
    await Deno.writeFile(path, bytes);
    await rejects(readNpy(path), (error) => {
      ok(error instanceof DataFileError && error.message.includes(path), String(error));
      match(error.message, pattern);
      return true;
    });
  });
}

Deno.test("what NumPy writes is read: types, byte orders and versions", async () => {
  for (const name of ["f4", "big_i2", "version2", "version3"]) {
    deepEqual(await readNpy(`${FILES}${name}.npy`), { shape: [3, 4], data: values }, name);
  }
  deepEqual(await readNpy(`${FILES}i8.npy`), { shape: [3, 4], data: Float64Array.from(values) });
  deepEqual(await readNpy(`${FILES}big_f8.npy`), { shape: [3, 4], data: Float64Array.from(values, (x) => x / 3) });
  deepEqual(await readNpy(`${FILES}u1.npy`), { shape: [3, 4], data: Uint8Array.from(count) });
  const half = (await readNpy(`${FILES}f2.npy`)).data;
  deepEqual(half, Float32Array.from(Float16Array.from(values, (x) => x / 3)));
});

Deno.test("Fortran order becomes row-major", async () => {
  deepEqual(await readNpy(`${FILES}fortran.npy`), { shape: [3, 2, 2], data: values });
});

Deno.test("more values than are read at a time are converted to the last", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "big.npy"), doubles = Float64Array.from({ length: 300_001 }, (_, i) => i);
    await Deno.writeFile(
      path,
      npy("{'descr': '<f8', 'fortran_order': False, 'shape': (300001,), }", new Uint8Array(doubles.buffer)),
    );
    deepEqual((await readNpy(path)).data, doubles);
  });
});

Deno.test("what is no array of numbers is refused", async () => {
  await rejects(readNpy(`${FILES}complex.npy`), /complex\.npy holds '<c8', expected integers or floats.*astype/);
  const header = (descr: string, shape = "()", fortran = "False") =>
    npy(`{'descr': ${descr}, 'fortran_order': ${fortran}, 'shape': ${shape}, }`);
  await refused(header("[('a', '<f4')]"), /holds records/);
  await refused(header("'|O'"), /holds '\|O'/);
  await refused(header("'<bf2'"), /holds '<bf2'/);
  await refused(header("'<f4'", "(3,)"), /has 0 bytes of data, but \[3\] values of f4 take 12/);
  await refused(header("'<f4'", "(9999999999, 9999999999)"), /too many values to count/);
  await refused(header("'<f4'", "(-1,)"), /lacks descr, fortran_order or shape/);
  await refused(header("'\n<f4'"), /holds '\?<f4', expected/);
  await refused(header("'<f4'", `(${"1,\n".repeat(100)})`), /has 100 axes, but at most 32 are read/);
  await refused(header("'<f4'", "(3,)", "Maybe"), /lacks descr, fortran_order or shape/);
  await refused(new Uint8Array(3), /does not start as an NPY file does/);
  await refused(new Uint8Array(100), /does not start as an NPY file does/);
  const bytes = header("'<f4'");
  bytes[6] = 9;
  await refused(bytes, /has version 9, but 1 to 3 are read/);
  bytes.set([1, 0, 255, 255], 6);
  await refused(bytes, /header claims 65535 bytes/);
  await rejects(readNpy(`${FILES}nowhere.npy`), /Cannot read .*nowhere\.npy: there is no such file/);
  await rejects(readNpy(FILES), /is not a file/);
});

Deno.test("a value that is not finite is named by its row and column", () => {
  const data = Float32Array.of(1, 2, 3, 4, 5, NaN, 7, 8);
  const message = "x.npy has NaN in row 1, column 1 (from 0), expected finite values. Clean the data.";
  deepEqual(message, errorOf(() => requireFinite({ shape: [2, 2, 2], data }, "x.npy")));
  requireFinite({ shape: [2], data: Uint8Array.of(1, 2) }, "x.npy");
});

function errorOf(run: () => void): string | undefined {
  try {
    run();
  } catch (error) {
    ok(error instanceof DataFileError);
    return error.message;
  }
}

Deno.test("damaged NPY files are read or refused, never anything else", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "x.npy"), whole = await Deno.readFile(`${FILES}fortran.npy`);
    const refusals = await fuzz(whole, 600, async (bytes) => {
      await Deno.writeFile(path, bytes);
      ok((await readNpy(path)).data.length <= bytes.length);
    });
    ok(refusals > 200, `${refusals}`);
  });
});
