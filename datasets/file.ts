/**
 * Points or images of a file: NPY, CSV, HDF5 or safetensors. A command line gives the file's path in the place of a data
 * set's name, `points.csv`, or `photos.h5:x` for one of several data sets in a file.
 *
 * Rows are samples: `[n]` and `[n, d]` are points, `[n, h, w]` grey images, `[n, c, h, w]` and `[n, h, w, c]` images of
 * 1 to 4 channels. An HDF5 or safetensors file may hold `train`, `validation` (or `val`) and `test`; otherwise a tenth of
 * the rows, drawn at random, validates.
 *
 * Points of floats are standardised: every axis is brought to mean 0 and standard deviation 1 over the training rows.
 * Bytes are scaled to [−1, 1]. The likelihood is that of the values after this; `logScale` added to an NLL in nats gives
 * that of the file's own values.
 *
 * @module
 */
import { parseDataFile } from "../core/data/data_file.ts";
import { splitAtRandom } from "../core/plugins/split.ts";
import { standardisationOf } from "../core/data/standardisation.ts";
import { readCsv } from "../core/io/csv.ts";
import { countOf, type DataArray, DataFileError, placeOf, requireFinite, type Values } from "../core/io/data_array.ts";
import { datasetNames, openDataset } from "../core/io/hdf5.ts";
import { openNpy } from "../core/io/npy.ts";
import { openTensor, tensorNames } from "../core/io/safetensors.ts";
import { forEachRows, heldRows, readAll, type StoredRows, storedSamples } from "../core/io/stored_rows.ts";
import type { Dataset, OptionSpec, OptionValues } from "../core/plugins/contracts.ts";
import type { AxisMap } from "../core/data/standardisation.ts";
import type { Random } from "../core/random/random.ts";
import { byteSamples, type ByteScale, floatSamples, type Samples } from "../core/data/samples.ts";
import { sizeOf } from "../core/data/tensors.ts";

/** The options of this data set. */
export const options = {
  path: { default: "", help: "the file, if its path is not given in place of the data set's name" },
  standardise: {
    default: "auto",
    choices: ["auto", "on", "off"],
    help: "bring each axis to mean 0 and standard deviation 1; auto: for points that are not bytes",
  },
  range: { default: "auto", help: "the values that become -1 and 1, as 0,1; auto: 0,255 for bytes, none for floats" },
  layout: { default: "auto", choices: ["auto", "nchw", "nhwc"], help: "the order of the axes of images" },
} as const satisfies Readonly<Record<string, OptionSpec>>;

type Part = "train" | "validation" | "test";

/** An array of the file and what to call it. */
interface Source {
  readonly name: string;
  readonly array: DataArray;
}

/** The same before it is read. */
interface StoredSource {
  readonly name: string;
  open(): Promise<StoredRows>;
}

/**
 * Loads a file.
 *
 * @throws {UserError} If it cannot be read, or does not hold samples of one shape and finite values.
 */
export async function load(random: Random, values: OptionValues = {}): Promise<Dataset> {
  const text = (name: keyof typeof options) => String(values[name] ?? options[name].default);
  const sources = await readSources(text("path"));
  const { shape, channelsLast } = layoutOf(sources.train.name, sources.train.array, text("layout"));
  const isPoints = shape.length === 1, isBytes = sources.train.array.data instanceof Uint8Array;
  for (const { name, array } of Object.values(sources)) {
    const other = layoutOf(name, array, text("layout")).shape;
    if (String(other) !== String(shape)) {
      throw new DataFileError(`${name} has samples of shape [${other}], but ${sources.train.name} [${shape}].`);
    }
    if (isBytes !== array.data instanceof Uint8Array) {
      throw new DataFileError(
        `${name} and ${sources.train.name} must both hold bytes or both floats. Store them alike.`,
      );
    }
    requireFinite(array, name);
    if (channelsLast) channelsFirst(array.data, shape);
  }
  const range = rangeOf(text("range"), isBytes);
  const standardise = text("standardise") === "on" ||
    text("standardise") === "auto" && isPoints && !isBytes && text("range") === "auto";
  return standardise ? standardised(sources, shape, random) : scaled(sources, shape, range, random);
}

/** How a model's data was brought to what the model sees. */
export interface Scaling {
  readonly axes?: AxisMap;
  /** Smallest and largest value of what the model sees. */
  readonly range?: readonly [number, number];
}

