import { type Condition, ConditionError, type ConditionVariable, listedLevels } from "../data/condition.ts";
import type { RequestedVariable } from "../data/condition_request.ts";
import { sizeOf } from "../data/tensors.ts";
import { DataFileError } from "../io/data_array.ts";
import { placeOf } from "../io/columns.ts";
import { forEachRows, type StoredRows } from "../io/stored_rows.ts";
import type { Layout } from "./layout.ts";
import type { KnownSource, StoredSource } from "./locate.ts";
import { listed } from "./match_columns.ts";

/** Rows of a file without the columns that say what is known of them. */
export interface SplitRows {
  /** Of the samples alone. */
  readonly layout: Layout;
  /** The names of their columns, where the file has names. */
  readonly columns?: readonly string[];
  /** What is known of the rows, `[n, variables]`; NaN for what is missing, and a variable that the file does not have. */
  readonly values: Float64Array;
  /** The column of each variable; none for an array of its own, or of a variable that the file does not have. */
  readonly places: readonly (number | undefined)[];
  /** The variables that the file does not have. */
  readonly missing: readonly string[];
  /** Of each variable what its array says of its values ({@linkcode KnownSource}). */
  readonly classes: readonly KnownSource["classes"][];
}

/**
 * Takes the variables of a condition out of a file's rows: columns by name, or by number from 0 where the file has no such
 * name, or other arrays of the file.
 *
 * @throws {ConditionError} For a variable that the file does not have.
 */
export async function splitRequested(
  rows: StoredRows,
  layout: Layout,
  source: StoredSource,
  requested: readonly RequestedVariable[],
): Promise<SplitRows> {
  const { columns } = rows, isPoints = layout.shape.length === 1, width = layout.shape[0];
  const isTable = isPoints && rows.shape.length > 1;
  const variables = requested.map(({ name }) => ({
    name,
    place: isTable ? placeOf(name, columns, width) : undefined,
  }));
  const split = await splitAt(rows, layout, source, variables);
  if (split.missing.length === 0) return split;
  const has = columns && isPoints ? `it has the columns ${listed(columns)}` : isPoints ? `it has ${width} columns` : "";
  throw new ConditionError(
    `--condition names ${split.missing[0]}, which ${source.name} does not have${has ? `; ${has}` : ""}. ` +
      (source.knows ?? "Name a column, its number from 0, or another array of the same file."),
  );
}

/** Takes the variables of a model's condition out of a file's rows, as far as it has them. */
export async function splitKnown(
  rows: StoredRows,
  layout: Layout,
  source: StoredSource,
  condition: Condition,
  d: number,
): Promise<SplitRows> {
  const { columns } = rows, isPoints = layout.shape.length === 1;
  const inColumns = condition.filter(({ place }) => place !== undefined).length;
  // Without names a file of all columns is like the one of the training, and one of fewer has the samples alone.
  const isWhole = isPoints && rows.shape.length > 1 && inColumns > 0 && layout.shape[0] === d + inColumns;
  const split = await splitAt(
    rows,
    layout,
    source,
    condition.map(({ name, place }) => {
      const named = isPoints ? columns?.indexOf(name) ?? -1 : -1;
      return { name, place: named >= 0 ? named : isWhole ? place : undefined };
    }),
  );
  condition.forEach((variable, k) => matchClasses(variable, split.classes[k], split.values, k, condition.length));
  return split;
}

/** Brings classes with names to the numbers that a model knows them by, in column `k` of the values. */
function matchClasses(
  variable: ConditionVariable,
  classes: KnownSource["classes"],
  values: Float64Array,
  k: number,
  m: number,
): void {
  const { name } = variable, names = variable.kind === "class" ? variable.names : undefined;
  if (!classes || classes === true && !names) return;
  for (let at = k; at < values.length; at += m) {
    const own = classes === true ? String(values[at]) : classes[values[at]];
    const level = variable.kind === "class" ? variable.levels[names?.indexOf(own) ?? -1] : undefined;
    if (level === undefined) {
      throw new ConditionError(
        `${name} is ${JSON.stringify(own)} of some samples, but the model was trained on ${
          variable.kind === "class" ? listedLevels(variable) : "numbers"
        }. Leave these out, or give classes that it knows.`,
      );
    }
    values[at] = level;
  }
}

async function splitAt(
  rows: StoredRows,
  layout: Layout,
  source: StoredSource,
  variables: readonly { readonly name: string; readonly place: number | undefined }[],
): Promise<SplitRows> {
  const { shape: [count, ...rest], columns } = rows, m = variables.length;
  const values = new Float64Array(count * m).fill(NaN), missing: string[] = [];
  const classes = new Array<KnownSource["classes"]>(m).fill(undefined);
  const places = variables.map(({ place }) => place);
  for (const [k, { name, place }] of variables.entries()) {
    if (place !== undefined) continue;
    const beside = await source.beside(name);
    classes[k] = beside?.classes;
    if (beside) await readBeside(beside, source.name, count, values, k, m);
    else missing.push(name);
  }
  const taken = new Set(places.filter((place) => place !== undefined));
  if (taken.size === 0) return { layout, ...(columns ? { columns } : {}), values, places, missing, classes };
  const width = sizeOf(rest);
  forEachRows(rows, (read, first) => {
    for (let from = 0, row = first / width; from < read.length; from += width, row++) {
      places.forEach((place, k) => {
        if (place !== undefined) values[row * m + k] = read[from + place];
      });
    }
  });
  const kept = Uint32Array.from({ length: width }, (_, place) => place).filter((place) => !taken.has(place));
  if (kept.length === 0) throw new ConditionError(`--condition takes every column of ${source.name}. Leave one.`);
  return {
    layout: { ...layout, shape: [kept.length], order: kept },
    ...(columns ? { columns: Array.from(kept, (place) => columns[place]) } : {}),
    ...{ values, places, missing, classes },
  };
}

/** The columns of what is known. */
export function placesIn({ places }: SplitRows): number[] {
  return places.filter((place) => place !== undefined);
}

/** How many rows lack a variable that the file has, in words as in `label unknown in 12 rows`. */
export function describeUnknown(names: readonly string[], known: readonly Float64Array[]): string[] {
  return names.flatMap((name, k) => {
    let count = 0, rows = 0;
    for (const values of known) {
      for (let i = k; i < values.length; i += names.length, rows++) if (Number.isNaN(values[i])) count++;
    }
    if (count === 0 || count === rows) return [];
    return [`${name} unknown in ${count} ${count === 1 ? "row" : "rows"}`];
  });
}

/** Reads an array of one value for each row into column `k` of the values. */
async function readBeside(
  source: KnownSource,
  of: string,
  count: number,
  values: Float64Array,
  k: number,
  m: number,
): Promise<void> {
  using rows = await source.open();
  if (sizeOf(rows.shape) !== count || rows.shape[0] !== count) {
    throw new DataFileError(
      `${source.name} has the shape [${rows.shape}], expected a value for each of the ${count} samples of ${of}.`,
    );
  }
  forEachRows(rows, (read, first) => {
    for (let i = 0; i < read.length; i++) {
      if (!Number.isFinite(read[i]) && !Number.isNaN(read[i])) {
        throw new DataFileError(
          `${source.name} has ${read[i]} in row ${first + i} (from 0), expected a finite number, or NaN for unknown.`,
        );
      }
      values[(first + i) * m + k] = read[i];
    }
  });
}
