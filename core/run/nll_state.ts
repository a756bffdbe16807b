import { writeFileAtomic } from "../io/atomic.ts";
import { encodeSafetensors, readSafetensors } from "../io/safetensors.ts";
import type { NllSums } from "../evaluation/round_sums.ts";

const FORMAT = "itdiffusion-nll";

/**
 * Saves what an estimate is made of so far, to go on from.
 *
 * @param key Says all that the sums depend on.
 * @throws {StorageError} When it cannot be written.
 */
export async function saveSums(path: string, key: string, sums: NllSums): Promise<void> {
  const { sum, squares, means, factors, rounds, evaluations } = sums;
  const vector = (data: Float64Array) => ({ shape: [data.length], data });
  const tensors = {
    sum: vector(sum),
    squares: vector(squares),
    means: vector(Float64Array.from(means)),
    factors: vector(Float64Array.from(factors)),
  };
  await writeFileAtomic(
    path,
    encodeSafetensors(tensors, {
      format: FORMAT,
      key,
      rounds: String(rounds),
      evaluations: String(evaluations),
    }),
  );
}

/**
 * The sums that were saved under the same key; nothing where there are none, or those of something else.
 *
 * @throws {UserError} When the file is damaged.
 */
export async function loadSums(path: string, key: string): Promise<NllSums | undefined> {
  try {
    await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  const { tensors, metadata } = await readSafetensors(path);
  if (metadata.format !== FORMAT || metadata.key !== key) return undefined;
  const vector = (name: string) => {
    const data = tensors[name]?.data;
    return data instanceof Float64Array && data.every(Number.isFinite) ? data : undefined;
  };
  const [sum, squares, means, factors] = ["sum", "squares", "means", "factors"].map(vector);
  const [rounds, evaluations] = [Number(metadata.rounds), Number(metadata.evaluations)];
  const width = metadata.width === undefined ? undefined : Number(metadata.width);
  const isWhole = sum && squares && means && factors && sum.length === squares.length && means.length === rounds &&
    factors.length > 0 && factors.every((f) => f > 0) && Number.isSafeInteger(evaluations) &&
    (width === undefined || width > 0);
  if (!isWhole) return undefined;
  return {
    ...{ sum, squares, means: [...means], factors: [...factors], rounds, evaluations },
  };
}
