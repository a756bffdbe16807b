import { type Condition, describeCondition, encodeCondition, givenEach } from "../data/condition.ts";
import { parseConditionRequest, type RequestedVariable, variableOf } from "../data/condition_request.ts";
import { byteSamples, floatSamples, type Samples, toFloat32 } from "../data/samples.ts";
import { sizeOf } from "../data/tensors.ts";
import { UsageError } from "../errors/usage_error.ts";
import { DataFileError } from "../io/data_array.ts";
import { readAll, type StoredRows, storedSamples } from "../io/stored_rows.ts";
import type { OptionValues } from "../options/spec.ts";
import type { Dataset, LoadContext } from "../plugins/contracts.ts";
import { splitInOrder } from "../plugins/split.ts";
import type { Random } from "../random/random.ts";
import { laidOut, type Layout, reordered } from "./layout.ts";
import type { KnownSource, Part, Parts, StoredSource } from "./locate.ts";
import { matchColumns } from "./match_columns.ts";
import { momentsOf } from "./moments.ts";
import { describe, logScaleOf, rowMap, scaledFacts, scaleOf } from "./open_rows.ts";
import { type FileOptions, optionsOf } from "./options.ts";
import { describeUnknown, placesIn, splitRequested } from "./read_conditions.ts";
import { describeRange, likelyRange, parseRange, type Range, requireWithin, surveyedRange } from "./value_range.ts";

/** An array of the file that is open, and how its rows are samples. */
interface Source {
  readonly name: string;
  readonly rows: StoredRows;
  readonly layout: Layout;
  /** The names of the samples' columns. */
  readonly columns?: readonly string[];
  readonly surveyed: Range;
  /** What is known of the rows, `[n, variables]`, and the columns that it was read from. */
  readonly known?: Float64Array;
  readonly places?: readonly (number | undefined)[];
  readonly classes?: readonly KnownSource["classes"][];
}

/** The variables that `--condition` asks for, of numbers and arrays. */
export function requestedBy(values: OptionValues): RequestedVariable[] {
  const asked = String(values.condition ?? "");
  return asked === "" ? [] : parseConditionRequest(asked);
}

/**
 * Loads arrays of numbers and pictures: samples that are standardised, or brought to [−1, 1], with what is known of them.
 *
 * @param spec What to call all of them.
 * @param located The array of each part; where there is none to validate on, a tenth of those to train on is drawn.
 * @param values Of the options of the data set `file`.
 * @throws {UserError} If one cannot be read, or they do not hold samples of one shape and finite values.
 */
export async function loadArrays(
  spec: string,
  located: Parts<StoredSource>,
  random: Random,
  values: OptionValues,
  context: LoadContext,
): Promise<Dataset> {
  const given = optionsOf(values), requested = requestedBy(values);
  requirePictures(spec, located.train, given);
  using stack = new DisposableStack();
  const sources: Partial<Record<Part, Source>> = {};
  for (const [part, source] of Object.entries(located)) {
    context.signal?.throwIfAborted();
    const { name } = source;
    const { rows, layout } = laidOut(stack.use(await source.open()), name, given.layout), { columns } = rows;
    const split = requested.length === 0 ? undefined : await splitRequested(rows, layout, source, requested);
    sources[part as Part] = {
      ...{ name, rows, layout, ...(columns ? { columns } : {}) },
      surveyed: surveyedRange(rows, name, split && placesIn(split)),
      ...(split ? { ...split, known: split.values } : {}),
    };
  }
  const parts = alike(sources as Parts<Source>);
  const { train } = parts, { shape } = train.layout, isPoints = shape.length === 1, isBytes = train.rows.type === "u1";
  const standardise = String(values.standardise ?? "auto");
  const isStandardised = standardise === "on" ||
    standardise === "auto" && isPoints && !isBytes && given.range === "auto";
  const range = isStandardised ? undefined : parseRange(given.range) ?? automaticRange(parts, given.range);
  const taken = range
    ? `${describeRange(range)} taken to [−1, 1]`
    : isStandardised
    ? "each axis standardised"
    : "values as they are";
  const { columns, rows } = train, { shape: sizes, type } = rows;
  const order = parts.validation ? undefined : splitOrder(sizes[0], train.name, random);
  const condition = requested.length === 0 ? undefined : conditionOf(parts, requested, order);
  const description = describe(spec, { shape: sizes, type, ...(columns ? { columns } : {}) }, shape, [
    ...train.layout.notes,
    taken,
    ...notesOfOthers(parts),
    ...(condition ? [`given ${describeCondition(condition)}`] : []),
    ...describeUnknown(requested.map(({ name }) => name), Object.values(parts).flatMap(({ known }) => known ?? [])),
  ]);
  const data = isStandardised ? standardised(parts, order) : scaled(parts, range);
  const samples = condition
    ? mapParts(data.samples, (each, part) => told(each, parts[part]!, condition))
    : data.samples;
  return {
    ...partsOf(samples, order),
    ...data.facts,
    shape,
    ...(columns && isPoints ? { columns } : {}),
    ...(condition ? { condition } : {}),
    description,
  };
}

