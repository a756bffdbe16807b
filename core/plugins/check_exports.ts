import { optionName } from "../options/names.ts";
import { parseValue } from "../options/values.ts";
import { messageOf } from "../errors/user_error.ts";
import { describe, isRecord } from "./plugin_error.ts";
import type { OptionSpec } from "./contracts.ts";

/**
 * What is wrong with the exports of a plugin's module, in words; nothing if it keeps the contract.
 *
 * @param contract The function that it must export.
 * @param exports The module's exports, of which `options` and `recipes` may be missing.
 */
export function exportProblems(
  { name, signature }: { name: string; signature: string },
  exports: Readonly<Record<string, unknown>>,
): string[] {
  const problems: string[] = [];
  const expected = `expected a function ${signature}`;
  if (!(name in exports)) problems.push(`${name} is missing, ${expected}`);
  else if (typeof exports[name] !== "function") problems.push(`${name} is ${describe(exports[name])}, ${expected}`);

  const { options, recipes, conditional } = exports;
  if (conditional !== undefined && typeof conditional !== "boolean") {
    problems.push(`conditional is ${describe(conditional)}, expected true or false`);
  }
  if (options !== undefined) problems.push(...optionProblems(options));
  if (recipes !== undefined && problems.length === 0) {
    problems.push(...recipeProblems(recipes, (options ?? {}) as Readonly<Record<string, OptionSpec>>));
  }
  return problems;
}

function optionProblems(options: unknown): string[] {
  if (!isRecord(options)) return [`options is ${describe(options)}, expected an object of { default, help }`];
  return Object.entries(options).flatMap(([key, spec]) => {
    const option = `options.${key}`;
    if (!isRecord(spec)) return [`${option} is ${describe(spec)}, expected { default, help }`];
    const problems: string[] = [];
    const check = (field: string, isRight: (value: unknown) => boolean, expected: string, optional = true) => {
      const value = spec[field];
      if (!(optional && value === undefined) && !isRight(value)) {
        problems.push(`${option}.${field} is ${describe(value)}, expected ${expected}`);
      }
    };
    check("default", isPrimitive, "a number, a string or a boolean", false);
    check("help", (value) => typeof value === "string", "a line of text", false);
    for (const bound of ["min", "above", "max"]) check(bound, isNumber, "a number");
    check("path", (value) => typeof value === "boolean", "true or false");
    check("integer", (value) => typeof value === "boolean", "true or false");
    check("choices", isTexts, "an array of strings");
    if (problems.length > 0) return problems;
    return refused(key, spec as unknown as OptionSpec, spec.default).map((why) =>
      `${option}.default is refused: ${why}`
    );
  });
}

function recipeProblems(recipes: unknown, options: Readonly<Record<string, OptionSpec>>): string[] {
  if (!isRecord(recipes)) return [`recipes is ${describe(recipes)}, expected an object of objects of option values`];
  return Object.entries(recipes).flatMap(([name, values]) => {
    if (!isRecord(values)) return [`recipes.${name} is ${describe(values)}, expected an object of option values`];
    return Object.entries(values).flatMap(([key, value]) => {
      const place = `recipes.${name}.${key}`;
      const spec = Object.hasOwn(options, key) ? options[key] : undefined;
      if (!spec) return [`${place} is no option, expected one of ${Object.keys(options).join(", ") || "none"}`];
      if (typeof value !== typeof spec.default) {
        return [`${place} is ${describe(value)}, expected a ${typeof spec.default}`];
      }
      return refused(key, spec, value).map((why) => `${place} is refused: ${why}`);
    });
  });
}

/** Why an option's own limits refuse a value, if they do: the command line would say the same. */
function refused(key: string, spec: OptionSpec, value: unknown): string[] {
  try {
    parseValue(optionName(key), { ...spec, onOff: true }, String(value));
    return [];
  } catch (error) {
    return [messageOf(error).replace(/\.$/, "")];
  }
}

function isPrimitive(value: unknown): boolean {
  return ["number", "string", "boolean"].includes(typeof value);
}

function isNumber(value: unknown): boolean {
  return typeof value === "number" && !Number.isNaN(value);
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === "string");
}
