/** A file of data as a user names it. */
export interface DataFileSpec {
  readonly path: string;
  /** The data set or tensor of the file that is meant, where it is said. */
  readonly name?: string;
}

/**
 * Takes apart `points.csv`, `digits.npy`, `photos.h5:x` or `photos.safetensors:x`: a path by its ending, and after a colon
 * a name in the file. The colon of a drive, as in `C:\x.h5`, belongs to the path.
 *
 * @returns Nothing for anything else, among it a URL.
 *
 * @example
 * ```ts
 * import { deepEqual, equal } from "assert";
 * import { parseDataFile } from "./data_file.ts";
 *
 * deepEqual(parseDataFile("C:\\data\\photos.h5:faces/x"), { path: "C:\\data\\photos.h5", name: "faces/x" });
 * deepEqual(parseDataFile("points.csv"), { path: "points.csv" });
 * equal(parseDataFile("moons"), undefined);
 * ```
 */
export function parseDataFile(spec: string): DataFileSpec | undefined {
  if (/^[a-z]{2,}:/i.test(spec)) return undefined;
  const [, path, name] = /^(.*?\.(?:h5|hdf5|npy|csv|tsv|safetensors))(?::(.*))?$/is.exec(spec) ?? [];
  return path === undefined ? undefined : { path, ...(name === undefined ? {} : { name }) };
}
