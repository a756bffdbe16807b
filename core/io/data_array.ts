import { messageOf, UserError } from "../errors/user_error.ts";
import { sizeOf } from "../data/tensors.ts";
import { isLfsPointer, LFS_ADVICE, LFS_BYTES } from "./lfs_pointer.ts";
import { fitsFloat32, type NumberType } from "./numbers.ts";

/** A file of data that cannot be read. The message names the file, and the place in it where there is one. */
export class DataFileError extends UserError {}

/**
 * An array of a data file, row-major: bytes where the file holds unsigned bytes, float32 where every number of its type is
 * one, float64 for all others, so that nothing is rounded before the data is centred.
 */
export interface DataArray {
  readonly shape: readonly number[];
  readonly data: Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>;
}

/** Some values of such an array. */
export type Values = Uint8Array | Float32Array | Float64Array;

/**
 * Room for `count` numbers as they are kept in memory.
 *
 * @throws {DataFileError} If there is not enough memory.
 */
export function allocate(type: NumberType, count: number, source: string): DataArray["data"] {
  try {
    if (type === "u1") return new Uint8Array(count);
    return fitsFloat32(type) ? new Float32Array(count) : new Float64Array(count);
  } catch (error) {
    throw new DataFileError(`${source}: there is no memory for its ${count} values. Use a smaller part of the data.`, {
      cause: error,
    });
  }
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
export function withFile<T>(path: string, read: (file: Deno.FsFile, size: number) => Promise<T>): Promise<T> {
  return openFile(path, async (file, size) => {
    using _ = file;
    return await read(file, size);
  });
}

/**
 * Opens a file and gives it and its size to `take`, whose result has to close it; where that fails, it is closed.
 *
 * @throws {DataFileError} If it cannot be read or is not a file.
 */
export async function openFile<T>(path: string, take: (file: Deno.FsFile, size: number) => Promise<T>): Promise<T> {
  let file: Deno.FsFile | undefined;
  try {
    file = await Deno.open(path);
    const { size, isFile } = await file.stat();
    if (!isFile) throw new DataFileError(`${path} is not a file. Name a file of data.`);
    const start = new Uint8Array(LFS_BYTES);
    await file.read(start);
    if (isLfsPointer(start)) throw new DataFileError(`${path} ${LFS_ADVICE}.`);
    await file.seek(0, Deno.SeekMode.Start);
    return await take(file, size);
  } catch (error) {
    file?.[Symbol.dispose]();
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
 * @param data Some or all of the values of an array of the given shape.
 * @param first The index of the first of them in the array.
 * @param isAllowed Whether one that is not finite may stand at an index of the array.
 * @throws {DataFileError} That names the row and column, from 0, of the first that is not.
 */
export function requireFinite(
  { shape, data }: { readonly shape: readonly number[]; readonly data: Values },
  source: string,
  first = 0,
  isAllowed?: (value: number, at: number) => boolean,
): void {
  if (data instanceof Uint8Array) return;
  for (let i = 0; i < data.length; i++) {
    if (data[i] - data[i] === 0 || isAllowed?.(data[i], first + i)) continue;
    const place = placeOf(first + i, shape);
    throw new DataFileError(`${source} has ${data[i]} in ${place}, expected finite values. Clean the data.`);
  }
}

/** Where the value with the given index is, in words: its row, and its place in the row. */
export function placeOf(index: number, shape: readonly number[]): string {
  const width = sizeOf(shape.slice(1));
  return `row ${Math.floor(index / width)}, column ${index % width} (from 0)`;
}
