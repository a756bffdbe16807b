import { UserError } from "../errors/user_error.ts";
import type { PerSampleNll } from "../evaluation/round_sums.ts";
import { writeFileAtomic } from "../io/atomic.ts";

/** Checks the name of a file that values of samples go to. @param option That names it. @throws {UserError} */
export function requirePerSamplePath(path: string, option = "--per-sample"): void {
  if (/\.(csv|h5|hdf5)$/i.test(path)) return;
  throw new UserError(`${option} is ${path}; it must end in .csv, .h5 or .hdf5.`);
}

/** Rows of a table that are text at the same time. */
const ROWS = 1 << 16;

function* tableParts(columns: Readonly<Record<string, Float64Array>>, rows?: Uint32Array): Generator<Uint8Array> {
  const encoder = new TextEncoder(), values = Object.values(columns), [{ length }] = values;
  yield encoder.encode(`${["row", ...Object.keys(columns)].join()}\n`);
  for (let begin = 0; begin < length; begin += ROWS) {
    const lines = Array.from(
      { length: Math.min(ROWS, length - begin) },
      (_, i) => `${rows?.[begin + i] ?? begin + i},${values.map((column) => column[begin + i]).join()}\n`,
    );
    yield encoder.encode(lines.join(""));
  }
}

/**
 * Writes the values as a table `row,nll,stderr`, or as the data sets `nll` and `stderr` of an HDF5 file.
 *
 * @param rows The rows of the data that they are of, of some; all, if left out.
 * @throws {StorageError} When it cannot be written; an earlier file is then as it was.
 */
export async function writePerSample(path: string, { nll, stderr }: PerSampleNll, rows?: Uint32Array): Promise<void> {
  await writeColumns(path, { nll, stderr }, rows);
}

/**
 * Writes columns of a value for each sample as a table that begins with `row`, or as data sets of an HDF5 file.
 *
 * @param rows The rows of the data that they are of, of some, which an HDF5 file has as `row`; all, if left out.
 * @throws {StorageError} When it cannot be written; an earlier file is then as it was.
 */
export async function writeColumns(
  path: string,
  columns: Readonly<Record<string, Float64Array>>,
  rows?: Uint32Array,
): Promise<void> {
  const contents = /\.csv$/i.test(path)
    ? [...tableParts(columns, rows)]
    : await hdf5Bytes({ ...(rows ? { row: Float64Array.from(rows) } : {}), ...columns });
  await writeFileAtomic(path, contents);
}

/** The bytes of an HDF5 file. It is made in memory, as the library says nothing of a disk that is full. */
async function hdf5Bytes(datasets: Readonly<Record<string, Float64Array>>): Promise<Uint8Array> {
  // The build for browsers, whose files are all in memory.
  const { File, ready } = await import("h5wasm");
  const { FS, activate_throwing_error_handler } = await ready;
  activate_throwing_error_handler();
  const name = `${crypto.randomUUID()}.h5`, file = new File(name, "w");
  for (const [key, data] of Object.entries(datasets)) file.create_dataset({ name: key, data });
  file.close();
  const bytes = FS.readFile(name);
  FS.unlink(name);
  return bytes;
}
