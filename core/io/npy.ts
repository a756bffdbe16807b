import { byteRows } from "./byte_rows.ts";
import { countOf, type DataArray, DataFileError, openFile, readInto } from "./data_array.ts";
import { NUMBER_BYTES, type NumberType } from "./numbers.ts";
import { reversedAxes } from "./reversed_axes.ts";
import { heldRows, numberRows, readAll, type StoredRows } from "./stored_rows.ts";

/** A header takes some hundred bytes; numpy itself refuses to read more than this. */
const MAX_HEADER_BYTES = 10_000;

/** Bytes in which the header lies, whatever its version. */
const START_BYTES = 12 + MAX_HEADER_BYTES;

const MAGIC = "\x93NUMPY";

/** Axes of an array: those of samples are four at most. */
const MAX_AXES = 32;

/** What a header says. */
interface NpyHeader {
  readonly type: NumberType;
  readonly bigEndian: boolean;
  readonly fortran: boolean;
  readonly shape: readonly number[];
}

/** A header whose values fill the file. */
interface CheckedHeader extends NpyHeader {
  /** How many values there are. */
  readonly count: number;
  /** The header's own bytes. */
  readonly bytes: number;
}

/**
 * Reads an NPY file, versions 1 to 3: integers and floats of either byte order, in C or Fortran order.
 *
 * @throws {DataFileError} If the file cannot be read, is damaged, or holds another type.
 */
export async function readNpy(path: string): Promise<DataArray> {
  using rows = await openNpy(path);
  return readAll(rows, path);
}

/** Opens an NPY file to read its rows on demand; one in Fortran order, whose rows lie scattered, is read at once. */
export function openNpy(path: string): Promise<StoredRows> {
  return openFile(path, (file, size) => npyRows(file, 0, size, path));
}

/**
 * The rows of an NPY file that is a part of an open file, which is closed with them.
 *
 * @param begin Its first byte.
 * @param size Its bytes.
 * @throws {DataFileError} If it is damaged or holds another type.
 */
export async function npyRows(file: Deno.FsFile, begin: number, size: number, source: string): Promise<StoredRows> {
  const start = new Uint8Array(Math.min(START_BYTES, size));
  await file.seek(begin, Deno.SeekMode.Start);
  await readInto(file, start, source);
  const header = readHeader(start, size, source), { type, bigEndian } = header;
  const numbers = { type, bigEndian, begin: begin + header.bytes };
  return inOrder(header, (shape) => numberRows(file, { ...numbers, shape }, source), source);
}

/**
 * The rows of an NPY file in memory.
 *
 * @param file Its bytes, which the rows keep.
 * @throws {DataFileError} If it is damaged or holds another type.
 */
export function npyRowsOf(file: Uint8Array, source: string): StoredRows {
  const header = readHeader(file.subarray(0, START_BYTES), file.length, source), { type, bigEndian, bytes } = header;
  return inOrder(header, (shape) => byteRows(file.subarray(bytes), { type, shape, bigEndian }), source);
}

/** Rows as they lie in the file, or gathered where the first axis runs fastest. */
function inOrder(
  { type, shape, count, fortran }: CheckedHeader,
  numbers: (shape: readonly number[]) => StoredRows,
  source: string,
): StoredRows {
  if (!fortran || shape.length < 2) return numbers(shape);
  using flat = numbers([count]);
  return heldRows(reversedAxes({ shape: [...shape].reverse(), data: readAll(flat, source).data }), { type });
}

/**
 * Reads the header out of the first {@linkcode START_BYTES} of a file, or all, and checks it against the file's size.
 */
function readHeader(start: Uint8Array, size: number, path: string): CheckedHeader {
  if (start.length < 12 || !String.fromCharCode(...start.subarray(0, MAGIC.length)).startsWith(MAGIC)) {
    throw damaged(path, "it does not start as an NPY file does");
  }
  const version = start[6], view = new DataView(start.buffer, start.byteOffset);
  if (version < 1 || version > 3) throw damaged(path, `it has version ${version}, but 1 to 3 are read`);
  const [length, from] = version === 1 ? [view.getUint16(8, true), 10] : [view.getUint32(8, true), 12];
  if (length > MAX_HEADER_BYTES || from + length > size) {
    throw damaged(path, `its header claims ${length} bytes, of at most ${Math.min(MAX_HEADER_BYTES, size - from)}`);
  }
  const bytes = from + length, header = parseHeader(new TextDecoder().decode(start.subarray(from, bytes)), path);
  const { shape, type } = header, count = countOf(shape, path), needed = count * NUMBER_BYTES[type];
  if (needed !== size - bytes) {
    throw damaged(path, `it has ${size - bytes} bytes of data, but [${shape}] values of ${type} take ${needed}`);
  }
  return { ...header, count, bytes };
}

/** A header is a Python dictionary of three keys, as `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }`. */
function parseHeader(text: string, path: string): NpyHeader {
  const only = (pattern: RegExp) => {
    const found = [...text.matchAll(pattern)];
    return found.length === 1 ? found[0][1] : undefined;
  };
  const descr = only(/['"]descr['"]\s*:\s*(['"][^'"]*['"]|\[)/g);
  const fortran = only(/['"]fortran_order['"]\s*:\s*(True|False)\b/g);
  const sizes = only(/['"]shape['"]\s*:\s*\(([\d\s,L]*)\)/g);
  if (descr === undefined || fortran === undefined || sizes === undefined) {
    throw damaged(path, "its header lacks descr, fortran_order or shape");
  }
  const shape = sizes.split(",").map((n) => n.replace("L", "").trim()).filter((n) => n !== "").map(Number);
  if (!shape.every(Number.isSafeInteger)) throw damaged(path, "its shape is not of whole numbers");
  if (shape.length > MAX_AXES) throw damaged(path, `it has ${shape.length} axes, but at most ${MAX_AXES} are read`);
  const [order, type] = [descr[1], descr.slice(2, -1)];
  if (!isNumberType(type) || !"<>|=".includes(order)) {
    throw new DataFileError(
      `${path} holds ${
        descr === "[" ? "records" : descr.slice(0, 40).replace(/[^ -~]/g, "?")
      }, expected integers or floats. Save it with astype("float32").`,
    );
  }
  return { type, bigEndian: order === ">", fortran: fortran === "True", shape };
}

function isNumberType(text: string): text is NumberType {
  return Object.hasOwn(NUMBER_BYTES, text) && text !== "bf2";
}

function damaged(path: string, what: string): DataFileError {
  return new DataFileError(`${path}: ${what}. The file is damaged or no NPY file; save it again with numpy.save.`);
}
