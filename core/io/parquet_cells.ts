import type { SchemaElement } from "hyparquet";
import { CELL, type CellBlock, GROUPED, KIND, QUOTED } from "./cell_block.ts";
import { isMissingWord } from "./cell_words.ts";
import { DataFileError, openFile } from "./data_array.ts";
import { NUMBER } from "./decimal.ts";
import { numberOf, pandasIndex } from "./parquet.ts";
import {
  decimal,
  type ParquetColumn,
  parquetColumns,
  parquetError,
  type ParquetFile,
  quote,
  readChunk,
  readMetadata,
  rowsOfTable,
  withParquet,
} from "./parquet_file.ts";

/** Rows of a block. */
const BLOCK = 4096;

/** Texts whose kind is remembered. */
const REMEMBERED = 4096;

/** Milliseconds of a day. */
const DAY = 86_400_000;

/** The columns of a table of Parquet, and its rows as blocks. */
export interface ParquetCells {
  readonly names: readonly string[];
  readonly notes: readonly string[];
  /** All rows in order; each group of them is held in memory while it is gone through. */
  blocks(): AsyncGenerator<CellBlock>;
}

/** A column, and what its values are as cells. */
interface Column extends ParquetColumn {
  /** Makes a cell of a value that is there. */
  readonly cell: (value: unknown, to: Cell) => void;
  readonly utf8: boolean;
}

/** A cell. */
interface Cell {
  kind: number;
  value: number;
}

/**
 * Opens the columns of a Parquet file that have one value a row: numbers, texts, dates, true and false. Others, and
 * pandas' index, are left out, and noted.
 *
 * @throws {DataFileError} If the file cannot be read or is damaged.
 */
export function openParquetCells(path: string): Promise<ParquetCells> {
  return withParquet(path, (parquet) => {
    const index = pandasIndex(parquet.metadata, path), notes: string[] = [];
    const columns = parquetColumns(parquet).flatMap((column): Column[] => {
      if (index.has(column.name)) {
        notes.push(`pandas' index column ${quote(column.name)} left out`);
        return [];
      }
      const cell = cellOf(column.element, path);
      if (typeof cell !== "string") return [{ ...column, cell, utf8: true }];
      notes.push(`column ${quote(column.name)} left out, it holds ${cell}`);
      return [];
    });
    if (columns.length === 0) throw new DataFileError(`${path} has no columns of a table. Write one with some.`);
    rowsOfTable(parquet, columns.length);
    return Promise.resolve({ names: columns.map(({ name }) => name), notes, blocks: () => blocksOf(path, columns) });
  });
}

async function* blocksOf(path: string, columns: readonly Column[]): AsyncGenerator<CellBlock> {
  using file = await openFile(path, (file) => Promise.resolve(file));
  try {
    const { size } = await file.stat(), metadata = await readMetadata(file, size, path);
    const parquet: ParquetFile = { file, size, path, metadata };
    rowsOfTable(parquet, columns.length);
    const width = columns.length, room = BLOCK * width, cell: Cell = { kind: 0, value: NaN };
    const kinds = new Uint8Array(room), numbers = new Float64Array(room);
    let first = 0;
    for (const group of metadata.row_groups) {
      const rows = Number(group.num_rows), values: ArrayLike<unknown>[] = [];
      if (rows === 0) continue;
      for (const column of columns) values.push(await readChunk(parquet, column, group, column.utf8));
      for (let begin = 0; begin < rows; begin += BLOCK) {
        const count = Math.min(BLOCK, rows - begin), start = first + begin;
        columns.forEach((column, k) => {
          for (let row = 0, at = k; row < count; row++, at += width) {
            const value = values[k][begin + row];
            [cell.kind, cell.value] = [CELL.null, NaN];
            if (value !== null && value !== undefined) column.cell(value, cell);
            kinds[at] = cell.kind;
            numbers[at] = cell.value;
          }
        });
        yield {
          ...{ first: start, count, kinds, numbers },
          text: (at) => textOf(kinds[at], numbers[at], values[at % width][begin + Math.floor(at / width)]),
          decimals: (at) => decimalsOf(numbers[at]),
          isCode: (at) =>
            (kinds[at] & QUOTED) !== 0 && /^[+-]?0\d/.test(String(values[at % width][begin + Math.floor(at / width)])),
          place: (row) => `row ${start + row + 1}`,
        };
      }
      first += rows;
    }
  } catch (error) {
    throw parquetError(path, error);
  }
}

