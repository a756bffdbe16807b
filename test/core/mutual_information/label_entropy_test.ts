import { deepEqual, equal, ok } from "assert";
import {
  bestErrorBound,
  entropyOf,
  fanoBound,
  labelInformation,
  labelOf,
} from "../../../core/mutual_information/label_entropy.ts";

function isNear(actual: number, expected: number, tolerance = 1e-12): void {
  ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected}`);
}

const entropy = (shares: readonly number[]) => -shares.reduce((sum, p) => p > 0 ? sum + p * Math.log(p) : sum, 0);

Deno.test("the entropy of counts, with its standard error", () => {
  const { mean, stderr } = entropyOf([250, 250, 250, 250, 0]);
  isNear(mean, Math.log(4));
  equal(stderr, 0);
  const skewed = entropyOf([90, 10]);
  isNear(skewed.mean, entropy([0.9, 0.1]));
  // The standard deviation of log p of an event is |log p − log q|·√(p·q).
  isNear(skewed.stderr, Math.log(9) * Math.sqrt(0.9 * 0.1 / 100));
});

Deno.test("a symmetric channel reaches Fano's bound, of two values and of ten", () => {
  for (const wrong of [0, 0.01, 0.2, 0.5]) isNear(fanoBound(entropy([wrong, 1 - wrong]), 2), wrong, 1e-7);
  for (const wrong of [0.05, 0.4, 0.9]) {
    const row = [1 - wrong, ...new Array<number>(9).fill(wrong / 9)];
    isNear(fanoBound(entropy(row), 10), wrong, 1e-7);
  }
  equal(fanoBound(9, 10), 0.9);
  equal(fanoBound(0.1, 1), 0);
});

Deno.test("an erased bit reaches Hellman and Raviv's bound, several equally likely values the one above a bit", () => {
  // A part of the bits is erased, and of these half are guessed right.
  isNear(bestErrorBound(0.3 * Math.log(2)), 0.15);
  equal(bestErrorBound(-0.01), 0);
  for (const i of [1, 2, 3, 10]) isNear(bestErrorBound(Math.log(i)), 1 - 1 / i, 1e-9);
  // Half the time two values are left and half the time three.
  isNear(bestErrorBound((Math.log(2) + Math.log(3)) / 2), (1 / 2 + 2 / 3) / 2);
});

Deno.test("the error of the best classifier of any channel lies between the bounds", () => {
  for (const shares of [[0.6, 0.4], [0.5, 0.3, 0.2], [0.97, 0.01, 0.01, 0.01], [0.25, 0.25, 0.25, 0.25]]) {
    const left = entropy(shares), wrong = 1 - Math.max(...shares);
    ok(fanoBound(left, shares.length) <= wrong + 1e-9);
    ok(bestErrorBound(left) >= wrong - 1e-9);
  }
});

Deno.test("a label's information: the whole, none, and estimates that no information can be", () => {
  const counts = [30, 60, 10], whole = entropy([0.3, 0.6, 0.1]);
  const all = labelInformation(counts, { mean: whole, stderr: 0.01 });
  equal(all.levels, 3);
  isNear(all.part, 1);
  for (const none of [all.conditional.mean, all.leastError, all.mostError]) isNear(none, 0);
  const none = labelInformation(counts, { mean: 0, stderr: 0 });
  isNear(none.guessError, 0.4);
  equal(none.mostError, none.guessError);
  ok(none.leastError > 0 && none.leastError <= none.guessError);
  const above = labelInformation(counts, { mean: whole + 0.1, stderr: 0 });
  isNear(above.conditional.mean, -0.1);
  deepEqual([above.leastError, above.mostError], [0, 0]);
  equal(labelInformation(counts, { mean: -0.1, stderr: 0 }).leastError, none.leastError);
});

Deno.test("a column of few values is a label, one of many is none", () => {
  deepEqual(labelOf(Float64Array.from({ length: 100 }, (_, i) => i % 3))?.counts, [34, 33, 33]);
  equal(labelOf(Float64Array.from({ length: 100 }, (_, i) => i % 11)), undefined);
  equal(labelOf(Float64Array.from({ length: 100_000 }, (_, i) => i % 101)), undefined);
});
