import type { BackendChoice, Precision } from "../engine/mod.ts";
import type { OptionValues } from "../options/spec.ts";
import { RECIPES } from "../training/recipe.ts";

/** How a model is trained: everything besides the data and the denoiser that its numbers depend on. */
export interface FitSettings {
  /** Of the denoiser, by their names in camelCase. */
  readonly denoiserOptions: OptionValues;
  /** What is not given is taken from it; `seed` is the published one. */
  readonly recipe: "default" | "seed";
  /** How the learning rate falls. */
  readonly decay: "constant" | "cosine";
  /** 0 for no averaging. */
  readonly ema: number;
  /** What validation compares with: the data's Gaussian on the same noise, or N(0, I). */
  readonly estimator: "paired" | "standard";
  /** Passes through the training data. */
  readonly epochs: number;
  /** Samples in a step. */
  readonly batchSize: number;
  /** 0 for what the data's dimension allows. */
  readonly microBatchSize: number;
  /** Adam's. */
  readonly learningRate: number;
  /** Samples per run of the denoiser in evaluations. */
  readonly evalBatchSize: number;
  /** Log SNRs per sample in a validation. */
  readonly validationLevels: number;
  /** 0 for all. */
  readonly validationSamples: number;
  /** Location of the log SNR proposal in nats. */
  readonly logsnrLoc: number | "auto";
  /** Its scale in nats. */
  readonly logsnrScale: number | "auto";
  /** Decides all that is drawn. */
  readonly seed: number;
  /** What runs the tensors. */
  readonly backend: BackendChoice;
  /** On the processor. */
  readonly threads: number;
  /** Of the gradient's products; likelihoods are in float32. */
  readonly precision: Precision;
  /** Whether log SNRs are drawn more often where the loss scattered. */
  readonly proposal: "fixed" | "adaptive";
}

/** What depends on the kind of data where it is not given. */
export interface FitDefaults {
  /** A denoiser's name. */
  readonly denoiser: string;
  /** Passes through the training data. */
  readonly epochs: number;
  /** Adam's. */
  readonly learningRate: number;
  /** Samples per run of the denoiser in evaluations. */
  readonly evalBatchSize: number;
  /** Log SNRs per sample in a validation. */
  readonly validationLevels: number;
  /** Values of the samples whose gradient is computed at once, at most; those of the whole batch if left out. */
  readonly microBatchValues?: number;
  /** The log SNR proposal; the recipe's if left out. */
  readonly proposal?: { readonly loc: number; readonly scale: number };
}

/** For points, of shape `[d]`, and for images, of shape `[channels, height, width]`, as the seed has them. */
export const DEFAULTS = {
  points: { denoiser: "mlp", epochs: 160, learningRate: 1e-3, evalBatchSize: 1024, validationLevels: 4 },
  images: {
    denoiser: "unet-pretrained",
    epochs: 20,
    learningRate: 1e-4,
    evalBatchSize: 16,
    validationLevels: 1,
    // 16 images of CIFAR-10: a step of its U-Net then takes 2 GB.
    microBatchValues: 16 * 3 * 32 * 32,
    proposal: { loc: 6, scale: 3 },
  },
} as const satisfies Readonly<Record<string, FitDefaults>>;

/** The defaults for samples of a shape. */
export function defaultsFor(shape: readonly number[]): FitDefaults {
  return shape.length === 1 ? DEFAULTS.points : DEFAULTS.images;
}

/** What a recipe says of settings that are not given. */
export function recipeDefaults(
  name: keyof typeof RECIPES,
  proposal: FitDefaults["proposal"],
): Pick<FitSettings, "decay" | "ema" | "estimator" | "logsnrLoc" | "logsnrScale"> {
  const recipe = RECIPES[name];
  const usual = proposal ?? recipe.proposal;
  return {
    decay: recipe.decay,
    ema: "ema" in recipe ? recipe.ema : 0,
    estimator: recipe.estimator,
    logsnrLoc: usual === "auto" ? "auto" : usual.loc,
    logsnrScale: usual === "auto" ? "auto" : usual.scale,
  };
}
