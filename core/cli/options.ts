import { Command, CommanderError, Option } from "commander";
import { messageOf, UserError } from "../errors.ts";
import type { OptionSpec, OptionValues } from "../plugins.ts";
import { normaliseArguments, opposedName, optionName, optionNames, type OptionTable } from "./arguments.ts";
import { HelpRequest, UsageError } from "./errors.ts";
import { bold, describe, placeholderOf, stdoutTerminal, type Terminal } from "./help.ts";
import { isFlag, parseValue, type ValuesOf } from "./option_values.ts";

export { HelpRequest, UsageError } from "./errors.ts";
export type { TaskOption, ValueOf, ValuesOf } from "./option_values.ts";

/** An argument without a name. */
export interface Positional {
  readonly name: string;
  /** One line for `--help`. */
  readonly help: string;
  /** Its value where it is left out. Without one it is required. */
  readonly default?: string;
}

/** The options of one plugin. */
export interface OptionGroup {
  /** Whose options they are, as in `denoiser mlp`. */
  readonly title: string;
  readonly specs: Readonly<Record<string, OptionSpec>>;
}

/** What a command line says of a task's own options and arguments. */
export interface TaskValues<T extends OptionTable, P extends readonly Positional[]> {
  readonly options: ValuesOf<T>;
  readonly positional: Readonly<Record<P[number]["name"], string>>;
  /** The keys of the options and the names of the arguments that the user gave; the others have their defaults. */
  readonly given: ReadonlySet<string>;
}

/** What a command line says, with the plugins' options. */
export interface CommandLine<T extends OptionTable, P extends readonly Positional[]> extends TaskValues<T, P> {
  /** The values of each of `extraOptions`' groups, in its order. Their keys, too, are in `given`. */
  readonly groups: readonly OptionValues[];
}

/** A task's command line. */
export interface CommandSpec<T extends OptionTable, P extends readonly Positional[]> {
  /** The task's name, as in `train:2d`. */
  readonly name: string;
  /** What the task does, for `--help`. */
  readonly summary: string;
  readonly positional?: P;
  readonly options: T;
  /** Finds the options of the plugins that the task's own options name. */
  readonly extraOptions?: (values: TaskValues<T, P>) => Promise<readonly OptionGroup[]> | readonly OptionGroup[];
}

/**
 * Reads a task's command line. Options are written `--batch-size 64`, `--batch-size=64` or `--batch_size 64`, in any
 * order; the last of a repeated option counts.
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
  const first = normaliseArguments(args, optionNames(spec.options), "drop");
  let groups: readonly OptionGroup[] = [];
  try {
    if (spec.extraOptions) groups = await spec.extraOptions(taskValues(spec, parse(spec, [], first.args, first.help)));
  } catch (error) {
    // Whoever asks for help is helped, even if the rest of the line names no plugin whose options could be shown.
    if (!first.help || !(error instanceof UserError)) throw error;
    const note = `The options of the plugins are not shown: ${messageOf(error)}\n`;
    throw new HelpRequest(`${helpText(spec, [], terminal)}\n${note}`);
  }
  if (first.help) throw new HelpRequest(helpText(spec, groups, terminal));

  const names = optionNames(mergedTable(spec, groups));
  const parsed = parse(spec, groups, normaliseArguments(args, names, "keep").args, false);
  return {
    ...taskValues(spec, parsed),
    groups: groups.map(({ specs }) => {
      const entries = Object.entries(specs).map(([key, { default: usual }]) => [key, parsed.values.get(key) ?? usual]);
      return Object.fromEntries(entries);
    }),
  };
}

type AnySpec = CommandSpec<OptionTable, readonly Positional[]>;

/** What was given on the command line, checked but without defaults. */
interface Parsed {
  readonly values: ReadonlyMap<string, number | string | boolean>;
  readonly positional: readonly string[];
}

function taskValues<T extends OptionTable, P extends readonly Positional[]>(
  spec: CommandSpec<T, P>,
  { values, positional }: Parsed,
): TaskValues<T, P> {
  const options = Object.entries(spec.options).map(([key, { default: usual }]) => [key, values.get(key) ?? usual]);
  const named = (spec.positional ?? []).map(({ name, default: usual = "" }, i) => [name, positional[i] ?? usual]);
  const given = (spec.positional ?? []).slice(0, positional.length).map(({ name }) => name);
  return {
    options: Object.fromEntries(options),
    positional: Object.fromEntries(named),
    given: new Set([...values.keys(), ...given]),
  };
}

