import { countOf, type DataArray, DataFileError, openFile, readInto } from "./data_array.ts";
import { NUMBER_BYTES, type NumberType } from "./numbers.ts";
import { heldRows, numberRows, readAll, type StoredRows } from "./stored_rows.ts";

/** A header takes some hundred bytes; numpy itself refuses to read more than this. */
const MAX_HEADER_BYTES = 10_000;

const MAGIC = "\x93NUMPY";

/** What a header says. */
interface NpyHeader {
  readonly type: NumberType;
  readonly bigEndian: boolean;
  readonly fortran: boolean;
  readonly shape: readonly number[];
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
  return openFile(path, async (file, size) => {
    const { header, begin } = await readHeader(file, size, path);
    const { type, bigEndian, fortran, shape } = header;
    const count = countOf(shape, path);
    if (count * NUMBER_BYTES[type] !== size - begin) {
      const needed = count * NUMBER_BYTES[type];
      throw damaged(path, `it has ${size - begin} bytes of data, but [${shape}] values of ${type} take ${needed}`);
    }
    if (!fortran || shape.length < 2) return numberRows(file, { type, shape, begin, bigEndian }, path);
    using columns = numberRows(file, { type, shape: [count], begin, bigEndian }, path);
    return heldRows({ shape, data: rowMajor(readAll(columns, path).data, shape) });
  });
}

async function readHeader(
  file: Deno.FsFile,
  size: number,
  path: string,
): Promise<{ header: NpyHeader; begin: number }> {
  const start = new Uint8Array(Math.min(12, size));
  await readInto(file, start, path);
  if (start.length < 12 || !String.fromCharCode(...start).startsWith(MAGIC)) {
    throw damaged(path, "it does not start as an NPY file does");
  }
  const version = start[6], view = new DataView(start.buffer);
  if (version < 1 || version > 3) throw damaged(path, `it has version ${version}, but 1 to 3 are read`);
  const [length, from] = version === 1 ? [view.getUint16(8, true), 10] : [view.getUint32(8, true), 12];
  if (length > MAX_HEADER_BYTES || from + length > size) {
    throw damaged(path, `its header claims ${length} bytes, of at most ${Math.min(MAX_HEADER_BYTES, size - from)}`);
  }
  const bytes = new Uint8Array(length);
  await file.seek(from, Deno.SeekMode.Start);
  await readInto(file, bytes, path);
  return { header: parseHeader(new TextDecoder().decode(bytes), path), begin: from + length };
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
  if (!shape.every(Number.isSafeInteger)) throw damaged(path, `its shape is (${sizes})`);
  const [order, type] = [descr[1], descr.slice(2, -1)];
  if (!isNumberType(type) || !"<>|=".includes(order)) {
    throw new DataFileError(
      `${path} holds ${
        descr === "[" ? "records" : descr
      }, expected integers or floats. Save it with astype("float32").`,
    );
  }
  return { type, bigEndian: order === ">", fortran: fortran === "True", shape };
}

function isNumberType(text: string): text is NumberType {
  return Object.hasOwn(NUMBER_BYTES, text) && text !== "bf2";
}

/** Values whose first axis runs fastest, in the order in which the last axis does. */
function rowMajor(values: DataArray["data"], shape: readonly number[]): DataArray["data"] {
  const out = values instanceof Uint8Array ? new Uint8Array(values.length) : new Float32Array(values.length);
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, n) => product * n, 1));
  const index = shape.map(() => 0);
  for (let i = 0, at = 0; i < values.length; i++) {
    out[at] = values[i];
    for (let axis = 0; axis < shape.length; axis++) {
      at += strides[axis];
      if (++index[axis] < shape[axis]) break;
      at -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return out;
}

function damaged(path: string, what: string): DataFileError {
  return new DataFileError(`${path}: ${what}. The file is damaged or no NPY file; save it again with numpy.save.`);
}
