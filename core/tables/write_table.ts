import { createGzip } from "node:zlib";
import { Readable } from "node:stream";
import { dataEnding } from "../data/data_file.ts";
import { CELL, type CellBlock, KIND } from "../io/cell_block.ts";
import { shownName } from "../io/columns.ts";
import { writePartsAtomic } from "../io/atomic.ts";
import { CellReader, type CellRows } from "./cells.ts";
import { type CellWriter, cellWriter, leftOutWriter } from "./cell_text.ts";
import { TableError, type TableFile, type TableSchema } from "../rows/column_types.ts";
import { type Table, TABLE_NAMES, tableKind } from "./open_table.ts";
import { rowText, type TextCell } from "./row_text.ts";
import { type Insertion, Splicer } from "./splice.ts";

/** Characters of a text that are written at a time, about. */
const PART = 1 << 18;

/** What was written. */
export interface WrittenTable {
  readonly rows: number;
  /** Unknown cells that were filled in. */
  readonly filled: number;
  /** What its reader should know, a line each. */
  readonly notes: readonly string[];
}

/** Some rows, `[count, columns]`. */
export type RowCells = Pick<CellRows, "count" | "cells">;

/** Numbers for some rows of a table, `[count, numbers]`, row-major. */
export type RowNumbers = (rows: CellRows) => Float64Array | Promise<Float64Array>;

/**
 * Writes rows that are made up as a table like that which a schema was found of: its columns in their order, delimiter,
 * quotes, decimals and dates. Constant columns have their value, duplicates what their twin says; texts and identifiers
 * are left out. The file appears under its name once it is whole.
 *
 * @param path Its ending says what it is written as: CSV, JSON's records, a record a line; also `.gz`.
 * @param rows All rows, `[n, columns]` of the schema's columns and units, NaN where unknown; or some after the other.
 * @throws {TableError} For a name of no table that is written. @throws {StorageError} If it cannot be written.
 *
 * @example
 * ```ts
 * import { equal } from "assert";
 * import { inferSchema } from "./infer_types.ts";
 * import { openTable } from "./open_table.ts";
 * import { writeRows } from "./write_table.ts";
 *
 * const path = await Deno.makeTempFile({ suffix: ".csv" });
 * await Deno.writeTextFile(path, "colour;mass\nred;1,50\nblue;2,27\nred;4,00\n");
 * const { schema } = await inferSchema(await openTable(path));
 * await writeRows(path, schema, Float64Array.of(0, 3.123, 1, NaN));
 * equal(await Deno.readTextFile(path), "colour;mass\nblue;3,12\nred;\n");
 * await Deno.remove(path);
 * ```
 */
export async function writeRows(
  path: string,
  schema: TableSchema,
  rows: Float64Array | AsyncIterable<RowCells>,
): Promise<WrittenTable> {
  const { file, notes } = fileFor(path, schema.file), { columns, leftOut, order } = schema, width = columns.length;
  const own = new Map<string, CellWriter>(columns.map((column, k) => [column.name, cellWriter(column, k, file)]));
  for (const column of leftOut) {
    const writer = leftOutWriter(column, columns, file);
    if (writer) own.set(column.name, writer);
  }
  const writers = order.flatMap((name) => own.get(name) ?? []), text = rowText(file);
  const omitted = order.filter((name) => !own.has(name));
  if (omitted.length > 0) notes.push(`${omitted.slice(0, 8).map(shownName).join(", ")} left out`);
  let count = 0;
  async function* parts(): AsyncGenerator<string> {
    yield text.begin(writers.map(({ name }) => name));
    for await (
      const { count: n, cells } of rows instanceof Float64Array ? [{ count: rows.length / width, cells: rows }] : rows
    ) {
      for (let row = 0; row < n; row++, count++) {
        const line = writers.map(({ from, text, isBare }): TextCell => {
          const written = text(from < 0 ? NaN : cells[row * width + from]);
          return { text: written, isBare: written !== undefined && isBare(written) };
        });
        yield text.row(line, count);
      }
    }
    yield text.end();
  }
  await writePartsAtomic(path, packed(stored(encoded(parts()), file), file.gzip));
  return { rows: count, filled: 0, notes };
}

