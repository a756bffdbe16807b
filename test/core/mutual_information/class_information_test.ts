import { deepEqual, equal, ok } from "assert";
import { type Condition, encodeCondition, givenEach } from "../../../core/data/condition.ts";
import { floatSamples } from "../../../core/data/samples.ts";
import { classesOf, classInformation } from "../../../core/mutual_information/class_information.ts";

const CLASSES: Condition = [
  { name: "label", kind: "class", levels: [3, 7], counts: [1, 1] },
  { name: "kind", kind: "class", levels: [0, 1, 2], counts: [1, 1, 1] },
];

function samplesOf(condition: Condition, values: readonly number[]) {
  const n = values.length / condition.length;
  return givenEach(floatSamples(new Float32Array(n), 1), encodeCondition(condition, values));
}

Deno.test("samples are of combinations of classes, unless a number or nothing is known of some", () => {
  deepEqual(classesOf(samplesOf(CLASSES, [3, 0, 7, 2, 7, 0, 3, 0]), CLASSES), [0, 5, 3, 0]);
  equal(classesOf(samplesOf(CLASSES, [3, 0, 7, NaN]), CLASSES), undefined);
  const mixed: Condition = [CLASSES[0], { name: "age", kind: "number", mean: 0, scale: 1 }];
  equal(classesOf(samplesOf(mixed, [3, 0.5, 7, 1]), mixed), undefined);
  equal(classesOf(floatSamples(new Float32Array(4), 1), CLASSES), undefined);
});

Deno.test("samples that say nothing leave the whole entropy, and more than all of it is told as less than none", () => {
  const places = [0, 0, 0, 1], entropy = 0.75 * Math.log(4 / 3) + 0.25 * Math.log(4);
  const nothing = classInformation(new Float64Array(4), places);
  ok(Math.abs(nothing.entropy - entropy) < 1e-12 && Math.abs(nothing.conditional.mean - entropy) < 1e-12);
  equal(nothing.levels, 2);
  // Who always says the commoner class errs in a quarter.
  equal(nothing.mostError, 0.25);
  ok(nothing.leastError <= 0.25 + 1e-9 && nothing.leastError > 0.2, `${nothing.leastError}`);
  const more = classInformation(new Float64Array(4).fill(2), places);
  ok(more.conditional.mean < 0);
  deepEqual([more.leastError, more.mostError], [0, 0]);
});
