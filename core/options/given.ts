import { nearest } from "../errors/nearest.ts";
import { UsageError } from "../errors/usage_error.ts";
import { defaultsOf } from "./defaults.ts";
import { optionName } from "./names.ts";
import type { OptionSpec, OptionValues } from "./spec.ts";
import { allowed, isAllowed, kindOf, type OptionRange, shownValue } from "./values.ts";

/**
 * Checks values that a program gives; one that is undefined has its default.
 *
 * @throws {UsageError} For a value that its option does not allow.
 */
export function requireAllowed(ranges: Readonly<Record<string, OptionRange>>, given: object): void {
  const values: Readonly<Record<string, unknown>> = { ...given };
  for (const [key, range] of Object.entries(ranges)) {
    const value = values[key];
    if (value === undefined || isAllowed(range, value)) continue;
    throw new UsageError(`${key} is ${shownValue(value)}; it must be ${allowed(range)}.`);
  }
}

/**
 * The values of a plugin's options as a program gives them, with its defaults, checked as the command line checks them.
 *
 * @param owner Whose they are, as in `denoiser mlp`.
 * @throws {UsageError} For an option that there is not, or a value that it does not allow.
 */
export function givenOptions(
  owner: string,
  specs: Readonly<Record<string, OptionSpec>> = {},
  given: OptionValues = {},
): OptionValues {
  for (const [key, value] of Object.entries(given)) {
    if (!Object.hasOwn(specs, key)) {
      const [similar] = nearest(key, Object.keys(specs));
      const names = Object.keys(specs).join(", ") || "none";
      throw new UsageError(
        `The ${owner} has no option ${key}. ${similar ? `Did you mean ${similar}?` : `It has ${names}.`}`,
      );
    }
    if (isAllowed(specs[key], value)) continue;
    const must = kindOf(specs[key]) === "boolean" ? "true or false" : allowed(specs[key]);
    throw new UsageError(`${optionName(key)} is ${shownValue(value)}; it must be ${must}.`);
  }
  return { ...defaultsOf(specs), ...given };
}
