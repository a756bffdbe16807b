import { HubError, SeveralVariantsError } from "./hub_error.ts";

/** The files of weights of one part, best first. */
export const WEIGHTS = ["diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"] as const;

/** The same where an index names several parts. */
const PLAIN: readonly string[] = WEIGHTS.flatMap((name) => [name, `${name}.index.json`]);

/** A variant of the weights, such as fp16 or non_ema: one file, or an index by either of its names. */
const VARIANT = /^diffusion_pytorch_model\.([\w-]+)\.(safetensors|bin)$/;
const VARIANT_INDEX =
  /^diffusion_pytorch_model\.(?:(safetensors|bin)\.(?:index\.([\w-]+)|([\w-]+)\.index)|([\w-]+)\.(safetensors|bin)\.index)\.json$/;

/** What ends the name of a part, which is no variant. */
const PART = /-\d+-of-\d+$/;

/** The most files that an index may name. */
const MAX_SHARDS = 256;

/** A file of weights among others. */
export interface ChosenWeights {
  readonly name: string;
  /** Of which variant it is; none for a plain one. */
  readonly variant?: string;
}

/** Whether a file's name is one of weights, of an index of them, or of a part. */
export function isWeightsName(name: string): boolean {
  return /^diffusion_pytorch_model[\w.-]*\.(safetensors|bin|json)$/.test(name);
}

/** Whether a path is that of an index. */
export function isIndex(path: string): boolean {
  return path.endsWith(".json");
}

/** A file of weights, or an index of them, that is named by itself. @throws HubError for a part of several. */
export function namedWeights(name: string): ChosenWeights {
  if (/-\d+-of-\d+\.(?:safetensors|bin)$/.test(name)) {
    throw new HubError(`${name} is one of several parts. Name the folder, or the index of the parts.`);
  }
  const variant = variantOf(name)?.variant;
  return { name, ...(variant === undefined ? {} : { variant }) };
}

/**
 * The weights among the names of a folder's files: the plain ones, or the one variant that is there.
 *
 * @returns Nothing where there are none.
 * @throws SeveralVariantsError where there are several variants and no plain weights.
 */
export function chooseWeights(names: readonly string[], source: string): ChosenWeights | undefined {
  const plain = PLAIN.find((name) => names.includes(name));
  if (plain !== undefined) return { name: plain };
  const variants = new Map<string, Required<ChosenWeights> & { readonly rank: number }>();
  for (const name of names) {
    const found = variantOf(name);
    if (!found) continue;
    const best = variants.get(found.variant);
    if (!best || found.rank < best.rank) variants.set(found.variant, { name, ...found });
  }
  const [first, ...others] = [...variants.values()];
  if (first === undefined) return undefined;
  if (others.length === 0) return { name: first.name, variant: first.variant };
  throw new SeveralVariantsError(
    `${source} has variants of its weights and no plain ones: ${
      [...variants.values()].map(({ name }) => name).join(", ")
    }. Name one of these files instead of the folder.`,
  );
}

/** The variant that a file is of, and how much it is preferred to others of the same, less being better. */
function variantOf(name: string): { readonly variant: string; readonly rank: number } | undefined {
  const [, one, kind] = VARIANT.exec(name) ?? [];
  if (one !== undefined) return PART.test(one) ? undefined : { variant: one, rank: kind === "bin" ? 2 : 0 };
  const [, before, a, b, c, after] = VARIANT_INDEX.exec(name) ?? [];
  const variant = a ?? b ?? c;
  return variant === undefined ? undefined : { variant, rank: (before ?? after) === "bin" ? 3 : 1 };
}

/**
 * The names of the files that an index of weights names, each once. They are not trusted: none leads out of the folder.
 *
 * @param json The parsed index.
 * @param source Its name, for messages.
 * @throws HubError if it is no index, or names something else than files of weights beside it.
 */
export function shardsOf(json: unknown, source: string): string[] {
  const map = isRecord(json) ? json.weight_map : undefined;
  if (!isRecord(map) || Object.keys(map).length === 0) {
    throw new HubError(
      `${source} is no index of weights: it has no weight_map of file names. Download the model again.`,
    );
  }
  const names = [...new Set(Object.values(map))];
  const strange = names.find((name) => typeof name !== "string" || !/^\w[\w.-]{0,199}\.(safetensors|bin)$/.test(name));
  if (strange !== undefined) {
    throw new HubError(
      `${source} names ${JSON.stringify(strange)?.slice(0, 80)}, expected .safetensors or .bin files beside it. ` +
        "Take the model from another source.",
    );
  }
  if (names.length > MAX_SHARDS) {
    throw new HubError(`${source} names ${names.length} files, but at most ${MAX_SHARDS} are read. Merge them.`);
  }
  return (names as string[]).sort();
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
