import { createHash } from "node:crypto";
import { type Condition, isCondition } from "../data/condition.ts";
import { forEachBlock } from "../data/samples.ts";
import { UserError } from "../errors/user_error.ts";
import { encodeSafetensors, readSafetensors, type StoredTensor } from "../io/safetensors.ts";
import type { DataFacts, DataInfo, Dataset, SavedDataInfo } from "../plugins/contracts.ts";
import { type Conditioning, numberPlaces, sizesOf } from "../reference/conditioning.ts";
import { type Eigenbasis, isOrthonormal } from "../reference/eigenbasis.ts";
import { axisBasisName, gaussianTensors, mixtureTensors } from "../reference/gaussian_tensors.ts";
import type { GaussianMixture } from "../reference/mixture.ts";
import { levelsOfAtoms } from "../reference/atoms.ts";
import { blocksOf, parseCoding, storedCoding, widthOfRow } from "../rows/table_coding.ts";

import { parseSchema } from "../tables/parse_schema.ts";
import { sizeOf } from "../data/tensors.ts";
import type { RunFolder } from "./folder.ts";

/** What a run's folder says of its data. */
export interface RunDataInfo extends SavedDataInfo {
  /** Of the samples that the run trains and validates on, as {@linkcode digestOfData} gives it. */
  readonly digest?: string;
}

/** A run's data.safetensors that cannot be used. */
export class DataInfoError extends UserError {}

/** The file of a run's folder that says what its model needs to know of its data. */
export const DATA_INFO = "data.safetensors";
const FORMAT = "itdiffusion-data";

/**
 * The digest of the samples that a run trains and validates on, as float32 in their order: `sha1:` and hexadecimal
 * digits.
 */
export function digestOfData({ shape, train, validation }: Pick<Dataset, "shape" | "train" | "validation">): string {
  const known = [train.condition, validation.condition, train.gaps, validation.gaps]
    .filter((samples) => samples !== undefined);
  // To notice a change, not a forger: it takes little longer than going through the samples.
  const hash = createHash("sha1");
  hash.update(JSON.stringify([shape, train.count, validation.count]));
  for (const samples of [train, validation, ...known]) {
    forEachBlock(samples, ({ buffer, byteOffset, byteLength }) => {
      hash.update(new Uint8Array(buffer, byteOffset, byteLength));
    });
  }
  return `sha1:${hash.digest("hex")}`;
}

/**
 * Saves what a model needs to know of its data in the run's folder, so that it can be used without loading the data set
 * again: the Gaussian as float64 tensors ({@linkcode gaussianTensors}), `reference.weights` and those of the
 * reference's components where it is another density, all else as the file's metadata.
 *
 * @throws {StorageError} When it cannot be written.
 */
export async function writeDataInfo(
  folder: RunFolder,
  { gaussian, reference }: DataInfo,
  { shape, axes, ...known }: DataFacts,
  digest?: string,
): Promise<void> {
  const d = gaussian.mean.length;
  const tensors = {
    ...gaussianTensors(gaussian),
    ...(reference ? mixtureTensors(reference) : {}),
    ...(axes ? { "axes.mean": { shape: [d], data: axes.mean }, "axes.scale": { shape: [d], data: axes.scale } } : {}),
  };
  const { entropy, range, delta, logScale, columns, condition, gaps, fileRange, description } = known;
  const table = known.table && storedCoding(known.table);
  const facts = {
    shape,
    entropy,
    range,
    delta,
    logScale,
    columns,
    condition,
    gaps,
    table,
    fileRange,
    description,
    digest,
  };
  const metadata = Object.entries(facts).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, JSON.stringify(value)]]
  );
  const bytes = encodeSafetensors(tensors, { format: FORMAT, ...Object.fromEntries(metadata) });
  await folder.write(DATA_INFO, bytes);
}

/**
 * Reads what {@linkcode writeDataInfo} saved.
 *
 * @throws {DataInfoError} When it is missing or damaged.
 */
