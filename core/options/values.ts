import type { OptionSpec } from "./spec.ts";
import { UsageError } from "../errors/usage_error.ts";

/**
 * One option of a task. Its key in camelCase gives its name on the command line in kebab-case. Either `default` or
 * `optional` gives its type. A boolean is a plain flag `--name` with its opposite `--no-name`.
 */
export interface TaskOption extends Omit<OptionSpec, "default"> {
  readonly default?: OptionSpec["default"];
  /** The type of an option that has no default: its value is undefined where it is not given. */
  readonly optional?: "string" | "number";
  /** Whether an optional string may be given without its value, as `--name` alone; it is then `true`. */
  readonly bare?: true;
  /** Whether an optional string takes all words up to the next option; they are joined by commas. */
  readonly list?: true;
  /** Whether the word `auto` is allowed besides numbers. */
  readonly auto?: true;
  /** Whether a boolean is given as `--name on` or `--name off`, as those of plugins are, instead of as a flag. */
  readonly onOff?: true;
  /** Other names in kebab-case. */
  readonly alias?: readonly string[];
  /** What `--help` shows in place of the value. */
  readonly placeholder?: string;
}

/** What an option's values may be. */
export type OptionRange = Omit<TaskOption, "help">;

/** The type of an option's value, given its specification. */
export type ValueOf<S extends OptionRange> = S extends { optional: "number"; auto: true } ? number | "auto" | undefined
  : S extends { optional: "number" } ? number | undefined
  : S extends { optional: "string"; bare: true } ? string | true | undefined
  : S extends { optional: "string"; choices: readonly (infer C)[] } ? C | undefined
  : S extends { optional: "string" } ? string | undefined
  : S extends { auto: true } ? number | "auto"
  : S extends { default: boolean } ? boolean
  : S extends { default: number } ? number
  : S extends { choices: readonly (infer C)[] } ? C
  : string;

/** The option of a range with the value that it has where none is given. */
export function withDefault<const R extends OptionRange, const D extends NonNullable<OptionRange["default"]>>(
  range: R,
  usual: D,
  help: string,
): Omit<R, "optional"> & { readonly default: D; readonly help: string } {
  const { optional: _, ...rest } = range;
  return { ...rest, default: usual, help };
}

/** The values of a record of options. */
export type ValuesOf<T extends Readonly<Record<string, TaskOption>>> = { readonly [K in keyof T]: ValueOf<T[K]> };

/** What sort of value an option takes. */
export function kindOf(spec: OptionRange): "number" | "string" | "boolean" {
  if (spec.auto || spec.optional === "number" || typeof spec.default === "number") return "number";
  return typeof spec.default === "boolean" ? "boolean" : "string";
}

/** Whether an option is a flag, which takes no value. */
export function isFlag(spec: TaskOption): boolean {
  return kindOf(spec) === "boolean" && !spec.onOff;
}

/**
 * Reads an option's value.
 *
 * @param name The option's name with its dashes, for messages.
 * @param text What stands on the command line.
 * @throws UsageError if the specification does not allow it.
 */
export function parseValue(name: string, spec: OptionRange, text: string): number | string | boolean {
  const value = { number: parseNumber, boolean: parseBoolean, string: parseString }[kindOf(spec)](spec, text);
  if (value !== undefined) return value;
  throw new UsageError(`${name} is ${text.trim() === "" ? "empty" : shortened(text)}; it must be ${allowed(spec)}.`);
}

/** Whether a value that no command line gave is one that an option allows. */
export function isAllowed(spec: OptionRange, value: unknown): boolean {
  if (spec.auto && value === "auto") return true;
  const found: string = typeof value;
  if (found !== kindOf(spec)) return false;
  if (found === "boolean") return true;
  try {
    parseValue("", spec, String(value));
    return true;
  } catch {
    return false;
  }
}

/** A value as messages show it: on one line, and not at any length. */
export function shownValue(value: unknown): string {
  return shortened(typeof value === "number" ? String(value) : JSON.stringify(value) ?? "missing");
}

function shortened(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** What an option allows, in words that follow "it must be". */
export function allowed(spec: OptionRange): string {
  switch (kindOf(spec)) {
    case "boolean":
      return "on or off";
    case "string":
      return spec.choices
        ? `one of ${listed(spec.choices)}`
        : `a text${spec.default === "" ? "" : " that is not empty"}`;
    case "number":
      return `a ${spec.integer ? "whole " : ""}number${range(spec)}${spec.auto ? ", or auto" : ""}`;
  }
}

function range({ min = -Infinity, above = -Infinity, max = Infinity }: OptionRange): string {
  if (above > -Infinity && above >= min) return ` above ${above}${max < Infinity ? ` and at most ${max}` : ""}`;
  if (min > -Infinity && max < Infinity) return ` from ${min} to ${max}`;
  if (min > -Infinity) return ` of at least ${min}`;
  return max < Infinity ? ` of at most ${max}` : "";
}

/** The words a, b, c as "a, b or c". */
function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words[words.length - 1]}`;
}

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const INFINITE = /^([+-]?)inf(?:inity)?$/i;

function parseNumber(spec: OptionRange, text: string): number | string | undefined {
  if (spec.auto && text.toLowerCase() === "auto") return "auto";
  const infinite = INFINITE.exec(text);
  if (infinite) {
    // Only a bound that says so allows an infinite value.
    const value = infinite[1] === "-" ? -Infinity : Infinity;
    return !spec.integer && (value === spec.max || value === spec.min) ? value : undefined;
  }
  const value = NUMBER.test(text) ? Number(text) : NaN;
  if (!Number.isFinite(value) || (spec.integer && !Number.isSafeInteger(value))) return undefined;
  const { min = -Infinity, above = -Infinity, max = Infinity } = spec;
  return value >= min && value > above && value <= max ? value : undefined;
}

function parseBoolean(_spec: OptionRange, text: string): boolean | undefined {
  const word = text.toLowerCase();
  if (["on", "true", "yes", "1"].includes(word)) return true;
  return ["off", "false", "no", "0"].includes(word) ? false : undefined;
}

function parseString(spec: OptionRange, text: string): string | undefined {
  if (spec.choices) return spec.choices.includes(text) ? text : undefined;
  return text === "" && spec.default !== "" ? undefined : text;
}