/**
 * Writes a table again with its unknown cells filled in. All other cells stay as they are written, byte for byte where the
 * file is one of the same kind; those of columns that are not modelled too, but duplicates, which are known where their
 * twin is. The file appears under its name once it is whole.
 *
 * @param fill Is given rows as {@linkcode cellsOf} has them, one block after the other, and gives them with unknown cells
 * filled in, `[count, columns]`; what is still NaN stays unknown.
 * @throws {TableError} For a name of no table that is written, and what reading the table throws. @throws {StorageError}
 *
 * @example
 * ```ts
 * import { equal } from "assert";
 * import { inferSchema } from "./infer_types.ts";
 * import { openTable } from "./open_table.ts";
 * import { fillTable } from "./write_table.ts";
 *
 * const path = await Deno.makeTempFile({ suffix: ".csv" });
 * await Deno.writeTextFile(path, "note,mass\n'a',1.50\nb,NA\nc,4.00\n");
 * const table = await openTable(path), { schema } = await inferSchema(table);
 * await fillTable(path, schema, table, ({ cells }) => cells.map((x) => Number.isNaN(x) ? 2 : x));
 * equal(await Deno.readTextFile(path), "note,mass\n'a',1.50\nb,2.00\nc,4.00\n");
 * await Deno.remove(path);
 * ```
 */
export async function fillTable(
  path: string,
  schema: TableSchema,
  table: Table,
  fill: RowNumbers,
): Promise<WrittenTable> {
  const { columns, leftOut } = schema, width = columns.length, reader = new CellReader(schema, table);
  const as = { ...table.file, missing: schema.file.missing }, { file, notes } = fileFor(path, as);
  const at = new Map(table.names.map((name, k) => [name, k]));
  // What is written into a column of the table where it lacks a value.
  const writers = new Map<number, CellWriter>();
  columns.forEach((column, k) => {
    if (reader.places[k] >= 0) writers.set(reader.places[k], cellWriter(column, k, file));
  });
  for (const column of leftOut) {
    const place = at.get(column.name), writer = leftOutWriter(column, columns, file);
    // That a constant is missing may be all that the column says.
    if (place !== undefined && writer && column.reason === "duplicate") writers.set(place, writer);
  }
  let filled = 0;
  const written = await writeChanged(
    path,
    table,
    file,
    dateWriters(schema, reader, file),
    [],
    async (block, change) => {
      const cells = reader.read(block), { first, count } = block;
      const all = await fill({ first, count, cells });
      if (all.length !== count * width) {
        throw new TypeError(`fill gave ${all.length} cells, expected ${count * width} of ${count} rows.`);
      }
      const places = [...writers].sort(([a], [b]) => a - b);
      for (let row = 0; row < count; row++) {
        for (const [place, { from, text, isBare }] of places) {
          if (!isMissing(block.kinds[row * table.names.length + place])) continue;
          const value = text(from < 0 ? NaN : all[row * width + from]);
          if (value === undefined) continue;
          filled++;
          change.cell(row, place, { text: value, isBare: isBare(value) });
        }
      }
    },
  );
  return { rows: written, filled, notes: [...notes, ...reader.notes] };
}

/**
 * Writes a table again with columns of numbers after its own. Its cells stay as they are written. The file appears under
 * its name once it is whole.
 *
 * @param schema That the rows are read with, which `numbers` is given; what stands for a missing cell is its own.
 * @param names The new columns'.
 * @param numbers Is given rows as {@linkcode cellsOf} has them, one block after the other, and gives `[count, names]`; NaN
 * is missing.
 * @throws {TableError} For a name of no table that is written, and what reading the table throws. @throws {StorageError}
 *
 * @example
 * ```ts
 * import { equal } from "assert";
 * import { inferSchema } from "./infer_types.ts";
 * import { openTable } from "./open_table.ts";
 * import { appendColumns } from "./write_table.ts";
 *
 * const path = await Deno.makeTempFile({ suffix: ".csv" });
 * await Deno.writeTextFile(path, "x,y\n1.50,a\n2,b\n");
 * const table = await openTable(path), { schema } = await inferSchema(table);
 * await appendColumns(path, schema, table, ["nll"], ({ count }) => new Float64Array(count).fill(0.25));
 * equal(await Deno.readTextFile(path), "x,y,nll\n1.50,a,0.25\n2,b,0.25\n");
 * await Deno.remove(path);
 * ```
 */
