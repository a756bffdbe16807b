import { deepEqual } from "assert";
import * as tf from "@tensorflow/tfjs";
import { type Condition, encodeCondition } from "../../../core/data/condition.ts";
import { conditionMap } from "../../../core/data/condition_map.ts";
import type { Denoiser } from "../../../core/plugins/contracts.ts";
import { toldAs } from "../../../core/plugins/told_as.ts";

const FROM: Condition = [
  { name: "label", kind: "class", levels: [0, 3, 5], counts: [1, 1, 1] },
  { name: "age", kind: "number", mean: 40, scale: 10 },
];
const TO: Condition = [
  { name: "age", kind: "number", mean: 20, scale: 4 },
  { name: "site", kind: "class", levels: [0, 1], counts: [1, 1] },
  { name: "label", kind: "class", levels: [5, 0], counts: [1, 1] },
];

/** Rows of a condition in another's vector. */
function mapped(values: readonly number[]): number[] {
  const from = encodeCondition(FROM, values), map = conditionMap(FROM, TO), width = from.length / (values.length / 2);
  const product = tf.matMul(
    tf.tensor2d(from, [values.length / 2, width]),
    tf.tensor2d(map, [width, map.length / width]),
  );
  return [...product.dataSync()];
}

Deno.test("one condition says in another's vector what both have, and the rest is unknown", () => {
  const same = (label: number, age: number) => [...encodeCondition(TO, [age, NaN, label])];
  deepEqual(mapped([0, 30]), same(0, 30));
  deepEqual(mapped([5, NaN]), same(5, NaN));
  deepEqual(mapped([NaN, 26]), same(NaN, 26));
  deepEqual(mapped([NaN, NaN]), same(NaN, NaN));
  // The other was not trained with class 3.
  deepEqual(mapped([3, 50, 5, 44]), [...same(NaN, 50), ...same(5, 44)]);
});

Deno.test("a denoiser is told in its own vector, or nothing", () => {
  const told: (number[] | undefined)[] = [];
  const own: Denoiser = {
    init: () => ({}),
    predict(_, z, __, condition) {
      told.push(condition && [...condition.dataSync()]);
      return z;
    },
  };
  const z = tf.zeros([1, 2]), logsnr = tf.tensor1d([0]);
  const vector = tf.tensor2d(encodeCondition(FROM, [5, 40]), [1, 6]);
  for (const mine of [FROM, TO, undefined]) toldAs(own, mine, FROM).predict({}, z, logsnr, vector);
  toldAs(own, TO, FROM).predict({}, z, logsnr);
  deepEqual(told, [[...vector.dataSync()], [...encodeCondition(TO, [40, NaN, 5])], undefined, undefined]);
});
