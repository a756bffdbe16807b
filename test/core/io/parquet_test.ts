import { deepEqual, equal, match, ok, rejects } from "assert";
import { join } from "node:path";
import { DataFileError } from "../../../core/io/data_array.ts";
import { readNpy } from "../../../core/io/npy.ts";
import { openParquet } from "../../../core/io/parquet.ts";
import { readAll } from "../../../core/io/stored_rows.ts";
import { inFolder } from "../../folders.ts";
import { fuzz } from "./fuzz.ts";

const FILES = new URL("../../reference/files/", import.meta.url).pathname;
const TYPES = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"];

async function read(path: string) {
  using rows = await openParquet(path);
  return { ...readAll(rows, path), type: rows.type, columns: rows.columns, notes: rows.notes };
}

const refused = (path: string, pattern: RegExp) =>
  rejects(read(path), (error) => {
    ok(error instanceof DataFileError, String(error));
    match(error.message, pattern);
    ok(error.message.includes(".parquet") && !error.message.includes("\n"), error.message);
    return true;
  });

Deno.test("numbers of every type are read, in several groups of rows, without pandas' index", async () => {
  const { shape, data } = await readNpy(`${FILES}numbers.npy`), columns = TYPES;
  const notes = [`pandas' index column "__index_level_0__" left out`];
  deepEqual(await read(`${FILES}numbers.parquet`), { shape, data, type: "f8", columns, notes });
  deepEqual(await read(`${FILES}encodings.parquet`), { shape, data, type: "f8", columns, notes: undefined });
  equal(data.find((x) => x > 2 ** 63), 2 ** 64);
});

Deno.test("every compression is read", async () => {
  for (const compression of ["gzip", "brotli", "lz4"]) {
    const { shape, data } = await read(`${FILES}${compression}.parquet`);
    deepEqual([shape, data], [[40, 1], Float64Array.from({ length: 40 }, (_, i) => i % 7 / 8)], compression);
  }
});

Deno.test("decimals are the nearest doubles, and a table of bytes stays one", async () => {
  const { data, columns } = await read(`${FILES}decimals.parquet`);
  deepEqual([...data], [12345678901234.56, 12345678901234.56, -0.07, -0.07, 0.3, 0.3]);
  deepEqual(columns, ["amount", "price"]);
  const bytes = await read(`${FILES}bytes.parquet`);
  deepEqual([bytes.type, bytes.data], ["u1", Uint8Array.of(1, 2, 255, 0)]);
});

Deno.test("a column that holds no numbers, or misses one, is named", async () => {
  await refused(`${FILES}text.parquet`, /column "text" holds text or bytes, expected numbers\. Convert/);
  await refused(`${FILES}flag.parquet`, /column "flag" holds true or false, expected numbers\. Convert .*astype/);
  await refused(`${FILES}time.parquet`, /column "time" holds timestamps/);
  await refused(`${FILES}date.parquet`, /column "date" holds dates or times/);
  await refused(`${FILES}list.parquet`, /column "list" holds lists or records/);
  await refused(`${FILES}record.parquet`, /column "record" holds lists or records/);
  const { data } = readAll(await openParquet(`${FILES}missing.parquet`, ["missing"]), "missing");
  deepEqual([...data], [1, 1.5, 2, NaN]);
  await refused(`${FILES}missing.parquet`, /has nothing in column "missing", row 1 \(from 0\), expected a number/);
});

Deno.test("what is no Parquet file is refused", () =>
  inFolder(async (folder) => {
    const path = join(folder, "x.parquet"), whole = await Deno.readFile(`${FILES}numbers.parquet`);
    const write = async (bytes: Uint8Array) => {
      await Deno.writeFile(path, bytes);
      return path;
    };
    await refused(await write(new Uint8Array(5)), /it has only 5 bytes/);
    await refused(await write(new Uint8Array(50)), /does not start as a Parquet file does/);
    await refused(await write(whole.subarray(0, 2000)), /does not end as a Parquet file does/);
    await refused(await write(Uint8Array.from([...whole.subarray(0, -8), 255, 255, 255, 0, 80, 65, 82, 49])), /claims/);
  }));

Deno.test("a bit that is wrong in a page with a checksum is never read over", () =>
  inFolder(async (folder) => {
    const path = join(folder, "x.parquet"), whole = await Deno.readFile(`${FILES}encodings.parquet`);
    const { data } = await read(`${FILES}encodings.parquet`);
    let wrong = 0;
    for (let at = 4; at < 300; at++) {
      await Deno.writeFile(path, whole.with(at, whole[at] ^ 1));
      try {
        deepEqual((await read(path)).data, data, `byte ${at}`);
      } catch (error) {
        if (!(error instanceof DataFileError)) throw error;
        if (/checksum of a page is wrong/.test(error.message)) wrong++;
      }
    }
    ok(wrong > 50, `${wrong}`);
  }));

Deno.test("damaged Parquet files are read or refused, never anything else", () =>
  inFolder(async (folder) => {
    const path = join(folder, "x.parquet");
    for (const name of ["numbers", "encodings", "decimals", "missing", "gzip", "brotli", "lz4"]) {
      const refusals = await fuzz(await Deno.readFile(`${FILES}${name}.parquet`), 300, async (bytes) => {
        await Deno.writeFile(path, bytes);
        ok((await read(path)).data.length <= 1000);
      });
      ok(refusals > 100, `${name}: ${refusals}`);
    }
  }));