/** How cells are made of a column's values, or what it holds that are none. */
function cellOf(element: SchemaElement, path: string): Column["cell"] | string {
  const { type, converted_type: converted = "", logical_type: logical, repetition_type: repetition } = element;
  if (element.num_children || repetition === "REPEATED") return "lists or records";
  if (type === "BOOLEAN") {
    return (value, to) => {
      to.kind = CELL.boolean;
      to.value = value ? 1 : 0;
    };
  }
  const what = logical?.type ?? converted;
  if (type === "BYTE_ARRAY" && (what === "" || /^(UTF8|STRING|ENUM|JSON)$/.test(what))) return textCells();
  if (what === "DATE") return dateCells(1);
  if (what.startsWith("TIMESTAMP")) {
    const unit = logical?.type === "TIMESTAMP" ? logical.unit : converted.slice("TIMESTAMP_".length);
    return dateCells({ MILLIS: DAY, MICROS: 1000 * DAY, NANOS: 1e6 * DAY }[unit as "MILLIS"] ?? DAY);
  }
  if (type === "INT96") return dateCells(1);
  if (what.startsWith("TIME") && (type === "INT32" || type === "INT64")) return numberCells(Number);
  try {
    const { type: number, scale } = numberOf(element, path);
    if (scale !== undefined) return numberCells((value) => decimal(value, scale));
    return number === "f4" ? numberCells((value) => shortFloat32(Number(value))) : numberCells(Number);
  } catch (error) {
    if (!(error instanceof DataFileError)) throw error;
    return `the type ${String(what || type).slice(0, 40)}`;
  }
}

function numberCells(number: (value: unknown) => number): Column["cell"] {
  return (value, to) => {
    const x = number(value);
    [to.kind, to.value] = Number.isFinite(x) ? [CELL.number, x] : [Number.isNaN(x) ? CELL.null : CELL.text, NaN];
  };
}

/** @param perDay How many of its units a day has. */
function dateCells(perDay: number): Column["cell"] {
  return (value, to) => {
    const days = value instanceof Date ? value.getTime() / DAY : Number(value) / perDay;
    // A year that no date can have is a mark of what is missing.
    [to.kind, to.value] = Math.abs(days) < 1e8 ? [CELL.date, days] : [CELL.null, NaN];
  };
}

function textCells(): Column["cell"] {
  let known = new Map<string, Cell>();
  return (value, to) => {
    const text = String(value);
    let found = known.get(text);
    if (!found) {
      const isNumber = NUMBER.test(text), x = isNumber ? Number(text) : NaN;
      if (text === "") found = { kind: CELL.empty, value: NaN };
      else if (Number.isFinite(x)) found = { kind: CELL.number | QUOTED, value: x };
      else found = { kind: isMissingWord(text) ? CELL.word : CELL.text, value: NaN };
      if (known.size >= REMEMBERED) known = new Map();
      known.set(text, found);
    }
    to.kind = found.kind;
    to.value = found.value;
  };
}

function textOf(kind: number, number: number, value: unknown): string {
  switch (kind & KIND) {
    case CELL.number:
      return (kind & (QUOTED | GROUPED)) !== 0 ? String(value) : String(number);
    case CELL.boolean:
      return number === 1 ? "true" : "false";
    case CELL.date: {
      const text = new Date(number * DAY).toISOString();
      return text.endsWith("T00:00:00.000Z") ? text.slice(0, -14) : text.slice(0, -1);
    }
    case CELL.null:
      return "null";
    default:
      return String(value);
  }
}

/** The double of the shortest decimal that is the nearest float32 of it: 0.1, and not 0.10000000149. */
function shortFloat32(x: number): number {
  if (Number.isInteger(x)) return x;
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(x.toPrecision(digits));
    if (Math.fround(short) === x) return short;
  }
  return Number(x.toPrecision(9));
}

function decimalsOf(value: number): number {
  if (Number.isInteger(value)) return 0;
  const [digits, exponent = "0"] = String(value).split("e"), point = digits.indexOf(".");
  return Math.max(0, (point < 0 ? 0 : digits.length - point - 1) - Number(exponent));
}
