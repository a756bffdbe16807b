import { messageOf, UserError } from "../errors/user_error.ts";
import type { OptionValues } from "../options/spec.ts";
import { normaliseArguments, optionNames, type OptionTable } from "./arguments.ts";
import {
  type CommandShape,
  type GivenValues,
  helpText,
  mergedTable,
  type OptionGroup,
  parseArguments,
  type Positional,
} from "./command.ts";
import { HelpRequest } from "./errors.ts";
import type { ValuesOf } from "../options/values.ts";
import { stdoutTerminal, type Terminal } from "./terminal.ts";

export type { OptionGroup, Positional } from "./command.ts";
export { HelpRequest } from "./errors.ts";
export { UsageError } from "../errors/usage_error.ts";
export type { TaskOption, ValueOf, ValuesOf } from "../options/values.ts";

/** What a command line says of a task's own options and arguments. */
export interface TaskValues<T extends OptionTable, P extends readonly Positional[]> {
  readonly options: ValuesOf<T>;
  readonly positional: Readonly<Record<P[number]["name"], string>>;
  /** The keys of the options and the names of the arguments that the user gave; the others have their defaults. */
  readonly given: ReadonlySet<string>;
}

/** What a command line says of a plugin's options. */
export interface GroupValues {
  readonly values: OptionValues;
  /** The keys of the options that the user gave; the others have their defaults. */
  readonly given: ReadonlySet<string>;
}

/** What a command line says, with the plugins' options. */
export interface CommandLine<T extends OptionTable, P extends readonly Positional[]> extends TaskValues<T, P> {
  /** What it says of each of `extraOptions`' groups, in its order. */
  readonly groups: readonly GroupValues[];
}

/** A task's command line. */
export interface CommandSpec<T extends OptionTable, P extends readonly Positional[]> extends CommandShape {
  /** The task's name, as in `train:2d`. */
  readonly name: string;
  /** What the task does, for `--help`. */
  readonly summary: string;
  readonly positional?: P;
  readonly options: T;
  /**
   * Each finds the options of a plugin that the command line names. What one finds is known when the line is read for the
   * next.
   */
  readonly extraOptions?: readonly ((values: TaskValues<T, P>) => Promise<OptionGroup> | OptionGroup)[];
}

/**
 * Reads a task's command line. Options are written `--batch-size 64`, `--batch-size=64` or `--batch_size 64`, in any
 * order; the last of a repeated option counts. Which options plugins add depends on the plugins that the line names, so it
 * is read again for each, and at last for all.
 *
 * @param spec The task's options and arguments.
 * @param args The arguments, as in `Deno.args`.
 * @param terminal The terminal that `--help` is laid out for.
 * @throws UsageError if an argument is not understood or not allowed.
 * @throws HelpRequest with the help text, if `--help` is among the arguments.
 */
export async function parseCommandLine<
  const T extends OptionTable,
  const P extends readonly Positional[] = readonly [],
>(spec: CommandSpec<T, P>, args: readonly string[], terminal: Terminal = stdoutTerminal()): Promise<CommandLine<T, P>> {
  const { extraOptions = [], ...shape } = spec;
  const first = normaliseArguments(args, optionNames(spec.options), "drop");
  const groups: OptionGroup[] = [];
  try {
    for (const find of extraOptions) {
      const known = normaliseArguments(args, optionNames(mergedTable(shape, groups)), "drop");
      groups.push(await find(taskValues(spec, parseArguments(shape, groups, known.args, known.help))));
    }
  } catch (error) {
    // Whoever asks for help is helped, even if the rest of the line names no plugin whose options could be shown.
    if (!first.help || !(error instanceof UserError)) throw error;
    const note = `The options of the plugins are not shown: ${messageOf(error)}\n`;
    throw new HelpRequest(`${helpText(shape, [], terminal)}\n${note}`);
  }
  if (first.help) throw new HelpRequest(helpText(shape, groups, terminal));

  const names = optionNames(mergedTable(shape, groups));
  const parsed = parseArguments(shape, groups, normaliseArguments(args, names, "keep").args, false);
  return {
    ...taskValues(spec, parsed),
    groups: groups.map(({ specs }) => ({
      values: Object.fromEntries(
        Object.entries(specs).map(([key, { default: usual }]) => [key, parsed.values.get(key) ?? usual]),
      ),
      given: new Set(Object.keys(specs).filter((key) => parsed.values.has(key))),
    })),
  };
}

function taskValues<T extends OptionTable, P extends readonly Positional[]>(
  spec: CommandSpec<T, P>,
  { values, positional }: GivenValues,
): TaskValues<T, P> {
  const options = Object.entries(spec.options).map(([key, { default: usual }]) => [key, values.get(key) ?? usual]);
  const named = (spec.positional ?? []).map(({ name, default: usual = "" }, i) => [name, positional[i] ?? usual]);
  const given = [
    ...Object.keys(spec.options).filter((key) => values.has(key)),
    ...(spec.positional ?? []).slice(0, positional.length).map(({ name }) => name),
  ];
  return {
    options: Object.fromEntries(options),
    positional: Object.fromEntries(named),
    given: new Set(given),
  };
}
