import type { CellBlock } from "../io/cell_block.ts";
import { shownName } from "../io/columns.ts";
import { allocate, DataFileError } from "../io/data_array.ts";
import { TableError, type TableSchema } from "../rows/column_types.ts";
import { ColumnReader } from "./column_reader.ts";
import { LeftOutReader } from "./left_out_reader.ts";
import type { Table } from "./open_table.ts";

/** Some rows of cells, one after the other. */
export interface CellRows {
  /** The index of the first row. */
  readonly first: number;
  readonly count: number;
  /** `[count, columns]` in the schema's units and order; NaN where unknown. Valid until the next are asked for. */
  readonly cells: Float64Array;
}

/** The cells of a table as a schema has them. */
export interface TableCells {
  /** All rows in order, some at a time. */
  blocks(): AsyncGenerator<CellRows>;
  /** What was assumed: of the columns, and, once all rows were gone through, of their cells. */
  readonly notes: readonly string[];
}

/** All cells of a table. */
export interface WholeCells {
  readonly count: number;
  /** `[count, columns]`; NaN where unknown. */
  readonly cells: Float64Array;
  readonly notes: readonly string[];
}

/**
 * The cells of a table as numbers. Columns are matched by name, whatever their order; a table without names by their
 * places. A column that the table does not have is unknown in all rows.
 *
 * @throws {TableError} For a table that has none of the columns, and, as its rows are gone through, for a cell that is not
 * what its column is: it is named by its line and column.
 *
 * @example
 * ```ts
 * import { deepEqual } from "assert";
 * import { cellsOf } from "./cells.ts";
 * import { inferSchema } from "./infer_types.ts";
 * import { openTable } from "./open_table.ts";
 *
 * const path = await Deno.makeTempFile({ suffix: ".csv" });
 * await Deno.writeTextFile(path, "colour,mass\nred,1.5\nblue,\nred,2.5\nred,4\n");
 * const table = await openTable(path), { schema } = await inferSchema(table);
 * for await (const { cells } of cellsOf(schema, table).blocks()) {
 *   deepEqual([...cells], [1, 1.5, 0, NaN, 1, 2.5, 1, 4]);
 * }
 * await Deno.remove(path);
 * ```
 */
export function cellsOf(schema: TableSchema, table: Table): TableCells {
  const reader = new CellReader(schema, table);
  return {
    get notes() {
      return reader.notes;
    },
    async *blocks() {
      reader.begin();
      for await (const block of table.blocks()) {
        const cells = reader.read(block);
        if (block.count > 0) yield { first: block.first, count: block.count, cells };
      }
    },
  };
}

/**
 * All cells of a table at once.
 *
 * @throws {TableError} As {@linkcode cellsOf}.
 * @throws {DataFileError} Also if there is no memory for them.
 */
export async function readCells(schema: TableSchema, table: Table): Promise<WholeCells> {
  const source = cellsOf(schema, table), width = schema.columns.length, parts: Float64Array[] = [];
  let count = 0;
  for await (const block of source.blocks()) {
    parts.push(block.cells.slice());
    count += block.count;
  }
  const cells = allocate("f8", count * width, table.path);
  if (!(cells instanceof Float64Array)) throw new DataFileError(`${table.path} cannot be read.`);
  let at = 0;
  for (const part of parts) {
    cells.set(part, at);
    at += part.length;
  }
  return { count, cells, notes: source.notes };
}

/** Makes numbers of the blocks of a table. */
export class CellReader {
  /** Where the modelled columns are in the table, −1 where they are not there. */
  readonly places: readonly number[];
  readonly #notes: readonly string[];
  readonly #readers: readonly ColumnReader[];
  readonly #leftOut: readonly LeftOutReader[];
  readonly #width: number;
  #room = new Float64Array();

  /** @throws {TableError} For a table that has none of the columns. */
  constructor(schema: TableSchema, table: Table) {
    const { places, notes } = matchedPlaces(schema, table);
    this.places = places;
    this.#notes = notes;
    this.#width = table.names.length;
    this.#readers = schema.columns.map((column, k) => new ColumnReader(column, table.path, places[k]));
    this.#leftOut = schema.leftOut.flatMap((column) => {
      const place = placeOf(column.name, schema, table);
      return place < 0 ? [] : new LeftOutReader(column, schema.columns, table.path, place);
    });
  }

  /** Forgets what was met. */
  begin(): void {
    for (const reader of [...this.#readers, ...this.#leftOut]) reader.begin();
  }

  /** The cells of a block, `[count, columns]`; they are valid until the next are asked for. @throws {TableError} */
  read(block: CellBlock): Float64Array {
    const columns = this.#readers.length, length = block.count * columns;
    if (this.#room.length < length) this.#room = new Float64Array(length);
    const cells = this.#room.subarray(0, length);
    this.#readers.forEach((reader, k) => reader.read(block, this.#width, cells, k, columns));
    for (const reader of this.#leftOut) reader.read(block, this.#width, cells, columns);
    return cells;
  }

  /** What was assumed of the columns, and of the cells so far. */
  get notes(): readonly string[] {
    return [...this.#notes, ...[...this.#readers, ...this.#leftOut].flatMap((reader) => reader.notes())];
  }
}

/** Where a column of the training's table is in another, −1 where it is not there. */
function placeOf(name: string, { order, file }: TableSchema, { names, isNamed }: Table): number {
  if (isNamed && file.header) return names.indexOf(name);
  return names.length === order.length ? order.indexOf(name) : -1;
}

/** Where the modelled columns are in a table, −1 where they are not there. */
function matchedPlaces(
  { columns, leftOut, order, file }: TableSchema,
  { names, isNamed, path }: Table,
): { readonly places: readonly number[]; readonly notes: readonly string[] } {
  const at = new Map(names.map((name, k) => [name, k])), notes: string[] = [];
  let places = columns.map(({ name }) => at.get(name) ?? -1);
  const isByName = isNamed && file.header, asFile = new Map(order.map((name, k) => [name, k]));
  if (!isByName && !(places.every((place) => place >= 0) && names.length === order.length)) {
    if (names.length === order.length) places = columns.map(({ name }) => asFile.get(name) ?? -1);
    else if (names.length === columns.length) places = columns.map((_, k) => k);
    else if (places.every((place) => place < 0)) {
      throw new TableError(
        `${path} has ${names.length} columns without names, but the model is of ${order.length}. ` +
          "Give it a header, or the columns of the training.",
      );
    }
    notes.push("columns matched by their places, not by name");
  }
  const copied = new Set(leftOut.flatMap((each) => each.reason === "duplicate" && at.has(each.name) ? [each.of] : []));
  const missing = columns.filter(({ name }, k) => places[k] < 0 && !copied.has(name)).map(({ name }) => name);
  if (missing.length === columns.length) {
    throw new TableError(
      `${path} has none of the model's columns ${listed(missing)}; it has ${listed(names)}. Name them as in training.`,
    );
  }
  if (missing.length > 0) notes.push(`${listed(missing)} not there: unknown in every row`);
  const known = new Set([...columns, ...leftOut].map(({ name }) => name));
  const extra = isByName ? names.filter((name) => !known.has(name)) : [];
  if (extra.length > 0) notes.push(`${listed(extra)} ignored`);
  return { places, notes };
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 8).map(shownName).join(", ");
  return shown + (names.length > 8 ? ` and ${names.length - 8} more` : "");
}