export async function appendColumns(
  path: string,
  schema: TableSchema,
  table: Table,
  names: readonly string[],
  numbers: RowNumbers,
): Promise<WrittenTable> {
  const reader = new CellReader(schema, table), taken = new Set(table.names);
  const { file, notes } = fileFor(path, { ...table.file, missing: schema.file.missing });
  const added = names.map((name) => {
    let own = name;
    for (let n = 2; taken.has(own); n++) own = `${name} (${n})`;
    taken.add(own);
    if (own !== name) notes.push(`${name} is there already: the new column is ${own}`);
    return own;
  });
  const rows = await writeChanged(
    path,
    table,
    file,
    dateWriters(schema, reader, file),
    added,
    async (block, change) => {
      const { first, count } = block, values = await numbers({ first, count, cells: reader.read(block) });
      if (values.length !== count * names.length) {
        throw new TypeError(`numbers gave ${values.length} values, expected ${count * names.length} of ${count} rows.`);
      }
      for (let row = 0; row < count; row++) {
        change.end(
          row,
          Array.from(values.subarray(row * names.length, (row + 1) * names.length), (value): TextCell => {
            const text = shortest(value);
            return { text: file.point === "." ? text : text?.replace(".", ","), isBare: true };
          }),
        );
      }
    },
  );
  return { rows, filled: 0, notes: [...notes, ...reader.notes] };
}

/** A number in eight digits; nothing for one that is not finite. */
function shortest(value: number): string | undefined {
  return Number.isFinite(value) ? String(Number(value.toPrecision(8))) : undefined;
}

/** What is changed of the rows of a block, in their order. */
interface Changes {
  cell(row: number, place: number, cell: TextCell): void;
  /** Adds cells after those of a row. */
  end(row: number, cells: readonly TextCell[]): void;
}

/**
 * Writes the rows of a table with changes: its bytes with others between them, where it is written as what it is, and its
 * cells anew otherwise.
 *
 * @param dates How dates are written that are none in the file's text, by their place in the table.
 * @returns How many rows.
 */
async function writeChanged(
  path: string,
  table: Table,
  file: TableFile,
  dates: ReadonlyMap<number, CellWriter>,
  added: readonly string[],
  change: (block: CellBlock, changes: Changes) => Promise<void>,
): Promise<number> {
  let rows = 0;
  const isSame = file.kind === table.file.kind && file.delimiter === table.file.delimiter && file.kind !== "parquet";
  async function* spliced(): AsyncGenerator<Uint8Array> {
    const splicer = new Splicer(file, table, added);
    if (file.mark) yield new TextEncoder().encode("\ufeff");
    for await (const block of table.blocks()) {
      rows += block.count;
      const insertions: Insertion[] = splicer.header(block);
      await change(block, {
        cell: (row, place, cell) => insertions.push(splicer.cell(block, row, place, cell)),
        end: (row, cells) => insertions.push(...splicer.end(block, row, cells)),
      });
      yield splicer.splice(block, insertions);
    }
  }
  async function* rewritten(): AsyncGenerator<string> {
    const text = rowText(file), width = table.names.length;
    yield text.begin([...table.names, ...added]);
    for await (const block of table.blocks()) {
      const lines = Array.from({ length: block.count }, (_, row) => {
        return Array.from({ length: width }, (_, k) => storedCell(block, row * width + k, dates.get(k)));
      });
      await change(block, {
        cell: (row, place, cell) => lines[row][place] = cell,
        end: (row, cells) => void lines[row].push(...cells),
      });
      for (const line of lines) yield text.row(line, rows++);
    }
    yield text.end();
  }
  await writePartsAtomic(path, packed(stored(isSame ? spliced() : encoded(rewritten()), file), file.gzip));
  return rows;
}

