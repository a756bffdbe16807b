import type { FileMetaData, SchemaElement } from "hyparquet";
import { type JsonBounds, parseBoundedJson } from "./bounded_json.ts";
import { allocate, DataFileError } from "./data_array.ts";
import { placesOf } from "./columns.ts";
import { fitsFloat32, NUMBER_BYTES, type NumberType } from "./numbers.ts";
import {
  damaged,
  decimal,
  type ParquetColumn,
  parquetColumns,
  type ParquetFile,
  quote,
  readChunk,
  rowsOfTable,
  withParquet,
} from "./parquet_file.ts";
import { heldRows, type StoredRows } from "./stored_rows.ts";

/** What pandas writes of a table: some hundred bytes a column. */
const PANDAS_BOUNDS: JsonBounds = { bytes: 16 << 20, depth: 10, values: 1 << 20 };

/** A column of numbers. */
interface Column extends ParquetColumn {
  readonly type: NumberType;
  /** Digits after the point, where its numbers are decimals. */
  readonly scale?: number;
}

/**
 * Reads the columns of numbers of a Parquet file as one table, `[rows, columns]`, which is held in memory: integers,
 * floats and decimals. An index column that pandas wrote is left out, and noted.
 *
 * @param missing Columns, by name or by number from 0, that may lack values: NaN, but in a table of bytes.
 * @throws {DataFileError} If the file cannot be read or is damaged, and for a column of other values, or of missing
 * ones, which is named.
 */
export function openParquet(path: string, missing: readonly string[] = []): Promise<StoredRows> {
  return withParquet(path, (parquet) => readTable(parquet, missing));
}

async function readTable(parquet: ParquetFile, missing: readonly string[]): Promise<StoredRows> {
  const { path, metadata } = parquet, index = pandasIndex(metadata, path), all = parquetColumns(parquet);
  requireNoTimes(metadata, index, path);
  const columns = all.filter(({ name }) => !index.has(name))
    .map((column): Column => ({ ...column, ...numberOf(column.element, path) }));
  if (columns.length === 0) throw new DataFileError(`${path} has no columns of numbers. Write a table with some.`);
  const rows = rowsOfTable(parquet, columns.length), types = new Set(columns.map(({ type }) => type));
  const type = types.size === 1 ? columns[0].type : columns.every(({ type }) => fitsFloat32(type)) ? "f4" : "f8";
  const data = allocate(type, rows * columns.length, path);
  const lacking = placesOf(missing, columns.map(({ name }) => name), columns.length);
  for (const [at, column] of columns.entries()) {
    const target = { data, at, step: columns.length, mayLack: lacking.includes(at) && !(data instanceof Uint8Array) };
    await readColumn(parquet, column, target);
  }
  const notes = all.filter(({ name }) => index.has(name))
    .map(({ name }) => `pandas' index column ${quote(name)} left out`);
  return heldRows({ shape: [rows, columns.length], data }, {
    type,
    columns: columns.map(({ name }) => name),
    ...(notes.length ? { notes } : {}),
  });
}