/** All rows of a file as samples. The file is open until this is disposed of. */
export interface FileRows extends Pick<Dataset, "shape" | "range" | "delta" | "logScale">, Disposable {
  readonly samples: Samples;
}

/**
 * All rows of a file, in order, scaled as a model's data was rather than by their own mean and deviation. A file's
 * `test`, `validation` or `train` is taken in this order where it names parts; `points.h5:x` names another.
 *
 * Rows are read where they are asked for, so that the file may be larger than the memory. CSV files and NPY files in
 * Fortran order are held in memory. Here all values are gone through once, to check them.
 *
 * @param shape Of a sample of the model; none allows any.
 * @param values `range` and `layout`, as the model's data had them.
 * @throws {UserError} If it cannot be read, or does not hold samples of the shape and finite values.
 */
export async function openRows(
  spec: string,
  shape: readonly number[] | undefined,
  scaling: Scaling,
  values: OptionValues = {},
): Promise<FileRows> {
  const sources = await locate(spec);
  const { name, open } = sources.test ?? sources.validation ?? sources.train;
  const rows = await open();
  try {
    const found = layoutOf(name, rows, String(values.layout ?? options.layout.default));
    if (shape && found.shape.join() !== shape.join()) {
      throw new DataFileError(
        `${name} has samples of shape [${found.shape}], but the model is of samples of [${shape}]. ` +
          "Give data like that which it was trained on.",
      );
    }
    const range = scaling.range && !scaling.axes
      ? rangeOf(String(values.range ?? options.range.default), rows.isBytes)
      : undefined;
    requireValues(rows, name, range);
    return {
      shape: found.shape,
      samples: storedSamples(rows, rowMap(found, scaling.axes, range, rows.isBytes)),
      ...(range ? scaledFacts(sizeOf(found.shape), range, rows.isBytes) : {}),
      [Symbol.dispose]: () => rows[Symbol.dispose](),
    };
  } catch (error) {
    rows[Symbol.dispose]();
    throw error;
  }
}

/** Brings rows of a file to what a model sees. */
function rowMap(
  { shape, channelsLast }: Layout,
  axes: AxisMap | undefined,
  range: readonly [number, number] | undefined,
  isBytes: boolean,
): (rows: Values, out: Float32Array) => void {
  const { scale, offset } = scaleOf(range), d = sizeOf(shape);
  return (rows, out) => {
    out.set(rows);
    if (channelsLast) channelsFirst(out, shape);
    if (axes) { for (let i = 0; i < out.length; i++) out[i] = (out[i] - axes.mean[i % d]) / axes.scale[i % d]; }
    else if (range) scaleInPlace(out, scale, offset, !isBytes);
  };
}

/** Checks that all values are finite, and within the range if there is one. */
function requireValues(rows: StoredRows, name: string, range: readonly [number, number] | undefined): void {
  if (rows.isBytes && (!range || holdsAllBytes(range))) return;
  forEachRows(rows, (data, first) => {
    const some = { shape: rows.shape, data };
    requireFinite(some, name, first);
    if (range) requireWithin(some, range, name, first);
  });
}

/** Samples whose axes have mean 0 and standard deviation 1 over the training rows; an axis that is constant stays. */
function standardised(sources: Sources, shape: readonly number[], random: Random): Dataset {
  const d = sizeOf(shape);
  const arrays = mapParts(
    sources,
    ({ array: { data } }) => data instanceof Uint8Array ? Float32Array.from(data) : data,
  );
  const parts = partsOf(mapParts(arrays, (data) => floatSamples(data, d)), sources.train.name, random);
  const { mean, scale } = standardisationOf(parts.train);
  for (const data of Object.values(arrays)) {
    for (let i = 0; i < data.length; i++) data[i] = (data[i] - mean[i % d]) / scale[i % d];
  }
  return { shape, ...parts, axes: { mean, scale }, logScale: scale.reduce((sum, s) => sum + Math.log(s), 0) };
}

/** Samples whose values are moved from a range to [−1, 1], or as they are. */
function scaled(
  sources: Sources,
  shape: readonly number[],
  range: readonly [number, number] | undefined,
  random: Random,
): Dataset {
  const d = sizeOf(shape), isBytes = sources.train.array.data instanceof Uint8Array;
  const parts = mapParts(sources, (source) => scaledSamples(source, d, range));
  return {
    shape,
    ...partsOf(parts, sources.train.name, random),
    ...(range ? scaledFacts(d, range, isBytes) : {}),
  };
}

