import { ok, throws } from "assert";
import { linearInformation } from "../../../core/mutual_information/linear_part.ts";
import { pairsOf as columnsOf } from "../../../core/mutual_information/pairs.ts";
import { Random } from "../../../core/random/random.ts";
import { floatSamples, toFloat32 } from "../../../core/data/samples.ts";

/** A data set of columns, of which a tenth validates. */
function dataset(columns: readonly Float32Array[]) {
  const n = columns[0].length, d = columns.length;
  const rows = Float32Array.from({ length: n * d }, (_, i) => columns[i % d][Math.floor(i / d)]);
  const end = Math.floor(0.9 * n) * d;
  return {
    shape: [d],
    train: floatSamples(rows.subarray(0, end), d),
    validation: floatSamples(rows.subarray(end), d),
  };
}

/** The columns, x given y. */
const pairsOf = (data: ReturnType<typeof dataset>, x: number[], y: number[], names: string[] = []) =>
  columnsOf(data, x, y, names, Random.fromSeed(2)).of("x");

const random = Random.fromSeed(1);
const [a, b, c, e] = [0, 1, 2, 3].map(() => random.fillNormal(new Float32Array(2000)));
const mix = (s: number, u: Float32Array, t: number, v: Float32Array) => u.map((value, i) => s * value + t * v[i]);

Deno.test("the Gaussian part is that of the canonical correlations", () => {
  // Two pairs that have nothing to do with each other, on scales of their own.
  const pairs = pairsOf(dataset([a, b, mix(0.6, a, 0.8, c), mix(10, b, 10, e)]), [0, 1], [2, 3]);
  const truth = -0.5 * Math.log(1 - 0.36) + 0.5 * Math.log(2), information = linearInformation(pairs);
  ok(Math.abs(information - truth) < 0.04, `${information}, not ${truth}`);
});

Deno.test("columns of y that depend on each other are no harm; those of x and functions of the other side are named", () => {
  const twice = linearInformation(pairsOf(dataset([a, mix(0.6, a, 0.8, b), mix(1.2, a, 1.6, b)]), [0], [1, 2]));
  ok(Math.abs(twice - -0.5 * Math.log(1 - 0.36)) < 0.03, `${twice}`);
  throws(
    () => linearInformation(pairsOf(dataset([a, mix(2, a, 0, a), b]), [0, 1], [2])),
    /linear functions of each other/,
  );
  throws(() => linearInformation(pairsOf(dataset([a, mix(-3, a, 0, a)]), [0], [1])), /information is infinite/);
});

Deno.test("pairs are standardised; constant columns and too few rows are refused", () => {
  const { x } = pairsOf(dataset([mix(100, a, 0, a).map((value) => value + 5000), b]), [0], [1]);
  const values = toFloat32(x);
  const mean = values.reduce((sum, value) => sum + value / 2000, 0);
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2 / 2000, 0);
  ok(Math.abs(mean) < 1e-4 && Math.abs(variance - 1) < 1e-3, `${mean}, ${variance}`);
  throws(() => pairsOf(dataset([a, a.map(() => 3.3)]), [0], [1], ["t", "k"]), /Column 1 \(k\) has the same value/);
  throws(() => pairsOf(dataset([a.slice(0, 40), b.slice(0, 40)]), [0], [1]), /has 40 rows, expected at least 50/);
});
