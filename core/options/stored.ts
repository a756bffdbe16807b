import { UserError } from "../errors/user_error.ts";
import type { OptionValues } from "./spec.ts";
import { allowed, isAllowed, kindOf, shownValue, type TaskOption } from "./values.ts";

/**
 * The values of the options of a plugin or task as a file keeps them, checked as the command line checks them. A number that the file
 * lacks, as one of an earlier version may, has its default, which is said.
 *
 * @param source The file's name, for messages.
 * @param owner Whose they are, as in `denoiser mlp`.
 * @throws {UserError} For a value that the option does not allow.
 */
export function storedOptions(
  source: string,
  owner: string,
  specs: Readonly<Record<string, TaskOption>> = {},
  stored: OptionValues,
  onNote: (note: string) => void = () => {},
): OptionValues {
  const missing: Record<string, number> = {};
  for (const [key, spec] of Object.entries(specs)) {
    if (Object.hasOwn(stored, key)) {
      // Earlier versions kept true and false for what has words by now.
      const isOld = kindOf(spec) === "string" && typeof stored[key] === "boolean";
      if (isOld || isAllowed(spec, stored[key])) continue;
      throw new UserError(
        `${source} is damaged: ${key} of the ${owner} is ${shownValue(stored[key])}, expected ${allowed(spec)}. ` +
          "Restore the file, or train again.",
      );
    }
    if (typeof spec.default !== "number") continue;
    missing[key] = spec.default;
    onNote(`${key} of the ${owner} is not in ${source}; its default ${spec.default} is taken`);
  }
  return { ...stored, ...missing };
}
