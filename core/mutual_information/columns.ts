import { parse } from "csv-parse";
import { DataFileError, withFile } from "../io/data_array.ts";
import { UserError } from "../errors/user_error.ts";
import { nearest } from "../errors/nearest.ts";

/** Bytes of a file that its header is looked for in. */
const HEADER_BYTES = 1 << 16;

/** Columns that are asked for and are not there. */
export class ColumnError extends UserError {}

/** Columns in words, as in `3 (height)`. */
export function describeColumn(column: number, names: readonly string[]): string {
  return names[column] === undefined ? `${column}` : `${column} (${names[column].slice(0, 40)})`;
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
  const named = names.indexOf(item);
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
 * Checks that no column is in both.
 *
 * @throws {ColumnError} That names the first that is.
 */
export function requireDisjoint(x: readonly number[], y: readonly number[], names: readonly string[]): void {
  const both = x.find((column) => y.includes(column));
  if (both === undefined) return;
  throw new ColumnError(
    `Column ${
      describeColumn(both, names)
    } is in both --x and --y, which has infinite information. Leave it out of one.`,
  );
}

/**
 * The names of a CSV file's columns: the cells of its first line, if it holds no number. Otherwise none.
 *
 * @throws {DataFileError} If the file cannot be read.
 */
export function csvHeader(path: string): Promise<string[]> {
  return withFile(path, async (file) => {
    const start = new Uint8Array(HEADER_BYTES);
    const [line] = new TextDecoder().decode(start.subarray(0, await file.read(start) ?? 0)).split(/\r?\n|\r/);
    const delimiter = ["\t", ";"].find((each) => line.includes(each)) ?? ",";
    return await new Promise<string[]>((resolve, reject) => {
      parse(line, { bom: true, delimiter, trim: true, relax_column_count: true }, (error, records) => {
        if (error) reject(new DataFileError(`${path} has a first line that is no CSV: ${error.message}. Correct it.`));
        else {
          const [cells = []] = records as string[][];
          resolve(cells.every(isName) ? cells : []);
        }
      });
    });
  });
}

function isName(cell: string): boolean {
  return cell !== "" && Number.isNaN(Number(cell));
}
