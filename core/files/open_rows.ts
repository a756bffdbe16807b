import { basename } from "node:path";
import { type Condition, encodeCondition, givenEach } from "../data/condition.ts";
import type { Samples } from "../data/samples.ts";
import { parseDataFile } from "../data/data_file.ts";
import type { TableCoding } from "../rows/table_coding.ts";
import type { AxisMap } from "../data/standardisation.ts";
import { sizeOf } from "../data/tensors.ts";
import { DataFileError, type Values } from "../io/data_array.ts";
import { typeName } from "../io/numbers.ts";
import { type StoredRows, storedSamples } from "../io/stored_rows.ts";
import type { Dataset, OptionValues } from "../plugins/contracts.ts";
import { describeShape, laidOut, type Layout, reordered } from "./layout.ts";
import { locate } from "./locate.ts";
import { listed, matchColumns } from "./match_columns.ts";
import { readTable } from "./load_table.ts";
import { optionsOf } from "./options.ts";
import { describeUnknown, placesIn, splitKnown } from "./read_conditions.ts";
import { describeRange, likelyRange, parseRange, type Range, requireWithin, surveyedRange } from "./value_range.ts";

/** What a model knows of the data that it was trained on. */
export interface ModelData {
  /** Of a sample; any, if left out. */
  readonly shape?: readonly number[];
  /** How each axis was standardised. */
  readonly axes?: AxisMap;
  /** Smallest and largest value of what the model sees, where its data was brought to a range. */
  readonly range?: readonly [number, number];
  readonly columns?: readonly string[];
  /** What may be known of a sample: where the file says it, the samples have it. */
  readonly condition?: Condition;
  /** How rows of a table are samples. */
  readonly table?: TableCoding;
}

/** All rows of a file as samples. The file is open until this is disposed of. */
export interface FileRows
  extends Pick<Dataset, "shape" | "range" | "delta" | "logScale" | "columns" | "fileRange">, Disposable {
  readonly samples: Samples;
  /** What was read and how it was taken, in one line. */
  readonly description: string;
}

/**
 * All rows of a file, in order, scaled as a model's data was rather than by their own mean and deviation. A file's
 * `test`, `validation` or `train` is taken in this order where it names parts; `points.h5:x` names another. Columns are
 * matched by name, values of another range are brought to the model's.
 *
 * Rows are read where they are asked for, so that the file may be larger than the memory. Tables and what has to be
 * unpacked or transposed are held in memory. Here all values are gone through once, to check them.
 *
 * @param values `range`, `layout`, `header` and `transpose`; what is left out is told from the file.
 * @throws {UserError} If it cannot be read, or does not hold samples of the shape and finite values.
 */
export async function openRows(spec: string, model: ModelData, values: OptionValues = {}): Promise<FileRows> {
  if (model.table) {
    const path = parseDataFile(spec)?.path ?? spec,
      { samples, description } = await readTable(path, model.table, optionsOf(values).header);
    return { shape: [samples.dimension], samples, description, [Symbol.dispose]() {} };
  }
  const variables = model.condition?.map((variable) => variable.name) ?? [];
  const given = optionsOf(values), sources = await locate(spec, { ...given, missing: variables });
  const source = sources.test ?? sources.validation ?? sources.train, { name } = source;
  const opened = await source.open();
  try {
    const { rows, layout: whole } = laidOut(opened, name, given.layout, model.shape), { condition } = model;
    const split = condition && await splitKnown(rows, whole, source, condition, sizeOf(model.shape ?? whole.shape));
    const { layout, columns: names } = split ?? { layout: whole, columns: rows.columns };
    const { order, notes } = orderFor(name, names, layout, model);
    const missing = split?.missing ?? [], isGiven = condition !== undefined && missing.length < condition.length;
    const shape = model.shape ?? layout.shape, surveyed = surveyedRange(rows, name, split && placesIn(split));
    const isScaled = model.range !== undefined && model.axes === undefined;
    const range = isScaled ? rangeFor(rows, name, given.range, surveyed) : undefined;
    if (range) requireWithin(rows, range, name);
    const columns = model.columns ?? names;
    const samples = storedSamples(rows, rowMap(rows, { ...layout, shape }, order, model.axes, range), sizeOf(shape));
    const { shape: sizes, type } = rows;
    return {
      shape,
      samples: isGiven ? givenEach(samples, encodeCondition(condition, split!.values, name)) : samples,
      ...(columns ? { columns } : {}),
      ...(range ? scaledFacts(sizeOf(shape), range, rows.type === "u1") : {}),
      ...(model.axes ? { logScale: logScaleOf(model.axes) } : {}),
      description: describe(spec, { shape: sizes, type, ...(names ? { columns: names } : {}) }, shape, [
        ...notes,
        ...(missing.length > 0 ? [`${listed(missing)} not there, so unknown`] : []),
        ...(split ? describeUnknown(variables, [split.values]) : []),
        ...(range ? [`${describeRange(range)} taken to [−1, 1]`] : model.axes ? [] : ["values as they are"]),
      ]),
      [Symbol.dispose]: () => opened[Symbol.dispose](),
    };
  } catch (error) {
    opened[Symbol.dispose]();
    throw error;
  }
}

