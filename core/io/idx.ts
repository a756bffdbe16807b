import { byteRows } from "./byte_rows.ts";
import { allocate, countOf, DataFileError, openFile } from "./data_array.ts";
import { gunzipped, isGzip, MAX_GZIP_RATIO } from "./gunzip.ts";
import { NUMBER_BYTES, type NumberType } from "./numbers.ts";
import { numberRows, type StoredRows } from "./stored_rows.ts";

/** The types of numbers by their codes in a file, all of them big-endian. */
const TYPES: Readonly<Record<number, NumberType>> = { 8: "u1", 9: "i1", 11: "i2", 12: "i4", 13: "f4", 14: "f8" };

/** Axes of an array: more than any file has. */
const MAX_AXES = 8;

/** What a file's first bytes say. */
interface IdxHeader {
  readonly type: NumberType;
  readonly shape: readonly number[];
  readonly count: number;
  /** Its own bytes. */
  readonly bytes: number;
}

/**
 * Opens an IDX file, MNIST's format: two zero bytes, a type, the number of axes and their sizes, and big-endian
 * numbers. Its rows are read on demand; those of a gzipped file, which its first bytes tell, are held in memory.
 *
 * @throws {DataFileError} If the file cannot be read, is damaged, or is of another size than its header says.
 */
export function openIdx(path: string): Promise<StoredRows> {
  return openFile(path, async (file, size) => {
    const start = new Uint8Array(4 + 4 * MAX_AXES);
    const filled = await file.read(start) ?? 0;
    if (!isGzip(start)) {
      const { type, shape, count, bytes } = parseHeader(start.subarray(0, filled), path);
      requireSize(size, bytes + count * NUMBER_BYTES[type], shape, type, path);
      return numberRows(file, { type, shape, begin: bytes, bigEndian: true }, path);
    }
    await file.seek(0, Deno.SeekMode.Start);
    const rows = await unpack(file, size, path);
    file[Symbol.dispose]();
    return rows;
  });
}

/**
 * The rows of an IDX file in memory, which is not gzipped.
 *
 * @param source What to call it in messages.
 * @throws {DataFileError} If it is damaged, or of another size than its header says.
 */
export function idxRows(file: Uint8Array, source: string): StoredRows {
  const { type, shape, count, bytes } = parseHeader(file.subarray(0, 4 + 4 * MAX_AXES), source);
  requireSize(file.length, bytes + count * NUMBER_BYTES[type], shape, type, source);
  return byteRows(file.subarray(bytes), { type, shape, bigEndian: true });
}

async function unpack(file: Deno.FsFile, size: number, path: string): Promise<StoredRows> {
  const start = new Uint8Array(4 + 4 * MAX_AXES);
  let header: IdxHeader | undefined, numbers: Uint8Array = new Uint8Array(), at = 0;
  const begin = () => {
    header = parseHeader(start.subarray(0, at), path);
    const length = header.count * NUMBER_BYTES[header.type];
    if (length > size * MAX_GZIP_RATIO) {
      throw damaged(path, `it claims [${header.shape}] values, more than a file of ${size} bytes can hold`);
    }
    numbers = allocate("u1", length, path) as Uint8Array;
    const rest = start.subarray(header.bytes, at);
    if (rest.length > length) requireSize(at, header.bytes + length, header.shape, header.type, path);
    numbers.set(rest);
  };
  for await (const part of gunzipped(file, path)) {
    let from = 0;
    if (!header) {
      from = Math.min(part.length, start.length - at);
      start.set(part.subarray(0, from), at);
      at += from;
      if (at < start.length) continue;
      begin();
    }
    const { bytes, shape, type } = header!, end = at + part.length - from;
    if (end > bytes + numbers.length) requireSize(end, bytes + numbers.length, shape, type, path);
    numbers.set(part.subarray(from), at - bytes);
    at = end;
  }
  if (!header) begin();
  const { bytes, shape, type } = header!;
  requireSize(at, bytes + numbers.length, shape, type, path);
  return byteRows(numbers, { type, shape, bigEndian: true });
}

function parseHeader(start: Uint8Array, path: string): IdxHeader {
  const type = TYPES[start[2]], axes = start[3], bytes = 4 + 4 * axes;
  if (start.length < 4 || start[0] !== 0 || start[1] !== 0 || type === undefined || axes < 1 || axes > MAX_AXES) {
    throw damaged(path, "it does not start as an IDX file does");
  }
  if (start.length < bytes) throw damaged(path, "it ends within its header");
  const view = new DataView(start.buffer, start.byteOffset);
  const shape = Array.from({ length: axes }, (_, axis) => view.getUint32(4 + 4 * axis));
  return { type, shape, count: countOf(shape, path), bytes };
}

function requireSize(size: number, expected: number, shape: readonly number[], type: NumberType, path: string): void {
  if (size === expected) return;
  const got = size > expected ? "more" : `${size}`;
  throw damaged(path, `[${shape}] values of ${type} take ${expected} bytes with their header, but it has ${got}`);
}

function damaged(path: string, what: string): DataFileError {
  return new DataFileError(`${path}: ${what}. The file is damaged or no IDX file; write or download it again.`);
}