/** What was assumed of the parts besides those to train on, where it is something else. */
function notesOfOthers({ train, ...others }: Parts<Source>): string[] {
  return Object.entries(others).flatMap(([part, { layout }]) =>
    layout.notes.filter((note) => !train.layout.notes.includes(note)).map((note) => `${part}: ${note}`)
  );
}

/** @throws {UsageError} For what is said of pictures where there are none. */
function requirePictures(spec: string, { isPictures }: StoredSource, { size, background }: FileOptions): void {
  if (isPictures || !size && !background) return;
  throw new UsageError(`--${size ? "size" : "background"} is of pictures, but ${spec} holds none. Leave it out.`);
}

/** What the variables of a condition are, by the values of all parts; their scales are those of the training rows. */
function conditionOf(
  { train, ...others }: Parts<Source>,
  requested: readonly RequestedVariable[],
  order: Uint32Array | undefined,
): Condition {
  const m = requested.length, all = [train, ...Object.values(others)].map(({ known }) => known!);
  const rows = train.rows.shape[0];
  const training = order?.subarray(0, trainCount(rows)) ?? Uint32Array.from({ length: rows }, (_, row) => row);
  return requested.map((one, k) => {
    const values = new Float64Array(all.reduce((sum, known) => sum + known.length / m, 0));
    let at = 0;
    for (const known of all) for (let i = k; i < known.length; i += m) values[at++] = known[i];
    return variableOf(one, values, training, train.places![k], train.classes![k]);
  });
}

/** Samples with what is known of them. */
function told(samples: Samples, { known, name }: Source, condition: Condition): Samples {
  return givenEach(samples, encodeCondition(condition, known!, name));
}

/** Checks that all parts hold samples of one kind, with their columns in the order of the training part's. */
function alike(parts: Parts<Source>): Parts<Source> {
  const { train } = parts, isBytes = train.rows.type === "u1";
  return mapParts(parts, (source) => {
    const { name, rows, layout, columns } = source;
    if (source === train) return source;
    if (layout.shape.length === 1 && train.layout.shape.length === 1 && columns && train.columns) {
      const wanted = { width: train.layout.shape[0], names: train.columns };
      const { order } = matchColumns(name, layout.shape[0], columns, wanted);
      return { ...source, layout: reordered(layout, order, train.layout.shape) };
    }
    if (String(layout.shape) !== String(train.layout.shape)) {
      throw new DataFileError(
        `${name} has samples of shape [${layout.shape}], but ${train.name} [${train.layout.shape}].`,
      );
    }
    if (isBytes === (rows.type === "u1")) return source;
    throw new DataFileError(`${name} and ${train.name} must both hold bytes or both floats. Store them alike.`);
  });
}

