import { encodeSafetensors, readSafetensors } from "../io/safetensors.ts";
import { WAVE } from "../evaluation/wave.ts";
import type { RunFolder } from "./folder.ts";
import type { NllSums } from "../evaluation/round_sums.ts";

const FORMAT = "itdiffusion-nll-2";

/** What the names of vectors of a round that is under way begin with. */
const UNFINISHED = "unfinished.";

/**
 * Saves what an estimate is made of so far, to go on from.
 *
 * @param name The file in the folder.
 * @param key Says all that the sums depend on.
 * @throws {StorageError} When it cannot be written.
 */
export async function saveSums(folder: RunFolder, name: string, key: string, sums: NllSums): Promise<void> {
  const { sum, variances, wave, means, factors, rounds, evaluations, unfinished = {} } = sums;
  const vector = (data: Float64Array) => ({ shape: [data.length], data });
  const tensors = {
    sum: vector(sum),
    variances: vector(variances),
    ...Object.fromEntries(wave.map((values, k) => [`wave.${k}`, vector(values)])),
    means: vector(Float64Array.from(means)),
    factors: vector(Float64Array.from(factors)),
    ...Object.fromEntries(Object.entries(unfinished).map(([key, values]) => [UNFINISHED + key, vector(values)])),
  };
  await folder.write(
    name,
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
  const [sum, variances, means, factors] = ["sum", "variances", "means", "factors"].map(vector);
  const wave = Array.from({ length: (means?.length ?? 0) % WAVE }, (_, k) => vector(`wave.${k}`));
  const [rounds, evaluations] = [Number(metadata.rounds), Number(metadata.evaluations)];
  const isWhole = sum && variances && means && factors && sum.length === variances.length && means.length === rounds &&
    wave.every((values) => values?.length === sum.length) &&
    factors.length > 0 && factors.every((f) => f > 0) && Number.isSafeInteger(evaluations);
  if (!isWhole) return undefined;
  const unfinished = Object.entries(tensors).flatMap(([key, { data }]) =>
    key.startsWith(UNFINISHED) && data instanceof Float64Array ? [[key.slice(UNFINISHED.length), data] as const] : []
  );
  return {
    ...{ sum, variances, wave: wave.flatMap((values) => values ?? []), means: [...means], factors: [...factors] },
    ...{ rounds, evaluations },
    ...(unfinished.length > 0 ? { unfinished: Object.fromEntries(unfinished) } : {}),
  };
}
