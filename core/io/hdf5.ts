import { countOf, type DataArray, DataFileError, withFile } from "./data_array.ts";
import { type BitLayout, describeLayout, numberOf, numbersOf, readBitLayout } from "./hdf5_datatype.ts";
import { namesOf } from "./hdf5_names.ts";
import { NUMBER_BYTES, type NumberType } from "./numbers.ts";
import { imagesTransposed, reversedAxes } from "./reversed_axes.ts";
import { heldRows, readAll, reusedBytes, type StoredRows } from "./stored_rows.ts";
import { messageOf } from "../errors/user_error.ts";
import { sizeOf } from "../data/tensors.ts";

type Library = typeof import("h5wasm/node");
type File = InstanceType<Library["File"]>;
type Dataset = InstanceType<Library["Dataset"]>;

/** Gzip packs no more than about this many bytes into one; a data set that claims more is mostly not there. */
const MAX_RATIO = 1032;

/** Filters that HDF5 itself has are numbered up to this. */
const LAST_OWN_FILTER = 255;

/**
 * The paths of all data sets of an HDF5 file, without the leading slash.
 *
 * @throws {DataFileError} If the file cannot be read or is damaged.
 */
export function datasetNames(path: string): Promise<string[]> {
  return withHdf5(path, ({ Module }, file) => namesOf(file, Module, path));
}

/**
 * Reads a data set of an HDF5 file: integers and floats of any size and byte order, contiguous or chunked, with the
 * filters that HDF5 itself has (gzip, shuffle, checksums). It is read in parts of some rows.
 *
 * @param name The data set's path in the file.
 * @throws {DataFileError} If the file cannot be read, is damaged, has no such data set, or holds another type.
 */
export async function readDataset(path: string, name: string): Promise<DataArray> {
  using rows = await openDataset(path, name);
  return readAll(rows, `${path}:${name}`);
}

/**
 * Opens a data set to read its rows on demand, whole chunks at a time, as {@linkcode readDataset} reads all. One that
 * MATLAB wrote has its axes reversed, and is held in memory as MATLAB's user sees it.
 *
 * @param transpose Whether the axes are reversed; `auto`: where MATLAB wrote it.
 */
export async function openDataset(
  path: string,
  name: string,
  source = `${path}:${name}`,
  { transpose = "auto" }: { readonly transpose?: "auto" | "on" | "off" } = {},
): Promise<StoredRows> {
  const { isMatlab, ...rows } = await openStored(path, name, source);
  if (transpose === "off" || transpose === "auto" && !isMatlab) return rows;
  using _ = rows;
  const array = readAll(rows, source), isImages = areMatlabImages(rows.shape);
  const what = isImages ? "images along MATLAB's last axis" : "MATLAB's axes reversed";
  const note = transpose === "on" ? "axes reversed, as --transpose says" : `${what}, --transpose off if not`;
  const turned = isImages && transpose === "auto" ? imagesTransposed(array) : reversedAxes(array);
  return heldRows(turned, { type: rows.type, notes: [...rows.notes ?? [], note] });
}

/** Whether an array of MATLAB's is images, h x w x n or h x w x c x n; h x w x 3 is one photograph. */
function areMatlabImages({ length, 0: last }: readonly number[]): boolean {
  return length === 4 || length === 3 && last !== 3 && last !== 4;
}

function openStored(path: string, name: string, source: string): Promise<StoredRows & { readonly isMatlab: boolean }> {
  return openHdf5(path, ({ Dataset, Module }, file, size) => {
    const found = attempt(path, () => Module.get_type(file.file_id, `/${name}`)) === 1 ? file.get(name) : undefined;
    if (!(found instanceof Dataset)) throw new DataFileError(`${path} has no data set ${JSON.stringify(name)}.`);
    const { shape, chunks } = found.metadata;
    const { type, layout } = numberTypeOf(found, path, size, source, Module);
    if (!shape?.length) throw new DataFileError(`${source} is a single number or empty, expected rows of samples.`);
    const filter = found.filters.find(({ id }) => id > LAST_OWN_FILTER);
    if (filter) {
      throw new DataFileError(
        `${source} is packed with ${filter.name || "an unknown filter"}, expected gzip. Repack it.`,
      );
    }
    const count = countOf(shape, source);
    if (count * NUMBER_BYTES[type] > size * MAX_RATIO) {
      throw new DataFileError(
        `${source} claims ${count} values, more than a file of ${size} bytes can hold. Write its data, or repack it.`,
      );
    }
    const rowBytes = NUMBER_BYTES[type] * sizeOf(shape.slice(1)), room = reusedBytes(source);
    return {
      shape,
      type,
      isMatlab: isOfMatlab(found),
      ...unitsOf(found),
      packed: Math.max(1, chunks?.[0] ?? 1),
      read(begin, end) {
        const place = { file_id: found.file_id, path: found.path, shape };
        const bytes = room((end - begin) * rowBytes);
        attempt(path, () => readRows(Module, place, begin, end, bytes, source));
        return numbersOf(bytes, layout, type);
      },
      [Symbol.dispose]: () => close(file),
    };
  });
}

