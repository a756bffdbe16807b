import {
  type Condition,
  ConditionError,
  encodeCondition,
  givenNothing,
  givenOnly,
  givenSame,
  levelName,
} from "../data/condition.ts";
import { parseGiven } from "../data/condition_request.ts";
import type { Samples } from "../data/samples.ts";
import type { TaskOption } from "../cli/mod.ts";

/** What a likelihood is conditioned on. */
export const givenOption = {
  given: {
    optional: "string",
    placeholder: "values",
    help:
      "Of a run with a condition: label=3 or label=3,age=40 for p(x | c), none for p(x), data for what the data says " +
      "of each sample (default data where it does).",
  },
} as const satisfies Record<string, TaskOption>;

/** Samples with what is given of them. */
export interface GivenSamples {
  readonly samples: Samples;
  /** What is given, in words: `label=3`, `label of each sample` or `nothing`; none of a model without a condition. */
  readonly given?: string;
  /** Other samples of the model's own data, with as much given of each: its own values of the variables that are given. */
  alike(others: Samples): Samples;
}

/**
 * Samples with what a likelihood of them is conditioned on.
 *
 * @param asked The value of `--given`; what the samples have with them, if undefined.
 * @param name What the samples are, for messages.
 * @throws {ConditionError} When it does not fit the model, or the data does not say it.
 */
export function givenSamples(
  samples: Samples,
  asked: string | undefined,
  condition: Condition | undefined,
  name: string,
): GivenSamples {
  const given = parseGiven(asked ?? (condition && samples.condition ? "data" : "none"), condition);
  if (!condition) return { samples: givenNothing(samples), alike: givenNothing };
  if (given === "none") return { samples: givenNothing(samples), given: "nothing", alike: givenNothing };
  if (given !== "data") {
    return {
      samples: givenSame(samples, encodeCondition(condition, given)),
      given: describeGiven(condition, given),
      alike: (others) => givenOnly(others, condition, condition.map((_, k) => !Number.isNaN(given[k]))),
    };
  }
  const names = condition.map((variable) => variable.name).join(" and ");
  if (samples.condition) return { samples, given: `${names} of each sample`, alike: (others) => others };
  throw new ConditionError(
    `--given is data, but ${name} does not say ${names} of its samples. Give data that does, or values, or none.`,
  );
}

/** Values that are given, in words, classes by their names where they have some: `label=3, age=40` or `label=cat`. */
export function describeGiven(condition: Condition, values: readonly number[]): string {
  const said = condition.flatMap((variable, k) => {
    if (Number.isNaN(values[k])) return [];
    const value = variable.kind === "class" ? levelName(variable, variable.levels.indexOf(values[k])) : values[k];
    return [`${variable.name}=${value}`];
  });
  return said.join(", ") || "nothing";
}

/**
 * What samples are drawn by: values by the variables' names.
 *
 * @throws {ConditionError} When it does not fit the model, or is `data`.
 */
export function givenRecord(
  asked: string | undefined,
  condition: Condition | undefined,
): { readonly given?: string; readonly values?: Readonly<Record<string, number>> } {
  const given = parseGiven(asked ?? "none", condition);
  if (!condition) return {};
  if (given === "none") return { given: "nothing" };
  if (given === "data") {
    throw new ConditionError("--given is data, which samples that are drawn have none of. Give values, or none.");
  }
  const known = condition.flatMap(({ name }, k) => Number.isNaN(given[k]) ? [] : [[name, given[k]]]);
  return { given: describeGiven(condition, given), values: Object.fromEntries(known) };
}
