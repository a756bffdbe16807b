import { UserError } from "../errors/user_error.ts";
import { floatSamples, type Samples, toFloat32 } from "./samples.ts";

/** A class that is known of samples: one of some levels. */
export interface ClassVariable {
  /** As it is given by. */
  readonly name: string;
  /** Tells it from a number. */
  readonly kind: "class";
  /** The values that stand for the classes in the data, ascending. */
  readonly levels: readonly number[];
  /** What the classes are called, where they have names, in the order of the levels. */
  readonly names?: readonly string[];
  /** How many training samples are of each: the classes' prior. */
  readonly counts: readonly number[];
  /** The column of the file that it was read from, counted from 0; none for an array of its own. */
  readonly place?: number;
}

/** A number that is known of samples. */
export interface NumberVariable {
  /** As it is given by. */
  readonly name: string;
  /** Tells it from a class. */
  readonly kind: "number";
  /** Of the training samples: a network sees (value − mean) / scale. */
  readonly mean: number;
  /** Above 0. */
  readonly scale: number;
  /** As {@linkcode ClassVariable.place}. */
  readonly place?: number;
}

/** A variable that may be known of a sample besides its values. */
export type ConditionVariable = ClassVariable | NumberVariable;

/**
 * What a density is conditioned on, p(x | c). A network sees it as a vector: of each variable a flag, 1 where it is known,
 * and then the standardised number, or a place for each class, 1 for its own. What is not known is zero throughout: the
 * null token of classifier-free guidance (arXiv 2207.12598).
 */
export type Condition = readonly ConditionVariable[];

/** A value that the data's condition does not have. */
export class ConditionError extends UserError {}

/** The most classes of a variable. */
export const MAX_CLASSES = 4096;

/** The number of values of a condition's vector. */
export function conditionWidth(condition: Condition): number {
  return condition.reduce((sum, variable) => sum + widthOf(variable), 0);
}

/** Where in the vector each variable's flag is; its own values follow. */
export function conditionPlaces(condition: Condition): number[] {
  let at = 0;
  return condition.map((variable) => {
    at += widthOf(variable);
    return at - widthOf(variable);
  });
}

/**
 * The vectors of rows of values.
 *
 * @param values In the data's units, a variable after the other, `[n, variables]`; NaN is not known.
 * @param where What the values are of, for messages.
 * @returns `[n, width]`.
 * @throws {ConditionError} For a class that there is not.
 *
 * @example
 * ```ts
 * import { deepEqual } from "assert";
 * import { type Condition, encodeCondition } from "./condition.ts";
 *
 * const condition: Condition = [
 *   { name: "label", kind: "class", levels: [0, 3], counts: [5, 5] },
 *   { name: "age", kind: "number", mean: 40, scale: 10 },
 * ];
 * deepEqual([...encodeCondition(condition, [3, 55, NaN, 35])], [1, 0, 1, 1, 1.5, 0, 0, 0, 1, -0.5]);
 * ```
 */
export function encodeCondition(condition: Condition, values: ArrayLike<number>, where = "the data"): Float32Array {
  const m = condition.length, width = conditionWidth(condition), places = conditionPlaces(condition);
  const out = new Float32Array(values.length / m * width);
  const levels = condition.map((variable) =>
    variable.kind === "class" ? new Map(variable.levels.map((level, k) => [level, k])) : undefined
  );
  for (let row = 0, at = 0; row < values.length; row += m, at += width) {
    condition.forEach((variable, k) => {
      const value = values[row + k], place = at + places[k];
      if (Number.isNaN(value)) return;
      out[place] = 1;
      if (variable.kind === "number") {
        out[place + 1] = (value - variable.mean) / variable.scale;
        return;
      }
      const level = levels[k]!.get(value);
      if (level === undefined) {
        throw new ConditionError(
          `${variable.name} is ${value} in row ${row / m} (from 0) of ${where}, expected one of ` +
            `${
              listedLevels(variable)
            }, which the model was trained on. Leave the row out, or give a class that it knows.`,
        );
      }
      out[place + 1 + level] = 1;
    });
  }
  return out;
}

/** The values of a vector again, in the data's units; NaN for what is not known. */
export function decodeCondition(condition: Condition, vector: ArrayLike<number>): number[] {
  const places = conditionPlaces(condition);
  return condition.map((variable, k) => {
    const place = places[k];
    if (vector[place] === 0) return NaN;
    if (variable.kind === "number") return vector[place + 1] * variable.scale + variable.mean;
    return variable.levels[variable.levels.findIndex((_, level) => vector[place + 1 + level] === 1)];
  });
}