function scaledSamples({ name, array }: Source, d: number, range: readonly [number, number] | undefined): Samples {
  const { scale, offset } = scaleOf(range), { data } = array;
  if (range) requireWithin(array, range, name);
  if (data instanceof Uint8Array) return byteSamples(data, d, { scale, offset });
  if (range) scaleInPlace(data, scale, offset, true);
  return floatSamples(data, d);
}

/** What moves a range to [−1, 1]. */
function scaleOf([low, high]: readonly [number, number] = [-1, 1]): ByteScale {
  const scale = 2 / (high - low);
  return { scale, offset: -1 - low * scale };
}

/** What is known of samples that were moved from a range to [−1, 1]. */
function scaledFacts(d: number, range: readonly [number, number], isBytes: boolean) {
  const { scale } = scaleOf(range);
  return { range: [-1, 1] as const, logScale: -d * Math.log(scale), ...(isBytes ? { delta: scale } : {}) };
}

/** @param clamped Whether rounding may not lead out of [−1, 1]. */
function scaleInPlace(data: Float32Array, scale: number, offset: number, clamped: boolean): void {
  for (let i = 0; i < data.length; i++) {
    const value = data[i] * scale + offset;
    data[i] = clamped ? Math.max(-1, Math.min(1, value)) : value;
  }
}

type Sources = Parts<Source>;
type Parts<T> = Partial<Record<Part, T>> & { readonly train: T };

function mapParts<T, U>(parts: Parts<T>, map: (part: T) => U): Parts<U> {
  return Object.fromEntries(Object.entries(parts).map(([part, value]) => [part, map(value)])) as unknown as Parts<U>;
}

/** The parts with a validation part, which is drawn from the training rows if the file has none. */
function partsOf({ train, validation, test }: Parts<Samples>, name: string, random: Random): Omit<Dataset, "shape"> {
  if (!validation && train.count < 2) throw new DataFileError(`${name} has 1 row, expected at least 2 to split.`);
  const parts = validation ? { train, validation } : splitAtRandom(train, random.split("validation"));
  return { ...parts, ...(test ? { test } : {}) };
}

/** How the data sets of a kind of file are listed and opened; a file of one array has no names. */
interface Format {
  names?(path: string): Promise<string[]>;
  open(path: string, name: string, source: string): Promise<StoredRows>;
}

const hdf5: Format = { names: datasetNames, open: openDataset };
const csv: Format = { open: async (path) => heldRows(await readCsv(path)) };

const FORMATS: Readonly<Record<string, Format>> = {
  npy: { open: openNpy },
  csv,
  tsv: csv,
  h5: hdf5,
  hdf5,
  safetensors: { names: tensorNames, open: openTensor },
};

/** The names that a part goes by in a file. */
const PART_NAMES: Readonly<Record<Part, readonly string[]>> = {
  train: ["train"],
  validation: ["validation", "val"],
  test: ["test"],
};

async function readSources(spec: string): Promise<Sources> {
  const { train, validation, test } = await locate(spec);
  return {
    train: await read(train),
    ...(validation ? { validation: await read(validation) } : {}),
    ...(test ? { test: await read(test) } : {}),
  };
}

async function read({ name, open }: StoredSource): Promise<Source> {
  using rows = await open();
  return { name, array: readAll(rows, name) };
}

/** Finds out which arrays of a file are which parts. */
async function locate(spec: string): Promise<Parts<StoredSource>> {
  const file = parseDataFile(spec);
  if (!file) {
    throw new DataFileError(
      `The data set file got the path ${JSON.stringify(spec)}, expected one that ends in .${
        Object.keys(FORMATS).join(", .")
      }. Give the path itself as the data set.`,
    );
  }
  const { path } = file, format = FORMATS[path.slice(path.lastIndexOf(".") + 1).toLowerCase()];
  const named = (name: string): StoredSource => {
    const source = name === "" ? path : `${path}:${name}`;
    return { name: source, open: () => format.open(path, name, source) };
  };
  if (!format.names) {
    if (file.name !== undefined) throw new DataFileError(`${path} holds a single array. Leave out ":${file.name}".`);
    return { train: named("") };
  }
  const names = await format.names(path), wanted = file.name?.replace(/^\/+/, "");
  if (wanted !== undefined) {
    if (!names.includes(wanted)) {
      throw new DataFileError(`${path} has no ${JSON.stringify(wanted)}. ${choice(path, names)}`);
    }
    return { train: named(wanted) };
  }
  const [train, validation, test] = (["train", "validation", "test"] as const).map((part) =>
    PART_NAMES[part].find((name) => names.includes(name))
  );
  if (train !== undefined) {
    return {
      train: named(train),
      ...(validation === undefined ? {} : { validation: named(validation) }),
      ...(test === undefined ? {} : { test: named(test) }),
    };
  }
  if (names.length !== 1) throw new DataFileError(`${path} holds ${names.length} data sets. ${choice(path, names)}`);
  return { train: named(names[0]) };
}

