import { UserError } from "../errors/user_error.ts";
import { nearest } from "../errors/nearest.ts";

/** Columns that are asked for and are not there. */
export class ColumnError extends UserError {}

/** Columns in words, as in `3 (height)`. */
export function describeColumn(column: number, names: readonly string[]): string {
  return names[column] === undefined
    ? `${column}`
    : `${column} (${names[column].slice(0, 40).replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ")})`;
}

/**
 * The columns that an option names: numbers from 0, ranges as `0-4`, and names of a header, separated by commas.
 *
 * @param option The option, as `--x`, for messages.
 * @param width The number of columns that there are.
 * @param names Their names; none where there is no header.
 * @throws {ColumnError} For what is no column, or is named twice.
 *
 * @example
 * ```ts
 * import { deepEqual } from "assert";
 * import { parseColumns } from "./columns.ts";
 *
 * deepEqual(parseColumns("--x", "0,2-3,weight", 5, ["a", "b", "c", "d", "weight"]), [0, 2, 3, 4]);
 * ```
 */
export function parseColumns(option: string, text: string, width: number, names: readonly string[] = []): number[] {
  const columns: number[] = [];
  for (const item of text.split(",").map((each) => each.trim())) {
    for (const column of columnsOf(option, item, width, names)) {
      if (columns.includes(column)) {
        throw new ColumnError(`${option} has column ${describeColumn(column, names)} twice. Name it once.`);
      }
      columns.push(column);
    }
  }
  return columns;
}

function columnsOf(option: string, item: string, width: number, names: readonly string[]): number[] {
  // A number that there is such a column of is its place, even where columns are named by numbers, as pandas names them.
  const named = /^\d+$/.test(item) && Number(item) < width ? -1 : names.indexOf(item);
  if (named >= 0) {
    if (names.indexOf(item, named + 1) < 0) return [named];
    throw new ColumnError(
      `${option} names ${JSON.stringify(item)}, which several columns are called. Give its number.`,
    );
  }
  const [, first, last = first] = /^(\d+)(?:\s*-\s*(\d+))?$/.exec(item) ?? [];
  if (first === undefined) {
    const close = nearest(item, names);
    const hint = close.length === 0 ? "" : ` Did you mean ${close.join(" or ")}?`;
    const known = names.length === 0
      ? `numbers from 0 to ${width - 1}`
      : `numbers from 0 to ${width - 1} or names (${names.slice(0, 10).join(", ")}${names.length > 10 ? ", …" : ""})`;
    throw new ColumnError(`${option} has ${JSON.stringify(item.slice(0, 60))}, expected ${known}, as 0-4,6.${hint}`);
  }
  const [begin, end] = [Number(first), Number(last)];
  if (begin > end || end >= width) {
    throw new ColumnError(
      `${option} has ${item}, but the data has ${width} columns, expected from 0 to ${width - 1} in ascending order. ` +
        "Count columns from 0.",
    );
  }
  return Array.from({ length: end - begin + 1 }, (_, i) => begin + i);
}

/**
 * Checks that no column is in two of them.
 *
 * @param z Columns that are given.
 * @throws {ColumnError} That names the first that is.
 */
export function requireDisjoint(
  x: readonly number[],
  y: readonly number[],
  names: readonly string[],
  z: readonly number[] = [],
): void {
  const both = x.find((column) => y.includes(column));
  if (both !== undefined) {
    throw new ColumnError(
      `Column ${
        describeColumn(both, names)
      } is in both --x and --y, which has infinite information. Leave it out of one.`,
    );
  }
  const known = z.find((column) => x.includes(column) || y.includes(column));
  if (known === undefined) return;
  throw new ColumnError(
    `Column ${describeColumn(known, names)} is in --z and in ${
      x.includes(known) ? "--x" : "--y"
    }, of which nothing is ` +
      "left to tell once it is given. Leave it out of one.",
  );
}