/** Where the values of the model's samples lie in a row of a file. */
function orderFor(
  name: string,
  columns: readonly string[] | undefined,
  layout: Layout,
  model: ModelData,
): { readonly order?: Uint32Array; readonly notes: readonly string[] } {
  if (model.shape === undefined) return layout;
  if (layout.shape.length === 1 && model.shape.length === 1) {
    const wanted = { width: model.shape[0], names: model.columns };
    const { order, notes } = matchColumns(name, layout.shape[0], columns, wanted);
    return { ...reordered(layout, order), notes: [...layout.notes, ...notes] };
  }
  if (layout.shape.join() === model.shape.join()) return layout;
  throw new DataFileError(
    `${name} has samples of shape [${layout.shape}], but the model is of samples of [${model.shape}]. ` +
      "Give data like that which it was trained on.",
  );
}

/**
 * The range of a file that is scored by a model whose data was brought to a range: the one that is given, otherwise the
 * one that its values are likely in.
 */
export function rangeFor(rows: StoredRows, name: string, given: string, surveyed: Range): Range {
  const range = parseRange(given) ?? (given === "none" ? [-1, 1] as const : likelyRange(rows.type, surveyed));
  if (range) return range;
  throw new DataFileError(
    `${name} has values in ${describeRange(surveyed)}, expected pictures in [0, 255], [0, 65535], [0, 1] or [−1, 1]. ` +
      "Say the values that are black and white, as --range 0,4095.",
  );
}

/** Brings rows of a file to what a model sees. Computed in double precision, rounded once. */
export function rowMap(
  { shape: fileShape }: StoredRows,
  { shape }: Pick<Layout, "shape">,
  order: Uint32Array | undefined,
  axes: AxisMap | undefined,
  range: Range | undefined,
): (rows: Values, out: Float32Array) => void {
  const { scale, offset } = scaleOf(range), d = sizeOf(shape), width = sizeOf(fileShape.slice(1));
  return (rows, out) => {
    for (let row = 0, at = 0, from = 0; at < out.length; row++, from += width) {
      for (let k = 0; k < d; k++, at++) {
        const value = rows[from + (order ? order[k] : k)];
        if (axes) out[at] = (value - axes.mean[k]) / axes.scale[k];
        else if (range) out[at] = Math.max(-1, Math.min(1, value * scale + offset));
        else out[at] = value;
      }
    }
  };
}

/** What moves a range to [−1, 1]. */
export function scaleOf([low, high]: Range = [-1, 1]): { readonly scale: number; readonly offset: number } {
  const scale = 2 / (high - low);
  return { scale, offset: -1 - low * scale };
}

/** What is known of samples that were moved from a range to [−1, 1]. */
export function scaledFacts(d: number, range: Range, isBytes: boolean) {
  const { scale } = scaleOf(range);
  return {
    range: [-1, 1] as const,
    fileRange: range,
    logScale: -d * Math.log(scale),
    ...(isBytes ? { delta: scale } : {}),
  };
}

/** Added to an NLL of standardised values it gives that of the values before. */
export function logScaleOf({ scale }: AxisMap): number {
  return scale.reduce((sum, s) => sum + Math.log(s), 0);
}

/** What was read and how it was taken, in one line. */
export function describe(
  spec: string,
  { shape: [count], type, columns }: Pick<StoredRows, "shape" | "type" | "columns">,
  shape: readonly number[],
  notes: readonly string[],
): string {
  const named = shape.length === 1 && columns
    ? `${count} ${count === 1 ? "row" : "rows"}, column${columns.length === 1 ? "" : "s"} ${listed(columns)}`
    : `${describeShape(shape, count)}, ${typeName(type)}`;
  return `${basename(spec)}: ${[named, ...notes].join("; ")}`;
}
