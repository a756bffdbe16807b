import { type ActivationName, ACTIVATIONS } from "../../core/layers/activation.ts";
import type { ClassEmbedding, Sampler, TimeEmbedding } from "./config.ts";
import { type ConfigValues, isBetween, isCount, isTruthy, MAX_CHANNELS, show } from "./config_values.ts";

/** The most residual blocks of a block. */
export const MAX_LAYERS = 256;

/** The most time steps of a learned embedding. */
const MAX_STEPS = 100_000;

/** The class that a file names, where it is another one, of which diffusers reads what `UNet2DModel` has too. */
export function classNameOf(json: object, problems: string[]): string[] {
  const { _class_name: name = "UNet2DModel" } = json as { readonly _class_name?: unknown };
  if (name === "UNet2DModel") return [];
  if (typeof name === "string" || Array.isArray(name)) return [`_class_name (${show(name)})`];
  problems.push(`_class_name is ${show(name)}, expected "UNet2DModel"`);
  return [];
}

/** Of another type than its two diffusers has no classes, and their number says nothing. */
export function classesOf(values: ConfigValues): ClassEmbedding | undefined {
  const type = values.read<unknown>("class_embed_type", null, (value) => value, "");
  if (type === null) {
    const count = values.countOrNull("num_class_embeds");
    return count === null ? undefined : { kind: "table", count };
  }
  values.read("num_class_embeds", null, () => null, "");
  return type === "timestep" || type === "identity" ? { kind: type } : undefined;
}

/** How time steps are embedded. What does not matter to the kind may be anything. */
export function timeEmbeddingOf(values: ConfigValues): TimeEmbedding {
  const kind = values.choice("time_embedding_type", ["positional", "fourier", "learned"]);
  const freqShift = values.number("freq_shift", 0, isBetween(-1e6, 1e6), "a number from -1e6 to 1e6");
  const flipSinToCos = values.flag("flip_sin_to_cos", true);
  const steps = values.countOrNull("num_train_timesteps", null, 1, MAX_STEPS);
  if (kind === "fourier") return { kind };
  if (kind === "positional") return { kind, freqShift, flipSinToCos };
  if (steps === null && !values.doubts.has("num_train_timesteps")) {
    values.problems.push(`num_train_timesteps is null, expected a whole number for time_embedding_type "learned"`);
  }
  return { kind, steps: steps ?? 1 };
}

/** Its name in small letters, as diffusers reads it. */
export function activationOf(values: ConfigValues): ActivationName {
  const names = Object.keys(ACTIVATIONS) as ActivationName[];
  const isName = (v: unknown): v is string => typeof v === "string" && names.some((name) => name === v.toLowerCase());
  return values.take("act_fn", "silu", isName, names.map(show).join(" or ")).toLowerCase() as ActivationName;
}

/** What changes the size in blocks with attention: what diffusers does not know is nothing, and what is empty the usual. */
export function samplerOf(values: ConfigValues, key: string): Sampler {
  const meaning = (type: unknown): Sampler =>
    !isTruthy(type) || type === "conv" ? "conv" : type === "resnet" ? "resnet" : "none";
  return values.read<Sampler>(key, "conv", meaning, "");
}

/** A width, or null where it is left open. */
export function countOrNothing(value: unknown): number | null | undefined {
  if (!isTruthy(value)) return null;
  return isCount(1, MAX_CHANNELS)(value) ? value : undefined;
}

/** Channels of a head, or null where it is left open. */
export function headWidthOf(value: unknown): number | null | undefined {
  if (value === null) return null;
  const width = value === true ? 1 : value;
  return isCount(1, MAX_CHANNELS)(width) ? width : undefined;
}

/** Those with which a convolution halves a side. */
export function paddingOf(value: unknown): number | undefined {
  if (value === 0 || value === 1) return value;
  return Array.isArray(value) && (value.length === 1 || value.length === 2) && value.every((v) => v === 1)
    ? 1
    : undefined;
}

export function isChannels(value: unknown): value is number[] {
  return Array.isArray(value) && value.length >= 1 && value.length <= 16 && value.every(isCount(1, MAX_CHANNELS));
}

export function isScale(value: unknown): value is number {
  return typeof value === "number" && isBetween(1e-6, 1e30)(Math.abs(value));
}
