import { deepEqual, equal, ok } from "assert";
import { normalScores, tiesOf } from "../../../core/mutual_information/tied_values.ts";
import { normalQuantile } from "../../../core/random/normal_quantile.ts";
import { mutualInformation } from "../../../core/mutual_information/information.ts";
import { Random } from "../../../core/random/random.ts";

Deno.test("normal quantiles are those of the tables", () => {
  for (
    const [p, x] of [[0.5, 0], [0.975, 1.959963984540054], [0.01, -2.3263478740408408], [1e-10, -6.361340902404056]]
  ) {
    ok(Math.abs(normalQuantile(p) - x) < 1e-8 * Math.max(1, Math.abs(x)), `${p}`);
  }
});

Deno.test("atoms, few levels and rounded values are told from values of their own", () => {
  const random = Random.fromSeed(1), normal = random.fillNormal(new Float64Array(1000));
  equal(tiesOf(normal), undefined);
  equal(tiesOf(normal.map((x) => Math.round(1e5 * x) / 1e5)), undefined, "a few that happen to be equal");
  const rain = normal.map((x, i) => i % 5 < 2 ? 0 : Math.exp(x));
  deepEqual(tiesOf(rain), { value: 0, share: 0.4, tied: 0.4, distinct: 601 });
  equal(tiesOf(normal.map((x) => Math.sign(x)))?.distinct, 2);
  equal(tiesOf(normal.map((x, i) => i % 20 === 0 ? -999 : x))?.value, -999);
});

Deno.test("scores have the order of the values; ties are kept, or broken at random", () => {
  const values = Float64Array.of(3, 1, 3, 2, 3, 9);
  const kept = normalScores(values);
  ok(kept[1] < kept[3] && kept[3] < kept[0] && kept[0] < kept[5]);
  deepEqual([kept[0], kept[0]], [kept[2], kept[4]]);
  const [broken, other] = [1, 2].map((seed) => normalScores(values, Random.fromSeed(seed)));
  equal(new Set(broken).size, 6);
  deepEqual([...broken].sort(), [...other].sort());
  ok(broken[1] < broken[3] && [0, 2, 4].every((i) => broken[3] < broken[i] && broken[i] < broken[5]));
});

/** Rows whose first column is 0 where the other is below a threshold drawn for the row, and otherwise its own. */
function rows(n: number, dependent: boolean): number[][] {
  const random = Random.fromSeed(5);
  return Array.from({ length: n }, () => {
    const isDry = random.uniform() < 0.4, rain = isDry ? 0 : Math.exp(random.normal());
    return [rain, random.normal() + (dependent ? isDry ? -1 : 1 : 0)];
  });
}

Deno.test("the information of a column with an atom is that of its parts", async () => {
  const settings = { x: [0], y: [1], threads: 1 };
  const independent = await mutualInformation(rows(2000, false), settings);
  ok(
    Math.abs(independent.nats) < Math.max(0.01, 3 * independent.stderr),
    `${independent.nats} ± ${independent.stderr}`,
  );
  ok(/column 0 has one value in 4\d % of the rows: taken by ranks, ties broken at random/.test(independent.notes[0]));
  // That of which part a row is in: p(y) is a mixture of N(±1, 1), whose entropy less that of N(0, 1) is 0.3275 nats.
  const { nats, stderr, directions } = await mutualInformation(rows(4000, true), {
    ...{ ...settings, estimator: "both", epochs: 1, rounds: 1 },
  });
  equal(directions[0].likelihoodOf, "y", "the side without atoms");
  ok(Math.abs(nats - informationOfParts()) < 3 * stderr, `${nats} ± ${stderr}`);
});

/** I(part; y) of weights 0.4 and 0.6 and y ~ N(±1, 1), by the trapezoidal rule. */
function informationOfParts(): number {
  const normal = (x: number) => Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
  let entropy = 0;
  for (let y = -10; y < 10; y += 0.01) {
    const p = 0.4 * normal(y + 1) + 0.6 * normal(y - 1);
    entropy -= 0.01 * p * Math.log(p);
  }
  return entropy - 0.5 * Math.log(2 * Math.PI * Math.E);
}
