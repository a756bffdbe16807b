import { DataFileError, withFile } from "./data_array.ts";
import { datasetNames, openDataset } from "./hdf5.ts";
import type { StoredRows } from "./stored_rows.ts";

/** What an HDF5 file starts with, after a block of the writer's own of 0, 512, 1024, … bytes; MATLAB's has 512. */
const HDF5_SIGNATURE = "\x89HDF\r\n\x1a\n";

const BLOCKS = [0, 512, 1024, 2048];

/** Where MATLAB keeps what cells and objects refer to, which are no arrays of their own. */
const INNER = /^#(refs|subsystem)#(\/|$)/;

/**
 * The names of the arrays of a MATLAB file of version 7.3, which is HDF5.
 *
 * @throws {DataFileError} If the file cannot be read, is damaged, or is of an older version.
 */
export async function matNames(path: string): Promise<string[]> {
  await requireHdf5(path);
  return (await datasetNames(path)).filter((name) => !INNER.test(name));
}

/**
 * Opens an array of a MATLAB file of version 7.3, as `openDataset` of HDF5 does.
 *
 * @throws {DataFileError} If the file cannot be read, is damaged, is of an older version, or has no such array of
 * numbers.
 */
export async function openMat(
  path: string,
  name: string,
  source: string,
  options: { readonly transpose: "auto" | "on" | "off" },
): Promise<StoredRows> {
  await requireHdf5(path);
  return await openDataset(path, name, source, options);
}

function requireHdf5(path: string): Promise<void> {
  return withFile(path, async (file) => {
    const bytes = new Uint8Array(Math.max(...BLOCKS) + HDF5_SIGNATURE.length);
    let filled = 0;
    for (let count; (count = await file.read(bytes.subarray(filled)) ?? 0) > 0;) filled += count;
    const start = String.fromCharCode(...bytes.subarray(0, filled));
    if (BLOCKS.some((at) => start.startsWith(HDF5_SIGNATURE, at))) return;
    const what = start.startsWith("MATLAB 5.0 MAT-file")
      ? "is a MATLAB file of a version before 7.3"
      : "is no MATLAB file of version 7.3";
    throw new DataFileError(`${path} ${what}, which alone is read. Save it in MATLAB with save(file, "-v7.3").`);
  });
}
