import type { TaskOption } from "../cli/mod.ts";
import { PRECISIONS } from "../engine/mod.ts";
import { mpiOption } from "../cli/mod.ts";
import { type Trust, trustOfCommand } from "../plugins/trust.ts";
import { type FitDefaults, RATE, WIDE, WIDE_RATE } from "../model/settings.ts";
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
      choices: ["default", "seed"],
      help: "Defaults to train with; seed is the seed's own.",
    },
    epochs: {
      optional: "number",
      auto: true,
      min: 1,
      integer: true,
      alias: ["num-epochs"],
      help: `Passes through the training data; auto: as many as its structure asks for (default ${epochs}).`,
    },
    patience: {
      optional: "number",
      auto: true,
      min: 0,
      integer: true,
      help:
        "Epochs without a better validation that end the training, 0 for no end; auto: half of all from 16 dimensions on (recipe).",
    },
    validateEvery: {
      optional: "number",
      auto: true,
      min: 1,
      integer: true,
      help:
        "Epochs from one validation to the next; auto: 1 where --epochs is given, and up to 8 of short ones (recipe).",
    },
    batchSize: {
      optional: "number",
      auto: true,
      min: 1,
      integer: true,
      alias: ["train-batch-size"],
      help: `Samples in a training step; auto: 256, or all of fewer (default ${batchSize}).`,
    },
    microBatchSize: {
      optional: "number",
      min: 1,
      integer: true,
      help: `Samples whose gradient is computed at once, which bounds the memory (default ${parts}).`,
    },
    learningRate: {
      optional: "number",
      auto: true,
      above: 0,
      max: 1e6,
      help: `Adam's learning rate; auto: ${RATE}, and ${WIDE_RATE} above ${WIDE} dimensions (default ${learningRate}).`,
    },
    decay: { optional: "string", choices: ["cosine", "constant"], help: "How the learning rate falls (recipe)." },
    ema: { optional: "number", min: 0, max: 0.999999, help: "Decay of the weights' average, 0 for none (recipe)." },
    estimator: {
      optional: "string",
      choices: ["paired", "standard"],
      help: "What validation compares with: the reference, or N(0, I) (recipe).",
    },
    reference: {
      optional: "string",
      placeholder: "name",
      help: "What the model is compared and blended with: auto, gaussian, mixture, mixture:32, kernel, none (recipe).",
    },
    logsnrLoc: {
      optional: "number",
      auto: true,
      help: `Location of the log SNR proposal, or auto (${of(proposal?.loc)}).`,
    },
    logsnrScale: {
      optional: "number",
      auto: true,
      above: 0,
      help: `Scale of the log SNR proposal, or auto (${of(proposal?.scale)}).`,
    },
    proposal: {
      optional: "string",
      choices: ["even", "fixed", "adaptive"],
      help: "Log SNRs evenly over their range, by a logistic distribution, or more where the loss scattered (recipe).",
    },
    evalBatchSize: {
      default: evalBatchSize,
      min: 1,
      integer: true,
      help: "Samples per run of the denoiser in evaluations.",
    },
    validationLevels: {
      optional: "number",
      min: 1,
      max: 10000,
      integer: true,
      help: `Log SNRs per sample in a validation (default ${validationLevels}).`,
    },
    validationSamples: { optional: "number", min: 2, integer: true, help: "Samples in a validation (default all)." },
    seed: { default: 0, min: 0, integer: true, help: "Seed of everything that is drawn." },
    ...backendOption,
    ...mpiOption,
    precision: {
      default: "f32",
      choices: PRECISIONS,
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

/** Options that say how a run is shown or computed, not what it is; they may change when it is resumed. */
export const PRESENTATION: ReadonlySet<string> = new Set([
  "backend",
  "threads",
  "mpiLibrary",
  "precision",
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
