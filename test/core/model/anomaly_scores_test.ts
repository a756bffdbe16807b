import { deepEqual, equal, ok, rejects } from "assert";
import { join } from "node:path";
import { fit, loadData, loadModel, Random, saveModel } from "../../../core/mod.ts";
import { inFolder } from "../../folders.ts";
import { labelledRows } from "../../labelled.ts";

/** x and y are alike, z is free; far from the scale that a model sees. */
function rowsOf(count: number, seed: number): number[][] {
  const random = Random.fromSeed(seed);
  return Array.from({ length: count }, () => {
    const x = random.normal();
    return [50 * x, 50 * x + 5 * random.normal(), 0.02 * random.normal()];
  });
}

Deno.test("scores are −log p in the data's own units, p-values are uniform, and anomalies are told with their columns", () =>
  inFolder(async (cwd) => {
    const fitted = await fit(rowsOf(4000, 1), { denoiser: "gaussian", reference: "none", epochs: 1 });
    const test = rowsOf(1000, 2), odd = [[50, -50, 0], [0, 0, 0.5]];
    const { nll, stderr, ranks, p, against, columns, excess, by } = await fitted.anomalyScores([...test, ...odd], {
      by: "reference",
    });
    deepEqual([against, columns, by], [400, ["x1", "x2", "x3"], "reference"]);
    const { logDensity } = await fitted.logDensity(test.slice(0, 20));
    logDensity.forEach((log, i) => ok(Math.abs(log + nll[i]) < 1e-4 && stderr[i] === 0, `${log}, ${nll[i]}`));
    for (const level of [0.05, 0.25, 0.75]) {
      const share = [...p.slice(0, 1000)].filter((value) => value <= level).length / 1000;
      ok(Math.abs(share - level) < 0.08, `${level}: ${share}`);
    }
    deepEqual([...ranks.slice(1000)].sort(), [1, 2]);
    ok(p[1000] === 1 / 401 && p[1001] === 1 / 401);
    deepEqual([...excess.slice(3000)].map((nats) => nats > 10), [true, true, false, false, false, true]);
    const among = await fitted.anomalyScores(odd, { against: rowsOf(30, 3), by: "reference" });
    deepEqual([among.against, among.p[0]], [30, 1 / 31]);
    const own = await fitted.anomalyScores(odd, { against: fitted.data.train });
    equal(own.against, 3600);

    // Rows of a program are not kept with its model.
    await saveModel(fitted, join(cwd, "run"));
    await fitted[Symbol.asyncDispose]();
    await using loaded = await loadModel(join(cwd, "run"));
    await rejects(loaded.anomalyScores(odd), /The model has no data of its own that rows are compared with/);
    await rejects(loaded.anomalyScores(odd, { against: new Float64Array() }), /Got no rows as against/);
    deepEqual((await loaded.anomalyScores(odd, { against: rowsOf(30, 3), by: "reference" })).p, among.p);
  }));

Deno.test("few validation rows make way for training rows, and a loaded model finds both", () =>
  inFolder(async (cwd) => {
    const data = await loadData("moons", { options: { points: 400 } });
    await using model = await fit(data, { epochs: 1, batchSize: 64, denoiserOptions: { width: 16, blocks: 1 } });
    await saveModel(model, join(cwd, "run"));
    await using loaded = await loadModel(join(cwd, "run"));
    const points = [[9, 9]], options = { rounds: 4, by: "model" } as const;
    const scores = await model.anomalyScores(points, options);
    deepEqual([scores.against, scores.by], [360, "model"]);
    ok(scores.p[0] === 1 / 361 && scores.stderr[0] > 0);
    const { p } = await model.anomalyScores(data.validation, options);
    ok(Math.abs(p.reduce((sum, value) => sum + value / p.length, 0) - 0.5) < 0.15, `${p}`);
    deepEqual(await loaded.anomalyScores(points, options), scores);
    ok((await model.anomalyScores(points, { ...options, seed: 1 })).nll[0] !== scores.nll[0]);
  }));

Deno.test("what is given of rows is given of those that they are compared with, or of neither", async () => {
  const rows = labelledRows(Random.fromSeed(0), 3000);
  await using model = await fit(rows, { condition: [2], epochs: 1, denoiserOptions: { width: 16, blocks: 1 } });
  const test = labelledRows(Random.fromSeed(1), 300), points = test.map(([x, y]) => [x, y]);
  const given = test.map(([, , c]) => ({ 2: c }));
  const shares = (p: Float64Array) => p.filter((value) => value <= 0.2).length / p.length;
  const told = await model.anomalyScores(points, { given, rounds: 4 });
  const untold = await model.anomalyScores(points, { rounds: 4 });
  for (const { p } of [told, untold]) ok(Math.abs(shares(p) - 0.2) < 0.1, `${shares(p)}`);
  ok(told.nll.reduce((sum, nll, i) => sum + (untold.nll[i] - nll) / 300, 0) > 0.3);
  await rejects(
    model.anomalyScores(points, { given, against: points }),
    /given has a record for each row, but the rows of against have none/,
  );

  // What is filled in goes by it too: by sampling, and else by the reference.
  const filled = await model.impute([[0, NaN]]), conditional = { given: { 2: 1 }, draws: 4, steps: 20 };
  ok(filled.deviations[1] > 0 && filled.by !== "repaint");
  const [one, other] = [
    await model.impute([[0, NaN]], conditional),
    await model.impute([[0, NaN]], { ...conditional, given: { 2: 0 } }),
  ];
  ok(one.by === "repaint" && one.means[1] !== other.means[1]);
  await rejects(
    model.impute([[0, NaN]], { ...conditional, by: "model" }),
    /points of which something is given are filled in/,
  );
});
