import { equal, ok } from "assert";
import { floatSamples, toFloat32 } from "../../../core/data/samples.ts";
import { Random } from "../../../core/random/random.ts";
import { gaussianMixture } from "../../../core/reference/mixture.ts";
import { imputeRows } from "../../../core/sampling/impute_rows.ts";
import { tableForm } from "../../../core/sampling/row_form.ts";
import { codingOf, tableSamples } from "../../../core/rows/table_coding.ts";
import { numbersSchema } from "../rows/gaussian_table.ts";

/** Two numbers whose correlation is 0.8, of which the second is unknown; and a coding that leaves them as they are. */
function rows(count: number) {
  const random = Random.fromSeed(1).fillNormal(new Float64Array(count));
  const cells = Float64Array.from({ length: 2 * count }, (_, i) => i % 2 === 0 ? random[i >> 1] : NaN);
  const coding = codingOf(numbersSchema(2), Float64Array.of(-1, -1, 1, 1), Uint32Array.of(0, 1));
  const mixture = { ...gaussianMixture({ weights: [1], means: [0, 0], covariances: [1, 0.8, 0.8, 1] }), gaps: [0, 1] };
  return { cells, coding, mixture, samples: tableSamples(coding, cells) };
}

Deno.test("unknown numbers have their conditional mean, deviation and quantiles, and draws that scatter so", async () => {
  const { cells, coding, mixture, samples } = rows(200), draws = 200;
  const filled = await imputeRows(tableForm(coding), mixture, cells, samples, Random.fromSeed(2), { draws });
  equal(filled.cells.length, 200);
  let z = 0, squares = 0;
  for (const { row, column, mean, deviation, low, high } of filled.cells) {
    equal(column, 1);
    ok(Math.abs(mean - 0.8 * cells[2 * row]) < 1e-3 && Math.abs(deviation - 0.6) < 1e-3, `${mean}, ${deviation}`);
    ok(Math.abs(low - mean + 1.645 * 0.6) < 0.05 && Math.abs(high - mean - 1.645 * 0.6) < 0.05, `${low}, ${high}`);
    equal(filled.means[2 * row + 1], mean);
    for (const draw of filled.draws) {
      const own = (draw[2 * row + 1] - mean) / 0.6;
      z += own;
      squares += own ** 2;
      equal(draw[2 * row], cells[2 * row]);
    }
  }
  const n = 200 * draws;
  ok(Math.abs(z / n) < 4 / Math.sqrt(n) && Math.abs(squares / n - 1) < 6 / Math.sqrt(n), `${z / n}, ${squares / n}`);
});

Deno.test("candidates are weighed by how much likelier a model finds them", async () => {
  const { cells, coding, mixture, samples } = rows(400);
  // A model that is the reference times exp(y): the conditional mean is 0.36 higher, its deviation the same.
  const tilted = await imputeRows(tableForm(coding), mixture, cells, samples, Random.fromSeed(3), {
    draws: 20,
    logRatio: (x) => Promise.resolve(Float64Array.from({ length: x.count }, (_, row) => toFloat32(x, row, row + 1)[1])),
  });
  const off = tilted.cells.map(({ row, mean }) => mean - 0.8 * cells[2 * row]);
  const mean = off.reduce((sum, value) => sum + value / off.length, 0);
  ok(Math.abs(mean - 0.36) < 0.03, `${mean}`);
  const deviation = tilted.cells.reduce((sum, cell) => sum + cell.deviation / 400, 0);
  ok(Math.abs(deviation - 0.6) < 0.03, `${deviation}`);
  const ofDraws = tilted.draws.flatMap((draw) =>
    tilted.cells.map(({ row }) => draw[2 * row + 1] - 0.8 * cells[2 * row])
  );
  ok(Math.abs(ofDraws.reduce((sum, value) => sum + value / ofDraws.length, 0) - 0.36) < 0.03);
});

Deno.test("a model that is nearly its reference leaves what that says of a cell, whatever its candidates are", async () => {
  const { cells, coding, mixture, samples } = rows(100), noise = Random.fromSeed(5);
  const filled = await imputeRows(tableForm(coding), mixture, cells, samples, Random.fromSeed(4), {
    draws: 1,
    logRatio: (x) => Promise.resolve(noise.fillNormal(new Float64Array(x.count)).map((z) => 0.05 * z)),
  });
  for (const { row, mean, deviation, low, high } of filled.cells) {
    const own = 0.8 * cells[2 * row];
    ok(Math.abs(mean - own) < 0.03 && Math.abs(deviation - 0.6) < 0.03, `${mean - own}, ${deviation}`);
    ok(Math.abs(low - own + 0.987) < 0.1 && Math.abs(high - own - 0.987) < 0.1, `${low - own}, ${high - own}`);
  }
});

Deno.test("of many classes none that a model leaves as likely as it was has no probability by chance", async () => {
  const levels = Array.from({ length: 30 }, (_, c) => `c${c}`);
  const schema = {
    ...numbersSchema(1),
    columns: [...numbersSchema(1).columns, { name: "c", kind: "class", levels, counts: levels.map(() => 1) } as const],
    order: ["x1", "c"],
  };
  const cells = Float64Array.from({ length: 40 }, (_, i) => i % 2 === 0 ? i / 40 : NaN);
  const coding = codingOf(schema, cells, Uint32Array.from({ length: 20 }, (_, i) => i));
  const mixture = {
    ...gaussianMixture({ weights: [1], means: [0], covariances: [1] }),
    atoms: { blocks: [coding.levels[0].block], logits: new Float64Array(30).fill(-Math.log(30)) },
    gaps: Array.from({ length: 30 }, (_, i) => i),
  };
  const { cells: told } = await imputeRows(
    tableForm(coding),
    mixture,
    cells,
    tableSamples(coding, cells),
    Random.fromSeed(4),
    {
      draws: 1,
      logRatio: (x) => Promise.resolve(new Float64Array(x.count)),
    },
  );
  for (const { levels: probabilities } of told) {
    ok(probabilities!.every((p) => Math.abs(p - 1 / 30) < 1e-6), [...probabilities!].join());
  }
  equal(told.length, 20);
});

Deno.test("the same seed fills in the same, and rows that are whole stay as they are", async () => {
  const { cells, coding, mixture } = rows(50);
  cells[1] = 0.25;
  const samples = tableSamples(coding, cells), options = { draws: 2 };
  const [a, b] = [1, 1].map((seed) =>
    imputeRows(tableForm(coding), mixture, cells, samples, Random.fromSeed(seed), options)
  );
  const { means, draws, cells: told } = await a;
  equal(told.length, 49);
  equal(means[1], 0.25);
  equal(draws[0].join(), (await b).draws[0].join());
  ok(draws[0].join() !== draws[1].join());
  equal(floatSamples(new Float32Array(2), 2).count, 1);
});