/**
 * The place of each sample's level among those of a class variable, −1 where it is not known; nothing of samples of which
 * nothing is known.
 */
export function levelsOf({ condition: known }: Samples, condition: Condition, variable: number): number[] | undefined {
  if (!known) return undefined;
  const vectors = toFloat32(known), width = known.dimension, place = conditionPlaces(condition)[variable];
  const own = condition[variable], classes = own.kind === "class" ? own.levels.length : 0;
  return Array.from(
    { length: known.count },
    (_, i) => vectors.subarray(i * width + place + 1, i * width + place + 1 + classes).indexOf(1),
  );
}

/** Samples of which the same is known. @param vector As {@linkcode encodeCondition} gives it, of one row. */
export function givenSame(samples: Samples, vector: Float32Array): Samples {
  const width = vector.length;
  const condition: Samples = {
    count: samples.count,
    dimension: width,
    copy(begin, end, out, at = 0) {
      for (let i = begin; i < end; i++, at += width) out.set(vector, at);
    },
  };
  return { ...samples, condition };
}

/** Samples of which nothing is known. */
export function givenNothing({ condition: _, ...samples }: Samples): Samples {
  return samples;
}

/** Samples of which no more than some variables are known. @param isKept Of each variable. */
export function givenOnly(samples: Samples, condition: Condition, isKept: readonly boolean[]): Samples {
  const { condition: known } = samples, width = conditionWidth(condition), places = conditionPlaces(condition);
  if (!known || isKept.every(Boolean)) return samples;
  const kept: Samples = {
    ...known,
    copy(begin, end, out, at = 0) {
      known.copy(begin, end, out, at);
      for (let from = at; from < at + (end - begin) * width; from += width) {
        condition.forEach((variable, k) => {
          if (!isKept[k]) out.fill(0, from + places[k], from + places[k] + widthOf(variable));
        });
      }
    },
  };
  return { ...samples, condition: kept };
}

/** Samples with what is known of each. @param vectors `[count, width]`. */
export function givenEach(samples: Samples, vectors: Float32Array): Samples {
  return { ...samples, condition: floatSamples(vectors, vectors.length / samples.count) };
}

/** A condition in words: `label, one of 10 classes; age, a number of 40.1 ± 12.5`. */
export function describeCondition(condition: Condition): string {
  return condition.map((variable) =>
    variable.kind === "class"
      ? `${variable.name}, one of ${variable.levels.length} classes (${listedLevels(variable)})`
      : `${variable.name}, a number of ${shown(variable.mean)} ± ${shown(variable.scale)}`
  ).join("; ");
}

/** Whether a value of a file is a condition: variables with names, classes with counts or numbers with a scale. */
export function isCondition(value: unknown): value is Condition {
  if (!Array.isArray(value) || value.length === 0) return false;
  const areNumbers = (list: unknown): list is number[] => Array.isArray(list) && list.every(Number.isFinite);
  const areTexts = (list: unknown): list is string[] =>
    Array.isArray(list) && list.every((each) => typeof each === "string") && new Set(list).size === list.length;
  return value.every((variable: Partial<Record<string, unknown>> | null) => {
    if (typeof variable !== "object" || typeof variable?.name !== "string") return false;
    const { kind, levels, counts, mean, scale, place, names } = variable;
    if (names !== undefined && !(areTexts(names) && areNumbers(levels) && names.length === levels.length)) return false;
    if (place !== undefined && !(Number.isSafeInteger(place) && Number(place) >= 0)) return false;
    if (kind === "number") return Number.isFinite(mean) && Number.isFinite(scale) && Number(scale) > 0;
    return kind === "class" && areNumbers(levels) && areNumbers(counts) && levels.length > 1 &&
      levels.length <= MAX_CLASSES && counts.length === levels.length && counts.every((n) => n >= 0) &&
      new Set(levels).size === levels.length;
  });
}

/** The levels of a class in words. */
export function listedLevels(variable: ClassVariable): string {
  const all = variable.levels.map((_, k) => levelName(variable, k));
  return all.length <= 12
    ? all.join(", ")
    : `${all.slice(0, 3).join(", ")}, … ${all[all.length - 1]}, ${all.length} of them`;
}

/** What a class is called: its name, or the number that stands for it. @param k Its place among the levels. */
export function levelName({ levels, names }: ClassVariable, k: number): string {
  return names?.[k] ?? String(levels[k]);
}

function widthOf(variable: ConditionVariable): number {
  return 1 + (variable.kind === "class" ? variable.levels.length : 1);
}

function shown(value: number): string {
  return String(Number(value.toPrecision(4)));
}
