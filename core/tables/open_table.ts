import { hasTwoLines, isUtf8 } from "../io/csv_bytes.ts";
import { dataEnding } from "../data/data_file.ts";
import { shownName } from "../io/columns.ts";
import { csvLayout } from "../io/csv_layout.ts";
import { DataFileError } from "../io/data_array.ts";
import { headOf, partsOf, type TextHead } from "../io/byte_parts.ts";
import type { CellBlock } from "../io/cell_block.ts";
import { CsvCells, MAX_RECORD } from "../io/csv_cells.ts";
import { JsonCells, JsonKeys } from "../io/json_cells.ts";
import { openParquetCells } from "../io/parquet_cells.ts";
import type { TableFile } from "../rows/column_types.ts";

/** A table of cells of any kind in a file, which is gone through as often as it is asked for. */
export interface Table {
  /** Its file, for messages. */
  readonly path: string;
  /** The names of its columns, each once. */
  readonly names: readonly string[];
  /** Whether the file has names; otherwise they are `column 1`, …. */
  readonly isNamed: boolean;
  /** What was assumed of the file, in words as in `header found`. */
  readonly notes: readonly string[];
  /** How it is stored; what stands for a missing cell is not known yet. */
  readonly file: TableFile;
  /** How the bytes of its blocks are to be read, of a text. */
  readonly encoding: "utf-8" | "latin1";
  /** All rows in order, some at a time; a block is valid until the next. @throws {DataFileError} */
  blocks(): AsyncGenerator<CellBlock>;
}

/** What is said of how a table is stored. */
export interface TableOptions {
  /** Whether the first line of a CSV file has the columns' names; looked for, if left out. */
  readonly header?: "auto" | "on" | "off";
}

/** The endings of files that are read as tables of any cells. */
export const TABLE_NAMES = ".csv, .tsv, .txt, .dat, .json, .jsonl, .ndjson and their .gz, .parquet";

/** Bytes from which the layout of CSV is told. */
const HEAD_BYTES = 1 << 18;

/** Cells of records that may lack most keys, so that a small file is no large table. */
const MAX_CELLS = 2 ** 33;

/** Names that are said to be there twice. */
const MAX_NOTES = 5;

const LF = 10, CR = 13;

/** How JSON and Parquet are written where they come back as CSV. */
const PLAIN_FILE: Omit<TableFile, "kind"> = {
  ...{ delimiter: ",", header: true, point: ".", quotes: "needed", newline: "\n", mark: false, gzip: false },
  ...{ quotedNames: false, spaced: false, missing: "" },
};

/** Whether a file's name is that of a table of any cells. */
export function isTableFile(path: string): boolean {
  return tableKind(path) !== undefined;
}

/**
 * Opens a table: CSV in all its forms, JSON's lists of flat records, a record of JSON a line, or Parquet.
 *
 * @param path Its ending tells what it is.
 * @throws {DataFileError} If it cannot be read, is damaged, or is no table.
 *
 * @example
 * ```ts
 * import { deepEqual } from "assert";
 * import { openTable } from "./open_table.ts";
 *
 * const path = await Deno.makeTempFile({ suffix: ".csv" });
 * await Deno.writeTextFile(path, "species,mass\nAdelie,3750\nGentoo,NA\n");
 * const table = await openTable(path);
 * deepEqual(table.names, ["species", "mass"]);
 * for await (const { count, text } of table.blocks()) deepEqual([count, text(0), text(3)], [2, "Adelie", "NA"]);
 * await Deno.remove(path);
 * ```
 */
export async function openTable(path: string, { header = "auto" }: TableOptions = {}): Promise<Table> {
  const kind = tableKind(path);
  if (kind === undefined) {
    throw new DataFileError(`${path} is no table that is known by its name. Read are ${TABLE_NAMES}.`);
  }
  if (kind === "parquet") {
    const { names, notes, blocks } = await openParquetCells(path);
    return { path, names, isNamed: true, notes, file: { ...PLAIN_FILE, kind }, encoding: "utf-8", blocks };
  }
  return await (kind === "json" ? openJson(path) : openCsvTable(path, header));
}

/** What kind of table a file's name is that of. */
export function tableKind(path: string): "csv" | "json" | "parquet" | undefined {
  const ending = dataEnding(path)?.replace(/\.gz$/, "");
  if (ending === "parquet") return "parquet";
  if (ending === "json" || ending === "jsonl" || ending === "ndjson") return "json";
  return ending === "csv" || ending === "tsv" || ending === "txt" || ending === "dat" ? "csv" : undefined;
}

