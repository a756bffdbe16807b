import { deepEqual, equal, match, throws } from "assert";
import {
  type Condition,
  conditionWidth,
  decodeCondition,
  describeCondition,
  encodeCondition,
  givenEach,
  givenNothing,
  givenSame,
} from "../../../core/data/condition.ts";
import { givenValues, parseConditionRequest, parseGiven, variableOf } from "../../../core/data/condition_request.ts";
import { conditionOf, floatSamples, selectRows } from "../../../core/data/samples.ts";
import { UserError } from "../../../core/errors/user_error.ts";

const CONDITION: Condition = [
  { name: "label", kind: "class", levels: [0, 3, 7], counts: [5, 4, 1] },
  { name: "age", kind: "number", mean: 40, scale: 10 },
];

/** Expects a {@link UserError} of one line. */
const refused = (run: () => unknown, pattern: RegExp) =>
  throws(run, (error: Error) => {
    equal(error instanceof UserError, true);
    match(error.message, pattern);
    return !error.message.includes("\n");
  });

Deno.test("a vector is a flag and the values of each variable, zero where it is unknown, and goes back", () => {
  equal(conditionWidth(CONDITION), 6);
  deepEqual([...encodeCondition(CONDITION, [7, 35])], [1, 0, 0, 1, 1, -0.5]);
  deepEqual([...encodeCondition(CONDITION, [NaN, NaN])], [0, 0, 0, 0, 0, 0]);
  for (const values of [[3, 55], [0, NaN], [NaN, 40]]) {
    deepEqual(decodeCondition(CONDITION, encodeCondition(CONDITION, values)), values);
  }
  refused(
    () => encodeCondition(CONDITION, [3, 1, 4, 1], "new.csv"),
    /^label is 4 in row 1 .* of new.csv, expected one of 0, 3, 7/,
  );
  match(describeCondition(CONDITION), /^label, one of 3 classes \(0, 3, 7\); age, a number of 40 ± 10$/);
});

Deno.test("samples keep what is known of each row, wherever they go", () => {
  const samples = givenEach(floatSamples(Float32Array.of(1, 2, 3), 1), Float32Array.of(10, 11, 20, 21, 30, 31));
  deepEqual([...conditionOf(selectRows(samples, Uint32Array.of(2, 0)), 0, 2)!], [30, 31, 10, 11]);
  deepEqual([...conditionOf(samples, 1, 3, 2)!], [20, 21, 30, 31, 20, 21, 30, 31]);
  equal(conditionOf(givenNothing(samples), 0, 2), undefined);
  deepEqual([...conditionOf(givenSame(samples, Float32Array.of(4, 5)), 1, 3)!], [4, 5, 4, 5]);
});

Deno.test("few different whole numbers are classes, others numbers, unless a suffix says what they are", () => {
  deepEqual(parseConditionRequest("label, age:number,size:class"), [
    { name: "label" },
    { name: "age", kind: "number" },
    { name: "size", kind: "class" },
  ]);
  refused(() => parseConditionRequest("label,,age"), /expected names/);
  refused(() => parseConditionRequest("label,label"), /names label twice/);
  const rows = Float64Array.of(2, 0, 2, 5), training = [0, 1, 2];
  deepEqual(variableOf({ name: "c" }, rows, training), {
    name: "c",
    kind: "class",
    levels: [0, 2, 5],
    counts: [1, 2, 0],
  });
  deepEqual(variableOf({ name: "c", kind: "number" }, Float64Array.of(1, 3, 99), [0, 1], 4), {
    ...{ name: "c", kind: "number", mean: 2, scale: 1, place: 4 },
  });
  equal(variableOf({ name: "c" }, Float64Array.from({ length: 90 }, (_, i) => i % 30), training).kind, "number");
  equal(variableOf({ name: "c" }, Float64Array.of(0, 0.5, 1), training).kind, "number");
  refused(() => variableOf({ name: "c" }, Float64Array.of(1, 1, 1), training), /is 1 in every row/);
  refused(
    () => variableOf({ name: "c", kind: "class" }, Float64Array.from({ length: 5000 }, (_, i) => i), training),
    /more than 4096 different values.*c:number/,
  );
});

Deno.test("what is given is nothing, the data's own, or values by name, checked", () => {
  equal(parseGiven("none", undefined), "none");
  equal(parseGiven("data", CONDITION), "data");
  deepEqual(parseGiven("label=3,age=41.5", CONDITION), [3, 41.5]);
  deepEqual(parseGiven("age=-1e1", CONDITION), [NaN, -10]);
  refused(() => parseGiven("label=3", undefined), /trained without a condition/);
  refused(() => parseGiven("lable=3", CONDITION), /Did you mean label\?/);
  refused(() => parseGiven("label=4", CONDITION), /label is given as 4, expected one of 0, 3, 7/);
  refused(() => parseGiven("label=", CONDITION), /expected a number/);
  refused(() => parseGiven("age=old", CONDITION), /expected a number/);
  refused(() => parseGiven("label=3,label=0", CONDITION), /twice/);
  refused(() => parseGiven("3", CONDITION), /expected none, data, or values, as label=0,age=40/);
  deepEqual(givenValues(CONDITION, { age: 3 }), [NaN, 3]);
  const named: Condition = [{
    name: "kind",
    kind: "class",
    levels: [0, 1, 7],
    names: ["cat", "dog", "7"],
    counts: [1, 1, 1],
  }];
  deepEqual(["cat", "dog", 1, "7", 7].map((kind) => givenValues(named, { kind })[0]), [0, 1, 1, 7, 7]);
  refused(() => givenValues(named, { kind: "cow" }), /kind is given as "cow", expected one of cat, dog/);
  deepEqual(givenValues(CONDITION, { age: "3" }), [NaN, 3]);
  refused(() => givenValues(CONDITION, { size: 3 }), /the model is given label, age/);
});