/** What kind of numbers a column holds. @throws {DataFileError} If it holds none. */
export function numberOf(element: SchemaElement, path: string): Pick<Column, "type" | "scale"> {
  const { name, type, converted_type: converted, logical_type: logical, repetition_type: repetition } = element;
  const refused = (what: string, hint: string) =>
    new DataFileError(`${path}: column ${quote(name)} holds ${what}, expected numbers. ${hint}`);
  const DROP = "Leave the column out.";
  if (element.num_children) throw refused("lists or records", DROP);
  if (repetition === "REPEATED") throw refused("lists", DROP);
  if (type === "BOOLEAN") throw refused("true or false", 'Convert it with astype("int8"), or leave it out.');
  if (logical?.type === "DECIMAL" || converted === "DECIMAL") {
    const scale = element.scale ?? (logical?.type === "DECIMAL" ? logical.scale : undefined) ?? 0;
    if (!Number.isInteger(scale) || Math.abs(scale) > 400) throw damaged(path, `${quote(name)} has the scale ${scale}`);
    if (type === "BYTE_ARRAY") throw refused("decimals of varying length", 'Convert it with astype("float64").');
    return { type: "f8", scale };
  }
  if (logical?.type === "FLOAT16" && type === "FIXED_LEN_BYTE_ARRAY" && element.type_length === 2) {
    return { type: "f2" };
  }
  const kind = logical === undefined || logical.type === "INTEGER" ? logical : null;
  const isInteger = converted === undefined || /^U?INT_/.test(converted);
  if (kind !== null && isInteger) {
    if (type === "FLOAT") return { type: "f4" };
    if (type === "DOUBLE") return { type: "f8" };
    if (type === "INT32" || type === "INT64") {
      const [, sign, bits] = /^(U?)INT_(\d+)$/.exec(converted ?? "") ?? [];
      const width = kind?.bitWidth ?? (bits === undefined ? (type === "INT32" ? 32 : 64) : Number(bits));
      const number = `${(kind ? !kind.isSigned : sign === "U") ? "u" : "i"}${width / 8}`;
      if (Object.hasOwn(NUMBER_BYTES, number) && width <= (type === "INT32" ? 32 : 64)) {
        return { type: number as NumberType };
      }
    }
  }
  const what = converted ?? (logical as { type?: string } | undefined)?.type ?? String(type);
  const kinds: readonly [RegExp, string, string][] = [
    [/TIMESTAMP|INT96/, "timestamps", 'Convert it with astype("int64"), or leave it out.'],
    [/^DATE|^TIME|INTERVAL/, "dates or times", "Convert it to numbers, or leave it out."],
    [/UTF8|STRING|ENUM|JSON|BYTE_ARRAY/, "text or bytes", "Convert it to numbers, or leave it out."],
  ];
  const known = kinds.find(([pattern]) => pattern.test(what));
  throw known ? refused(known[1], known[2]) : refused(`the type ${what.slice(0, 40)}`, DROP);
}

/** The description that pandas wrote of a table. */
function pandasOf(
  { key_value_metadata: pairs = [] }: FileMetaData,
  path: string,
): { index: unknown[]; columns: unknown[] } {
  const text = pairs.find(({ key }) => key === "pandas")?.value;
  if (text === undefined) return { index: [], columns: [] };
  const pandas = parseBoundedJson(new TextEncoder().encode(text), PANDAS_BOUNDS, `what pandas wrote in ${path}`);
  const { index_columns: index, columns } = Object(pandas) as { index_columns?: unknown; columns?: unknown };
  return { index: Array.isArray(index) ? index : [], columns: Array.isArray(columns) ? columns : [] };
}

/** The names of the columns that are pandas' index. */
export function pandasIndex(metadata: FileMetaData, path: string): ReadonlySet<string> {
  return new Set(pandasOf(metadata, path).index.filter((name) => typeof name === "string"));
}

/** Refuses columns of times that are numbers only to Parquet. */
function requireNoTimes(metadata: FileMetaData, index: ReadonlySet<string>, path: string): void {
  for (const column of pandasOf(metadata, path).columns) {
    const { field_name: name, numpy_type: type } = Object(column) as { field_name?: unknown; numpy_type?: unknown };
    if (typeof name !== "string" || index.has(name) || !/^(timedelta|datetime)/.test(String(type))) continue;
    throw new DataFileError(
      `${path}: column ${quote(name)} holds times, expected numbers. Convert it to numbers, or leave it out.`,
    );
  }
}

/** Reads a column into a table, a group of rows after the other. */
async function readColumn(
  parquet: ParquetFile,
  column: Column,
  { data, at, step, mayLack }: {
    readonly data: ReturnType<typeof allocate>;
    readonly at: number;
    readonly step: number;
    /** Whether what is missing becomes NaN. */
    readonly mayLack: boolean;
  },
): Promise<void> {
  const { name, scale } = column, { path } = parquet;
  const number = scale === undefined ? Number : (value: unknown) => decimal(value, scale);
  let first = 0;
  for (const group of parquet.metadata.row_groups) {
    const rows = Number(group.num_rows);
    if (rows === 0) continue;
    const values = await readChunk(parquet, column, group, false);
    for (let i = 0; i < rows; i++) {
      const value = values[i];
      if (value === null || value === undefined) {
        if (mayLack) {
          data[(first + i) * step + at] = NaN;
          continue;
        }
        throw new DataFileError(
          `${path} has nothing in column ${quote(name)}, row ${first + i} (from 0), expected a number. ` +
            "Fill in missing values, or drop their rows.",
        );
      }
      const x = number(value);
      // Bytes are stored as wider integers, which a damaged file may have beyond them.
      if (data instanceof Uint8Array && !(x >= 0 && x <= 255)) throw damaged(path, `${quote(name)} has the byte ${x}`);
      data[(first + i) * step + at] = x;
    }
    first += rows;
  }
}
