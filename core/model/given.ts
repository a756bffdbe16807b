import { type Condition, encodeCondition, givenEach, givenNothing, givenSame } from "../data/condition.ts";
import { givenValues, type NamedValues } from "../data/condition_request.ts";
import type { Samples } from "../data/samples.ts";
import { UserError } from "../errors/user_error.ts";

/**
 * What is known, of a model with a condition: values by the variables' names, as `{ label: 3 }`, or `{ label: "cat" }` of
 * classes that have names, the same of all rows or one record for each row; variables that are left out are unknown. `none` is nothing, where samples of a data set have
 * what is known of them with them.
 */
export type Given = "none" | NamedValues | readonly NamedValues[];

/** Samples with what is given of them. @throws {UserError} When it does not fit the model or the samples. */
export function toldSamples(samples: Samples, given: Given | undefined, condition: Condition | undefined): Samples {
  if (given === "none" || !condition && given === undefined) return givenNothing(samples);
  if (given === undefined) return samples;
  if (!isList(given)) return givenSame(samples, encodeCondition(condition ?? [], requireSome(given, condition)));
  if (given.length !== samples.count) {
    throw new UserError(`given has ${given.length} records, expected one for each of the ${samples.count} rows.`);
  }
  const values = given.flatMap((record) => requireSome(record, condition));
  return givenEach(samples, encodeCondition(condition ?? [], values));
}

/** A variable may be called length. */
function isList(given: NamedValues | readonly NamedValues[]): given is readonly NamedValues[] {
  return Array.isArray(given);
}

function requireSome(given: NamedValues, condition: Condition | undefined): number[] {
  if (condition) return givenValues(condition, given);
  throw new UserError("Something is given, but the model was fitted without a condition. Leave it out.");
}
