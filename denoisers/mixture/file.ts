import { messageOf } from "../../core/errors/user_error.ts";
import { readSafetensors } from "../../core/io/safetensors.ts";
import { sizeOf } from "../../core/data/tensors.ts";
import { type GaussianMixture, gaussianMixture, MixtureError } from "../../core/reference/mixture.ts";

/** Larger files are refused before they are read. */
const MAX_BYTES = 2 ** 28;

/** An eigendecomposition in more dimensions would take minutes. */
const MAX_DIMENSION = 1024;

const EXPECTED = "Give weights [k], means [k, d] and covariances [k, d, d].";

/** A part of a mixture as a file holds it. */
interface Part {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

/**
 * Reads a mixture of Gaussians: a JSON object of nested arrays, or a safetensors file of tensors, each of the names
 * `weights` `[k]`, `means` `[k, d]` and `covariances` `[k, d, d]`.
 *
 * @throws {UserError} If the file cannot be read or holds no mixture.
 */
export async function readMixture(path: string): Promise<GaussianMixture> {
  await checkSize(path);
  const parts = /\.safetensors$/i.test(path) ? await partsOfSafetensors(path) : await partsOfJson(path);
  const { weights, means, covariances } = parts;
  const [k] = weights.shape, [, d] = means.shape;
  const fits = String(weights.shape) === String([k]) && String(means.shape) === String([k, d]) &&
    String(covariances.shape) === String([k, d, d]);
  if (!fits) {
    const shapes = Object.entries(parts).map(([name, { shape }]) => `${name} [${shape}]`).join(", ");
    throw new MixtureError(`${path} holds ${shapes}, which do not fit each other. ${EXPECTED}`);
  }
  if (d > MAX_DIMENSION) {
    throw new MixtureError(`${path} is a mixture in ${d} dimensions, expected at most ${MAX_DIMENSION}. Use fewer.`);
  }
  return gaussianMixture({ weights: weights.data, means: means.data, covariances: covariances.data }, path);
}

async function checkSize(path: string): Promise<void> {
  let size: number;
  try {
    ({ size } = await Deno.stat(path));
  } catch (error) {
    throw unreadable(path, error);
  }
  if (size > MAX_BYTES) {
    throw new MixtureError(`${path} has ${size} bytes, expected at most ${MAX_BYTES}. Use a smaller mixture.`);
  }
}

async function partsOfSafetensors(path: string) {
  const { tensors } = await readSafetensors(path);
  return namedParts(path, (name) => {
    if (!Object.hasOwn(tensors, name)) return undefined;
    const { shape, data } = tensors[name];
    return { shape, data: data instanceof BigInt64Array ? Array.from(data, Number) : data };
  });
}

async function partsOfJson(path: string) {
  let value: unknown;
  try {
    value = JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new MixtureError(`${path} is not valid JSON: ${error.message.split("\n")[0]}. ${EXPECTED}`);
    }
    throw unreadable(path, error);
  }
  if (typeof value !== "object" || value === null) {
    throw new MixtureError(`${path} holds ${JSON.stringify(value).slice(0, 40)}, expected an object. ${EXPECTED}`);
  }
  const object = value as Readonly<Record<string, unknown>>;
  return namedParts(
    path,
    (name) => Object.hasOwn(object, name) ? nestedNumbers(object[name], `${path}: ${name}`) : undefined,
  );
}

function namedParts(path: string, part: (name: string) => Part | undefined) {
  const named = (name: string): Part => {
    const found = part(name);
    if (found) return found;
    throw new MixtureError(`${path} has no ${name}. ${EXPECTED}`);
  };
  return { weights: named("weights"), means: named("means"), covariances: named("covariances") };
}

/** The shape and the numbers of arrays of arrays of equal lengths. */
function nestedNumbers(value: unknown, what: string): Part {
  const shape: number[] = [];
  for (let at = value; Array.isArray(at); at = at[0]) {
    shape.push(at.length);
    if (shape.length > 3) throw new MixtureError(`${what} has more than three axes. ${EXPECTED}`);
  }
  const data: number[] = [];
  const collect = (part: unknown, axis: number): void => {
    if (axis === shape.length) {
      if (typeof part !== "number") {
        throw new MixtureError(
          `${what} has ${
            String(JSON.stringify(part)).slice(0, 40)
          } for its value ${data.length} (from 0), expected a ` +
            `number. ${EXPECTED}`,
        );
      }
      data.push(part);
    } else if (Array.isArray(part) && part.length === shape[axis]) {
      for (const each of part) collect(each, axis + 1);
    } else {
      throw new MixtureError(`${what} is not an array [${shape}] in all its parts. ${EXPECTED}`);
    }
  };
  collect(value, 0);
  if (sizeOf(shape) === 0 || shape.length === 0) throw new MixtureError(`${what} is no array of numbers. ${EXPECTED}`);
  return { shape, data };
}

function unreadable(path: string, error: unknown): MixtureError {
  const cause = error instanceof Deno.errors.NotFound ? "there is no such file" : messageOf(error);
  return new MixtureError(`Cannot read ${path}: ${cause}. Check the path and its permissions.`, { cause: error });
}
