import type { TaskOption } from "../cli/mod.ts";
import { mpiOption } from "../cli/mod.ts";
import { type Trust, trustOfCommand } from "../plugins/trust.ts";
import type { OptionValues } from "../options/spec.ts";
import { withDefault } from "../options/values.ts";
import { SETTINGS } from "../model/setting_ranges.ts";
import { DROP_CONDITION, FINE_TUNING_RATE, type FitDefaults, RATE, WIDE, WIDE_RATE } from "../model/settings.ts";
import { backendOption } from "./backend.ts";

/** What a training task has of its own. */
export interface TaskSpec {
  /** The task's name, as in `train:2d`. */
  readonly name: string;
  /** What it does, for `--help`. */
  readonly summary: string;
  readonly defaults: FitDefaults & { readonly dataset: string };
  /** Other defaults under the seed's recipe. */
  readonly seedDefaults?: FitDefaults;
  /** Other defaults of a denoiser's options, by its name and those of its options that are given. */
  readonly preset?: (denoiser: string, given: ReadonlySet<string>) => OptionValues;
  /** Whether it trains on images, and has {@linkcode imageOptions}. */
  readonly ofImages?: boolean;
  /** Options that say how the run is shown. */
  readonly options?: Readonly<Record<string, TaskOption>>;
}

/** What a task prints. */
export const outputOptions = {
  quiet: { default: false, help: "Print only the result." },
  json: { default: false, help: "Print the result as one line of JSON, and nothing else." },
} as const satisfies Record<string, TaskOption>;

/** How a run's code from outside the project is named again. */
export const trustOption = {
  trust: {
    optional: "string",
    list: true,
    placeholder: "plugin",
    help: "Plugins from outside the project, files or URLs, that may be run where the run names them.",
  },
} as const satisfies Record<string, TaskOption>;

/**
 * What a command line lets a run have run.
 *
 * @param trust The value of `trustOption`.
 * @param named What else the line names as code to run.
 */
export function trustOf(trust: string | undefined, ...named: readonly (string | undefined)[]): Trust {
  // A list is joined by commas, which a single URL may have in it as well.
  return trustOfCommand([trust, ...trust?.split(",") ?? [], ...named]);
}

/** Options that every training task has. Those without a default take it from the recipe. */
export function trainingOptions(
  { denoiser, epochs, batchSize, learningRate, evalBatchSize, validationLevels, ...rest }: TaskSpec["defaults"],
) {
  const { microBatchValues, proposal } = rest;
  const parts = microBatchValues === undefined ? "the whole batch" : `as many as have ${microBatchValues} values`;
  const of = (value: number | undefined) => value === undefined ? "recipe" : `default ${value}`;
  return {
    denoiser: {
      optional: "string",
      placeholder: "name",
      help: `Denoiser: a name, a file, or a URL (default ${denoiser}).`,
    },
    recipe: {
      default: "default",
      choices: SETTINGS.recipe.choices,
      help: "Defaults to train with; seed is the seed's own.",
    },
    epochs: {
      ...SETTINGS.epochs,
      alias: ["num-epochs"],
      help: `Passes through the training data; auto: as many as its structure asks for (default ${epochs}).`,
    },
    patience: {
      ...SETTINGS.patience,
      help:
        "Epochs without a better validation that end the training, 0 for no end; auto: half of all from 16 dimensions on (recipe).",
    },
    validateEvery: {
      ...SETTINGS.validateEvery,
      help:
        "Epochs from one validation to the next; auto: 1 where --epochs is given, and up to 8 of short ones (recipe).",
    },
    batchSize: {
      ...SETTINGS.batchSize,
      alias: ["train-batch-size"],
      help: `Samples in a training step; auto: 256, or all of fewer (default ${batchSize}).`,
    },
    microBatchSize: {
      ...SETTINGS.microBatchSize,
      min: 1,
      help: `Samples whose gradient is computed at once, which bounds the memory (default ${parts}).`,
    },
    learningRate: {
      ...SETTINGS.learningRate,
      help:
        `Adam's learning rate; auto: ${RATE}, ${WIDE_RATE} above ${WIDE} dimensions where the denoiser has none of its ` +
        `own, and ${FINE_TUNING_RATE} of a pretrained network (default ${learningRate}).`,
    },
    decay: { ...SETTINGS.decay, help: "How the learning rate falls (recipe)." },
    ema: { ...SETTINGS.ema, help: "Decay of the weights' average, 0 for none (recipe)." },
    estimator: {
      ...SETTINGS.estimator,
      help: "What validation compares with: the reference, or N(0, I) (recipe).",
    },
    reference: {
      ...SETTINGS.reference,
      placeholder: "name",
      help: "What the model is compared and blended with: auto, gaussian, mixture, mixture:32, kernel, none (recipe).",
    },
    logsnrLoc: {
      ...SETTINGS.logsnrLoc,
      help: `Location of the log SNR proposal, or auto (${of(proposal?.loc)}).`,
    },
    logsnrScale: {
      ...SETTINGS.logsnrScale,
      help: `Scale of the log SNR proposal, or auto (${of(proposal?.scale)}).`,
    },
    proposal: {
      ...SETTINGS.proposal,
      help: "Log SNRs evenly over their range, by a logistic distribution, or more where the loss scattered (recipe).",
    },
    dropCondition: {
      ...SETTINGS.dropCondition,
      help: `How often a step is not told what --condition says of a sample (default ${DROP_CONDITION}).`,
    },
    evalBatchSize: withDefault(
      SETTINGS.evalBatchSize,
      evalBatchSize,
      "Samples per run of the denoiser in evaluations.",
    ),
    validationLevels: {
      ...SETTINGS.validationLevels,
      help: `Log SNRs per sample in a validation (default ${validationLevels}).`,
    },
    validationSamples: { ...SETTINGS.validationSamples, min: 2, help: "Samples in a validation (default all)." },
    seed: withDefault(SETTINGS.seed, 0, "Seed of everything that is drawn."),
    ...backendOption,
    ...mpiOption,
    precision: {
      default: "f32",
      choices: SETTINGS.precision.choices,
      help: "Of the gradient's products; f16 on a GPU (onnx-webgpu, onnx-cuda). Likelihoods are always in f32.",
    },
    experimentName: { default: "", placeholder: "name", help: "Added to the name of the run's folder." },
    out: { optional: "string", placeholder: "folder", help: "The run's folder (default: a new one in runs)." },
    resume: { optional: "string", bare: true, placeholder: "folder", help: "Go on with the run in a folder." },
    dataChanged: { default: false, help: "Resume though the data is not what the run began with." },
    figures: { default: true, onOff: true, help: "Draw figures." },
    ...outputOptions,
  } as const satisfies Record<string, TaskOption>;
}

/** Options that training tasks of images have besides. */
export const imageOptions = {
  flip: { ...SETTINGS.flip, help: "Mirror half of the images left for right in training, drawn anew each epoch." },
  checkpointing: {
    ...SETTINGS.checkpointing,
    help: "Keep less of residual blocks for the backward pass and compute it again: less memory, slower steps.",
  },
} as const satisfies Record<string, TaskOption>;

/** Options that say how a run is shown or computed, not what it is; they may change when it is resumed. */
export const PRESENTATION: ReadonlySet<string> = new Set([
  "backend",
  "threads",
  "mpiLibrary",
  "precision",
  "checkpointing",
  "evalBatchSize",
  "microBatchSize",
  "out",
  "resume",
  "dataChanged",
  "figures",
  "quiet",
  "json",
  "experimentName",
]);