/** What the numbers of a data set are read as, and how their bits lie in the machine's byte order. */
function numberTypeOf(
  { metadata, dtype, file_id, path: name }: Dataset,
  path: string,
  size: number,
  source: string,
  module: Library["Module"],
): { type: NumberType; layout: BitLayout } {
  const refused = (what: string) =>
    new DataFileError(`${source} holds ${what}, expected integers or floats. Store it as float32 or uint8.`);
  if (metadata.virtual_sources) throw refused("data of other files");
  const reference = attempt(path, () => module.create_object_reference(file_id, name));
  const address = Number(new DataView(Uint8Array.from(reference).buffer).getBigUint64(0, true));
  using file = Deno.openSync(path);
  const layout = readBitLayout(file, size, address), type = layout && numberOf(layout);
  if (type && NUMBER_BYTES[type] === metadata.size) return { type, layout };
  if (layout) throw refused(describeLayout(layout));
  if (metadata.enum_type) throw refused("names of numbers (an enumeration, as h5py stores booleans)");
  throw refused(
    typeof dtype === "string" && !dtype.includes("undefined") ? `the type ${dtype}` : "records or another type",
  );
}

/** The units that an attribute gives, as the climate and forecast conventions have them, for a note. */
function unitsOf(dataset: Dataset): { notes?: readonly string[] } {
  try {
    const value = dataset.attrs.units?.value;
    return typeof value === "string" && value !== "" ? { notes: [`in ${oneLine(value)}`] } : {};
  } catch {
    return {};
  }
}

function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ").slice(0, 40);
}

/** Whether MATLAB wrote it, which says so of all that it writes. */
function isOfMatlab(dataset: Dataset): boolean {
  try {
    return "MATLAB_class" in dataset.attrs;
  } catch {
    return false;
  }
}

/** Fills in the rows' bytes, out of the library's memory. */
function readRows(
  module: Library["Module"],
  { file_id, path, shape }: { readonly file_id: bigint; readonly path: string; readonly shape: readonly number[] },
  begin: number,
  end: number,
  bytes: Uint8Array,
  source: string,
): void {
  const counts = shape.map((n, axis) => BigInt(axis === 0 ? end - begin : n));
  const offsets = shape.map((_, axis) => BigInt(axis === 0 ? begin : 0));
  const at = module._malloc(bytes.length);
  if (at === 0) {
    throw new DataFileError(`${source}: there is no memory for a row of its chunks. Store it in smaller ones.`);
  }
  try {
    const status = module.get_dataset_data(file_id, path, counts, offsets, shape.map(() => 1n), BigInt(at));
    if (status < 0) {
      throw new DataFileError(`${source}: its values cannot be read. The file is damaged; write or download it again.`);
    }
    bytes.set(module.HEAPU8.subarray(at, at + bytes.length));
  } finally {
    module._free(at);
  }
}

function withHdf5<T>(path: string, read: (library: Library, file: File) => T): Promise<T> {
  return openHdf5(path, (library, file) => {
    const result = read(library, file);
    close(file);
    return result;
  });
}

/** Opens a file and gives it and its size to `take`, whose result has to close it; where that fails, it is closed. */
async function openHdf5<T>(path: string, take: (library: Library, file: File, size: number) => T): Promise<T> {
  const size = await withFile(path, (_, size) => Promise.resolve(size));
  const library = await import("h5wasm/node");
  const module = await library.ready;
  // Without this the library prints what goes wrong, and gives whatever lies in memory for the values.
  attempt(path, () => module.activate_throwing_error_handler());
  return attempt(path, () => {
    const file = new library.File(path, "r");
    try {
      return take(library, file, size);
    } catch (error) {
      close(file);
      throw error;
    }
  });
}

function close(file: File): void {
  try {
    file.close();
  } catch {
    // The file is only read; what matters is known by now.
  }
}

/** Does something with a file whose errors are the library's. */
function attempt<T>(path: string, use: () => T): T {
  try {
    return use();
  } catch (error) {
    if (error instanceof DataFileError) throw error;
    throw new DataFileError(
      `${path} is not a readable HDF5 file (${causeOf(error)}). Check it with h5dump, or write it again.`,
      { cause: error },
    );
  }
}

/** The innermost cause that the library gives, which comes last in its stack of messages. */
function causeOf(error: unknown): string {
  const causes = [...messageOf(error).matchAll(/#\d+: .*\(\): (.*)/g)].map(([, cause]) => cause);
  return (causes.at(-1) ?? messageOf(error).split("\n")[0]).slice(0, 120);
}
