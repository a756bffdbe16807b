import { basename } from "node:path";
import type { Samples } from "../data/samples.ts";
import { shownName } from "../io/columns.ts";
import { DataFileError } from "../io/data_array.ts";
import type { OptionSpec, OptionValues } from "../options/spec.ts";
import type { Dataset, LoadContext } from "../plugins/contracts.ts";
import { splitInOrder } from "../plugins/split.ts";
import type { Random } from "../random/random.ts";
import { chooseTransform } from "../rows/choose_transform.ts";
import type { TableSchema } from "../rows/column_types.ts";
import { dependentColumns } from "../rows/dependent_columns.ts";
import { codingOf, placesOfColumns, type TableCoding, tableSamples, widthOfRow } from "../rows/table_coding.ts";
import { UnseenValues } from "../rows/unseen_values.ts";
import { readCells } from "../tables/cells.ts";
import { describeColumns } from "../tables/describe.ts";
import { type InferOptions, type InferredSchema, inferSchema } from "../tables/infer_types.ts";
import { openTable, type Table } from "../tables/open_table.ts";
import { readTypes } from "../tables/types_file.ts";

/** What can be said of a table whose columns are of different types. */
export const TABLE_OPTIONS = {
  types: {
    default: "auto",
    help:
      'of a table, what its columns are: auto finds out; off reads numbers alone; or a JSON file as {"mass": {"kind": "number", ' +
      '"step": 25, "transform": "log"}, "sex": "class", "when": "date", "note": "drop"}',
  },
  columns: {
    default: "",
    help: 'of a table, the columns that are modelled, by name, as mass,species; "a, b" is one name (default: all)',
  },
  drop: { default: "", help: "of a table, columns that are not modelled" },
  id: { default: "", help: "of a table, columns that name its rows" },
} as const satisfies Readonly<Record<string, OptionSpec>>;

/** Rows that a table needs to be trained on. */
const LEAST_ROWS = 20;

/** In a table of so many numbers any of them may be unknown later, of more those that are unknown in the training. */
const FEW_NUMBERS = 12;

/** Rows by which a table of numbers alone is told. */
const PEEKED_ROWS = 1 << 16;

/** Names that are separated by commas; one that has a comma is in quotes, which are doubled within. */
function listedNames(text: string): string[] {
  return [...text.matchAll(/"((?:[^"]|"")*)"\s*(?=,|$)|[^,]+/g)]
    .map(([whole, quoted]) => quoted === undefined ? whole.trim() : quoted.replaceAll('""', '"'))
    .filter((name) => name !== "");
}

/** What is said of a table's columns. @throws {UserError} For a types file that cannot be used. */
export async function inferOptions(values: OptionValues): Promise<InferOptions> {
  const text = (name: keyof typeof TABLE_OPTIONS) => String(values[name] ?? TABLE_OPTIONS[name].default);
  const names = (name: "columns" | "drop" | "id") => {
    const list = listedNames(text(name));
    return list.length > 0 ? { [name]: list } : {};
  };
  const types = text("types");
  return {
    ...(types === "auto" || types === "off" ? {} : { types: await readTypes(types) }),
    ...names("columns"),
    ...names("drop"),
    ...names("id"),
  };
}

/**
 * Of a table of continuous numbers without gaps and heavy tails, as far as some of its first rows tell, what is doubtful in
 * it, a line each; nothing of another table.
 */
export async function plainRemarks(
  path: string,
  header: "auto" | "on" | "off",
  rows: number = PEEKED_ROWS,
): Promise<readonly string[] | undefined> {
  const table = await openTable(path, { header }), some = firstRows(table, rows);
  const { schema, unknown, remarks } = await inferSchema(some);
  const isNumbers = schema.columns.length === table.names.length && unknown.every((count) => count === 0) &&
    schema.columns.every((column) => column.kind === "number" && column.step === undefined);
  if (!isNumbers) return undefined;
  const { cells } = await readCells(schema, some), width = schema.columns.length;
  const isPlain = schema.columns.every((column, k) => {
    const values = Float64Array.from({ length: cells.length / width }, (_, row) => cells[row * width + k]);
    return column.kind === "number" && chooseTransform(column, values).kind === "none";
  });
  return isPlain ? [...remarks, ...dependences(schema, cells)] : undefined;
}

