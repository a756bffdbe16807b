import { deepEqual, equal, ok, rejects, throws } from "assert";
import { floatSamples } from "../../../core/data/samples.ts";
import { renderSvg } from "../../../core/figures/render.ts";
import { informationMatrix } from "../../../core/mutual_information/matrix.ts";
import { informationMatrixFigure } from "../../../core/mutual_information/matrix_figure.ts";
import { Random } from "../../../core/random/random.ts";

/** x, x + noise, noise of its own, and a monotone function of x. */
function dataset(n: number) {
  const random = Random.fromSeed(6), values = new Float32Array(4 * n);
  for (let i = 0; i < n; i++) {
    const x = random.normal();
    values.set([x, x + random.normal(), random.normal(), Math.exp(x)], 4 * i);
  }
  const cut = 4 * Math.floor(0.9 * n);
  return {
    shape: [4],
    train: floatSamples(values.subarray(0, cut), 4),
    validation: floatSamples(values.subarray(cut), 4),
  };
}

Deno.test("each pair of columns has its information, and a monotone function of one an infinite one", async () => {
  const done: number[][] = [];
  const { columns, nats, stderr, rows } = await informationMatrix(dataset(800), {
    threads: 1,
    onPair: (...one) => done.push(one),
  });
  deepEqual([columns, rows, done.length], [[0, 1, 2, 3], 800, 6]);
  const truth = 0.5 * Math.LN2;
  for (const [i, j, expected] of [[0, 1, truth], [1, 3, truth], [0, 2, 0], [1, 2, 0], [2, 3, 0]]) {
    equal(nats[i][j], nats[j][i]);
    ok(Math.abs(nats[i][j] - expected) < 4 * stderr[i][j] + 0.005, `${i}, ${j}: ${nats[i][j]} ± ${stderr[i][j]}`);
  }
  deepEqual([nats[0][3], nats[0][0], stderr[0][3]], [Infinity, Infinity, 0]);
  const some = await informationMatrix(dataset(800), { columns: "a,c", names: ["a", "b", "c", "d"], threads: 1 });
  deepEqual([some.columns, some.nats.length], [[0, 2], 2]);
});

Deno.test("columns that are not there or one alone are refused", async () => {
  await rejects(informationMatrix(dataset(100), { columns: [0] }), /A matrix of 1 columns was asked for/);
  await rejects(informationMatrix(dataset(100), { columns: "0-7" }), /--x has 0-7/);
  await rejects(informationMatrix(dataset(20)), /has 20 rows, expected at least 50/);
});

Deno.test("the heat map says each pair's information, and has one place for each", async () => {
  const svg = await renderSvg(informationMatrixFigure("pairs", ["a", "b"], [[Infinity, 0.345], [0.345, Infinity]]));
  equal(svg.split("0.34").length - 1, 2);
  const infinite = informationMatrixFigure("pairs", ["a", "b"], [[Infinity, Infinity], [Infinity, Infinity]]);
  equal((await renderSvg(infinite)).split("∞").length - 1, 2);
  throws(() => informationMatrixFigure("pairs", ["a"], [[1, 2]]), /Got 1 labels for 1 rows/);
});
