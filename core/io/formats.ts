import { type DataEnding, dataEnding } from "../data/data_file.ts";
import { openCsv } from "./csv.ts";
import { datasetNames, openDataset } from "./hdf5.ts";
import { openIdx } from "./idx.ts";
import { openPictures, type PictureOptions } from "./images.ts";
import { openJson } from "./json.ts";
import { matNames, openMat } from "./mat.ts";
import { openNpy } from "./npy.ts";
import { npzNames, openNpz } from "./npz.ts";
import { openParquet } from "./parquet.ts";
import { openTensor, tensorNames } from "./safetensors.ts";
import type { StoredRows } from "./stored_rows.ts";
import { openTorch, torchNames } from "./torch_data.ts";

/** What decides how a file is read that can be read in two ways. */
export interface ReadOptions extends PictureOptions {
  /** Whether the first line of a table has the columns' names. */
  readonly header: "auto" | "on" | "off";
  /** Whether the axes are reversed, as MATLAB stores them; `auto`: where the file says that MATLAB wrote it. */
  readonly transpose: "auto" | "on" | "off";
  /** Columns of a table, by name or by number from 0, that may lack values: these are NaN. None, if left out. */
  readonly missing?: readonly string[];
}

/** How the arrays of a kind of file are listed and opened; a file of one array has no names. */
export interface Format {
  names?(path: string): Promise<string[]>;
  /** Whether it is of pictures. */
  readonly isPictures?: true;
  /**
   * @param name The array's, `""` in a file of one.
   * @param source What to call it in messages.
   */
  open(path: string, name: string, source: string, options: ReadOptions): Promise<StoredRows>;
}

const csv: Format = { open: (path, _, __, { header, missing }) => openCsv(path, header, missing) };
const json: Format = { open: (path, _, __, { missing }) => openJson(path, missing) };
const hdf5: Format = { names: datasetNames, open: openDataset };
const torch: Format = { names: torchNames, open: openTorch };
const idx: Format = { open: openIdx };
const images: Format = { isPictures: true, open: (path, _, __, options) => openPictures([path], [], options) };

/** The format of a file by the ending of its name, in lower case, without the dot. */
export const FORMATS: Readonly<Record<DataEnding, Format>> = {
  csv,
  tsv: csv,
  txt: csv,
  dat: csv,
  "csv.gz": csv,
  "tsv.gz": csv,
  "txt.gz": csv,
  "dat.gz": csv,
  json,
  jsonl: json,
  ndjson: json,
  "json.gz": json,
  "jsonl.gz": json,
  "ndjson.gz": json,
  npy: { open: openNpy },
  npz: { names: npzNames, open: openNpz },
  h5: hdf5,
  hdf5,
  mat: { names: matNames, open: openMat },
  safetensors: { names: tensorNames, open: openTensor },
  pt: torch,
  pth: torch,
  parquet: { open: (path, _, __, { missing }) => openParquet(path, missing) },
  idx,
  "idx.gz": idx,
  png: images,
  jpg: images,
  jpeg: images,
  webp: images,
};

/** The format of a file by its name. */
export function formatOf(path: string): Format | undefined {
  const ending = dataEnding(path);
  return ending && FORMATS[ending];
}
