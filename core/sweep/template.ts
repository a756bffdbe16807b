import { expand } from "brace-expansion";
import { createHash } from "node:crypto";
import { split } from "shlex";
import configuration from "../../deno.json" with { type: "json" };
import { messageOf } from "../errors/user_error.ts";
import { SweepError } from "./errors.ts";

/** One run of a sweep. */
export interface SweepCommand {
  /** Its folder's name: what varies, as in `seed-3_learning-rate-0.001`. */
  readonly name: string;
  /** The training task's arguments. */
  readonly args: readonly string[];
  /** The values of the sweep's variables, in their order. */
  readonly values: readonly string[];
}

/** Commands that a template with braces stands for. */
export interface Sweep {
  /** The training task, as in `train:2d`. */
  readonly task: string;
  /** The options that vary, without their dashes; the data set is `data`. */
  readonly variables: readonly string[];
  /** In the order of bash: the last word varies first. */
  readonly commands: readonly SweepCommand[];
}

const MAX_RUNS = 10_000;

/** Characters of a template, and of all its commands. */
const MAX_TEMPLATE = 4096;
const MAX_COMMANDS = 1 << 24;

const MAX_NAME = 100;

/** Options that the sweep gives each run itself, or that end it before it begins. */
const OWN_OPTIONS = ["--out", "--resume", "--experiment-name", "--quiet", "--json", "--help", "-h"];

/** The files of a sweep's folder that are no runs. */
const OTHER_FILES = ["sweep.json", "sweep.csv", "seeds.csv", "comparison.html", "logs"];

const EXAMPLE = "as in 'train:2d moons --seed {1..8}'";

/** The tasks that train. */
export function trainingTasks(): string[] {
  return Object.keys(configuration.tasks).filter((name) => name.startsWith("train:"));
}

/**
 * Expands a command with braces, `{1..8}`, `{a,b,c}` or `{0..10..5}`, as bash does; several give all combinations.
 * Quotes hold words together. They do not keep braces and commas from being understood: `"\{"` is a brace.
 *
 * @param template As in `train:2d moons --seed {1..8}`.
 * @throws {SweepError} When it is not the command of a training task, or of too many.
 *
 * @example
 * ```ts
 * import { deepEqual } from "assert";
 * import { parseSweep } from "./template.ts";
 *
 * const { variables, commands } = parseSweep("train:2d moons --seed {1..3} --ema {0,0.99}");
 * deepEqual(variables, ["seed", "ema"]);
 * deepEqual(commands[1], {
 *   name: "seed-1_ema-0.99",
 *   args: ["moons", "--seed", "1", "--ema", "0.99"],
 *   values: ["1", "0.99"],
 * });
 * ```
 */
export function parseSweep(template: string): Sweep {
  const [task, ...words] = wordsOf(template);
  const tasks = trainingTasks();
  if (!tasks.includes(task)) {
    throw new SweepError(
      `A sweep begins with a training task, ${tasks.slice(0, -1).join(", ")} or ${tasks.at(-1)}, ${EXAMPLE}; got "${
        task ?? ""
      }".`,
    );
  }
  const alternatives: string[][] = [];
  let count = 1;
  for (const word of words) {
    requireFree(word);
    const expanded = expand(word, { max: MAX_RUNS + 1, maxLength: Infinity });
    alternatives.push(expanded.length > 0 ? expanded : [word]);
    count *= Math.max(1, expanded.length);
    if (count > MAX_RUNS) throw new SweepError(`The braces give more than ${MAX_RUNS} runs. Vary less at a time.`);
  }
  if (count * template.length > MAX_COMMANDS) {
    throw new SweepError(`The command is too long for ${count} runs. Vary less at a time.`);
  }
  const varying = words.flatMap((_, i) => alternatives[i].length > 1 ? [i] : []);
  const variables = varying.map((i) => variableOf(alternatives, i));
  const twice = variables.find((name, i) => variables.indexOf(name) < i);
  if (twice !== undefined) throw new SweepError(`There are braces for ${twice} twice. Put all its values into one.`);

  const taken = new Set(OTHER_FILES);
  const commands = Array.from({ length: count }, (_, k) => {
    const args = alternatives.map(([first]) => first);
    let rest = k;
    for (const i of varying.toReversed()) {
      args[i] = alternatives[i][rest % alternatives[i].length];
      rest = Math.floor(rest / alternatives[i].length);
    }
    const values = varying.map((i) => args[i].replace(OPTION_VALUE, ""));
    return { name: freeName(variables, values, taken), args, values };
  });
  return { task, variables, commands };
}

/** A short digest of what a sweep is. */
export function digestOf({ task, commands }: Sweep): string {
  const text = JSON.stringify([task, commands.map(({ args }) => args)]);
  return createHash("sha256").update(text).digest("hex").slice(0, 8);
}

/** The option's name in a word `--name=value`. */
const OPTION_VALUE = /^--([a-z][\w-]*)=/i;

function wordsOf(template: string): string[] {
  if (template.length > MAX_TEMPLATE) {
    throw new SweepError(
      `The command has ${template.length} characters, expected at most ${MAX_TEMPLATE}. Shorten it.`,
    );
  }
  try {
    return split(template);
  } catch (error) {
    // Of shlex: a quote that is not closed, or a backslash at the end.
    throw new SweepError(`The command cannot be split into words: ${messageOf(error)}. Close the quotes, ${EXAMPLE}.`);
  }
}

function requireFree(word: string): void {
  const name = word.split("=")[0].replaceAll("_", "-");
  if (OWN_OPTIONS.includes(name)) {
    throw new SweepError(`${name} cannot be a part of the command: the sweep decides it for each run. Leave it out.`);
  }
}

/** What the i-th word, which varies, is called. */
function variableOf(alternatives: readonly (readonly string[])[], i: number): string {
  const own = alternatives[i].map((word) => OPTION_VALUE.exec(word)?.[1]);
  if (own[0] !== undefined && own.every((name) => name === own[0])) return own[0].replaceAll("_", "-");
  if (alternatives[i].some((word) => word.startsWith("--"))) {
    throw new SweepError(`Braces may vary an option's value, not which option it is: ${alternatives[i].join(", ")}.`);
  }
  const [before] = i > 0 ? alternatives[i - 1] : [];
  return before !== undefined && /^--[a-z][\w-]*$/i.test(before) ? before.slice(2).replaceAll("_", "-") : "data";
}

/** A name that no other run has, also where upper and lower case are the same. */
function freeName(variables: readonly string[], values: readonly string[], taken: Set<string>): string {
  const parts = values.map((value, i) => variables[i] === "data" ? value : `${variables[i]}-${value}`);
  const name = parts.join("_").replaceAll(/[^\w.+-]+/g, "-").replace(/^[.-]+/, "").slice(0, MAX_NAME) ||
    "run";
  for (let k = 1;; k++) {
    const numbered = k === 1 ? name : `${name}-${k}`;
    if (taken.has(numbered.toLowerCase())) continue;
    taken.add(numbered.toLowerCase());
    return numbered;
  }
}
