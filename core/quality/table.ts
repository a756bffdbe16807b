import { forEachBlock, type Samples } from "../data/samples.ts";

/** A column of a table in memory. */
export interface TableColumn {
  readonly name: string;
  /** Numbers in some unit, or classes by the numbers that stand for them. */
  readonly kind: "number" | "class";
  /** A value a row, NaN where it is unknown. */
  readonly values: Float64Array;
}

/** Rows that are compared with others, column by column: all columns have `count` values. */
export interface Table {
  readonly count: number;
  readonly columns: readonly TableColumn[];
}

/**
 * Rows of numbers as a table.
 *
 * @param rows Row-major, `[n, d]` with d the number of names, NaN where unknown.
 * @param kinds Of the columns; numbers, if left out.
 * @throws {RangeError} Unless they are whole rows.
 *
 * @example
 * ```ts
 * import { deepEqual } from "assert";
 * import { tableOf } from "./table.ts";
 *
 * const { count, columns: [, height] } = tableOf(Float32Array.of(1, 2, 3, 4), ["age", "height"]);
 * deepEqual([count, height.name, [...height.values]], [2, "height", [2, 4]]);
 * ```
 */
export function tableOf(
  rows: Float32Array | Float64Array,
  names: readonly string[],
  kinds: readonly TableColumn["kind"][] = names.map(() => "number"),
): Table {
  const d = names.length, count = rows.length / d;
  if (!Number.isInteger(count)) throw new RangeError(`Got ${rows.length} values, expected whole rows of ${d} columns.`);
  const columns = names.map((name, k): TableColumn => ({
    name,
    kind: kinds[k],
    values: Float64Array.from({ length: count }, (_, i) => rows[i * d + k]),
  }));
  return { count, columns };
}

/** @throws {RangeError} Unless both tables have the same columns, in the same order. */
export function requireAlike(a: Table, b: Table): void {
  const told = ({ columns }: Table) => columns.map(({ name, kind }) => `${name} (${kind})`).join(", ");
  if (told(a) !== told(b)) {
    throw new RangeError(`Got the columns ${told(a)} and ${told(b)}, expected the same of both.`);
  }
}

/** Rows as points whose distances mean something: `[n, width]` row-major, each column in units of its own spread. */
export interface EncodedRows {
  readonly values: Float32Array;
  readonly width: number;
}

/** How the rows of tables become points. */
export interface Encoder {
  readonly width: number;
  encode(table: Table): EncodedRows;
}

/**
 * The way from a table's rows to points: numbers less their mean over their standard deviation, both of `reference`;
 * a class as one place for each of its levels, so that two of them are at distance 1; an unknown number as the mean, with
 * a place of its own that says so where the reference has unknown ones.
 *
 * @param reference The rows that decide: those of the training data.
 *
 * @example
 * ```ts
 * import { deepEqual } from "assert";
 * import { encoderOf, type Table } from "./table.ts";
 *
 * const kind = "class" as const;
 * const train: Table = { count: 2, columns: [{ name: "c", kind, values: Float64Array.of(3, 5) }] };
 * deepEqual([...encoderOf(train).encode(train).values], [Math.SQRT1_2, 0, 0, Math.SQRT1_2].map(Math.fround));
 * ```
 */
export function encoderOf(reference: Table): Encoder {
  const parts = reference.columns.map(partOf), width = parts.reduce((sum, part) => sum + part.width, 0);
  return {
    width,
    encode(table) {
      requireAlike(reference, table);
      const values = new Float32Array(table.count * width);
      let at = 0;
      for (const [k, part] of parts.entries()) {
        table.columns[k].values.forEach((value, i) => part.write(value, values, i * width + at));
        at += part.width;
      }
      return { values, width };
    },
  };
}

interface Part {
  readonly width: number;
  write(value: number, out: Float32Array, at: number): void;
}

function partOf({ kind, values }: TableColumn): Part {
  const known = values.filter((value) => !Number.isNaN(value));
  if (kind === "class") {
    const levels = [...new Set(known)].sort((a, b) => a - b);
    return {
      // The last place is for what the reference does not have, unknown among it.
      width: levels.length + (known.length < values.length ? 1 : 0),
      write(value, out, at) {
        const place = levels.indexOf(value);
        if (place >= 0) out[at + place] = Math.SQRT1_2;
        else if (known.length < values.length) out[at + levels.length] = Math.SQRT1_2;
      },
    };
  }
  const { mean, sd } = spreadOf(known), hasUnknown = known.length < values.length;
  return {
    width: hasUnknown ? 2 : 1,
    write(value, out, at) {
      out[at] = Number.isNaN(value) ? 0 : (value - mean) / (sd || 1);
      if (hasUnknown) out[at + 1] = Number.isNaN(value) ? 1 : 0;
    },
  };
}

/** The mean and the standard deviation of numbers; 0 and 0 of none. */
export function spreadOf(values: ArrayLike<number>): { readonly mean: number; readonly sd: number } {
  let mean = 0, squares = 0;
  for (let i = 0; i < values.length; i++) {
    const difference = values[i] - mean;
    mean += difference / (i + 1);
    squares += difference * (values[i] - mean);
  }
  return { mean, sd: values.length > 0 ? Math.sqrt(squares / values.length) : 0 };
}

/** Rows that are gone through a block at a time, in the units of {@linkcode EncodedRows}. */
export interface EncodedBlocks {
  readonly count: number;
  readonly width: number;
  /** Calls with some whole rows, valid until it returns, and the index of the first. */
  forEach(visit: (rows: Float32Array, first: number) => void): void;
}

/** Encoded rows as one block. */
export function blocksOf({ values, width }: EncodedRows): EncodedBlocks {
  return { width, count: values.length / width, forEach: (visit) => visit(values, 0) };
}

/**
 * Rows of numbers as points, without a copy of them all, and the map that others become such points by.
 *
 * @param isWhole Whether one standard deviation, that of all columns together, is the unit of each: of images, of which a
 * pixel that hardly varies would otherwise count as much as any.
 */
export function sampleBlocks(
  samples: Samples,
  isWhole: boolean,
): EncodedBlocks & { encode(rows: Float32Array): EncodedRows } {
  const { dimension: width, count } = samples, mean = new Float64Array(width), unit = new Float64Array(width);
  forEachBlock(samples, (rows, first) => {
    for (let i = 0; i < rows.length; i++) {
      const k = i % width, difference = rows[i] - mean[k];
      mean[k] += difference / (first + Math.floor(i / width) + 1);
      unit[k] += difference * (rows[i] - mean[k]) / count;
    }
  });
  const all = Math.sqrt(unit.reduce((sum, variance) => sum + variance, 0) / width) || 1;
  unit.forEach((variance, k) => unit[k] = isWhole ? all : Math.sqrt(variance) || 1);
  const map = (rows: Float32Array) => rows.map((value, i) => (value - mean[i % width]) / unit[i % width]);
  return {
    ...{ width, count },
    forEach: (visit) => forEachBlock(samples, (rows, first) => visit(map(rows), first)),
    encode: (rows) => ({ values: map(rows), width }),
  };
}
