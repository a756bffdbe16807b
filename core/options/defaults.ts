import { allowed, isAllowed, shownValue } from "./values.ts";
import type { OptionSpec, OptionValues } from "./spec.ts";

/** The values of a plugin's options where none are given. */
export function defaultsOf(options: Readonly<Record<string, OptionSpec>> = {}): OptionValues {
  return Object.fromEntries(Object.entries(options).map(([key, option]) => [key, option.default]));
}

/**
 * The value of a number option, its default where none is given. Throws a `RangeError` for a value that the option's
 * specification does not allow, so that a data set loaded from a program is checked as one from the command line.
 */
export function numberOption(specs: Readonly<Record<string, OptionSpec>>, options: OptionValues, name: string): number {
  const spec = specs[name], value = options[name] ?? spec.default;
  if (typeof value === "number" && isAllowed(spec, value)) return value;
  throw new RangeError(`The option ${name} is ${shownValue(value)}, expected ${allowed(spec)}.`);
}
