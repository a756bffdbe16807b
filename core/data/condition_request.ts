import { nearest } from "../errors/nearest.ts";
import {
  type Condition,
  ConditionError,
  type ConditionVariable,
  levelName,
  listedLevels,
  MAX_CLASSES,
} from "./condition.ts";

/** A variable that is asked for, and what it is taken for; what is left out follows from its values. */
export interface RequestedVariable {
  readonly name: string;
  readonly kind?: ConditionVariable["kind"];
}

/** Different whole numbers that are classes where nothing else is said, at most. */
const FEW_LEVELS = 20;

/**
 * Reads the variables of `--condition`, as `label,age` or `label:class,age:number`.
 *
 * @throws {ConditionError} For no name, or one that is there twice.
 */
export function parseConditionRequest(text: string): RequestedVariable[] {
  const requested = text.split(",").map((part) => {
    const [, name, kind] = part.trim().match(/^(.*?)(?::(class|number))?$/s)!;
    if (name === "") {
      throw new ConditionError(`--condition is ${JSON.stringify(text)}, expected names, such as label or label,age.`);
    }
    return { name, ...(kind ? { kind: kind as ConditionVariable["kind"] } : {}) };
  });
  const twice = requested.find(({ name }, k) => requested.findIndex((other) => other.name === name) < k);
  if (twice) throw new ConditionError(`--condition names ${twice.name} twice. Name it once.`);
  return requested;
}

/**
 * What a variable is, by its values: whole numbers, of which there are few different ones, are classes.
 *
 * @param values Of all rows; NaN where it is not known.
 * @param training The rows that train.
 * @param classes Of values that are classes whatever they look like: what each number from 0 on is called, or just so.
 * @throws {ConditionError} For a variable that does not vary, or is asked for as classes and has too many.
 */
export function variableOf(
  { name, kind }: RequestedVariable,
  values: Float64Array,
  training: ArrayLike<number>,
  place?: number,
  classes?: true | readonly string[],
): ConditionVariable {
  const levels = [...levelsOf(values)].sort((a, b) => a - b);
  if (levels.length < 2) {
    const always = levels.length === 0 ? "unknown" : String(levels[0]);
    throw new ConditionError(`--condition ${name} is ${always} in every row, so that it tells nothing. Leave it out.`);
  }
  const known = Uint32Array.from(training).filter((row) => !Number.isNaN(values[row]));
  if (kind === "number" && Array.isArray(classes)) {
    throw new ConditionError(
      `--condition ${name}:number is asked for, but it is of ${classes.join(", ")}. Take ${name}.`,
    );
  }
  const taken = kind ?? (classes || levels.length <= FEW_LEVELS && levels.every(Number.isInteger) ? "class" : "number");
  const where = place === undefined ? {} : { place };
  if (taken === "class") {
    if (levels.length > MAX_CLASSES) {
      throw new ConditionError(
        `--condition ${name} has more than ${MAX_CLASSES} different values, expected at most so many classes. ` +
          `Take ${name}:number.`,
      );
    }
    const counts = new Map(levels.map((level) => [level, 0]));
    for (const row of known) counts.set(values[row], counts.get(values[row])! + 1);
    const names = Array.isArray(classes) ? { names: levels.map((level) => classes[level] as string) } : {};
    return { name, kind: "class", levels, ...names, counts: levels.map((level) => counts.get(level)!), ...where };
  }
  let mean = 0, square = 0;
  for (const row of known) mean += values[row] / known.length;
  for (const row of known) square += (values[row] - mean) ** 2 / known.length;
  return { name, kind: "number", mean, scale: Math.sqrt(square) || 1, ...where };
}

/** The different values that are known, up to one more than there may be classes. */
function levelsOf(values: Float64Array): Set<number> {
  const levels = new Set<number>();
  for (const value of values) {
    if (Number.isNaN(value)) continue;
    levels.add(value);
    if (levels.size > MAX_CLASSES) break;
  }
  return levels;
}

