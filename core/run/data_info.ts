import { UserError } from "../errors/user_error.ts";
import { encodeSafetensors, readSafetensors, type StoredTensor } from "../io/safetensors.ts";
import type { DataFacts, DataInfo, SavedDataInfo } from "../plugins/contracts.ts";
import { sizeOf } from "../data/tensors.ts";
import type { RunFolder } from "./folder.ts";

/** A run's data.safetensors that cannot be used. */
export class DataInfoError extends UserError {}

const FILE = "data.safetensors";
const FORMAT = "itdiffusion-data";

/**
 * Saves what a model needs to know of its data in the run's folder, so that it can be used without loading the data set
 * again: the mean and the covariance's spectrum as float64 tensors, all else as the file's metadata.
 *
 * @throws {StorageError} When it cannot be written.
 */
export async function writeDataInfo(
  folder: RunFolder,
  { gaussian }: DataInfo,
  { shape, entropy, range, delta, logScale, axes }: DataFacts,
): Promise<void> {
  const { mean, eigenvalues, eigenvectors } = gaussian;
  const d = mean.length;
  const tensors = {
    mean: { shape: [d], data: mean },
    eigenvalues: { shape: [d], data: eigenvalues },
    ...(eigenvectors ? { eigenvectors: { shape: [d, d], data: eigenvectors } } : {}),
    ...(axes ? { "axes.mean": { shape: [d], data: axes.mean }, "axes.scale": { shape: [d], data: axes.scale } } : {}),
  };
  const known = { shape, entropy, range, delta, logScale };
  const metadata = Object.entries(known).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, JSON.stringify(value)]]
  );
  const bytes = encodeSafetensors(tensors, { format: FORMAT, ...Object.fromEntries(metadata) });
  await folder.write(FILE, bytes);
}

/**
 * Reads what {@linkcode writeDataInfo} saved.
 *
 * @throws {DataInfoError} When it is missing or damaged.
 */
export async function readDataInfo(folder: RunFolder): Promise<SavedDataInfo> {
  const path = folder.file(FILE);
  try {
    await Deno.stat(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new DataInfoError(
      `The run in ${folder.path} has no ${FILE}, so that its data's Gaussian is not known. It is from an earlier ` +
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
  const range = parsed(metadata.range);
  const isRange = isNumbers(range) && range.length === 2 && range[0] < range[1];
  if (metadata.range !== undefined && !isRange) throw fail("its range is not a smallest and a largest value");
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
  const eigenvectors = "eigenvectors" in tensors ? { eigenvectors: values("eigenvectors", d, d) } : {};
  return {
    shape,
    gaussian: { mean: values("mean", d), eigenvalues, ...eigenvectors },
    ...number("entropy"),
    ...number("delta"),
    ...number("logScale"),
    ...(axes ? { axes } : {}),
    ...(isRange ? { range: [range[0], range[1]] as const } : {}),
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
