import { BACKEND_CHOICES, PRECISIONS } from "../engine/mod.ts";
import { UsageError } from "../errors/usage_error.ts";
import { UserError } from "../errors/user_error.ts";
import { nearest } from "../errors/nearest.ts";
import { requireAllowed } from "../options/given.ts";
import { allowed, isAllowed, type OptionRange, shownValue } from "../options/values.ts";
import { MAX_THREADS } from "../engine/start.ts";
import { isReference } from "../reference/choose_reference.ts";
import { RECIPES } from "../training/recipe.ts";
import type { FitSettings } from "./settings.ts";

/** The most samples that are evaluated at a time. More take no less time each, and memory that is better left free. */
export const MAX_AT_ONCE = 65_536;

/** Log SNRs beyond these many nats are, in float32, all signal or all noise. */
const MOST_NATS = 100;

/**
 * What each setting of a training may be, in one place: the command line, the configuration that a run keeps, and programs
 * go by it. A word `auto` leaves it open.
 */
export const SETTINGS = {
  reference: { optional: "string" },
  recipe: { optional: "string", choices: Object.keys(RECIPES) as (keyof typeof RECIPES)[] },
  decay: { optional: "string", choices: ["cosine", "constant"] },
  ema: { optional: "number", min: 0, max: 0.999999 },
  estimator: { optional: "string", choices: ["paired", "standard"] },
  epochs: { optional: "number", auto: true, min: 1, max: 1e6, integer: true },
  patience: { optional: "number", auto: true, min: 0, max: 1e6, integer: true },
  validateEvery: { optional: "number", auto: true, min: 1, max: 1e6, integer: true },
  batchSize: { optional: "number", auto: true, min: 1, max: 2 ** 24, integer: true },
  microBatchSize: { optional: "number", min: 0, max: 2 ** 24, integer: true },
  learningRate: { optional: "number", auto: true, above: 0, max: 1e6 },
  evalBatchSize: { optional: "number", min: 1, max: MAX_AT_ONCE, integer: true },
  validationLevels: { optional: "number", min: 1, max: 10_000, integer: true },
  validationSamples: { optional: "number", min: 0, max: 2 ** 31, integer: true },
  logsnrLoc: { optional: "number", auto: true, min: -MOST_NATS, max: MOST_NATS },
  logsnrScale: { optional: "number", auto: true, above: 0, max: MOST_NATS },
  seed: { optional: "number", min: 0, max: Number.MAX_SAFE_INTEGER, integer: true },
  backend: { optional: "string", choices: BACKEND_CHOICES },
  threads: { optional: "number", min: 1, max: MAX_THREADS, integer: true },
  precision: { optional: "string", choices: PRECISIONS },
  proposal: { optional: "string", choices: ["even", "fixed", "adaptive"] },
  dropCondition: { optional: "number", min: 0, max: 0.99 },
  flip: { default: false },
  checkpointing: { default: false },
} as const satisfies Readonly<Record<Exclude<keyof FitSettings, "denoiserOptions">, OptionRange>>;

/** Settings with their names, of which some may be missing. */
type Given = Partial<Readonly<Record<keyof typeof SETTINGS, unknown>>>;

/**
 * Checks the settings that a program gives.
 *
 * @throws {UsageError} For a setting that there is not, or a value that it does not allow.
 */
export function requireSettings(given: Given): void {
  const unknown = Object.keys(given).find((key) => !Object.hasOwn(SETTINGS, key));
  if (unknown !== undefined) {
    const [similar] = nearest(unknown, Object.keys(SETTINGS));
    throw new UsageError(`There is no setting ${unknown}. ${similar ? `Did you mean ${similar}?` : ""}`.trim());
  }
  requireAllowed(SETTINGS, given);
}

/**
 * Checks the settings that a file keeps: all are there, with nothing left open.
 *
 * @param source The file's name, for messages.
 * @throws {UserError} For one that is missing, or a value that it does not allow.
 */
export function requireStoredSettings(source: string, stored: Given): void {
  for (const [key, { auto: _, ...spec }] of Object.entries(SETTINGS) as [keyof typeof SETTINGS, OptionRange][]) {
    const value = stored[key], isName = key !== "reference" || typeof value === "string" && isReference(value);
    if (isName && isAllowed(spec, value)) continue;
    const expected = key === "reference" ? "a name such as auto or mixture:32" : allowed(spec);
    throw new UserError(
      `${source} is damaged: ${key} is ${shownValue(value)}, expected ${expected}. Restore the file, or train again.`,
    );
  }
}
