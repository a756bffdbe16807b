import { UsageError } from "../errors/usage_error.ts";
import { optionName } from "../options/names.ts";
import { isFlag, parseValue, type TaskOption } from "../options/values.ts";

/** A record of options, by their keys in camelCase. */
export type OptionTable = Readonly<Record<string, TaskOption>>;

/** An option as the command line knows it. */
export interface NamedOption {
  readonly key: string;
  /** The name in kebab-case, with its dashes. */
  readonly name: string;
  readonly spec: TaskOption;
}

/** The options of a table by every name that they answer to: their own and their aliases, with their dashes. */
export function optionNames(table: OptionTable): Map<string, NamedOption> {
  const names = new Map<string, NamedOption>();
  for (const [key, spec] of Object.entries(table)) {
    if (!/^[a-z][a-zA-Z0-9]*$/.test(key) || /^no[A-Z]/.test(key) || key in Object.prototype) {
      throw new UsageError(
        `"${key}" cannot name an option. Use camelCase that does not begin with "no", as in hiddenSize.`,
      );
    }
    if (spec.default === undefined && spec.optional === undefined) {
      throw new TypeError(`The option ${key} has no default. Give it one, or say which type is optional.`);
    }
    const name = optionName(key);
    for (const each of [name, ...(spec.alias ?? []).map((alias) => `--${alias}`)]) {
      if (names.has(each) || each === "--help") {
        throw new UsageError(`The option ${each} is declared twice. Rename one of them.`);
      }
      names.set(each, { key, name, spec });
    }
  }
  return names;
}

/** Arguments in a standard form. */
export interface NormalArguments {
  /**
   * Flags as `--name` or `--no-name`, other options as `--name=value`, those given without their value as `--name=`,
   * everything else unchanged.
   */
  readonly args: readonly string[];
  /** Whether `--help` or `-h` is among them; they are left out of `args`. */
  readonly help: boolean;
}

/**
 * Brings arguments into a standard form: aliases, `--snake_case`, `--name value` and `--flag=off` are resolved.
 *
 * @param args The arguments as typed.
 * @param names The options known so far, as `optionNames` gives them.
 * @param unknown What happens to unknown options. They are dropped, with a value if one seems to follow, while the
 * plugins whose options they may be are not known yet.
 * @throws UsageError if a value is missing, or a flag has one that is neither on nor off.
 */
export function normaliseArguments(
  args: readonly string[],
  names: ReadonlyMap<string, NamedOption>,
  unknown: "drop" | "keep",
): NormalArguments {
  const normal: string[] = [];
  let help = false;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    if (arg === "--") {
      normal.push(...args.slice(i));
      break;
    }
    if (arg === "-h" || arg === "--help") {
      help = true;
      continue;
    }
    if (!isOption(arg)) {
      normal.push(arg);
      continue;
    }
    const [, typed, value] = /^([^=]*)(?:=(.*))?$/s.exec(arg) ?? [];
    const name = typed.replaceAll("_", "-");
    const option = names.get(name);
    const opposite = name.startsWith("--no-") ? names.get("--" + name.slice("--no-".length)) : undefined;
    if (option && isFlag(option.spec)) {
      const on = value === undefined || parseValue(option.name, { ...option.spec, onOff: true }, value);
      normal.push(on ? option.name : opposedName(option.name));
    } else if (option?.spec.bare && value === undefined && (i + 1 === args.length || isOption(args[i + 1]))) {
      normal.push(`${option.name}=`);
    } else if (option?.spec.bare && value === "") {
      throw new UsageError(`${option.name}= has no value. Give it one, or write ${option.name} alone.`);
    } else if (
      option?.spec.onOff && option.spec.default === false && value === undefined && !isOnOff(option, args[i + 1])
    ) {
      normal.push(`${option.name}=on`);
    } else if (option) {
      const next = value ?? args[++i];
      if (next === undefined || (value === undefined && next.startsWith("--"))) {
        throw new UsageError(`${option.name} needs a value, as in ${option.name} ${exampleOf(option.spec)}.`);
      }
      const more: string[] = [];
      while (option.spec.list && value === undefined && i + 1 < args.length && !isOption(args[i + 1])) {
        more.push(args[++i]);
      }
      normal.push(`${option.name}=${[next, ...more].join()}`);
    } else if (opposite && isFlag(opposite.spec) && value === undefined) {
      normal.push(opposedName(opposite.name));
    } else if (unknown === "keep") {
      normal.push(value === undefined ? name : `${name}=${value}`);
    } else if (value === undefined && i + 1 < args.length && !isOption(args[i + 1])) {
      i++;
    }
  }
  return { args: normal, help };
}

/** Whether what follows a boolean that is off by default is its value; alone, it is on. */
function isOnOff({ name, spec }: NamedOption, next: string | undefined): boolean {
  try {
    return next !== undefined && typeof parseValue(name, spec, next) === "boolean";
  } catch {
    return false;
  }
}

/** The name of a flag's opposite: `--no-colour` for `--colour`. */
export function opposedName(name: string): string {
  return "--no-" + name.slice("--".length);
}

/** Whether an argument is an option, known or not: it begins with a dash and is not a negative number. */
function isOption(arg: string): boolean {
  return arg.length > 1 && arg.startsWith("-") && !/^-[.\d]/.test(arg);
}

function exampleOf({ default: usual, choices, auto }: TaskOption): string {
  if (typeof usual === "boolean") return "on";
  if (usual !== undefined && usual !== "") return String(usual);
  return choices?.[0] ?? (auto ? "auto" : "VALUE");
}