export async function readDataInfo(folder: RunFolder): Promise<RunDataInfo> {
  const path = folder.file(DATA_INFO);
  try {
    await Deno.stat(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new DataInfoError(
      `The run in ${folder.path} has no ${DATA_INFO}, so that its data's Gaussian is not known. It is from an earlier ` +
        "version: train it again, or go on with it once by --resume.",
      { cause: error },
    );
  }
  const { tensors, metadata } = await readSafetensors(path);
  const fail = (what: string) =>
    new DataInfoError(`${path} is damaged: ${what}. Go on with the run by --resume, which writes it anew.`);
  if (metadata.format !== FORMAT) throw fail(`it does not say "${FORMAT}"`);
  const number = (key: "entropy" | "delta" | "logScale") => {
    const value = parsed(metadata[key]);
    if (metadata[key] !== undefined && !isNumber(value)) throw fail(`its ${key} is no number`);
    return isNumber(value) ? { [key]: value } : {};
  };
  const shape = parsed(metadata.shape);
  if (!isNumbers(shape) || shape.length === 0 || !shape.every((n) => Number.isSafeInteger(n) && n > 0)) {
    throw fail("it has no shape of whole numbers from 1 on");
  }
  const rangeOf = (key: "range" | "fileRange") => {
    const range = parsed(metadata[key]), isRange = isNumbers(range) && range.length === 2 && range[0] < range[1];
    if (metadata[key] !== undefined && !isRange) throw fail(`its ${key} is not a smallest and a largest value`);
    return isRange ? { [key]: [range[0], range[1]] as const } : {};
  };
  const columns = parsed(metadata.columns), description = parsed(metadata.description);
  const digest = parsed(metadata.digest);
  const areNames = Array.isArray(columns) && columns.every((name) => typeof name === "string") &&
    columns.length === sizeOf(shape);
  if (metadata.columns !== undefined && !areNames) throw fail(`its columns are not ${sizeOf(shape)} names`);
  const condition = parsed(metadata.condition);
  if (metadata.condition !== undefined && !isCondition(condition)) throw fail("its condition is not one");
  const d = sizeOf(shape);
  const values = (name: string, ...size: number[]) => {
    const tensor: StoredTensor | undefined = tensors[name];
    if (!(tensor?.data instanceof Float64Array) || tensor.shape.join() !== size.join()) {
      throw fail(`its ${name} is not a float64 tensor of shape [${size}]`);
    }
    if (!tensor.data.every(Number.isFinite)) throw fail(`its ${name} holds values that are not finite`);
    return tensor.data;
  };
  const eigenvalues = values("eigenvalues", d);
  if (!eigenvalues.every((l) => l > 0)) throw fail("its eigenvalues are not all above 0");
  const axes = "axes.mean" in tensors ? { mean: values("axes.mean", d), scale: values("axes.scale", d) } : undefined;
  if (axes && !axes.scale.every((s) => s > 0)) throw fail("the scales of its axes are not all above 0");
  const positive = (name: string, ...size: number[]) => {
    const got = values(name, ...size);
    if (!got.every((value) => value > 0)) throw fail(`its ${name} is not above 0 throughout`);
    return got;
  };
  const components = tensors["reference.weights"]?.shape[0];
  if (components === 0) throw fail("its reference has no components");
  const gaussian = { mean: values("mean", d), eigenvalues, ...readBasis(tensors, shape, values, fail) };
  const axesOfIt = tensors["reference.axes"]?.shape[0];
  const ofReference = axesOfIt === undefined ? undefined : Uint32Array.from(values("reference.axes", axesOfIt));
  const areAxes = !ofReference || ofReference.length > 0 && new Set(ofReference).size === ofReference.length &&
      ofReference.every((axis, k) => axis < d && axis === tensors["reference.axes"].data[k]);
  if (!areAxes) throw fail(`its reference.axes are not different whole numbers from 0 to ${d - 1}`);
  const storedTable = parsed(metadata.table) as Partial<Record<string, unknown>> | undefined;
  const table = metadata.table === undefined
    ? undefined
    : parseCoding(storedTable, parseSchema(storedTable?.schema, path));
  if (metadata.table !== undefined && !(table && widthOfRow(table) === d)) {
    throw fail(`its table is not one of ${d} coordinates`);
  }
  const gaps = parsed(metadata.gaps);
  const areGaps = isNumbers(gaps) && gaps.every((place) => Number.isSafeInteger(place) && place >= 0 && place < d);
  if (metadata.gaps !== undefined && !areGaps) throw fail(`its gaps are not places from 0 to ${d - 1}`);
  const blocks = table && blocksOf(table), levels = blocks && levelsOfAtoms(blocks);
  const numbers = table ? table.numbers.length : d;
  const reference = components === undefined ? undefined : {
    ...readMixture(components, axesOfIt ?? numbers, values, positive, "reference.eigenvectors" in tensors),
    ...(ofReference ? { within: { gaussian, axes: ofReference } } : {}),
    ...("reference.logits" in tensors
      ? { given: readConditioning(components, axesOfIt ?? d, isCondition(condition) ? condition : [], values) }
      : {}),
    ...(blocks ? { atoms: { blocks, logits: values("reference.levels", components, levels!) } } : {}),
    ...(areGaps ? { gaps } : {}),
  };
  return {
    shape,
    gaussian,
    ...(reference ? { reference } : {}),
    ...number("entropy"),
    ...number("delta"),
    ...number("logScale"),
    ...(axes ? { axes } : {}),
    ...rangeOf("range"),
    ...rangeOf("fileRange"),
    ...(areNames ? { columns } : {}),
    ...(isCondition(condition) ? { condition } : {}),
    ...(areGaps ? { gaps } : {}),
    ...(table ? { table } : {}),
    ...(typeof description === "string" ? { description } : {}),
    ...(typeof digest === "string" ? { digest } : {}),
  };
}

/** The basis of the Gaussian's covariance: whole, by a matrix for each axis of the shape, or none. */
function readBasis(
  tensors: Readonly<Record<string, unknown>>,
  shape: readonly number[],
  values: ReadValues,
  fail: (what: string) => Error,
): Eigenbasis {
  const d = sizeOf(shape);
  if ("eigenvectors" in tensors) return { eigenvectors: values("eigenvectors", d, d) };
  const names = shape.map((_, axis) => axisBasisName(axis));
  if (!names.some((name) => name in tensors)) return {};
  const axisBases = names.map((name, axis) => values(name, shape[axis], shape[axis]));
  const skew = axisBases.findIndex((basis) => !isOrthonormal(basis));
  if (skew >= 0) throw fail(`the columns of its ${names[skew]} are not orthonormal`);
  return { axisBases };
}

type ReadValues = (name: string, ...size: number[]) => Float64Array;

function readMixture(k: number, d: number, values: ReadValues, positive: ReadValues, isFull: boolean): GaussianMixture {
  const weights = positive("reference.weights", k);
  const means = values("reference.means", k, d), eigenvalues = positive("reference.eigenvalues", k, d);
  const eigenvectors = isFull ? values("reference.eigenvectors", k, d, d) : undefined;
  return {
    weights,
    components: Array.from(weights, (_, i) => ({
      mean: means.slice(i * d, (i + 1) * d),
      eigenvalues: eigenvalues.slice(i * d, (i + 1) * d),
      ...(eigenvectors ? { eigenvectors: eigenvectors.slice(i * d * d, (i + 1) * d * d) } : {}),
    })),
  };
}

function readConditioning(k: number, d: number, condition: Condition, values: ReadValues): Conditioning {
  const sizes = sizesOf(k, d, condition), numbers = numberPlaces(condition);
  const ofNumbers = (name: "means" | "cross" | "covariances") =>
    numbers.length > 0 ? values(`reference.numbers.${name}`, ...sizes[name]) : new Float64Array();
  return {
    ...{ logits: values("reference.logits", ...sizes.logits), numbers },
    ...{ means: ofNumbers("means"), cross: ofNumbers("cross"), covariances: ofNumbers("covariances") },
  };
}

/** What a metadata entry says; nothing where it is missing or not JSON. */
function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(isNumber);
}
