import { type TaskOption, UsageError } from "../cli/mod.ts";
import { STEPS, VARIANCES } from "../diffusion/variational_bound.ts";
import { MAX_EXACT_DIMENSION } from "../evaluation/flow_meter.ts";
import { NOISY_TOLERANCE, TOLERANCE } from "../evaluation/flow_nll.ts";
import { MEASURING } from "../model/use_ranges.ts";
import { optionName } from "../options/names.ts";
import type { Estimator } from "./nll_estimate.ts";

/** What `--estimator` takes: one of them, or the three of the density side by side. */
export type AskedEstimator = Estimator | "all";

/** The estimators that `all` compares, in the order in which they are measured. */
export const COMPARED = ["paired", "ode", "elbo"] as const satisfies readonly Estimator[];

/** Samples that `ode`, `elbo` and `all` measure where their number is left open, of points and of images. */
const SAMPLES = { points: 1000, images: 16 } as const;

/** Options of single estimators. */
export const estimatorOptions = {
  samples: {
    ...MEASURING.samples,
    help:
      `So many samples, drawn from all (default: all; of ode, elbo and all ${SAMPLES.points}, or ${SAMPLES.images} images).`,
  },
  tolerance: {
    ...MEASURING.tolerance,
    help:
      `Of ode: the solver's error in a step, of z and of log p per dimension (default ${TOLERANCE}, beyond ${MAX_EXACT_DIMENSION} dimensions ${NOISY_TOLERANCE}).`,
  },
  dequantise: { default: false, help: "Of ode: add noise within a step to 8-bit data, for a bound on -log P." },
  steps: {
    ...MEASURING.steps,
    help: `Of elbo: steps of the diffusion (default: the model's own, or ${STEPS} over its log SNRs).`,
  },
  variance: {
    optional: "string",
    choices: VARIANCES,
    help: "Of elbo: of a step (default: the model's, or fixed_large).",
  },
} as const satisfies Record<string, TaskOption>;

/** Which estimators heed an option that others do not. */
const HEEDED: Readonly<Record<string, readonly AskedEstimator[]>> = {
  rounding: ["discrete"],
  ensemble: ["paired", "dequantised", "ode"],
  clamp: ["paired", "dequantised", "ode"],
  adapt: ["paired", "discrete", "dequantised", "all"],
  tolerance: ["ode", "all"],
  dequantise: ["ode"],
  steps: ["elbo", "all"],
  variance: ["elbo", "all"],
};

/** @throws {UsageError} For an option that the estimator does not heed. @param given The options that are given. */
export function requireHeededEstimator(estimator: AskedEstimator, given: ReadonlySet<string>): void {
  for (const [key, heeding] of Object.entries(HEEDED)) {
    if (!given.has(key) || heeding.includes(estimator)) continue;
    const names = heeding.length === 1 ? heeding[0] : `${heeding.slice(0, -1).join(", ")} or ${heeding.at(-1)}`;
    throw new UsageError(`${optionName(key)} is for --estimator ${names}, but that is ${estimator}. Leave it out.`);
  }
}

/** What a table's likelihood is estimated with: its levels and unknown values have no flow, and no error of another model. */
const OF_TABLES = ["adapt"];

/** @throws {UsageError} For what a run of a table has none of. @param given The options that are given. */
export function requireOfTable(
  { table }: { readonly table?: unknown },
  estimator: AskedEstimator,
  given: ReadonlySet<string>,
): void {
  if (!table) return;
  const other = Object.keys(HEEDED).find((key) => given.has(key) && !OF_TABLES.includes(key));
  if (estimator === "paired" && other === undefined) return;
  throw new UsageError(
    `${
      other === undefined ? `--estimator is ${estimator}` : `${optionName(other)} is given`
    }, but the run is of a table, ` +
      "whose levels and unknown values the paired estimator alone takes. Leave it out, or train with --types off.",
  );
}

/** @throws {UsageError} For an option that asks for rounds of what has no noise. @param d The data's dimension. */
export function requireHeededRounds(estimator: AskedEstimator, d: number, given: ReadonlySet<string>): void {
  if (estimator !== "ode" || d > MAX_EXACT_DIMENSION) return;
  const other = ["rounds", "stderr", "budget"].find((key) => given.has(key));
  if (other === undefined) return;
  throw new UsageError(
    `${optionName(other)} is for estimates with noise, but up to ${MAX_EXACT_DIMENSION} dimensions ode has none. ` +
      "Leave it out, or give --tolerance.",
  );
}

/** @throws {UsageError} For an estimator of one process, of several. @param ranks How many there are. */
export function requireFewRanks(estimator: AskedEstimator, ranks: number): void {
  if (ranks === 1 || estimator !== "ode" && estimator !== "all") return;
  throw new UsageError(`--estimator ${estimator} is of one process, but there are ${ranks} ranks. Run it without MPI.`);
}

/** How many samples are measured. @param asked By the user. */
export function samplesToMeasure(
  estimator: AskedEstimator,
  count: number,
  shape: readonly number[],
  asked: number | undefined,
): number {
  const isCostly = estimator === "ode" || estimator === "elbo" || estimator === "all";
  return Math.min(count, asked ?? (isCostly ? SAMPLES[shape.length === 3 ? "images" : "points"] : count));
}
