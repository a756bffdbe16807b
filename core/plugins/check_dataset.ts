import { splitAtRandom } from "./split.ts";
import { describe, isRecord, PluginError } from "./plugin_error.ts";
import type { Dataset } from "./contracts.ts";
import type { Random } from "../random/random.ts";
import { byteSamples, floatSamples, forEachBlock, type Samples } from "../data/samples.ts";
import { sizeOf } from "../data/tensors.ts";

/**
 * Brings what a data set plugin loaded to the form of {@link Dataset}. Samples may also be any array of numbers,
 * row-major, or an array of rows; the shape may be left out where they are rows (it is the length of a row). Without
 * `validation` a tenth of the rows of `train`, drawn at random, is taken for it.
 *
 * @param name The data set's name, for the message.
 * @param random Where a split that has to be made draws from.
 * @throws {PluginError} For a form that cannot be brought to it. Values are left to {@link checkDataset}.
 */
export function normaliseDataset(name: string, loaded: unknown, random: Random): Dataset {
  if (!isRecord(loaded)) throw fail(name, `loaded ${describe(loaded)}, expected { shape, train, validation }`);
  const shape = loaded.shape ?? inferShape(loaded.train);
  if (shape === undefined) throw fail(name, "has no shape, expected the shape of one sample, [2] for points");
  checkShape(name, shape);
  const part = (key: "train" | "validation" | "test") => toSamples(name, key, loaded[key], sizeOf(shape));
  const train = part("train");
  const split = loaded.validation === undefined || loaded.validation === null;
  if (split && train.count < 2) {
    throw fail(name, `has ${train.count} rows in train and no validation, expected at least 2 rows to split`);
  }
  const parts = split ? splitAtRandom(train, random.split("validation")) : { train, validation: part("validation") };
  const { test: _, ...rest } = loaded as unknown as Dataset;
  const test = loaded.test === undefined || loaded.test === null ? {} : { test: part("test") };
  return { ...rest, shape, ...parts, ...test };
}

/**
 * Checks a data set: a shape of positive whole numbers, parts that are not empty, hold whole rows and finite values,
 * and what else it says of itself (entropy, range, δ).
 *
 * @param name The data set's name, for the message.
 * @throws {PluginError} That names the part, and the row and column of the first value that is not finite.
 */
export function checkDataset(name: string, dataset: Dataset): void {
  if (!isRecord(dataset)) throw fail(name, `is ${describe(dataset)}, expected { shape, train, validation }`);
  const { shape, entropy, logScale, range, delta, splitOrder } = dataset;
  checkShape(name, shape);
  const size = sizeOf(shape);
  for (const part of ["train", "validation", "test"] as const) {
    const data: unknown = dataset[part];
    if (part === "test" && data === undefined) continue;
    if (!isSamples(data)) throw fail(name, `has ${part} ${describe(data)}, expected ${SAMPLES}`);
    if (data.count === 0) throw fail(name, `has an empty ${part}, expected at least one row`);
    if (part === "train" && data.count < 2) throw fail(name, "has 1 row in train, expected at least two");
    if (data.dimension !== size) {
      throw fail(
        name,
        `has rows of ${data.dimension} values in ${part}, expected rows of ${size} (shape ${describe(shape)})`,
      );
    }
    forEachBlock(data, (rows, first) => {
      const bad = firstNotFinite(rows);
      if (bad < 0) return;
      const place = `row ${first + Math.floor(bad / size)}, column ${bad % size} (from 0) of ${part}`;
      throw fail(name, `has ${rows[bad]} in ${place}, expected finite float32 values: clean the data`);
    });
  }
  if (splitOrder !== undefined && !isPermutation(splitOrder, dataset.train.count + dataset.validation.count)) {
    throw fail(name, "has a splitOrder that is no order of the rows of train and validation, expected a Uint32Array");
  }
  for (const [what, nats] of [["entropy", entropy], ["log scale", logScale]] as const) {
    if (nats !== undefined && !Number.isFinite(nats)) {
      throw fail(name, `has the ${what} ${describe(nats)}, expected a number of nats`);
    }
  }
  const ordered = Array.isArray(range) && range.length === 2 && range.every(Number.isFinite) && range[0] < range[1];
  if (range !== undefined && !ordered) {
    throw fail(name, `has the range ${describe(range)}, expected [smallest, largest]`);
  }
  if (delta !== undefined && !(Number.isFinite(delta) && delta > 0)) {
    throw fail(name, `has the step delta ${describe(delta)}, expected a number above 0`);
  }
}

function isPermutation(order: unknown, count: number): boolean {
  if (!(order instanceof Uint32Array) || order.length !== count) return false;
  return new Set(order).size === count && order.every((place) => place < count);
}

const SAMPLES = "samples, a Float32Array or an array of rows";

function fail(name: string, problem: string): PluginError {
  return new PluginError(`The data set ${name} ${problem}.`);
}

function checkShape(name: string, shape: unknown): asserts shape is number[] {
  if (Array.isArray(shape) && shape.length > 0 && shape.every((n) => Number.isInteger(n) && n > 0)) return;
  throw fail(name, `has the shape ${describe(shape)}, expected an array of whole numbers from 1 on, [2] for points`);
}

/** The index of the first value that is not finite, or -1. A bare loop, since all of many images pass through it. */
export function firstNotFinite(data: Float32Array): number {
  for (let i = 0; i < data.length; i++) if (data[i] - data[i] !== 0) return i;
  return -1;
}

function isNumbers(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || ArrayBuffer.isView(value) && "length" in value;
}

function inferShape(train: unknown): number[] | undefined {
  return Array.isArray(train) && isNumbers(train[0]) ? [train[0].length] : undefined;
}

function isSamples(value: unknown): value is Samples {
  return isRecord(value) && Number.isInteger(value.count) && Number.isInteger(value.dimension) &&
    typeof value.copy === "function";
}

/** Samples, numbers or rows of numbers as samples. Those that are float32 or bytes are not copied. */
function toSamples(name: string, part: string, values: unknown, size: number): Samples {
  if (isSamples(values)) return values;
  if (!isNumbers(values)) throw fail(name, `has ${part} ${describe(values)}, expected ${SAMPLES}`);
  const rows = isNumbers(values[0]);
  if (!rows && values.length % size !== 0) {
    throw fail(name, `has ${values.length} values in ${part}, expected whole rows of ${size}`);
  }
  if (values instanceof Float32Array) return floatSamples(values, size);
  if (values instanceof Uint8Array) return byteSamples(values, size, { scale: 1, offset: 0 });
  const out = new Float32Array(rows ? values.length * size : values.length);
  for (let i = 0; i < values.length; i++) {
    const row = rows ? values[i] : [values[i]], width = rows ? size : 1;
    if (!isNumbers(row) || row.length !== width) {
      const got = isNumbers(row) ? `${row.length} values` : describe(row);
      throw fail(name, `has ${got} in row ${i} of ${part}, expected ${size} values`);
    }
    for (let j = 0; j < width; j++) {
      const value = row[j];
      if (typeof value !== "number") {
        const index = i * width + j,
          place = `row ${Math.floor(index / size)}, column ${index % size} (from 0) of ${part}`;
        throw fail(name, `has ${describe(value)} in ${place}, expected a number`);
      }
      out[i * width + j] = value;
    }
  }
  return floatSamples(out, size);
}
