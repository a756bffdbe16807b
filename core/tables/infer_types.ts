import { nearest } from "../errors/nearest.ts";
import { shownName } from "../io/columns.ts";
import {
  type LeftOutColumn,
  MAX_LEVELS,
  type TableColumn,
  TableError,
  type TableFile,
  type TableSchema,
} from "../rows/column_types.ts";
import { ABSENT, ColumnSummary, EMPTY } from "./column_summary.ts";
import { decideColumn } from "./decide_column.ts";
import { type Candidate, findDuplicates } from "./duplicates.ts";
import type { Table } from "./open_table.ts";
import type { ColumnRequest, TypeRequests } from "./types_file.ts";

/** What a user says of a table's columns. */
export interface InferOptions {
  /** Of some columns by name ({@linkcode readTypes}). */
  readonly types?: TypeRequests;
  /** The columns that are modelled; all, if left out. */
  readonly columns?: readonly string[];
  /** Columns that are not modelled. */
  readonly drop?: readonly string[];
  /** Columns that name the rows. */
  readonly id?: readonly string[];
}

/** A table's schema, and what its reader should know. */
export interface InferredSchema {
  readonly schema: TableSchema;
  /** What was found or assumed, a line each. */
  readonly notes: readonly string[];
  /** Those of them that a column's description ({@linkcode describeColumns}) does not say. */
  readonly remarks: readonly string[];
  /** The rows of the table. */
  readonly rows: number;
  /** For each modelled column, the rows in which it is unknown. */
  readonly unknown: readonly number[];
}

/** Values of a column that are told apart, at most, and of all columns together. */
const MAX_VALUES = 2048, MAX_ALL_VALUES = 1 << 18;

/**
 * Finds out in one pass what the columns of a table are. The same table gives the same schema.
 *
 * @throws {TableError} For a name that the table does not have, or a column that is not what it is said to be.
 * @throws {DataFileError} If the table cannot be read.
 *
 * @example
 * ```ts
 * import { deepEqual } from "assert";
 * import { inferSchema } from "./infer_types.ts";
 * import { openTable } from "./open_table.ts";
 *
 * const path = await Deno.makeTempFile({ suffix: ".csv" });
 * await Deno.writeTextFile(path, "species,mass,when\nAdelie,3750,2007-11-11\nGentoo,NA,2008-11-02\nAdelie,3800,2007-11-16\n");
 * const { schema } = await inferSchema(await openTable(path));
 * deepEqual(schema.columns.map(({ kind }) => kind), ["class", "number", "date"]);
 * await Deno.remove(path);
 * ```
 */
export async function inferSchema(table: Table, options: InferOptions = {}): Promise<InferredSchema> {
  const { names } = table, width = names.length, requests = requestsOf(table, options);
  const limit = Math.max(MAX_LEVELS + 1, Math.min(MAX_VALUES, Math.floor(MAX_ALL_VALUES / width)));
  const summaries = names.map(() => new ColumnSummary(limit));
  let rows = 0;
  for await (const block of table.blocks()) {
    rows += block.count;
    summaries.forEach((summary, k) => summary.take(block, k, width));
  }
  if (rows === 0) throw new TableError(`${table.path} has no rows. Give a table with some.`);
  const leftOut = new Map<string, LeftOutColumn>(), notes = new Map<string, readonly string[]>();
  const candidates = names.flatMap((name, k): Candidate[] => {
    const summary = summaries[k], request = requests.get(name);
    const decided = decideColumn(table, name, summary, request, rows);
    notes.set(name, decided.notes);
    if ("column" in decided) return [{ column: decided.column, summary, isAsked: request !== undefined }];
    leftOut.set(name, decided.leftOut);
    return [];
  });
  for (const [name, column] of findDuplicates(candidates)) {
    leftOut.set(name, column);
    const of = column.reason === "duplicate" ? shownName(column.of) : "another";
    notes.set(name, [...notes.get(name)!, `left out, says the same as ${of}`]);
  }
  const kept = candidates.filter(({ column }) => !leftOut.has(column.name)), columns = kept.map(({ column }) => column);
  if (columns.length === 0) {
    const why = [...leftOut.values()].slice(0, 4).map(({ name, reason }) => `${shownName(name)} (${reason})`).join(
      ", ",
    );
    const hint = candidates.length === 0 ? hintOf(names, notes) : "";
    throw new TableError(`${table.path} has no column to model: ${why}${hint}. Say with --types what a column is.`);
  }
  const file = { ...table.file, missing: commonMarker(summaries, table.file.kind) };
  const linesOf = (isTold: (name: string) => boolean) =>
    names.filter(isTold).flatMap((name) => notes.get(name)!.map((note) => `${shownName(name)}: ${note}`));
  return {
    schema: { columns, leftOut: names.flatMap((name) => leftOut.get(name) ?? []), order: names, file },
    notes: linesOf(() => true),
    remarks: linesOf((name) => (leftOut.get(name)?.reason ?? "text") === "text"),
    rows,
    unknown: kept.map(({ column, summary }) => rows - knownOf(column, summary)),
  };
}

/** What is said of each column by its name. @throws {TableError} For a name that the table does not have. */
function requestsOf(table: Table, { types, columns, drop = [], id = [] }: InferOptions): Map<string, ColumnRequest> {
  const { names, path } = table, known = new Set(names);
  const check = (name: string) => {
    if (known.has(name)) return;
    const [near] = nearest(name, names), has = names.slice(0, 8).map(shownName).join(", ");
    throw new TableError(
      `${path} has no column ${JSON.stringify(name.slice(0, 60))}. ` +
        (near === undefined
          ? `It has ${has}${names.length > 8 ? `, and ${names.length - 8} more` : ""}.`
          : `Did you mean ${shownName(near)}?`),
    );
  };
  const requests = new Map<string, ColumnRequest>();
  for (const [name, request] of types ?? []) {
    check(name);
    requests.set(name, request);
  }
  if (columns) {
    columns.forEach(check);
    const kept = new Set(columns);
    for (const name of names) {
      if (!kept.has(name) && requests.get(name)?.kind !== "id") requests.set(name, { kind: "drop" });
    }
  }
  for (const name of drop) {
    check(name);
    requests.set(name, { kind: "drop" });
  }
  for (const name of id) {
    check(name);
    requests.set(name, { kind: "id" });
  }
  return requests;
}

/** Why the first text is none that can be modelled. */
function hintOf(names: readonly string[], notes: ReadonlyMap<string, readonly string[]>): string {
  const hint = names.flatMap((name) => notes.get(name)!.filter((note) => note.includes("as numbers")))[0];
  return hint === undefined ? "" : `; ${hint.replace(/^left out, /, "")}`;
}

/** Rows in which a column is known. */
function knownOf(column: TableColumn, summary: ColumnSummary): number {
  return column.kind === "class" ? column.counts.reduce((sum, count) => sum + count, 0) : summary.known;
}

/** What stands most often for a missing cell; null in JSON, where nothing else does. */
function commonMarker(summaries: readonly ColumnSummary[], kind: TableFile["kind"]): string {
  const counts = new Map<string, number>();
  for (const { missing } of summaries) {
    for (const [marker, count] of missing) counts.set(marker, (counts.get(marker) ?? 0) + count);
  }
  const [[marker] = [EMPTY]] = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  if (kind === "csv") return marker;
  return marker === ABSENT || kind === "parquet" ? "" : "null";
}
