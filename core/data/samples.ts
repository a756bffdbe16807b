/** Samples of a data set, row by row. They may be kept in any form; a row is float32 when it is read. */
export interface Samples {
  /** The number of rows. */
  readonly count: number;
  /** The number of values in a row. */
  readonly dimension: number;
  /** What is known of each row, as `core/data/condition.ts` has it; nothing where it is left out. */
  readonly condition?: Samples;
  /** 1 where a value of a row is unknown, which is then 0 in it, `[count, dimension]`; all are known where it is left out. */
  readonly gaps?: Samples;
  /** The same rows with rounded values spread evenly over what is rounded to them, by uniform numbers of each row. */
  readonly spread?: (uniforms: RowUniforms) => Samples;
  /** What is added to −log p of a row's values to give that of the row before these were made of it, in nats. */
  readonly change?: (row: number) => number;
  /** Copies the rows from `begin` up to but not including `end` to `out`, starting at its index `at`, 0 if left out. */
  copy(begin: number, end: number, out: Float32Array, at?: number): void;
}

/** Fills `out` with the uniform numbers between 0 and 1 of a row, always the same. */
export type RowUniforms = (row: number, out: Float64Array) => void;

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
  const { dimension, condition, gaps, spread, change } = samples;
  return {
    count: rows.length,
    dimension,
    ...(condition ? { condition: selectRows(condition, rows) } : {}),
    ...(gaps ? { gaps: selectRows(gaps, rows) } : {}),
    ...(spread ? { spread: (uniforms: RowUniforms) => selectRows(spread(uniforms), rows) } : {}),
    ...(change ? { change: (row: number) => change(rows[row]) } : {}),
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
 * What is known of the rows from `begin` up to `end`, `[copies·(end − begin), width]`: their condition, and then which of
 * their own values are unknown. Nothing of samples without either.
 *
 * @param copies How often all rows are there, one after another.
 */
export function conditionOf(
  samples: Samples,
  begin: number,
  end: number,
  copies = 1,
): Float32Array | undefined {
  const known = whatIsKnown(samples);
  if (!known) return undefined;
  const size = (end - begin) * known.dimension, out = new Float32Array(copies * size);
  for (let copy = 0; copy < copies; copy++) known.copy(begin, end, out, copy * size);
  return out;
}

/** The vectors of {@linkcode conditionOf}. */
export function whatIsKnown({ count, condition, gaps }: Samples): Samples | undefined {
  if (!condition || !gaps) return condition ?? gaps;
  const first = condition.dimension, dimension = first + gaps.dimension;
  return {
    count,
    dimension,
    copy(begin, end, out, at = 0) {
      for (let row = begin; row < end; row++, at += dimension) {
        condition.copy(row, row + 1, out, at);
        gaps.copy(row, row + 1, out, at + first);
      }
    },
  };
}

function countOf(values: number, dimension: number): number {
  if (Number.isInteger(dimension) && dimension > 0 && values % dimension === 0) return values / dimension;
  throw new RangeError(`Got ${values} values for samples of dimension ${dimension}; whole rows are needed.`);
}
