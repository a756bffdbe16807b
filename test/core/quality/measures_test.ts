import { deepEqual, equal, ok, rejects, throws } from "assert";
import { Random } from "../../../core/random/random.ts";
import { CLASSIFIERS, classifierTest } from "../../../core/quality/told_apart.ts";
import { columnDistances } from "../../../core/quality/column_distances.ts";
import { correlationDifferences, pairsOf, ranksOf } from "../../../core/quality/correlations.ts";
import { frechetDistance } from "../../../core/quality/frechet.ts";
import { nearestTrainingRows } from "../../../core/quality/nearest_records.ts";
import { distances, ordered, withErrors } from "../../../core/quality/resampling.ts";
import { shareBelow } from "../../../core/quality/significance.ts";
import { blocksOf, type EncodedRows, encoderOf, type Table, tableOf } from "../../../core/quality/table.ts";

const normals = (random: Random, n: number, width: number): EncodedRows => ({
  values: random.fillNormal(new Float32Array(n * width)),
  width,
});

Deno.test("answers about sets of one density scatter as coins do, by either classifier", async () => {
  for (const classifier of CLASSIFIERS) {
    const scores = await Array.fromAsync({ length: 60 }, async (_, seed) => {
      const random = Random.fromSeed(seed);
      const { accuracy, chance, auc } = await classifierTest(
        classifier,
        normals(random, 60, 2),
        normals(random, 60, 2),
        random.split("test"),
      );
      return [(accuracy.value - 0.5) / chance.stderr, (auc.value - 0.5) / auc.stderr];
    });
    for (const k of [0, 1]) {
      const mean = scores.reduce((sum, each) => sum + each[k], 0) / 60;
      const scatter = Math.sqrt(scores.reduce((sum, each) => sum + each[k] ** 2, 0) / 60);
      // Of 60 seeds the mean is known to 0.13 and the scatter to 0.09.
      ok(Math.abs(mean) < 0.4 && scatter > 0.75 && scatter < 1.3, `${classifier}: mean ${mean}, scatter ${scatter}`);
    }
  }
});

Deno.test("what only the dependence of columns tells apart is told by both classifiers", async () => {
  const random = Random.fromSeed(1), plain = normals(random, 500, 2), tied = normals(random, 500, 2);
  for (let i = 0; i < tied.values.length; i += 2) tied.values[i + 1] = 0.9 * tied.values[i] + 0.44 * tied.values[i + 1];
  for (const classifier of CLASSIFIERS) {
    const test = await classifierTest(classifier, plain, tied, random.split(classifier));
    ok(test.accuracy.value > 0.65 && test.pValue < 1e-9 && test.auc.value > 0.7, JSON.stringify(test));
    // The same seed gives the same answers.
    deepEqual(await classifierTest(classifier, plain, tied, random.split(classifier)), test);
  }
  await rejects(classifierTest("trees", plain, normals(random, 499, 2), random), /expected as many of both/);
});

Deno.test("unknown values are a sign to the trees", async () => {
  const random = Random.fromSeed(2), all = normals(random, 200, 1), some = normals(random, 200, 1);
  some.values.forEach((_, i) => i % 2 === 0 ? some.values[i] = NaN : undefined);
  ok((await classifierTest("trees", all, some, random)).accuracy.value > 0.7);
});

Deno.test("distances of columns are those of their distribution functions, whatever the sizes and weights", () => {
  const random = Random.fromSeed(3);
  const [a, b] = [7, 12].map((n) => Float64Array.from({ length: n }, () => random.integer(6)));
  const share = (values: readonly number[], x: number) => values.filter((v) => v <= x).length / values.length;
  const check = (one: readonly number[], other: readonly number[], got: ReturnType<typeof distances>) => {
    const gaps = Array.from({ length: 7 }, (_, x) => Math.abs(share(one, x) - share(other, x)));
    ok(Math.abs(got.wasserstein - gaps.reduce((sum, gap) => sum + gap, 0)) < 1e-12);
    ok(Math.abs(got.ks - Math.max(...gaps)) < 1e-12);
  };
  check([...a], [...b], distances(ordered(a), ordered(b)));
  const weights = Uint16Array.from(b, (_, i) => i % 3);
  check(
    [...a],
    [...b].flatMap((x, i) => Array(weights[i]).fill(x)),
    distances(ordered(a), ordered(b), undefined, weights),
  );
  // The 2-Wasserstein distance of a set that is moved is by how much it is.
  ok(Math.abs(distances(ordered(a), ordered(a.map((x) => x + 3))).wasserstein2 - 3) < 1e-12);
});

Deno.test("errors of a distance are those of rows drawn anew", () => {
  const random = Random.fromSeed(4);
  const column = (mean: number) => tableOf(random.fillNormal(new Float64Array(400)).map((x) => x + mean), ["x"]);
  const { values: [wasserstein, ks], stderrs } = withErrors(columnDistances(column(0), column(1)), 400, 400, random);
  ok(Math.abs(wasserstein - 1) < 0.25 && Math.abs(ks - 0.383) < 0.1, `${wasserstein} ${ks}`);
  // That of a difference of means, √(2/400), within the third that 24 draws leave open.
  ok(stderrs[0] > 0.045 && stderrs[0] < 0.1, `${stderrs[0]}`);
});