/** The task's options and the plugins' in one table, in which no two may have the same name. */
function mergedTable(spec: AnySpec, groups: readonly OptionGroup[]): OptionTable {
  const owners = new Map([...optionNames(spec.options).keys()].map((name) => [name, `the task ${spec.name}`]));
  let table = spec.options;
  for (const { title, specs } of groups) {
    for (const key of Object.keys(specs)) {
      const name = optionName(key);
      const owner = owners.get(name);
      if (owner) {
        throw new UsageError(
          `The ${title} has an option ${name}, but so has ${owner}. Rename the plugin's option ${key}.`,
        );
      }
      owners.set(name, `the ${title}`);
    }
    table = { ...table, ...pluginTable(specs) };
  }
  return table;
}

/** A plugin's options as those of a task. */
function pluginTable(specs: OptionGroup["specs"]): OptionTable {
  return Object.fromEntries(Object.entries(specs).map(([key, spec]) => [key, { ...spec, onOff: true }]));
}

function helpText(spec: AnySpec, groups: readonly OptionGroup[], terminal: Terminal): string {
  mergedTable(spec, groups);
  const { command } = commandOf(spec, groups);
  command.configureOutput({ getOutHelpWidth: () => terminal.columns, getOutHasColors: () => terminal.colour });
  return command.helpInformation();
}

/** Parses arguments in standard form. While help is on its way, a missing argument is no error. */
function parse(spec: AnySpec, groups: readonly OptionGroup[], args: readonly string[], help: boolean): Parsed {
  const { command, values } = commandOf(spec, groups, help);
  try {
    command.parse([...args], { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) throw usageError(spec, command, error);
    throw error;
  }
  return { values, positional: command.args };
}

/** The commander command of a task, and the map that it puts given values in. */
function commandOf(spec: AnySpec, groups: readonly OptionGroup[], lenient = false) {
  const values = new Map<string, number | string | boolean>();
  const command = new Command(`deno task ${spec.name}`)
    .description(spec.summary)
    .helpOption("-h, --help", "Show this help.")
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ writeOut: () => {}, writeErr: () => {}, outputError: () => {} })
    .configureHelp({ optionDescription: ({ description }) => description, styleTitle: bold });
  for (const { name, help, default: usual } of spec.positional ?? []) {
    const required = usual === undefined && !lenient;
    command.argument(required ? `<${name}>` : `[${name}]`, usual ? `${help} (default ${usual})` : help);
  }
  addOptions(command, spec.options, values);
  for (const { title, specs } of groups) addOptions(command, pluginTable(specs), values, `Options of ${title}:`);
  return { command, values };
}

function addOptions(
  command: Command,
  table: OptionTable,
  values: Map<string, number | string | boolean>,
  heading?: string,
): void {
  for (const [key, spec] of Object.entries(table)) {
    const name = optionName(key);
    const options = isFlag(spec)
      ? [new Option(name, describe(spec)), new Option(opposedName(name), describe(spec))]
      : [new Option(`${name} ${placeholderOf(spec)}`, describe(spec))];
    if (isFlag(spec)) options[spec.default ? 0 : 1].hideHelp();
    for (const option of options) {
      if (heading) option.helpGroup(heading);
      command.addOption(option);
      const value = !option.negate;
      command.on(`option:${option.name()}`, (text?: string) => {
        values.set(key, isFlag(spec) ? value : parseValue(name, spec, text ?? ""));
      });
    }
  }
}

/** Commander's error in the words of this project. */
function usageError(spec: AnySpec, command: Command, error: CommanderError): UsageError {
  const help = `See deno task ${spec.name} --help.`;
  switch (error.code) {
    case "commander.unknownOption": {
      const [, name] = /'(.*?)'/s.exec(error.message) ?? [];
      const [, similar] = /Did you mean (?:one of )?(.*)\?\)/s.exec(error.message) ?? [];
      return new UsageError(`There is no option ${name}. ${similar ? `Did you mean ${similar}?` : help}`);
    }
    case "commander.missingArgument": {
      const missing = spec.positional?.[command.args.length];
      return new UsageError(`The argument ${missing?.name} is missing: ${missing?.help} ${help}`);
    }
    case "commander.excessArguments": {
      const names = (spec.positional ?? []).map(({ name }) => name);
      const taken = names.length > 0 ? `only ${names.join(" and ")}` : "none";
      return new UsageError(
        `"${command.args[names.length]}" is one argument too many; the task takes ${taken}, and options. ${help}`,
      );
    }
    default:
      return new UsageError(`${error.message.replace(/^error: /, "")}. ${help}`);
  }
}
