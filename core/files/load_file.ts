import { byteSamples, floatSamples, type Samples, selectRows } from "../data/samples.ts";
import { sizeOf } from "../data/tensors.ts";
import { DataFileError } from "../io/data_array.ts";
import { readAll, type StoredRows, storedSamples } from "../io/stored_rows.ts";
import { toFloat32 } from "../data/samples.ts";
import type { OptionSpec, OptionValues } from "../options/spec.ts";
import type { Dataset, LoadContext } from "../plugins/contracts.ts";
import type { Random } from "../random/random.ts";
import { laidOut, type Layout } from "./layout.ts";
import { locate, type Part, type Parts } from "./locate.ts";
import { matchColumns } from "./match_columns.ts";
import { momentsOf } from "./moments.ts";
import { describe, logScaleOf, rowMap, scaledFacts, scaleOf } from "./open_rows.ts";
import { optionsOf, READ_OPTIONS } from "./options.ts";
import { describeRange, likelyRange, parseRange, type Range, requireWithin, surveyedRange } from "./value_range.ts";

/** The options of the data set `file`. */
export const options = {
  path: { default: "", help: "the file, if its path is not given in place of the data set's name" },
  standardise: {
    default: "auto",
    choices: ["auto", "on", "off"],
    help: "bring each axis to mean 0 and standard deviation 1; auto: for points that are not bytes",
  },
  ...READ_OPTIONS,
} as const satisfies Readonly<Record<string, OptionSpec>>;

/** An array of the file that is open, and how its rows are samples. */
interface Source {
  readonly name: string;
  readonly rows: StoredRows;
  readonly layout: Layout;
  readonly surveyed: Range;
}

/**
 * Loads a file: its numbers are gone through where they lie, so that only what the model sees of them is kept, in four
 * bytes a value, or one of bytes; a table takes eight more while it is read.
 *
 * @throws {UserError} If it cannot be read, or does not hold samples of one shape and finite values.
 */
export async function load(random: Random, values: OptionValues = {}, context: LoadContext = {}): Promise<Dataset> {
  const given = optionsOf(values), path = String(values.path ?? options.path.default);
  using stack = new DisposableStack();
  const sources: Partial<Record<Part, Source>> = {};
  for (const [part, { name, open }] of Object.entries(await locate(path, given))) {
    context.signal?.throwIfAborted();
    const { rows, layout } = laidOut(stack.use(await open()), name, given.layout);
    sources[part as Part] = { name, rows, layout, surveyed: surveyedRange(rows, name) };
  }
  const parts = alike(sources as Parts<Source>);
  const { train } = parts, { shape } = train.layout, isPoints = shape.length === 1, isBytes = train.rows.type === "u1";
  const standardise = String(values.standardise ?? options.standardise.default);
  const isStandardised = standardise === "on" ||
    standardise === "auto" && isPoints && !isBytes && given.range === "auto";
  const range = isStandardised ? undefined : parseRange(given.range) ?? automaticRange(parts, given.range);
  const taken = range
    ? `${describeRange(range)} taken to [−1, 1]`
    : isStandardised
    ? "each axis standardised"
    : "values as they are";
  const { columns } = train.rows;
  const description = describe(path, train.rows, shape, [...train.layout.notes, taken]);
  const data = isStandardised ? standardised(parts, random) : scaled(parts, range, random);
  return { ...data, shape, ...(columns && isPoints ? { columns } : {}), description };
}

/** Checks that all parts hold samples of one kind, with their columns in the order of the training part's. */
function alike(parts: Parts<Source>): Parts<Source> {
  const { train } = parts, isBytes = train.rows.type === "u1";
  return mapParts(parts, (source) => {
    const { name, rows, layout } = source;
    if (source === train) return source;
    if (layout.shape.length === 1 && train.layout.shape.length === 1 && rows.columns && train.rows.columns) {
      const wanted = { width: train.layout.shape[0], names: train.rows.columns };
      const { notes: _, ...match } = matchColumns(name, layout.shape[0], rows.columns, wanted);
      return { ...source, layout: { ...layout, ...match, shape: train.layout.shape } };
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

/** Samples whose axes have mean 0 and standard deviation 1 over the training rows. */
function standardised(parts: Parts<Source>, random: Random): Omit<Dataset, "shape"> {
  const { name, rows, layout } = parts.train, d = sizeOf(layout.shape), count = rows.shape[0];
  const order = parts.validation ? undefined : splitOrder(count, name, random);
  const isTaken = order && new Uint8Array(count);
  order?.subarray(0, trainCount(count)).forEach((row) => isTaken![row] = 1);
  const { mean, scale } = momentsOf(rows, d, layout.order, isTaken);
  // A value that does not vary is only centred.
  const axes = { mean, scale: scale.map((deviation) => deviation || 1) };
  const samples = mapParts(parts, ({ rows, layout }) => filled(rows, layout, axes, undefined));
  return { ...partsOf(samples, order), axes, logScale: logScaleOf(axes) };
}

/** Samples whose values are moved from a range to [−1, 1], or as they are. */
function scaled(parts: Parts<Source>, range: Range | undefined, random: Random): Omit<Dataset, "shape"> {
  const { name, rows, layout } = parts.train, isBytes = rows.type === "u1";
  const samples = mapParts(parts, (source) => {
    if (range) requireWithin(source.rows, range, source.name);
    return isBytes ? bytesOf(source, range) : filled(source.rows, source.layout, undefined, range);
  });
  const order = parts.validation ? undefined : splitOrder(rows.shape[0], name, random);
  return { ...partsOf(samples, order), ...(range ? scaledFacts(sizeOf(layout.shape), range, isBytes) : {}) };
}

/** Samples as float32. */
function filled(rows: StoredRows, layout: Layout, axes: Dataset["axes"], range: Range | undefined): Samples {
  const d = sizeOf(layout.shape);
  return floatSamples(toFloat32(storedSamples(rows, rowMap(rows, layout, layout.order, axes, range), d)), d);
}

/** Samples as the bytes that they are. */
function bytesOf({ name, rows, layout: { shape, order } }: Source, range: Range | undefined): Samples {
  const data = readAll(rows, name).data as Uint8Array, d = sizeOf(shape), one = new Uint8Array(d);
  if (order) {
    for (let begin = 0; begin < data.length; begin += d) {
      one.set(data.subarray(begin, begin + d));
      for (let k = 0; k < d; k++) data[begin + k] = one[order[k]];
    }
  }
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
  const end = trainCount(train.count);
  const parts = order
    ? { train: selectRows(train, order.subarray(0, end)), validation: selectRows(train, order.subarray(end)) }
    : { train, validation: validation! };
  return { ...parts, ...(test ? { test } : {}) };
}

function mapParts<T, U>(parts: Parts<T>, map: (part: T) => U): Parts<U> {
  return Object.fromEntries(Object.entries(parts).map(([part, value]) => [part, map(value)])) as unknown as Parts<U>;
}
