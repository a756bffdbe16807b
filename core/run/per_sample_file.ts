import { rename } from "node:fs/promises";
import { UserError } from "../errors/user_error.ts";
import type { PerSampleNll } from "../evaluation/round_sums.ts";
import { storageError, writeFileAtomic } from "../io/atomic.ts";

/** Checks the name of a file that values of samples go to. @throws {UserError} */
export function requirePerSamplePath(path: string): void {
  if (/\.(csv|h5|hdf5)$/i.test(path)) return;
  throw new UserError(`--per-sample is ${path}; it must end in .csv, .h5 or .hdf5.`);
}

/** Rows of a table that are text at the same time. */
const ROWS = 1 << 16;

function* tableParts(nll: Float64Array, stderr: Float64Array): Generator<Uint8Array> {
  const encoder = new TextEncoder();
  yield encoder.encode("row,nll,stderr\n");
  for (let begin = 0; begin < nll.length; begin += ROWS) {
    const rows = Array.from(
      nll.subarray(begin, begin + ROWS),
      (value, i) => `${begin + i},${value},${stderr[begin + i]}\n`,
    );
    yield encoder.encode(rows.join(""));
  }
}

/**
 * Writes the values as a table `row,nll,stderr`, or as the data sets `nll` and `stderr` of an HDF5 file.
 *
 * @throws {StorageError} When it cannot be written; an earlier file is then as it was.
 */
export async function writePerSample(path: string, { nll, stderr }: PerSampleNll): Promise<void> {
  if (/\.csv$/i.test(path)) {
    return await writeFileAtomic(path, [...tableParts(nll, stderr)]);
  }
  const library = await import("h5wasm/node");
  await library.ready;
  const temporary = `${path}.part`;
  try {
    const file = new library.File(temporary, "w");
    file.create_dataset({ name: "nll", data: nll });
    file.create_dataset({ name: "stderr", data: stderr });
    file.close();
    await rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw storageError(path, error);
  }
}
