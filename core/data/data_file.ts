import { existsSync, statSync } from "node:fs";
import { basename } from "node:path";
import { UserError } from "../errors/user_error.ts";

/** The endings of the files of data that are read, in lower case, without the dot. */
export const DATA_ENDINGS = [
  ...["csv", "tsv", "txt", "dat", "csv.gz", "tsv.gz", "txt.gz", "dat.gz"],
  ...["json", "jsonl", "ndjson", "json.gz", "jsonl.gz", "ndjson.gz"],
  ...["npy", "npz", "h5", "hdf5", "mat", "safetensors", "pt", "pth", "parquet", "idx", "idx.gz"],
  ...["png", "jpg", "jpeg", "webp"],
] as const;

/** One of {@linkcode DATA_ENDINGS}. */
export type DataEnding = typeof DATA_ENDINGS[number];

/** What is read, for messages. */
export const DATA_NAMES =
  ".csv, .tsv, .txt, .dat, .json, .jsonl, .ndjson and their .gz, .npy, .npz, .h5, .hdf5, .mat (v7.3), .safetensors, " +
  ".parquet, .pt, .pth, .png, .jpg, .jpeg, .webp or a folder of them, .idx and MNIST's names, as " +
  "train-images-idx3-ubyte.gz";

/** MNIST's names have the number of axes and the type where others have an ending: `train-images-idx3-ubyte`. */
const IDX_NAME = /(^|[-._])idx\d+-(ubyte|byte|short|int|float|double)(\.gz)?$/;

/** What is a module, and the only thing that is ever run. */
const MODULE = /\.(ts|js|mjs)$/i;

/** A file of data, or a folder of pictures, as a user names it. */
export interface DataFileSpec {
  readonly path: string;
  /** The data set or tensor of the file that is meant, where it is said. */
  readonly name?: string;
  /** Whether it is a folder. */
  readonly isFolder?: true;
}

/** A file of a kind that is not read. */
export class DataNameError extends UserError {}

/** Which of the endings a file's name has; nothing for another. */
export function dataEnding(path: string): DataEnding | undefined {
  const name = basename(path).toLowerCase();
  if (IDX_NAME.test(name)) return "idx";
  const [, ending] = /\.([^.]+(?:\.gz)?)$/.exec(name) ?? [];
  return DATA_ENDINGS.find((each) => each === ending);
}

/**
 * Takes apart `points.csv`, `digits.npy`, `photos.h5:x` or `photos.safetensors:x`: a path by its ending, and after a colon
 * a name in the file. The colon of a drive, as in `C:\x.h5`, belongs to the path. A folder that is there is one of pictures.
 *
 * @returns Nothing for a URL, a module (`.ts`, `.js`, `.mjs`), and a plain name, which is a data set's.
 * @throws {DataNameError} For a path of any other kind of file: nothing but a module is ever run.
 *
 * @example
 * ```ts
 * import { deepEqual, equal, throws } from "assert";
 * import { parseDataFile } from "./data_file.ts";
 *
 * deepEqual(parseDataFile("C:\\data\\photos.h5:faces/x"), { path: "C:\\data\\photos.h5", name: "faces/x" });
 * deepEqual(parseDataFile("points.csv"), { path: "points.csv" });
 * equal(parseDataFile("moons"), undefined);
 * equal(parseDataFile("./mine.ts"), undefined);
 * throws(() => parseDataFile("./points.xlsx"), /Read are/);
 * ```
 */
export function parseDataFile(spec: string): DataFileSpec | undefined {
  if (spec === "" || /^[a-z]{2,}:/i.test(spec) || MODULE.test(spec)) return undefined;
  // The first colon after a known ending, so that colons of the path itself are kept.
  for (let end = spec.indexOf(":", 2); end >= 0; end = spec.indexOf(":", end + 1)) {
    if (dataEnding(spec.slice(0, end))) return { path: spec.slice(0, end), name: spec.slice(end + 1) };
  }
  if (isFolder(spec) && !isDatasetName(spec)) return { path: spec, isFolder: true };
  if (dataEnding(spec)) return { path: spec };
  if (!/[\\/]|\.\w+$/.test(spec) && !(existsSync(spec) && !isDatasetName(spec))) return undefined;
  throw new DataNameError(
    `${spec} is no file of data that is known by its name. Read are ${DATA_NAMES}; a plugin is a .ts, .js or .mjs file.`,
  );
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/** Whether a plain name is that of a data set of the project, which goes before a folder of the same name. */
function isDatasetName(name: string): boolean {
  if (!/^[\w-]+$/.test(name)) return false;
  return [name, name.replaceAll("-", "_"), name.replaceAll("_", "-")].some((each) =>
    [`${each}.ts`, `${each}/mod.ts`].some((file) => existsSync(new URL(`../../datasets/${file}`, import.meta.url)))
  );
}
