import { Command, CommanderError, Option } from "commander";
import { nearest } from "../errors/nearest.ts";
import type { OptionSpec } from "../options/spec.ts";
import { opposedName, optionNames, type OptionTable } from "./arguments.ts";
import { optionName } from "../options/names.ts";
import { UsageError } from "../errors/usage_error.ts";
import { describe, placeholderOf } from "./help.ts";
import { isFlag, parseValue } from "../options/values.ts";
import { bold, type Terminal } from "./terminal.ts";

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

/** What a command is, whatever the types of its values. */
export interface CommandShape {
  readonly name: string;
  readonly summary: string;
  readonly positional?: readonly Positional[];
  readonly options: OptionTable;
}

/** What was given on the command line, checked but without defaults. */
export interface GivenValues {
  readonly values: ReadonlyMap<string, number | string | boolean>;
  readonly positional: readonly string[];
}

/** The task's options and the plugins' in one table, in which no two may have the same name. */
export function mergedTable(spec: CommandShape, groups: readonly OptionGroup[]): OptionTable {
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

/** The help of a task, with the options of the plugins in groups of their own. */
export function helpText(spec: CommandShape, groups: readonly OptionGroup[], terminal: Terminal): string {
  mergedTable(spec, groups);
  const { command } = commandOf(spec, groups);
  command.configureOutput({ getOutHelpWidth: () => terminal.columns, getOutHasColors: () => terminal.colour });
  return command.helpInformation();
}

/** Parses arguments in standard form. While help is on its way, a missing argument is no error. */
export function parseArguments(
  spec: CommandShape,
  groups: readonly OptionGroup[],
  args: readonly string[],
  help: boolean,
): GivenValues {
  const { command, values } = commandOf(spec, groups, help);
  try {
    command.parse([...args], { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) throw usageError(spec, groups, command, error);
    throw error;
  }
  return { values, positional: command.args };
}

/** The commander command of a task, and the map that it puts given values in. */
function commandOf(spec: CommandShape, groups: readonly OptionGroup[], lenient = false) {
  const values = new Map<string, number | string | boolean>();
  const command = new Command(`deno task ${spec.name}`)
    .description(spec.summary)
    .helpOption("-h, --help", "Show this help.")
    .allowExcessArguments(false)
    .showSuggestionAfterError(false)
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
        if (isFlag(spec)) values.set(key, value);
        else values.set(key, spec.bare && !text ? true : parseValue(name, spec, text ?? ""));
      });
    }
  }
}

/** Commander's error in the words of this project. */
function usageError(
  spec: CommandShape,
  groups: readonly OptionGroup[],
  command: Command,
  error: CommanderError,
): UsageError {
  const help = `See deno task ${spec.name} --help.`;
  switch (error.code) {
    case "commander.unknownOption": {
      const [, name] = /'(.*?)'/s.exec(error.message) ?? [];
      const known = [...optionNames(mergedTable(spec, groups)).keys()].map((each) => each.slice(2));
      const [similar] = nearest(name.replace(/^-+/, ""), known);
      return new UsageError(`There is no option ${name}. ${similar ? `Did you mean --${similar}?` : help}`);
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