/** How the dates of modelled columns are written, by their place in the table. */
function dateWriters({ columns }: TableSchema, { places }: CellReader, file: TableFile): Map<number, CellWriter> {
  return new Map(columns.flatMap((column, k) => {
    return column.kind === "date" && places[k] >= 0 ? [[places[k], cellWriter(column, k, file)] as const] : [];
  }));
}

/** A cell of a table as it is. */
function storedCell(block: CellBlock, cell: number, date: CellWriter | undefined): TextCell {
  const kind = block.kinds[cell] & KIND;
  if (isMissing(kind)) return { text: undefined, isBare: false };
  if (kind === CELL.date && date) return { text: date.text(block.numbers[cell]), isBare: false };
  const text = block.text(cell);
  return {
    text,
    isBare: (kind === CELL.number || kind === CELL.boolean) &&
      /^(-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?|true|false)$/.test(text),
  };
}

/** Whether a cell lacks a value. */
function isMissing(kind: number): boolean {
  const found = kind & KIND;
  return found === CELL.empty || found === CELL.null || found === CELL.absent || found === CELL.word;
}

/** How a table is written under a name, of one that is stored in some way. @throws {TableError} */
function fileFor(path: string, file: TableFile): { file: TableFile; notes: string[] } {
  const ending = dataEnding(path), kind = tableKind(path), gzip = ending?.endsWith(".gz") === true;
  if (kind === undefined || kind === "parquet") {
    throw new TableError(
      `${path} is no table that is written. Name a file of ${TABLE_NAMES.replace(/, \.parquet$/, "")}.`,
    );
  }
  const notes = file.kind === "parquet" ? ["Parquet comes back as another kind of table"] : [];
  if (kind === "csv") {
    const delimiter = file.kind === "csv" ? file.delimiter : ending?.startsWith("tsv") ? "\t" : ",";
    const missing = file.kind === "csv" ? file.missing : "";
    return { file: { ...file, kind, gzip, delimiter, missing }, notes };
  }
  const isList = ending?.startsWith("json") === true && !ending.startsWith("jsonl");
  // What is called .json may have a record a line.
  const own = file.kind === "json" || file.kind === "jsonl" ? file.kind : undefined;
  const as = !isList ? "jsonl" : own ?? "json";
  return { file: { ...file, kind: as, gzip, point: ".", ...(own ? {} : { missing: "null" }) }, notes };
}

async function* encoded(texts: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  let waiting: string[] = [], size = 0;
  for await (const text of texts) {
    waiting.push(text);
    size += text.length;
    if (size < PART) continue;
    yield encoder.encode(waiting.join(""));
    [waiting, size] = [[], 0];
  }
  yield encoder.encode(waiting.join(""));
}

/** UTF-8 as what a file is in. */
async function* stored(parts: AsyncIterable<Uint8Array>, { utf16 }: TableFile): AsyncGenerator<Uint8Array> {
  if (utf16 === undefined) return yield* parts;
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const both = function* (text: string): Generator<Uint8Array> {
    const bytes = new Uint8Array(2 * text.length), view = new DataView(bytes.buffer);
    for (let i = 0; i < text.length; i++) view.setUint16(2 * i, text.charCodeAt(i), utf16 === "le");
    yield bytes;
  };
  for await (const part of parts) yield* both(decoder.decode(part, { stream: true }));
  yield* both(decoder.decode());
}

async function* packed(parts: AsyncIterable<Uint8Array>, isPacked: boolean): AsyncGenerator<Uint8Array> {
  if (!isPacked) return yield* parts;
  const input = Readable.from(parts), output = createGzip();
  input.on("error", (error) => output.destroy(error));
  try {
    for await (const part of input.pipe(output)) yield part as Uint8Array;
  } finally {
    input.destroy();
    output.destroy();
  }
}
