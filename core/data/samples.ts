/** Samples of a data set, row by row. They may be kept in any form; a row is float32 when it is read. */
export interface Samples {
  /** The number of rows. */
  readonly count: number;
  /** The number of values in a row. */
  readonly dimension: number;
  /** What is known of each row, as `core/data/condition.ts` has it; nothing where it is left out. */
  readonly condition?: Samples;
  /** Copies the rows from `begin` up to but not including `end` to `out`, starting at its index `at`, 0 if left out. */
  copy(begin: number, end: number, out: Float32Array, at?: number): void;
}

/** Values that are handled at a time where all samples are gone through. */
const BLOCK_VALUES = 1 << 14;

/**
 * Samples that are kept as float32. The values are not copied.
 *
 * @param values Row-major, `[count, dimension]`.
 * @throws {RangeError} Unless the values are whole rows.
 */
export function floatSamples(values: Float32Array, dimension: number): Samples {
  return {
    count: countOf(values.length, dimension),
    dimension,
    copy(begin, end, out, at = 0) {
      const first = begin * dimension, length = (end - begin) * dimension;
      // A loop is faster for the few values of a point, `set` for an image.
      if (length > 64) out.set(values.subarray(first, first + length), at);
      else for (let i = 0; i < length; i++) out[at + i] = values[first + i];
    },
  };
}

/** What the values of samples are that are kept as bytes: `byte · scale + offset`. */
export interface ByteScale {
  readonly scale: number;
  readonly offset: number;
}

/** The scale of 8-bit images on [−1, 1], whose neighbouring values are 2/255 apart. */
export const IMAGE_SCALE: ByteScale = { scale: 2 / 255, offset: -1 };

/**
 * Samples that are kept as bytes, a quarter of the memory. The bytes are not copied.
 *
 * @param bytes Row-major, `[count, dimension]`.
 * @throws {RangeError} Unless the bytes are whole rows.
 *
 * @example
 * ```ts
 * import { deepEqual } from "assert";
 * import { byteSamples, toFloat32 } from "./samples.ts";
 *
 * const samples = byteSamples(Uint8Array.of(0, 255, 51, 204), 2, { scale: 2 / 255, offset: -1 });
 * deepEqual(toFloat32(samples), Float32Array.of(-1, 1, -0.6, 0.6));
 * ```
 */
export function byteSamples(bytes: Uint8Array, dimension: number, { scale, offset }: ByteScale): Samples {
  const values = Float32Array.from({ length: 256 }, (_, byte) => byte * scale + offset);
  return {
    count: countOf(bytes.length, dimension),
    dimension,
    copy(begin, end, out, at = 0) {
      const first = begin * dimension, length = (end - begin) * dimension;
      for (let i = 0; i < length; i++) out[at + i] = values[bytes[first + i]];
    },
  };
}

/** The rows of `samples` with the given indices, in that order. Nothing is copied. */
export function selectRows(samples: Samples, rows: Uint32Array): Samples {
  const { dimension, condition } = samples;
  return {
    count: rows.length,
    dimension,
    ...(condition ? { condition: selectRows(condition, rows) } : {}),
    copy(begin, end, out, at = 0) {
      for (let i = begin; i < end; i++) samples.copy(rows[i], rows[i] + 1, out, at + (i - begin) * dimension);
    },
  };
}

/**
 * Goes through all rows in order, some at a time, so that no more than a block of them is float32 at once.
 *
 * @param visit Is given the values of some whole rows, valid until it returns, and the index of the first of them.
 */
export function forEachBlock(samples: Samples, visit: (rows: Float32Array, first: number) => void): void {
  const { count, dimension } = samples, size = Math.max(1, Math.floor(BLOCK_VALUES / dimension));
  const block = new Float32Array(Math.min(size, count) * dimension);
  for (let begin = 0; begin < count; begin += size) {
    const end = Math.min(count, begin + size);
    samples.copy(begin, end, block);
    visit(block.subarray(0, (end - begin) * dimension), begin);
  }
}

/** The values of the rows from `begin` up to `end`, all if left out, row-major: a copy, which takes four bytes a value. */
export function toFloat32(samples: Samples, begin = 0, end = samples.count): Float32Array {
  const out = new Float32Array((end - begin) * samples.dimension);
  samples.copy(begin, end, out);
  return out;
}

/**
 * What is known of the rows from `begin` up to `end`, `[copies·(end − begin), width]`; nothing of samples without a
 * condition.
 *
 * @param copies How often all rows are there, one after another.
 */
export function conditionOf(
  { condition }: Samples,
  begin: number,
  end: number,
  copies = 1,
): Float32Array | undefined {
  if (!condition) return undefined;
  const size = (end - begin) * condition.dimension, out = new Float32Array(copies * size);
  for (let copy = 0; copy < copies; copy++) condition.copy(begin, end, out, copy * size);
  return out;
}

function countOf(values: number, dimension: number): number {
  if (Number.isInteger(dimension) && dimension > 0 && values % dimension === 0) return values / dimension;
  throw new RangeError(`Got ${values} values for samples of dimension ${dimension}; whole rows are needed.`);
}