/** The range that values are in where none is said: that of bytes, and of pictures one that is known. */
function automaticRange({ train, ...others }: Parts<Source>, given: string): Range | undefined {
  const { rows, layout, surveyed } = train;
  if (given === "none") return undefined;
  if (rows.type === "u1") return [0, 255];
  if (layout.shape.length === 1) return undefined;
  const all = [surveyed, ...Object.values(others).map((source) => source.surveyed)];
  const low = Math.min(...all.map(([low]) => low)), high = Math.max(...all.map(([, high]) => high));
  const range = likelyRange(rows.type, [low, high]);
  // Values that fill less than half of a range may be anything else, as counts up to 16.
  return range && (high > range[1] / 2 || low < range[0] / 2) ? range : undefined;
}

/** Samples as a model sees them, and how they were brought to that. */
interface ScaledParts {
  readonly samples: Parts<Samples>;
  readonly facts: Omit<Dataset, "shape" | "train" | "validation" | "test">;
}

/** Samples whose axes have mean 0 and standard deviation 1 over the training rows. */
function standardised(parts: Parts<Source>, order: Uint32Array | undefined): ScaledParts {
  const { rows, layout } = parts.train, d = sizeOf(layout.shape), count = rows.shape[0];
  const isTaken = order && new Uint8Array(count);
  order?.subarray(0, trainCount(count)).forEach((row) => isTaken![row] = 1);
  const { mean, scale } = momentsOf(rows, d, layout.order, isTaken);
  // A value that does not vary is only centred.
  const axes = { mean, scale: scale.map((deviation) => deviation || 1) };
  const samples = mapParts(parts, ({ rows, layout }) => filled(rows, layout, axes, undefined));
  return { samples, facts: { axes, logScale: logScaleOf(axes) } };
}

/** Samples whose values are moved from a range to [−1, 1], or as they are. */
function scaled(parts: Parts<Source>, range: Range | undefined): ScaledParts {
  const { rows, layout } = parts.train, isBytes = rows.type === "u1";
  const samples = mapParts(parts, (source) => {
    if (range) requireWithin(source.rows, range, source.name);
    return isBytes ? bytesOf(source, range) : filled(source.rows, source.layout, undefined, range);
  });
  return { samples, facts: range ? scaledFacts(sizeOf(layout.shape), range, isBytes) : {} };
}

/** Samples as float32. */
function filled(rows: StoredRows, layout: Layout, axes: Dataset["axes"], range: Range | undefined): Samples {
  const d = sizeOf(layout.shape);
  return floatSamples(toFloat32(storedSamples(rows, rowMap(rows, layout, layout.order, axes, range), d)), d);
}

/** Samples as the bytes that they are. */
function bytesOf({ name, rows, layout: { shape, order } }: Source, range: Range | undefined): Samples {
  const all = readAll(rows, name).data as Uint8Array, d = sizeOf(shape), width = sizeOf(rows.shape.slice(1));
  const one = new Uint8Array(width), count = all.length / width;
  if (order) {
    for (let row = 0; row < count; row++) {
      one.set(all.subarray(row * width, (row + 1) * width));
      for (let k = 0; k < d; k++) all[row * d + k] = one[order[k]];
    }
  }
  const data = all.subarray(0, count * d);
  return byteSamples(data, d, range ? scaleOf(range) : { scale: 1, offset: 0 });
}

/** An order of rows of which the first nine tenths train. */
function splitOrder(count: number, name: string, random: Random): Uint32Array {
  if (count < 2) throw new DataFileError(`${name} has 1 row, expected at least 2 to split.`);
  return random.split("validation").permutation(count);
}

function trainCount(count: number): number {
  return Math.floor(0.9 * count);
}

/** The parts with a validation part, which is drawn from the training rows if the file has none. */
function partsOf({ train, validation, test }: Parts<Samples>, order: Uint32Array | undefined): Omit<Dataset, "shape"> {
  const parts = order ? splitInOrder(train, order) : { train, validation: validation! };
  return { ...parts, ...(test ? { test } : {}) };
}

function mapParts<T, U>(parts: Parts<T>, map: (value: T, part: Part) => U): Parts<U> {
  const mapped = Object.entries(parts).map(([part, value]) => [part, map(value, part as Part)]);
  return Object.fromEntries(mapped) as unknown as Parts<U>;
}
