import { sizeOf } from "../data/tensors.ts";
import { DataFileError, placeOf, requireFinite, type Values } from "../io/data_array.ts";
import type { NumberType } from "../io/numbers.ts";
import { forEachRows, type StoredRows } from "../io/stored_rows.ts";

/** Smallest and largest value. */
export type Range = readonly [number, number];

/**
 * Smallest and largest of all values, which are checked to be finite. Those of bytes are not looked at.
 *
 * @param mayLack Columns that may have NaN.
 * @throws {DataFileError} That names the place of the first that is not finite.
 */
export function surveyedRange(rows: StoredRows, name: string, mayLack: readonly number[] = []): Range {
  if (rows.type === "u1") return [0, 255];
  let low = Infinity, high = -Infinity;
  const width = sizeOf(rows.shape.slice(1)), lacks = new Set(mayLack);
  const isAllowed = (value: number, at: number) => Number.isNaN(value) && lacks.has(at % width);
  forEachRows(rows, (data, first) => {
    requireFinite({ shape: rows.shape, data }, name, first, lacks.size > 0 ? isAllowed : undefined);
    for (let i = 0; i < data.length; i++) {
      const value = data[i];
      if (value < low) low = value;
      if (value > high) high = value;
    }
  });
  return [low, high];
}

/**
 * The range of pictures that values from `low` to `high` are likely in: that of bytes, of 16 bits, [0, 1] or [−1, 1].
 * Nothing for values that are in none of them.
 */
export function likelyRange(type: NumberType, [low, high]: Range): Range | undefined {
  if (type === "u1") return [0, 255];
  if (low < -1) return undefined;
  if (low < 0) return high <= 1 && type[0] !== "u" ? [-1, 1] : undefined;
  const isFloat = type.includes("f");
  if (isFloat && high <= 1) return [0, 1];
  if (high <= 255) return [0, 255];
  return high <= 65535 ? [0, 65535] : undefined;
}

/**
 * The range that an option says, as `0,1`; `auto` and `none` say none.
 *
 * @throws {DataFileError} For what is no range.
 */
export function parseRange(text: string): Range | undefined {
  if (text === "auto" || text === "none") return undefined;
  const [low, high, ...rest] = text.split(",").map((part) => part.trim() === "" ? NaN : Number(part));
  if (rest.length === 0 && Number.isFinite(low) && Number.isFinite(high) && low < high) return [low, high];
  throw new DataFileError(`--range is ${JSON.stringify(text)}, expected the lowest and highest value, as --range 0,1.`);
}

/** A range in words. */
export function describeRange([low, high]: Range): string {
  const short = (value: number) => String(Number(value.toPrecision(6))).replace("-", "−");
  return `[${short(low)}, ${short(high)}]`;
}

/** @throws {DataFileError} That names the place of the first value outside of a range. */
export function requireWithin(rows: StoredRows, [low, high]: Range, name: string): void {
  if (rows.type === "u1" && low <= 0 && high >= 255) return;
  // A float32 of the file may be the range's end, rounded.
  const rounded = rows.type === "f4" || rows.type === "f2" || rows.type === "bf2";
  const [least, most] = rounded ? [Math.fround(low), Math.fround(high)] : [low, high];
  const check = (data: Values, first: number) => {
    for (let i = 0; i < data.length; i++) {
      if (data[i] >= least && data[i] <= most) continue;
      throw new DataFileError(
        `${name} has ${data[i]} in ${
          placeOf(first + i, rows.shape)
        }, outside of --range ${low},${high}. Widen the range.`,
      );
    }
  };
  forEachRows(rows, check);
}
