import { deepEqual, equal, match, ok } from "assert";
import { MixtureAnswers, warningsOf } from "../../../core/mutual_information/checks.ts";
import type { CopulaColumns, CopulaFold } from "../../../core/mutual_information/copula_fits.ts";
import { labelInformation } from "../../../core/mutual_information/label_entropy.ts";
import { Random } from "../../../core/random/random.ts";

const N = 1000, ROWS = Uint32Array.from({ length: N }, (_, i) => i);

/** The answers of fits that leave out half the rows each. */
function answersOf(columns: CopulaColumns, ask: Pick<CopulaFold, "ofPairs" | "ofColumns">) {
  const asked = new MixtureAnswers(columns, N, Random.fromSeed(1)), halves = [ROWS.slice(0, N / 2), ROWS.slice(N / 2)];
  asked.ask({ left: halves[0], kept: halves[1], ...ask });
  asked.ask({ left: halves[1], kept: halves[0], ...ask });
  return asked.answers({ x: [4, 5, 6].slice(0, columns.x), y: [1, 2].slice(0, columns.y) });
}

const none = () => ({ x: [], y: [] });

Deno.test("a density ratio that integrates to one passes, one that is too large by a part is told", () => {
  // Pairs of four levels each, of which the even sum has the ratio ¾ and the odd one 5/4.
  const log = (x: number, y: number) => Math.log((x % 4 + y % 4) % 2 === 0 ? 0.75 : 1.25);
  for (const off of [0, 0.1, -0.1]) {
    const answers = answersOf({ x: 1, z: 0, y: 1 }, {
      ofColumns: none,
      ofPairs: (x, y) => {
        ok(x.every((row, i) => row !== y[i]), "a row has its own y");
        deepEqual(Array.from(x).sort(), Array.from(y).sort());
        return Float64Array.from(x, (row, i) => log(row, y[i]) + off);
      },
    });
    const { nats, stderr, pairs } = answers.normalisation!;
    ok(Math.abs(nats - off) < 4 * stderr && stderr < 0.01, `${nats} ± ${stderr}, not ${off}`);
    ok(pairs > 9000 && pairs <= 10 * N, `${pairs}`);
    const warnings = warningsOf(answers, [], []);
    equal(warnings.length, off === 0 ? 0 : 1);
    if (off !== 0) match(warnings[0], /density ratio integrates to exp\(-?0\.\d{4} ± 0\.\d{4}\) instead of 1/);
  }
});

Deno.test("a mean that stands on a few pairs is not trusted; given columns there is none", () => {
  const rare = answersOf({ x: 1, z: 0, y: 1 }, {
    ofColumns: none,
    ofPairs: (x) => Float64Array.from(x, (row) => row === 7 ? 5 : -9),
  });
  ok(rare.normalisation!.pairs < 20);
  deepEqual(warningsOf(rare, [], []), []);
  equal(
    answersOf({ x: 1, z: 1, y: 1 }, { ofColumns: none, ofPairs: () => new Float64Array() }).normalisation,
    undefined,
  );
});

Deno.test("what columns tell is the mean of held-out and fitted rows; less than nothing is told", () => {
  const random = Random.fromSeed(2), noise = () => Float64Array.from({ length: N / 2 }, () => random.normal() / 10);
  const columns = { x: 3, z: 0, y: 1 }, truth = [0.5, 0, -0.1];
  const answers = answersOf(columns, {
    ofPairs: (x) => new Float64Array(x.length),
    ofColumns: () => ({ x: truth.map((value) => noise().map((each) => each + value)), y: [noise()] }),
  });
  deepEqual(answers.columns.map(({ side, column }) => [side, column]), [["x", 4], ["x", 5], ["x", 6]]);
  answers.columns.forEach(({ nats, stderr }, i) => {
    ok(Math.abs(nats - truth[i]) < 4 * stderr && stderr < 0.01, `${nats} ± ${stderr}, not ${truth[i]}`);
  });
  const warnings = warningsOf(answers, [], ["a", "b", "c", "d", "e", "f", "g"]);
  equal(warnings.length, 1);
  match(warnings[0], /^without column 6 \(g\) of x the information is larger by 0\.\d{4} ± 0\.\d{4} nats/);
});

Deno.test("directions that differ, and more information than a label has, are told", () => {
  const label = (nats: number) => ({
    side: "y" as const,
    column: 3,
    ...labelInformation([50, 50], { mean: nats, stderr: 0.01 }),
  });
  const checks = { columns: [], symmetry: { mean: 0.03, stderr: 0.01 } };
  const [symmetry, entropy, ...rest] = warningsOf(checks, [label(0.75)], ["", "", "", "name"]);
  match(symmetry, /the network of x and that of y differ by 0\.0300 ± 0\.0100 nats/);
  match(entropy, /exceeds the entropy of column 3 \(name\) by 0\.05\d\d ± 0\.0100 nats/);
  deepEqual(rest, []);
  deepEqual(warningsOf({ columns: [], symmetry: { mean: -0.019, stderr: 0.01 } }, [label(0.7)], []), []);
});