async function openCsvTable(path: string, header: "auto" | "on" | "off"): Promise<Table> {
  const head = await headOf(path, (bytes) => bytes.length >= HEAD_BYTES && (hasTwoLines(bytes) || isTooLong(bytes)));
  const { bytes, isWhole } = head;
  // Only whole lines tell how a table is laid out.
  const end = isWhole ? bytes.length : Math.max(bytes.lastIndexOf(LF), bytes.lastIndexOf(CR)) + 1 || bytes.length;
  const encoding = isUtf8(bytes) ? "utf-8" : "latin1";
  const text = new TextDecoder(encoding).decode(bytes.subarray(0, end));
  const layout = csvLayout(path, text, header, "cells"), width = layout.roles.length;
  if (width === 0 || text.trim() === "") throw new DataFileError(`${path} has no rows. Give a file of one row a line.`);
  const { names, notes } = distinctNames(layout.names ?? [], width);
  return {
    ...{
      path,
      names,
      encoding,
      isNamed: layout.names !== undefined,
      notes: [...head.notes, ...layout.notes, ...notes],
    },
    file: {
      ...PLAIN_FILE,
      ...{ kind: "csv", delimiter: layout.delimiter, header: layout.hasHeader, point: layout.point },
      ...{
        quotes: layout.quotes,
        quotedNames: layout.hasQuotedNames,
        newline: newlineOf(bytes),
        gzip: head.isPacked,
        ...storedAs(head),
      },
    },
    async *blocks() {
      const cells = new CsvCells(path, layout, encoding);
      yield* partsOf(path, ({ bytes, isLast }) => cells.take(bytes, isLast));
    },
  };
}

async function openJson(path: string): Promise<Table> {
  const head = await headOf(path, (bytes) => bytes.length >= 4096), keys = new JsonKeys();
  const scan = new JsonCells(path, keys, true);
  for await (const _ of partsOf(path, ({ bytes, isLast }) => scan.take(bytes, isLast)));
  if (scan.count === 0 || keys.names.length === 0) {
    throw new DataFileError(`${path} has no records. Give a list of flat records, or one a line.`);
  }
  if (scan.count * keys.names.length > MAX_CELLS) {
    throw new DataFileError(
      `${path} has ${scan.count} records of ${keys.names.length} different keys, too many for a table. ` +
        "Give records that have the same keys.",
    );
  }
  const { names, notes } = distinctNames(keys.names, keys.names.length), { isArray } = scan;
  return {
    ...{
      path,
      names,
      encoding: "utf-8",
      isNamed: true,
      notes: [...head.notes, isArray ? "records" : "a record a line", ...notes],
    },
    file: {
      ...PLAIN_FILE,
      ...{ kind: isArray ? "json" : "jsonl", gzip: head.isPacked, newline: newlineOf(head.bytes) },
      ...{ spaced: isSpaced(head), ...storedAs(head) },
    },
    async *blocks() {
      const cells = new JsonCells(path, keys, false, isArray);
      yield* partsOf(path, ({ bytes, isLast }) => cells.take(bytes, isLast));
    },
  };
}

/** The names of columns, each of which is there once, and what became of those that were not. */
function distinctNames(said: readonly string[], width: number): { names: string[]; notes: string[] } {
  const taken = new Set(said), seen = new Set<string>(), next = new Map<string, number>(), notes: string[] = [];
  const names = Array.from({ length: width }, (_, k) => {
    const name = said[k] ?? "";
    let own = name === "" ? `column ${k + 1}` : name;
    if (seen.has(own) || name === "" && taken.has(own)) {
      const base = own;
      let n = next.get(base) ?? 2;
      while (seen.has(own) || taken.has(own)) own = `${base} (${n++})`;
      next.set(base, n);
      if (name !== "" && notes.length < MAX_NOTES) {
        notes.push(`two columns are named ${JSON.stringify(shownName(base))}: one is ${shownName(own)}`);
      }
    }
    seen.add(own);
    return own;
  });
  return { names, notes };
}

function isTooLong(bytes: Uint8Array): boolean {
  return bytes.length > 2 * MAX_RECORD;
}

function newlineOf(bytes: Uint8Array): "\n" | "\r\n" {
  const at = bytes.indexOf(LF);
  return at > 0 && bytes[at - 1] === CR ? "\r\n" : "\n";
}

/** What a text begins with, and is in. */
function storedAs({ hasMark, encoding }: TextHead): Pick<TableFile, "mark" | "utf16"> {
  return { mark: hasMark, ...(encoding === "utf-8" ? {} : { utf16: encoding === "utf-16le" ? "le" : "be" }) };
}

/** Whether a space follows the colons of a text of JSON. */
function isSpaced({ bytes }: TextHead): boolean {
  return /^[^"]*"(?:[^"\\]|\\.)*"\s*:\s/.test(new TextDecoder().decode(bytes));
}
