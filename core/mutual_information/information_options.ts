import type { BackendChoice } from "../engine/mod.ts";
import { UsageError } from "../errors/usage_error.ts";
import { MAX_AT_ONCE, SETTINGS } from "../model/setting_ranges.ts";
import type { OptionRange } from "../options/values.ts";
import * as mlp from "../../denoisers/mlp.ts";

/** Whose likelihood is taken: p(x) and p(x|y), p(y) and p(y|x), or the mean of both. */
export const DIRECTIONS = ["auto", "x", "y", "both"] as const;

/** One of {@linkcode DIRECTIONS}. */
export type Direction = typeof DIRECTIONS[number];

/** By what the information is estimated: a mixture of the columns' ranks, or two networks; `auto` by the better of both. */
export const INFORMATION_ESTIMATORS = ["auto", "mixture", "networks"] as const;

/** One of {@linkcode INFORMATION_ESTIMATORS}. */
export type InformationEstimator = typeof INFORMATION_ESTIMATORS[number];

/** An epoch of one of the networks. */
export interface InformationEpoch {
  /** Whose likelihood it is. */
  readonly direction: "x" | "y";
  /** Without the other side, or given it. */
  readonly which: "marginal" | "conditional";
  /** Counted from 1. */
  readonly epoch: number;
  /** By how much the NLL on the validation rows exceeds the Gaussian's, in nats. */
  readonly excess: number;
}

/** How a mutual information is estimated. */
export interface InformationOptions {
  /** Columns of X: numbers from 0, or as text with ranges and names, as `"0-4,height"`. */
  readonly x: string | readonly number[];
  /** Columns of Y. */
  readonly y: string | readonly number[];
  /** Columns of Z, which are given: the information is I(X; Y | Z), by the mixture. */
  readonly z?: string | readonly number[];
  /** So many times the rows of Y are shuffled, and the mixture's estimate taken again; none if left out. */
  readonly shuffles?: number;
  /** The columns' names, in order, that `x` and `y` may use. */
  readonly names?: readonly string[];
  /** `x` if left out. */
  readonly direction?: Direction;
  /** `auto` if left out. */
  readonly estimator?: InformationEstimator;
  /** Part of the rows that the information is measured on. */
  readonly heldOut?: number;
  /** Passes through the training rows; the best is kept. */
  readonly epochs?: number;
  /** Rows in a training step. */
  readonly batchSize?: number;
  /** Adam's. */
  readonly learningRate?: number;
  /** Log SNRs per row in the measurement, and in a validation. */
  readonly levels?: number;
  /** Log SNRs per row in a validation. */
  readonly validationLevels?: number;
  /** Width of the hidden layers. */
  readonly hiddenSize?: number;
  /** Linear layers. */
  readonly hiddenLayers?: number;
  /** Sinusoidal embeddings of the columns and of log SNR. */
  readonly embedding?: boolean;
  /** Size of each embedding, even. */
  readonly embeddingSize?: number;
  /** Log SNRs of the error curves in each direction's record; none if left out. */
  readonly curvePoints?: number;
  /** Decides all that is drawn, 0 if left out. */
  readonly seed?: number;
  /** What runs the tensors. */
  readonly backend?: BackendChoice;
  /** On the processor. */
  readonly threads?: number;
  /** Ends it soon after, with its reason as the error. */
  readonly signal?: AbortSignal;
  /** Called once the columns are known to be usable, before anything is trained. */
  readonly onBegin?: () => void | Promise<void>;
  /** Called after each epoch of a network, with the number of them in all. */
  readonly onEpoch?: (epoch: InformationEpoch, epochs: number) => void;
  /** Called before the measurement. */
  readonly onMeasure?: () => void;
}

/** The options' values where none are given. */
export const INFORMATION_DEFAULTS = {
  estimator: "auto",
  shuffles: 0,
  direction: "auto",
  heldOut: 0.2,
  epochs: 60,
  batchSize: 128,
  learningRate: 1e-3,
  levels: 32,
  validationLevels: 4,
  hiddenSize: mlp.options.hiddenSize.default,
  hiddenLayers: mlp.options.hiddenLayers.default,
  embedding: false,
  embeddingSize: mlp.options.embeddingSize.default,
} as const;

/** What the options may be. */
export const INFORMATION_RANGES = {
  estimator: { optional: "string", choices: INFORMATION_ESTIMATORS },
  direction: { optional: "string", choices: DIRECTIONS },
  heldOut: { optional: "number", above: 0, max: 0.5 },
  epochs: { optional: "number", min: 1, max: SETTINGS.epochs.max, integer: true },
  batchSize: { optional: "number", min: 1, max: MAX_AT_ONCE, integer: true },
  learningRate: { optional: "number", above: 0, max: SETTINGS.learningRate.max },
  levels: { optional: "number", min: 1, max: 10_000, integer: true },
  validationLevels: SETTINGS.validationLevels,
  hiddenSize: mlp.options.hiddenSize,
  hiddenLayers: mlp.options.hiddenLayers,
  embedding: { default: false },
  embeddingSize: mlp.options.embeddingSize,
  seed: SETTINGS.seed,
  backend: SETTINGS.backend,
  threads: SETTINGS.threads,
  shuffles: { optional: "number", min: 0, max: 10_000, integer: true },
} as const satisfies Readonly<Record<string, OptionRange>>;

/** @throws {UsageError} Where what only the mixture can do is asked of the networks. */
export function requireMixtureFor(
  { estimator, shuffles }: { readonly estimator: InformationEstimator; readonly shuffles: number },
  z: readonly number[],
): void {
  if (estimator === "networks" && z.length > 0) {
    throw new UsageError("--z is for the mixture, but --estimator is networks. Leave one of them out.");
  }
  if (estimator === "networks" && shuffles > 0) {
    throw new UsageError("--shuffles is for the mixture, but --estimator is networks. Leave one of them out.");
  }
  if (z.length > 0 && shuffles > 0) {
    throw new UsageError(
      "--shuffles with --z would break what Z tells of Y besides what X does. Leave one of them out.",
    );
  }
}
