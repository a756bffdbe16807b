import { deepEqual, equal, ok } from "assert";
import { type Condition, encodeCondition } from "../../../core/data/condition.ts";
import { Random } from "../../../core/random/random.ts";
import { dropping } from "../../../core/training/drop_condition.ts";

const CLASS = { name: "c", kind: "class", levels: [0, 1], counts: [1, 1] } as const;
const NUMBER = { name: "u", kind: "number", mean: 0, scale: 1 } as const;

Deno.test("one variable is dropped as often as is said, and of several all together or each by itself", () => {
  const n = 20_000, probability = 0.1;
  const rates = (condition: Condition) => {
    const vectors = encodeCondition(condition, Array.from({ length: n * condition.length }, () => 1));
    const isTold = new Uint8Array(n).fill(1), width = vectors.length / n;
    dropping(condition, probability)(vectors, isTold, Random.fromSeed(0));
    const flags = Array.from(
      { length: n },
      (_, i) => condition.map((_, k) => vectors[i * width + (k === 0 ? 0 : 3)]).join(""),
    );
    flags.forEach((each, i) => equal(isTold[i], each.includes("0") ? 0 : 1));
    // What is unknown is zero throughout.
    for (let i = 0; i < n; i++) {
      if (vectors[i * width] === 0) deepEqual([...vectors.subarray(i * width, i * width + 3)], [0, 0, 0]);
    }
    return (flag: string) => flags.filter((each) => each === flag).length / n;
  };
  const one = rates([CLASS]);
  ok(Math.abs(one("0") - 0.1) < 0.01, String(one("0")));
  const two = rates([CLASS, NUMBER]);
  for (const [flags, expected] of [["00", 0.1 + 0.9 * 0.01], ["01", 0.9 * 0.09], ["10", 0.9 * 0.09]] as const) {
    ok(Math.abs(two(flags) - expected) < 0.01, `${flags} ${two(flags)}`);
  }
});
