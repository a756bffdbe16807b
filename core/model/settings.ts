import type { BackendChoice, Precision } from "../engine/mod.ts";
import type { OptionValues } from "../options/spec.ts";
import { RECIPES } from "../training/recipe.ts";

/** How a model is trained: everything besides the data and the denoiser that its numbers depend on. */
export interface FitSettings {
  /** Of the denoiser, by their names in camelCase. */
  readonly denoiserOptions: OptionValues;
  /** What a model is compared and blended with: `auto`, `gaussian`, `mixture`, `mixture:32`, `kernel` or `none`. */
  readonly reference: string;
  /** What is not given is taken from it; `seed` is the published one. */
  readonly recipe: "default" | "seed";
  /** How the learning rate falls. */
  readonly decay: "constant" | "cosine";
  /** 0 for no averaging. */
  readonly ema: number;
  /** What validation compares with: the reference on the same noise, or N(0, I). */
  readonly estimator: "paired" | "standard";
  /** Passes through the training data; `auto` for as many as the data's structure asks for. */
  readonly epochs: number | "auto";
  /** Epochs without a better validation that end the training; 0 for no end, `auto` for half of the epochs from 16 dimensions on. */
  readonly patience: number | "auto";
  /** Epochs from one validation to the next. */
  readonly validateEvery: number | "auto";
  /** Samples in a step; `auto` for 256, or all of fewer. */
  readonly batchSize: number | "auto";
  /** 0 for what the data's dimension allows. */
  readonly microBatchSize: number;
  /** Adam's. */
  readonly learningRate: number | "auto";
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
  /** Whether the backward pass computes again what residual blocks would keep for it: less memory, more time. */
  readonly checkpointing: boolean;
  /** How log SNRs are drawn: evenly over the range, by a logistic distribution, or more often where the loss scattered. */
  readonly proposal: "even" | "fixed" | "adaptive";
  /** How often a step is not told what is known of a sample, so that the model knows p(x) as well; of data with a condition. */
  readonly dropCondition: number;
  /** Whether half of the pictures, drawn anew in each epoch, are mirrored left for right in training. */
  readonly flip: boolean;
}

/** How often what is known of a sample is dropped in training, where nothing is said. */
export const DROP_CONDITION = 0.1;

/** Adam's learning rate for points, and that above so many dimensions, where a wide network learns late at the larger. */
export const RATE = 2e-3, WIDE_RATE = 1e-3, WIDE = 16;

/** Of a network that was trained before. */
export const FINE_TUNING_RATE = 1e-4;

/** What depends on the kind of data where it is not given. */
export interface FitDefaults {
  /** A denoiser's name. */
  readonly denoiser: string;
  /** Passes through the training data. */
  readonly epochs: number | "auto";
  /** Samples in a step. */
  readonly batchSize: number | "auto";
  /** Adam's. */
  readonly learningRate: number | "auto";
  /** Samples per run of the denoiser in evaluations. */
  readonly evalBatchSize: number;
  /** Log SNRs per sample in a validation. */
  readonly validationLevels: number;
  /** Values of the samples whose gradient is computed at once, at most; those of the whole batch if left out. */
  readonly microBatchValues?: number;
  /** The log SNR proposal; the recipe's if left out. */
  readonly proposal?: { readonly loc: number; readonly scale: number };
}

/** For points, of shape `[d]`, and for images, of shape `[channels, height, width]`. */
export const DEFAULTS = {
  points: {
    denoiser: "residual",
    epochs: "auto",
    batchSize: "auto",
    learningRate: "auto",
    evalBatchSize: 1024,
    validationLevels: 2,
  },
  images: {
    denoiser: "unet-pretrained",
    epochs: 20,
    batchSize: 128,
    learningRate: FINE_TUNING_RATE,
    evalBatchSize: 16,
    validationLevels: 1,
    // 16 images of CIFAR-10, a step of whose U-Net then takes 2 GB, or 64 digits of 28 x 28.
    microBatchValues: 1 << 16,
    proposal: { loc: 6, scale: 3 },
  },
} as const satisfies Readonly<Record<string, FitDefaults>>;

/** What the seed's recipe takes for points, as the seed has it. */
export const SEED_POINTS = {
  denoiser: "mlp",
  epochs: 160,
  batchSize: 128,
  learningRate: 1e-3,
  evalBatchSize: 1024,
  validationLevels: 4,
} as const satisfies FitDefaults;

/** The defaults for points or images under a recipe. */
export function defaultsOf(kind: keyof typeof DEFAULTS, recipe: keyof typeof RECIPES): FitDefaults {
  return kind === "points" && recipe === "seed" ? SEED_POINTS : DEFAULTS[kind];
}

/** What a recipe says of settings that are not given. */
export function recipeDefaults(
  name: keyof typeof RECIPES,
  proposal: FitDefaults["proposal"],
): Pick<
  FitSettings,
  "decay" | "ema" | "estimator" | "logsnrLoc" | "logsnrScale" | "proposal" | "reference" | "patience" | "validateEvery"
> {
  const recipe = RECIPES[name];
  const usual = proposal ?? recipe.proposal;
  return {
    decay: recipe.decay,
    ema: "ema" in recipe ? recipe.ema : 0,
    estimator: recipe.estimator,
    // An even distribution is of a range that is known from the data.
    proposal: usual === "auto" ? "even" : "fixed",
    reference: name === "seed" ? "none" : "auto",
    patience: usual === "auto" ? "auto" : 0,
    validateEvery: usual === "auto" ? "auto" : 1,
    logsnrLoc: usual === "auto" ? "auto" : usual.loc,
    logsnrScale: usual === "auto" ? "auto" : usual.scale,
  };
}
