import { messageOf } from "../errors/user_error.ts";
import type { Samples } from "../data/samples.ts";
import { sizeOf } from "../data/tensors.ts";
import { allocate, countOf, type DataArray, DataFileError, type Values } from "./data_array.ts";
import { fitsFloat32, NUMBER_BYTES, type NumberType, swapBytes, toFloats } from "./numbers.ts";

/** An array of a data file whose rows are read when they are asked for. */
export interface StoredRows extends Disposable {
  readonly shape: readonly number[];
  /** What its numbers are in the file, which decides how they are read ({@linkcode DataArray}). */
  readonly type: NumberType;
  /** The names of its columns, where the file has them. */
  readonly columns?: readonly string[];
  /** What was assumed of the file, and what of it was left out, in words as in `header found`. */
  readonly notes?: readonly string[];
  /** How many rows are packed together, 1 if left out: to read one of them is to read all. */
  readonly packed?: number;
  /**
   * The rows from `begin` up to `end`, row-major. They are valid until the next call, which uses their memory again: what
   * is thrown away in a tight loop would pile up before it is collected.
   *
   * @throws {DataFileError} If the file can no longer be read.
   */
  read(begin: number, end: number): Values;
}

/** Bytes that are read at a time where all rows are gone through, and that are kept where any row may be asked for. */
const BLOCK_BYTES = 1 << 20;
const KEPT_BYTES = 1 << 16;

/** Where numbers lie in a file, end to end. */
export interface StoredNumbers {
  readonly type: NumberType;
  readonly shape: readonly number[];
  /** Their first byte. */
  readonly begin: number;
  readonly bigEndian?: boolean;
}

/**
 * The rows of numbers in an open file, which is closed with them.
 *
 * @param source The file's name for messages.
 */
export function numberRows(
  file: Deno.FsFile,
  { type, shape, begin: start, bigEndian = false }: StoredNumbers,
  source: string,
): StoredRows {
  const size = NUMBER_BYTES[type], rowBytes = size * sizeOf(shape.slice(1)), room = reusedBytes(source);
  return {
    shape,
    type,
    read(begin, end) {
      const bytes = room((end - begin) * rowBytes);
      readAt(file, start + begin * rowBytes, bytes, source);
      return type === "u1" ? bytes : toFloats(bigEndian ? swapBytes(bytes, size) : bytes, type);
    },
    [Symbol.dispose]: () => file[Symbol.dispose](),
  };
}

/**
 * Memory that is used again whenever it is asked for, with the number of bytes.
 *
 * @throws {DataFileError} If there is not enough memory.
 */
export function reusedBytes(source: string): (length: number) => Uint8Array<ArrayBuffer> {
  let bytes = new Uint8Array();
  return (length) => {
    if (bytes.length < length) bytes = new Uint8Array(allocate("u1", length, source).buffer);
    return bytes.subarray(0, length);
  };
}

function readAt(file: Deno.FsFile, position: number, bytes: Uint8Array, source: string): void {
  try {
    file.seekSync(position, Deno.SeekMode.Start);
    for (let filled = 0; filled < bytes.length;) {
      const count = file.readSync(bytes.subarray(filled));
      if (count === null) {
        throw new DataFileError(
          `${source}: it ended after ${filled} of ${bytes.length} bytes while it was read. Write or download it again.`,
        );
      }
      filled += count;
    }
  } catch (error) {
    if (error instanceof DataFileError) throw error;
    throw new DataFileError(`Cannot read ${source}: ${messageOf(error)}. Check the disk that it is on.`, {
      cause: error,
    });
  }
}

/**
 * The rows of an array in memory.
 *
 * @param type What its numbers were in the file; as they are in memory, if left out.
 */
export function heldRows(
  { shape, data }: DataArray,
  { type = typeOf(data), ...rest }: Partial<Pick<StoredRows, "type" | "columns" | "notes">> = {},
): StoredRows {
  const width = sizeOf(shape.slice(1));
  return {
    ...rest,
    shape,
    type,
    read: (begin, end) => data.subarray(begin * width, end * width),
    [Symbol.dispose]() {},
  };
}

function typeOf(data: DataArray["data"]): NumberType {
  return data instanceof Uint8Array ? "u1" : data instanceof Float32Array ? "f4" : "f8";
}

/**
 * Goes through all rows in order, some at a time.
 *
 * @param visit Is given the values of some whole rows and the index of the first value.
 */
export function forEachRows(stored: StoredRows, visit: (values: Values, first: number) => void): void {
  const [rows = 1, ...rest] = stored.shape, width = sizeOf(rest), block = rowsOf(stored, BLOCK_BYTES);
  if (width === 0) return;
  for (let begin = 0; begin < rows; begin += block) {
    visit(stored.read(begin, Math.min(rows, begin + block)), begin * width);
  }
}

/**
 * Reads all rows.
 *
 * @throws {DataFileError} If there is no memory for them, or they cannot be read.
 */
export function readAll(stored: StoredRows, source: string): DataArray {
  const { shape, type } = stored, data = allocate(type, countOf(shape, source), source);
  forEachRows(stored, (values, first) => data.set(values, first));
  return { shape, data };
}

/**
 * Stored rows as samples. A block of them is kept, so that neighbouring rows are read once; memory does not grow with
 * their number.
 *
 * @param map Fills in what a model sees of some whole rows.
 * @param dimension Values of a sample that are made of a row; as many as it has, if left out.
 */
export function storedSamples(
  stored: StoredRows,
  map: (rows: Values, out: Float32Array) => void,
  dimension = sizeOf(stored.shape.slice(1)),
): Samples {
  const [count, ...rest] = stored.shape, width = sizeOf(rest), block = rowsOf(stored, KEPT_BYTES);
  let first = 0, last = 0, kept: Values = new Uint8Array();
  return {
    count,
    dimension,
    copy(begin, end, out, at = 0) {
      for (let row = begin; row < end;) {
        if (row < first || row >= last) {
          first = row - row % block;
          last = Math.min(count, first + block);
          kept = stored.read(first, last);
        }
        const until = Math.min(end, last), length = (until - row) * dimension;
        map(kept.subarray((row - first) * width, (until - first) * width), out.subarray(at, at + length));
        at += length;
        row = until;
      }
    },
  };
}

/** The rows that take about so many bytes in memory: whole packs, and one at least. */
function rowsOf({ shape, type, packed = 1 }: StoredRows, bytes: number): number {
  const packBytes = packed * sizeOf(shape.slice(1)) * (type === "u1" ? 1 : fitsFloat32(type) ? 4 : 8);
  return packed * Math.max(1, Math.floor(bytes / Math.max(1, packBytes)));
}
