import type { BackendChoice } from "../engine/mod.ts";
import { UsageError } from "../errors/usage_error.ts";
import { MAX_AT_ONCE, SETTINGS } from "../model/setting_ranges.ts";
import { MEASURING } from "../model/use_ranges.ts";
import type { OptionRange } from "../options/values.ts";

/** Whose likelihood is taken: p(x) and p(x|y), p(y) and p(y|x), or the mean of both. */
export const DIRECTIONS = ["auto", "x", "y", "both"] as const;

/** One of {@linkcode DIRECTIONS}. */
export type Direction = typeof DIRECTIONS[number];

/** By what the information is estimated: a mixture of the columns' ranks, a network, or both, of which the mixture's is told. */
export const INFORMATION_ESTIMATORS = ["mixture", "network", "both"] as const;

/** One of {@linkcode INFORMATION_ESTIMATORS}. */
export type InformationEstimator = typeof INFORMATION_ESTIMATORS[number];

/** An epoch of a network. */
export interface InformationEpoch {
  /** Whose likelihood it is. */
  readonly direction: "x" | "y";
  /** Counted from 1. */
  readonly epoch: number;
  /** E[−log p] of that side given the other on the validation rows, in nats. */
  readonly nll: number;
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
  /** Of the network, `auto` if left out. */
  readonly direction?: Direction;
  /** `mixture` if left out. */
  readonly estimator?: InformationEstimator;
  /** Part of the rows that the network is measured on, a fifth if left out. */
  readonly heldOut?: number;
  /** The network's passes through the training rows; the best is kept. As `deno task train:2d` has it if left out. */
  readonly epochs?: number;
  /** The network's rows in a training step, as `deno task train:2d` has it if left out. */
  readonly batchSize?: number;
  /** Adam's, as `deno task train:2d` has it if left out. */
  readonly learningRate?: number;
  /** Log SNRs of each row in the network's measurement. */
  readonly rounds?: number;
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
  /** Called after each epoch of a network. */
  readonly onEpoch?: (epoch: InformationEpoch) => void;
  /** Called before a network's measurement. */
  readonly onMeasure?: () => void;
}

/** The options' values where none are given. */
export const INFORMATION_DEFAULTS = { estimator: "mixture", shuffles: 0, direction: "auto", heldOut: 0.2 } as const;

/** What the options may be. */
export const INFORMATION_RANGES = {
  estimator: { optional: "string", choices: INFORMATION_ESTIMATORS },
  direction: { optional: "string", choices: DIRECTIONS },
  heldOut: { optional: "number", above: 0, max: 0.5 },
  epochs: { optional: "number", min: 1, max: SETTINGS.epochs.max, integer: true },
  batchSize: { optional: "number", min: 1, max: MAX_AT_ONCE, integer: true },
  learningRate: { optional: "number", above: 0, max: SETTINGS.learningRate.max },
  rounds: MEASURING.rounds,
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
  if (estimator !== "mixture" && z.length > 0) {
    throw new UsageError(`--z is for the mixture, but --estimator is ${estimator}. Leave one of them out.`);
  }
  if (estimator === "network" && shuffles > 0) {
    throw new UsageError("--shuffles is for the mixture, but --estimator is network. Leave one of them out.");
  }
  if (z.length > 0 && shuffles > 0) {
    throw new UsageError(
      "--shuffles with --z would break what Z tells of Y besides what X does. Leave one of them out.",
    );
  }
}
