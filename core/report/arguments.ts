import { normaliseArguments, optionNames, type OptionTable } from "../cli/arguments.ts";

/** The arguments without a name, of a task that takes any number of them. @param options The task's. */
export function positionalArguments(args: readonly string[], options: OptionTable): string[] {
  const { args: normal } = normaliseArguments(args, optionNames(options), "keep");
  const end = normal.indexOf("--");
  const [before, after] = end < 0 ? [normal, []] : [normal.slice(0, end), normal.slice(end + 1)];
  return [...before.filter((arg) => !arg.startsWith("-")), ...after];
}
