import { fail } from "assert";
import { readSafetensors } from "../core/io/safetensors.ts";

/** Reference values from PyTorch; README.md beside them says what they are. */
const FOLDER = new URL("./reference/", import.meta.url);

interface Tolerance {
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

/** Fails unless |got − ref| ≤ atol + rtol·|ref| for every element. */
export function assertWithin(
  got: ArrayLike<number>,
  reference: ArrayLike<number>,
  { rtol, atol }: Tolerance,
  what: string,
): void {
  if (got.length !== reference.length) fail(`${what}: got ${got.length} values, expected ${reference.length}.`);
  let worst = -1;
  let index = 0;
  for (let i = 0; i < got.length; i++) {
    const excess = Math.abs(got[i] - reference[i]) / (atol + rtol * Math.abs(reference[i]));
    if (!(excess <= worst)) [worst, index] = [excess, i];
    if (Number.isNaN(excess)) break;
  }
  if (!(worst <= 1)) {
    fail(`${what}: element ${index} is ${got[index]}, expected ${reference[index]} (${worst} times the tolerance).`);
  }
}