function choice(path: string, names: readonly string[]): string {
  if (names.length === 0) return "Give a file that holds an array of samples.";
  const shown = names.slice(0, 10).join(", ") + (names.length > 10 ? ", …" : "");
  return `Name one of ${shown}, as in ${path}:${names[0]}.`;
}

/** The shape of a sample, channels first, and whether the file has them last. */
interface Layout {
  readonly shape: readonly number[];
  readonly channelsLast: boolean;
}

function layoutOf(name: string, { shape }: Pick<DataArray, "shape">, layout: string): Layout {
  if (countOf(shape, name) === 0) {
    throw new DataFileError(`${name} has the shape [${shape}], expected rows of samples.`);
  }
  const [, a, b, c] = shape;
  if (shape.length === 1) return { shape: [1], channelsLast: false };
  if (shape.length === 2) return { shape: [a], channelsLast: false };
  if (shape.length === 3) return { shape: [1, a, b], channelsLast: false };
  if (shape.length === 4) {
    const channelsLast = layout === "auto" ? c < a : layout === "nhwc";
    const image = channelsLast ? [c, a, b] : [a, b, c];
    if (image[0] <= MAX_CHANNELS) return { shape: image, channelsLast };
    throw new DataFileError(
      `${name} has the shape [${shape}], which has ${image[0]} channels, expected at most ${MAX_CHANNELS}: ` +
        "[n, channels, height, width] or [n, height, width, channels]. Set --layout, or store images.",
    );
  }
  throw new DataFileError(
    `${name} has the shape [${shape}], expected points [n, d] or images [n, h, w], [n, c, h, w] or [n, h, w, c].`,
  );
}

const MAX_CHANNELS = 4;

/** Moves the channels of each image from last to first, in place. */
function channelsFirst(data: Values, [channels, height, width]: readonly number[]): void {
  const pixels = height * width, size = channels * pixels, image = data.slice(0, size);
  for (let begin = 0; begin < data.length; begin += size) {
    image.set(data.subarray(begin, begin + size));
    for (let i = 0; i < pixels; i++) {
      for (let c = 0; c < channels; c++) data[begin + c * pixels + i] = image[i * channels + c];
    }
  }
}

/** The range that becomes [−1, 1], as an option has it. */
function rangeOf(text: string, isBytes: boolean): readonly [number, number] | undefined {
  if (text === "auto") return isBytes ? [0, 255] : undefined;
  const [low, high, ...rest] = text.split(",").map((part) => part.trim() === "" ? NaN : Number(part));
  if (rest.length === 0 && Number.isFinite(low) && Number.isFinite(high) && low < high) return [low, high];
  throw new DataFileError(`--range is ${JSON.stringify(text)}, expected the lowest and highest value, as --range 0,1.`);
}

function holdsAllBytes([low, high]: readonly [number, number]): boolean {
  return low <= 0 && high >= 255;
}

/** @param first The index in the whole array of the first of some of its values. */
function requireWithin(
  { shape, data }: { readonly shape: readonly number[]; readonly data: Values },
  range: readonly [number, number],
  name: string,
  first = 0,
): void {
  if (data instanceof Uint8Array && holdsAllBytes(range)) return;
  const [low, high] = range, [least, most] = [Math.fround(low), Math.fround(high)];
  for (let i = 0; i < data.length; i++) {
    if (data[i] >= least && data[i] <= most) continue;
    throw new DataFileError(
      `${name} has ${data[i]} in ${placeOf(first + i, shape)}, outside of --range ${low},${high}. Widen the range.`,
    );
  }
}
