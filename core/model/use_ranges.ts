import { SAMPLERS } from "../diffusion/sampling.ts";
import { UsageError } from "../errors/usage_error.ts";
import type { OptionRange } from "../options/values.ts";
import { INPAINTING_METHODS } from "../sampling/inpainting.ts";
import { WALKABLE } from "../sampling/inpainting_plan.ts";
import { MAX_AT_ONCE, SETTINGS } from "./setting_ranges.ts";

/** The most values that are drawn at a time: a gigabyte of them. */
const MAX_VALUES = 2 ** 28;

/** What the options of drawing samples may be. */
export const DRAWING = {
  sampler: { optional: "string", choices: SAMPLERS },
  steps: { optional: "number", min: 2, max: 100_000, integer: true },
  eta: { optional: "number", min: 0, max: 1 },
  count: { optional: "number", min: 1, max: MAX_VALUES, integer: true },
  batchSize: { optional: "number", min: 1, max: MAX_AT_ONCE, integer: true },
  guidance: { optional: "number", min: 0, max: 100 },
  seed: SETTINGS.seed,
} as const satisfies Readonly<Record<string, OptionRange>>;

/** What the options of filling in what is unknown may be. */
export const IMPUTING = {
  draws: { optional: "number", min: 0, max: 10_000, integer: true },
  method: { optional: "string", choices: INPAINTING_METHODS },
  resample: { optional: "number", min: 1, max: 1000, integer: true },
  jump: { optional: "number", min: 1, max: 10_000, integer: true },
  iterations: { optional: "number", min: 1, max: 100, integer: true },
  sampler: { optional: "string", choices: WALKABLE },
  steps: DRAWING.steps,
  batchSize: DRAWING.batchSize,
  seed: SETTINGS.seed,
} as const satisfies Readonly<Record<string, OptionRange>>;

/** What the options of measuring a likelihood may be. */
export const MEASURING = {
  stderr: { optional: "number", above: 0, max: 1e6 },
  rounds: { optional: "number", min: 1, max: 1e6, integer: true },
  budget: { optional: "number", above: 0, max: 1e15 },
  levels: { optional: "number", min: 1, max: 1e6, integer: true },
  samples: { optional: "number", min: 1, max: 2 ** 31, integer: true },
  tolerance: { optional: "number", min: 1e-7, max: 0.1 },
  steps: { optional: "number", min: 2, max: 100_000, integer: true },
  seed: SETTINGS.seed,
} as const satisfies Readonly<Record<string, OptionRange>>;

/** @throws {UsageError} For more samples of dimension `d` than are drawn at a time. */
export function requireCount(count: number, d: number): void {
  if (count * d <= MAX_VALUES) return;
  throw new UsageError(
    `--count is ${count}; of samples of ${d} values it must be at most ${Math.floor(MAX_VALUES / d)}.`,
  );
}
