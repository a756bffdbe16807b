import { fail } from "assert";
import { readSafetensors } from "../core/io/safetensors.ts";

/** Reference values from PyTorch; README.md beside them says what they are. */
const FOLDER = new URL("./reference/", import.meta.url);

/** What a value may differ from its reference by: atol + rtol·|reference|. */
export interface Tolerance {
  readonly rtol: number;
  readonly atol: number;
}

/** A case's scalars and tolerances. */
export interface ReferenceCase {
  readonly scalars: Readonly<Record<string, unknown>>;
  readonly tolerances: Readonly<Record<string, Tolerance>>;
}

export async function readCase(name: string): Promise<ReferenceCase> {
  return JSON.parse(await Deno.readTextFile(new URL(`${name}/case.json`, FOLDER)));
}

/** The float32 tensors of a reference file. */
export async function readTensors(
  path: string,
): Promise<Record<string, { shape: readonly number[]; data: Float32Array }>> {
  const { tensors } = await readSafetensors(decodeURIComponent(new URL(path, FOLDER).pathname));
  return Object.fromEntries(
    Object.entries(tensors).map((
      [name, { shape, data }],
    ) => [name, { shape, data: Float32Array.from(data as Float32Array) }]),
  );
}

/** How far an array is from its reference. What is not a number stays one. */
export interface Distance {
  /** The largest difference over what it may be. */
  readonly ofTolerance: number;
  /** The element that has it, -1 where there is none. */
  readonly index: number;
  /** The largest difference. */
  readonly error: number;
}

/** Measures how far an array is from its reference. */
export function distance(
  got: ArrayLike<number>,
  reference: ArrayLike<number>,
  { rtol, atol }: Tolerance,
  what: string,
): Distance {
  if (got.length !== reference.length) fail(`${what}: got ${got.length} values, expected ${reference.length}.`);
  let [ofTolerance, index, error] = [0, -1, 0];
  for (let i = 0; i < got.length; i++) {
    const difference = Math.abs(got[i] - reference[i]);
    if (Number.isNaN(difference)) return { ofTolerance: NaN, index: i, error: NaN };
    error = Math.max(error, difference);
    // What is equal is within any tolerance, also one of zero.
    const excess = difference === 0 ? 0 : difference / (atol + rtol * Math.abs(reference[i]));
    if (excess > ofTolerance) [ofTolerance, index] = [excess, i];
  }
  return { ofTolerance, index, error };
}

/** Fails unless |got − ref| ≤ atol + rtol·|ref| for every element. */
export function assertWithin(
  got: ArrayLike<number>,
  reference: ArrayLike<number>,
  tolerance: Tolerance,
  what: string,
): void {
  const { ofTolerance, index } = distance(got, reference, tolerance, what);
  if (!(ofTolerance <= 1)) {
    fail(
      `${what}: element ${index} is ${got[index]}, expected ${reference[index]} (${ofTolerance} times the tolerance).`,
    );
  }
}