/** What `--given` asks for: nothing, each sample's own, or values in the data's units, NaN for what is left out. */
export type Given = "none" | "data" | readonly number[];

/**
 * Reads `none`, `data`, or values as `label=3,age=40`, of which some variables may be left out.
 *
 * @param condition The model's; of a model without one only `none` is right.
 * @throws {ConditionError}
 */
export function parseGiven(text: string, condition: Condition | undefined): Given {
  if (text === "none") return text;
  if (!condition) {
    throw new ConditionError(
      `--given is ${text}, but the model was trained without a condition. Leave it out, or train with --condition.`,
    );
  }
  if (text === "data") return text;
  const names = condition.map(({ name }) => name);
  const values = new Array<number>(condition.length).fill(NaN);
  for (const part of text.split(",")) {
    const at = part.lastIndexOf("="), name = part.slice(0, Math.max(0, at)).trim(), said = part.slice(at + 1).trim();
    const k = names.indexOf(name);
    if (at < 0) {
      throw new ConditionError(`--given is ${text}, expected none, data, or values, as ${example(condition)}.`);
    }
    if (k < 0) {
      const [similar] = nearest(name, names);
      throw new ConditionError(
        `--given names ${JSON.stringify(name)}, but the model is given ${names.join(", ")}.` +
          (similar ? ` Did you mean ${similar}?` : ` Give values as ${example(condition)}.`),
      );
    }
    if (!Number.isNaN(values[k])) throw new ConditionError(`--given names ${name} twice. Name it once.`);
    values[k] = valueNamed(condition[k], said);
  }
  return values;
}

/** Values by the variables' names; a class that has a name by that or by its number. */
export type NamedValues = Readonly<Record<string, number | string>>;

/**
 * Values by the variables' names, as a program gives them, in the variables' order; NaN for what is left out.
 *
 * @throws {ConditionError} For a name or a value that the condition does not have.
 */
export function givenValues(condition: Condition | undefined, given: NamedValues): number[] {
  const names = condition?.map(({ name }) => name) ?? [];
  for (const name of Object.keys(given)) {
    if (names.includes(name)) continue;
    throw new ConditionError(
      `given names ${JSON.stringify(name)}, but the model is given ${names.join(", ") || "nothing"}. ` +
        "Give what it was trained with.",
    );
  }
  return condition?.map((variable) => {
    if (!Object.hasOwn(given, variable.name)) return NaN;
    return valueNamed(variable, given[variable.name]);
  }) ?? [];
}

/** The value that a name, or a number, stands for. @throws {ConditionError} Where it is none of the variable's. */
function valueNamed(variable: ConditionVariable, said: number | string): number {
  if (typeof said === "number") return requireValue(variable, said, String(said));
  return levelNamed(variable, said) ?? requireValue(variable, said.trim() === "" ? NaN : Number(said), said);
}

/** The level of the class of a name; nothing where none is called so. */
function levelNamed(variable: ConditionVariable, name: string): number | undefined {
  return variable.kind === "class" && variable.names ? variable.levels[variable.names.indexOf(name)] : undefined;
}

function requireValue(variable: ConditionVariable, value: number, said: string): number {
  if (!Number.isFinite(value)) {
    const expected = variable.kind === "class" && variable.names ? `one of ${listedLevels(variable)}` : "a number";
    throw new ConditionError(`${variable.name} is given as ${JSON.stringify(said)}, expected ${expected}.`);
  }
  if (variable.kind === "number" || variable.levels.includes(value)) return value;
  throw new ConditionError(`${variable.name} is given as ${said}, expected one of ${listedLevels(variable)}.`);
}

function example(condition: Condition): string {
  return condition.map((variable) =>
    `${variable.name}=${variable.kind === "class" ? levelName(variable, 0) : Number(variable.mean.toPrecision(2))}`
  ).join();
}