/** Says which continuous numbers are linear functions of others. */
function dependences({ columns }: TableSchema, cells: Float64Array): string[] {
  const numbers = [...columns.keys()].filter((k) => columns[k].kind === "number" && columns[k].step === undefined);
  const name = (k: number) => shownName(columns[k].name);
  return dependentColumns(cells, columns.length, numbers).map(({ column, of }) =>
    `${name(column)}: a linear function of ${
      of.map(name).join(", ")
    }: a density of all has no bound, so that its −log p says ` +
    "little; --drop leaves one out"
  );
}

/** A table of no more than its first rows, about. */
function firstRows(table: Table, most: number): Table {
  return {
    ...table,
    async *blocks() {
      let seen = 0;
      for await (const block of table.blocks()) {
        yield block;
        if ((seen += block.count) >= most) return;
      }
    },
  };
}

/**
 * Loads a table with columns of any kinds: numbers, rounded ones, dates, classes, with values that may be unknown.
 *
 * @throws {UserError} If it cannot be read, or has no columns that can be modelled.
 */
export async function loadTable(
  path: string,
  header: "auto" | "on" | "off",
  values: OptionValues,
  random: Random,
  { signal, onNote }: LoadContext,
): Promise<Dataset> {
  const table = await openTable(path, { header }), inferred = await inferSchema(table, await inferOptions(values));
  signal?.throwIfAborted();
  const { schema } = inferred, { cells, count } = await readCells(schema, table);
  if (count < LEAST_ROWS) {
    throw new DataFileError(`${path} has ${count} rows, expected at least ${LEAST_ROWS} to train on. Give more.`);
  }
  const order = random.split("validation").permutation(count), training = order.subarray(0, Math.floor(0.9 * count));
  const coding = codingOf(schema, cells, training);
  const doubts = dependences(coding.schema, cells);
  for (const line of [...describeColumns(inferred), ...inferred.remarks, ...doubts]) onNote?.(line);
  return {
    shape: [widthOfRow(coding)],
    ...splitInOrder(tableSamples(coding, cells), order),
    gaps: gapsOf(coding, cells),
    table: coding,
    description: describeRead(path, inferred, table.notes),
  };
}

/** The coordinates of a table's values that may be unknown. */
function gapsOf(coding: TableCoding, cells: Float64Array): number[] {
  const width = coding.schema.columns.length;
  const isAny = coding.numbers.length <= FEW_NUMBERS, lacks = new Uint8Array(width);
  for (let i = 0; i < cells.length; i++) if (Number.isNaN(cells[i])) lacks[i % width] = 1;
  const few = new Set(coding.levels.map(({ column }) => column));
  return placesOfColumns(coding, (column) => isAny || few.has(column) || lacks[column] === 1);
}

function describeRead(path: string, { schema, rows, unknown }: InferredSchema, notes: readonly string[]): string {
  const { columns, leftOut } = schema,
    count = (kind: string) => columns.filter((column) => column.kind === kind).length;
  const kinds = [["number", "numbers"], ["class", "classes"], ["date", "dates"]].flatMap(([kind, many]) => {
    const n = count(kind);
    return n === 0 ? [] : [`${n} ${n === 1 ? (kind === "class" ? "class" : kind) : many}`];
  });
  const lacking = unknown.reduce((sum, each) => sum + each, 0);
  return [
    `${basename(path)}: ${rows} rows, ${columns.length} of ${schema.order.length} columns modelled (${
      kinds.join(", ")
    })`,
    ...(lacking > 0 ? [`${lacking} cells unknown`] : []),
    ...(leftOut.length > 0 ? [`left out ${leftOut.map(({ name, reason }) => `${name} (${reason})`).join(", ")}`] : []),
    ...notes,
  ].join("; ");
}

/** Cells of a table that a model knows, as it sees them. */
export interface TableRowsOfFile {
  readonly cells: Float64Array;
  readonly samples: Samples;
  readonly description: string;
}

/** A whole table as samples of a model of such tables. @throws {UserError} If it cannot be read, or is another table. */
export async function readTable(
  path: string,
  coding: TableCoding,
  header: "auto" | "on" | "off",
): Promise<TableRowsOfFile> {
  const table = await openTable(path, { header }), { cells, count, notes } = await readCells(coding.schema, table);
  const unseen = new UnseenValues(coding, path);
  unseen.add(cells, 0);
  const unknown = cells.reduce((sum, value) => sum + Number(Number.isNaN(value)), 0);
  const said = [
    `${basename(path)}: ${count} rows`,
    ...(unknown > 0 ? [`${unknown} cells unknown`] : []),
    ...table.notes,
    ...notes,
    ...unseen.notes,
  ];
  return { cells, samples: tableSamples(coding, cells), description: said.join("; ") };
}
