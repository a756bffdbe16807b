import { messageOf, UserError } from "../errors.ts";
import { sizeOf } from "../tensors.ts";
import { NUMBER_BYTES, type NumberType, swapBytes, toFloat32Array } from "./numbers.ts";

/** A file of data that cannot be read. The message names the file, and the place in it where there is one. */
export class DataFileError extends UserError {}

/** An array of a data file, row-major: bytes where the file holds unsigned bytes, float32 for all other numbers. */
export interface DataArray {
  readonly shape: readonly number[];
  readonly data: Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>;
}

/** Bytes that are read from a file at a time. */
const BLOCK_BYTES = 1 << 20;

/** Numbers as they lie in a file. */
export interface StoredNumbers {
  readonly type: NumberType;
  readonly count: number;
  readonly bigEndian?: boolean;
}

/**
 * Room for `count` numbers as they are kept in memory.
 *
 * @throws {DataFileError} If there is not enough memory.
 */
export function allocate(type: NumberType, count: number, source: string): DataArray["data"] {
  try {
    return type === "u1" ? new Uint8Array(count) : new Float32Array(count);
  } catch (error) {
    throw new DataFileError(`${source}: there is no memory for its ${count} values. Use a smaller part of the data.`, {
      cause: error,
    });
  }
}

/**
 * Reads the numbers that lie at a file's position. No more than a block of them is held besides the result.
 *
 * @param source The file's name for messages.
 * @throws {DataFileError} If the file ends before them.
 */
export async function readNumbers(
  file: Deno.FsFile,
  { type, count, bigEndian = false }: StoredNumbers,
  source: string,
): Promise<DataArray["data"]> {
  const size = NUMBER_BYTES[type], out = allocate(type, count, source);
  if (out instanceof Uint8Array || type === "f4" && !bigEndian) {
    await readInto(file, new Uint8Array(out.buffer), source);
    return out;
  }
  const block = new Uint8Array(Math.min(BLOCK_BYTES, count * size));
  for (let at = 0; at < count; at += BLOCK_BYTES / size) {
    const part = block.subarray(0, Math.min(BLOCK_BYTES, (count - at) * size));
    await readInto(file, part, source);
    out.set(toFloat32Array(bigEndian ? swapBytes(part, size) : part, type), at);
  }
  return out;
}

/**
 * Fills `bytes` from a file's position.
 *
 * @throws {DataFileError} If the file ends before that.
 */
export async function readInto(file: Deno.FsFile, bytes: Uint8Array, source: string): Promise<void> {
  for (let filled = 0; filled < bytes.length;) {
    const count = await file.read(bytes.subarray(filled));
    if (count === null) {
      throw new DataFileError(
        `${source}: it ended after ${filled} of ${bytes.length} bytes while it was read. Write or download it again.`,
      );
    }
    filled += count;
  }
}

/**
 * Opens a file, gives it and its size to `read`, and closes it.
 *
 * @throws {DataFileError} If it cannot be read or is not a file.
 */
export async function withFile<T>(path: string, read: (file: Deno.FsFile, size: number) => Promise<T>): Promise<T> {
  try {
    using file = await Deno.open(path);
    const { size, isFile } = await file.stat();
    if (!isFile) throw new DataFileError(`${path} is not a file. Name a file of data.`);
    return await read(file, size);
  } catch (error) {
    if (error instanceof UserError) throw error;
    const what = error instanceof Deno.errors.NotFound ? "there is no such file" : messageOf(error);
    throw new DataFileError(`Cannot read ${path}: ${what}. Check the path and its permissions.`, { cause: error });
  }
}

/**
 * The number of values of a shape.
 *
 * @throws {DataFileError} If it is too large to be counted.
 */
export function countOf(shape: readonly number[], source: string): number {
  const count = sizeOf(shape);
  if (Number.isSafeInteger(count)) return count;
  throw new DataFileError(`${source}: its shape [${shape}] has too many values to count. The file is damaged.`);
}

/**
 * Checks that every value is finite.
 *
 * @throws {DataFileError} That names the row and column, from 0, of the first that is not.
 */
export function requireFinite({ shape, data }: DataArray, source: string): void {
  if (data instanceof Uint8Array) return;
  for (let i = 0; i < data.length; i++) {
    if (data[i] - data[i] === 0) continue;
    const place = placeOf(i, shape);
    throw new DataFileError(`${source} has ${data[i]} in ${place}, expected finite float32 values. Clean the data.`);
  }
}

/** Where the value with the given index is, in words: its row, and its place in the row. */
export function placeOf(index: number, shape: readonly number[]): string {
  const width = sizeOf(shape.slice(1));
  return `row ${Math.floor(index / width)}, column ${index % width} (from 0)`;
}
