import { sizeOf } from "../data/tensors.ts";
import { NUMBER_BYTES, swapBytes, toFloats } from "./numbers.ts";
import type { StoredNumbers, StoredRows } from "./stored_rows.ts";

/**
 * The rows of numbers in memory, converted where they are asked for.
 *
 * @param bytes All of the numbers. They are kept, and swapped in place if they are big-endian.
 */
export function byteRows(
  bytes: Uint8Array,
  { type, shape, bigEndian = false }: Omit<StoredNumbers, "begin">,
): StoredRows {
  const size = NUMBER_BYTES[type], rowBytes = size * sizeOf(shape.slice(1));
  if (bigEndian) swapBytes(bytes, size);
  return {
    shape,
    type,
    read(begin, end) {
      const rows = bytes.subarray(begin * rowBytes, end * rowBytes);
      return type === "u1" ? rows : toFloats(rows, type);
    },
    [Symbol.dispose]() {},
  };
}