Deno.test("classes, unknown values and pairs of columns of all kinds", () => {
  const table = (c: number[], d: number[], x: number[]): Table => ({
    count: c.length,
    columns: [
      { name: "c", kind: "class", values: Float64Array.from(c) },
      { name: "d", kind: "class", values: Float64Array.from(d) },
      { name: "x", kind: "number", values: Float64Array.from(x) },
    ],
  });
  const [tied, loose] = [
    table([0, 0, 1, 1], [5, 5, 6, 6], [1, 1, 2, 2]),
    table([0, 0, 1, NaN], [5, 6, 5, 6], [1, 2, 1, 2]),
  ];
  const columns = columnDistances(tied, loose)();
  deepEqual([...columns].map((x) => Number(x.toFixed(6))), [
    ...[NaN, NaN, 0.25, 0.25],
    ...[NaN, NaN, 0, 0],
    ...[0, 0, 0, NaN],
  ]);
  deepEqual(pairsOf(tied), [
    { kind: "cramer", columns: [0, 1] },
    { kind: "ratio", columns: [0, 2] },
    { kind: "ratio", columns: [1, 2] },
  ]);
  const [cramer, ratio, other] = correlationDifferences(tied, loose)();
  // Of the three rows that are known χ² is 3·(½)², and the class has ¼ of the number's variance.
  ok(
    Math.abs(cramer - 0.5) < 1e-9 && Math.abs(ratio - 0.5) < 1e-9 && Math.abs(other) < 1e-9,
    `${cramer} ${ratio} ${other}`,
  );
  deepEqual([...ranksOf(Float64Array.of(3, 1, NaN, 3))], [1.5, 0, NaN, 1.5]);
  const { width, encode } = encoderOf(loose), encoded = encode(loose).values;
  equal(width, 3 + 2 + 1);
  ok(Math.abs(Math.hypot(encoded[0] - encoded[12], encoded[1] - encoded[13]) - 1) < 1e-6);
  throws(() => columnDistances(tied, tableOf(Float64Array.of(1), ["x"])), /expected the same of both/);
});

Deno.test("the Fréchet distance is that of SciPy's sqrtm, also of fewer rows than features", () => {
  const n = 60, d = 5, a = new Float32Array(n * d), b = new Float32Array(n * d);
  for (let i = 0; i < n * d; i++) {
    const row = Math.floor(i / d), k = i % d;
    a[i] = Math.sin(1.3 * row * (k + 1) + k);
    b[i] = Math.cos(0.7 * row * (k + 1) + 0.5 * k) * 1.5 + 0.2 * k;
  }
  const first = (values: Float32Array, rows: number) => ({ values: values.subarray(0, rows * d), width: d });
  // np.cov and scipy.linalg.sqrtm(c1 @ c2) of the same rows in double precision.
  const known = [[60, 60, 2.039373086721379], [4, 60, 6.78573003342334], [4, 4, 7.958204987739525]];
  for (const [one, other, value] of known) {
    const got = frechetDistance(first(a, one), first(b, other));
    ok(Math.abs(got - value) < 1e-6, `${got}, expected ${value}`);
    ok(Math.abs(frechetDistance(first(b, other), first(a, one)) - got) < 1e-6);
  }
  equal(frechetDistance(first(a, 60), first(a, 60)) < 1e-6, true);
  // A feature that does not vary, and one that is another's double.
  const flat = { values: Float32Array.from(a, (x, i) => i % d === 0 ? 1 : i % d === 2 ? 2 * a[i - 1] : x), width: d };
  ok(frechetDistance(flat, flat) < 1e-6);
});

Deno.test("the nearest training row is found, but not a row itself", () => {
  const random = Random.fromSeed(5), training = normals(random, 300, 20), rows = normals(random, 10, 20);
  const brute = Float64Array.from({ length: 10 }, (_, i) => {
    const all = Array.from({ length: 300 }, (_, j) => {
      let sum = 0;
      for (let k = 0; k < 20; k++) sum += (rows.values[i * 20 + k] - training.values[j * 20 + k]) ** 2;
      return Math.sqrt(sum);
    });
    return Math.min(...all);
  });
  nearestTrainingRows(rows, blocksOf(training)).distances.forEach((got, i) => ok(Math.abs(got - brute[i]) < 1e-6));
  const own = { values: training.values.subarray(0, 40), width: 20 };
  deepEqual([...nearestTrainingRows(own, blocksOf(training)).rows], [0, 1]);
  ok(nearestTrainingRows(own, blocksOf(training), Uint32Array.of(0, 1)).distances.every((x) => x > 1));
});

Deno.test("ranks tell which of two sets is lower, with DeLong's error", () => {
  deepEqual(shareBelow([1, 1, 1], [1, 1]), { value: 0.5, stderr: 0 });
  const random = Random.fromSeed(6), shares: number[] = [], errors: number[] = [];
  for (let t = 0; t < 200; t++) {
    const [a, b] = [0, 0.5].map((mean) => random.fillNormal(new Float64Array(50)).map((x) => x + mean));
    const { value, stderr } = shareBelow(a, b);
    shares.push(value);
    errors.push(stderr);
  }
  const mean = shares.reduce((sum, x) => sum + x, 0) / 200, error = errors.reduce((sum, x) => sum + x, 0) / 200;
  const scatter = Math.sqrt(shares.reduce((sum, x) => sum + (x - mean) ** 2, 0) / 200);
  // Φ(0.5/√2) = 0.638.
  ok(Math.abs(mean - 0.638) < 0.015 && Math.abs(error / scatter - 1) < 0.2, `${mean} ${error} ${scatter}`);
});
