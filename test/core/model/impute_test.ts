import { deepEqual, equal, ok, rejects } from "assert";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { fit, loadData, loadModel, Random, saveModel } from "../../../core/mod.ts";
import { gaussianOf } from "../../../core/reference/gaussian.ts";
import { inFolder } from "../../folders.ts";
import { runTask } from "../../tasks/command.ts";
import { makeRun } from "../run/runs.ts";

const NETWORK = { width: 16, blocks: 1 };

/** y follows x with a slope of 10 and a deviation of 2, far from the scale that a model sees. */
function linkedRows(count: number): number[][] {
  const random = Random.fromSeed(3);
  return Array.from({ length: count }, () => {
    const x = random.normal();
    return [1000 + x, 10 * x + 2 * random.normal()];
  });
}

Deno.test("points are filled in with their conditional means, deviations and draws, in their own units", async () => {
  await using model = await fit(linkedRows(4000), { denoiser: "gaussian", epochs: 1 });
  const rows = Array.from({ length: 300 }, (_, i) => [999 + i / 150, NaN]);
  const { means, deviations, draws, cells, by } = await model.impute([...rows, [NaN, 10], [1000, 7]], {
    ...{ draws: 20, by: "reference" },
  });
  equal(by, "reference");
  deepEqual([means.length, deviations.length, draws.length, cells.length], [604, 604, 20, 301]);
  rows.forEach(([x], i) => {
    ok(Math.abs(means[2 * i + 1] - 10 * (x - 1000)) < 0.3, `${means[2 * i + 1]} of ${x}`);
    ok(Math.abs(deviations[2 * i + 1] - 2) < 0.1 && deviations[2 * i] === 0 && means[2 * i] === x);
    const { row, column, mean, low, high } = cells[i];
    deepEqual([row, column, mean], [i, 1, means[2 * i + 1]]);
    ok(Math.abs(high - low - 2 * 1.645 * 2) < 0.4, `${low}, ${high}`);
  });
  // E[x | y] = 10·y / 104.
  ok(Math.abs(means[600] - 1000 - 100 / 104) < 0.05, `${means[600]}`);
  deepEqual([...means.slice(602), ...deviations.slice(602), ...draws[0].slice(602)], [1000, 7, 0, 0, 1000, 7]);
  const off = draws.flatMap((draw) => rows.map(([x], i) => (draw[2 * i + 1] - 10 * (x - 1000)) / 2));
  const mean = off.reduce((sum, z) => sum + z / off.length, 0);
  const deviation = Math.sqrt(off.reduce((sum, z) => sum + z ** 2 / off.length, 0));
  ok(Math.abs(mean) < 0.15 && Math.abs(deviation - 1) < 0.05, `${mean} ± ${deviation}`);

  const again = await model.impute(rows, { draws: 1, seed: 4 });
  deepEqual(again, await model.impute(rows, { draws: 1, seed: 4 }));
  ok(again.draws[0].join() !== (await model.impute(rows, { draws: 1, seed: 5 })).draws[0].join());
  deepEqual((await model.impute([[1, 2]])).means, Float64Array.of(1, 2), "what is whole stays");
  deepEqual([...(await model.impute(Float64Array.of(NaN, 10), { by: "reference" })).means], [means[600], 10]);
});

Deno.test("a network that says more than its reference weighs what is filled in", async () => {
  // y is near −1 or 1, of which one Gaussian knows nothing.
  const random = Random.fromSeed(5),
    parts = Array.from({ length: 2000 }, () => [
      random.normal(),
      (random.uniform() < 0.5 ? -1 : 1) + 0.2 * random.normal(),
    ]);
  const network = { width: 64, blocks: 1 };
  await using model = await fit(parts, { reference: "none", epochs: 20, batchSize: 100, denoiserOptions: network });
  const near = async (by: "auto" | "reference") => {
    const filled = await model.impute(Array.from({ length: 60 }, () => [0.5, NaN]), { draws: 10, by });
    const drawn = filled.draws.flatMap((draw) => [...draw].filter((_, i) => i % 2 === 1));
    equal(filled.by, by === "auto" ? "model" : "reference");
    return drawn.filter((y) => Math.abs(Math.abs(y) - 1) < 0.5).length / drawn.length;
  };
  const [own, plain] = [await near("auto"), await near("reference")];
  ok(own > 0.8 && plain < 0.6, `${own} of the draws are where data is, ${plain} of the reference's`);
});

/** A table of a number, a rounded one of few values, and a class, with unknown cells. */
async function writeTables(folder: string): Promise<void> {
  const random = Random.fromSeed(11);
  const lines = (count: number) =>
    Array.from({ length: count }, () => {
      const isLarge = random.uniform() < 0.5, mass = (isLarge ? 50 : 40) + 2 * random.normal();
      const cells = [
        mass.toFixed(2),
        (0.1 * (1 + (isLarge ? 2 : 0) + random.integer(3))).toFixed(1),
        isLarge ? "large" : "small",
      ];
      return `${cells.map((cell) => random.uniform() < 0.1 ? "" : cell).join()}\n`;
    }).join("");
  await Deno.writeTextFile(join(folder, "t.csv"), `mass,grade,size\n${lines(500)}`);
  await Deno.writeTextFile(join(folder, "holes.csv"), `mass,grade,size\n${lines(60)}`);
}

Deno.test("tables are filled in and scored as the tasks impute and score do it, number for number", () =>
  inFolder(async (folder) => {
    await writeTables(folder);
    const holes = join(folder, "holes.csv"), path = join(folder, "run");
    {
      await using fitted = await fit(await loadData(join(folder, "t.csv")), {
        ...{ epochs: 2, batchSize: 64, denoiserOptions: NETWORK, threads: 1 },
      });
      await saveModel(fitted, path);
    }
    await using model = await loadModel(path, { threads: 1 });
    const cells = (await Deno.readTextFile(holes)).trim().split("\n").slice(1).map((line) => {
      const [mass, grade, size] = line.split(",");
      const levels = model.info.table!.schema.columns.map((each) => each.kind === "class" ? each.levels : []);
      return [
        mass === "" ? NaN : Number(mass),
        grade === "" ? NaN : Number(grade),
        size === "" ? NaN : levels[2].indexOf(size),
      ];
    });
    const { means, deviations, draws, cells: told } = await model.impute(cells, { draws: 2, seed: 3 });
    const filled = await runTask("impute", [
      "run",
      holes,
      "--draws",
      "2",
      "--seed",
      "3",
      "--out",
      "f",
      "--threads",
      "1",
    ], folder);
    equal(filled.code, 0, filled.stderr);
    const levels = ["large", "small"].sort();
    for (const [k, draw] of draws.entries()) {
      const written = (await Deno.readTextFile(join(folder, "f", `holes-${k + 1}.csv`))).trim().split("\n").slice(1);
      written.forEach((line, row) => {
        const [mass, grade, size] = line.split(",");
        const expected = [
          Number(mass),
          Number(grade),
          model.info.table!.schema.columns[2].kind === "class" ? levels.indexOf(size) : NaN,
        ];
        expected.forEach((value, column) =>
          ok(Math.abs(draw[3 * row + column] - value) < 1e-9, `${line}: ${draw.slice(3 * row, 3 * row + 3)}`)
        );
      });
    }
    const lines = (await Deno.readTextFile(join(folder, "f", "holes.unknown.csv"))).trim().split("\n").slice(1);
    equal(lines.length, told.length);
    told.forEach(({ row, column, mean, deviation, levels: probabilities }, i) => {
      const [at, name, shownMean, shownDeviation] = lines[i].split(",");
      deepEqual([at, name], [String(row), ["mass", "grade", "size"][column]]);
      if (column === 2) {
        ok(Number.isNaN(deviation) && means[3 * row + 2] === probabilities!.indexOf(Math.max(...probabilities!)));
      } else {
        ok(Math.abs(mean - Number(shownMean)) < 1e-3 && Math.abs(deviation - Number(shownDeviation)) < 1e-3, lines[i]);
        deepEqual([means[3 * row + column], deviations[3 * row + column]], [mean, deviation]);
      }
    });

    for (const by of ["reference", "model"] as const) {
      const scores = await model.anomalyScores(cells, { by, seed: 3, rounds: 4 });
      const args = [
        "run",
        holes,
        "--by",
        by,
        "--seed",
        "3",
        "--rounds",
        "4",
        "--out",
        `${by}.csv`,
        "--threads",
        "1",
        "--json",
      ];
      const scored = await runTask("score", args, folder);
      equal(scored.code, 0, scored.stderr);
      equal(JSON.parse(scored.stdout).against.rows, scores.against);
      const [header, ...rest] = (await Deno.readTextFile(join(folder, `${by}.csv`))).trim().split("\n");
      deepEqual(header.split(",").slice(3), [
        "nll",
        "nll_stderr",
        "rank",
        "p",
        ...scores.columns.map((name) => `excess of ${name}`),
      ]);
      rest.forEach((line, row) => {
        const values = line.split(",").slice(3).map((text) => text === "" ? NaN : Number(text));
        const own = [
          scores.nll[row],
          scores.stderr[row],
          scores.ranks[row],
          scores.p[row],
          ...scores.excess.slice(3 * row, 3 * row + 3),
        ];
        own.forEach((value, k) =>
          ok(
            Object.is(value, values[k]) || Math.abs(value - values[k]) < 1e-5 * (1 + Math.abs(value)),
            `${line}: ${own}`,
          )
        );
      });
      equal(scores.by, by);
    }

    // Cells that a model draws are float32, which the values of a column need not be.
    const sampled = await model.sample(40, { steps: 20 }), half = await model.impute(sampled);
    deepEqual([half.cells.length, half.means.length], [0, 120]);
    ok([...half.means].every((value, i) => i % 3 !== 1 || [0.1, 0.2, 0.3, 0.4, 0.5].includes(value)));
    const own = await model.impute((await loadData(join(folder, "t.csv"))).validation);
    ok(own.cells.length > 5 && own.means.every(Number.isFinite));
    for (
      const [attempt, pattern] of [
        [
          model.impute([[40, 0.25, 0]]),
          /Row 0 \(from 0\) has grade 0\.25, expected one of 0\.1, 0\.2, 0\.3, 0\.4, 0\.5, as in training/,
        ],
        [model.nll([[40, 0.1, 0], [40, 0.1, 2]]), /Row 1 \(from 0\) has size 2, expected a whole number from 0 to 1/],
        [
          model.impute([[NaN, 0.1, 0]], { given: { size: 1 } }),
          /Something is given, but the model was fitted without a condition/,
        ],
        [model.impute([[40, 0.1]]), /Row 0 \(from 0\) has 2 values, expected 3/],
        [model.impute([[Infinity, 0.1, 0]]), /column 0 \(from 0\) is Infinity/],
        [
          model.impute([[NaN, 0.1, 0]], { steps: 10 }),
          /steps is of what is filled in by sampling, as images are, but the model is of a table/,
        ],
        [model.impute([[NaN, 0.1, 0]], { draws: -1 }), /draws is -1; it must be a whole number from 0 to 10000/],
        [model.impute([[NaN, 0.1, 0]], { signal: AbortSignal.abort(new Error("Enough.")) }), /Enough/],
        [
          model.anomalyScores([[NaN, 0.1, 0]], { by: "all" as "model" }),
          /by is "all"; it must be one of auto, model or reference/,
        ],
        [model.anomalyScores([[NaN, 0.1, 0]], { signal: AbortSignal.abort(new Error("Enough.")) }), /Enough/],
      ] as const
    ) await rejects(attempt, pattern);
  }));

Deno.test("images are filled in by sampling where they are NaN, each where it lacks some", () =>
  inFolder(async (cwd) => {
    // Two pixels that are alike, twice.
    const covariance = [1, 0.99, 0, 0, 0.99, 1, 0, 0, 0, 0, 1, 0.99, 0, 0, 0.99, 1].map((x) => x / 4);
    const gaussian = gaussianOf(new Float64Array(4), covariance);
    await makeRun(join(cwd, "run"), { shape: [1, 2, 2], range: [-1, 1] }, { gaussian, config: { evalBatchSize: 16 } });
    await using model = await loadModel(join(cwd, "run"));
    const rows = [[0.5, NaN, NaN, -0.5], [0.1, 0.2, 0.3, 0.4], [-0.6, NaN, 0.25, 0.25]];
    for (const method of ["repaint", "score"] as const) {
      const { means, deviations, draws, by } = await model.impute(rows, { method, draws: 8, steps: 40, seed: 1 });
      deepEqual([by, draws.length, means.length], [method, 8, 12]);
      for (const [at, expected] of [[1, 0.5], [2, -0.5], [9, -0.6]]) {
        ok(Math.abs(means[at] - expected) < 0.15, `${method}: ${means[at]} for ${expected}`);
        ok(deviations[at] > 0.01 && deviations[at] < 0.3, `${method}: ${deviations[at]}`);
        ok(Math.abs(draws.reduce((sum, draw) => sum + draw[at] / 8, 0) - means[at]) < 1e-9);
      }
      rows.flat().forEach((value, i) => {
        if (!Number.isNaN(value)) deepEqual([means[i], deviations[i], draws[3][i]], [value, 0, value]);
      });
    }
    const single = await model.impute(rows, { draws: 1, steps: 10 });
    ok(Number.isNaN(single.deviations[1]) && single.means[1] === single.draws[0][1]);
    equal((await model.impute(rows.slice(1, 2))).draws.length, 5);
    const stop = new AbortController(), endless = { draws: 10_000, steps: 100_000, signal: stop.signal };
    setTimeout(() => stop.abort(new Error("Enough.")));
    await rejects(model.impute(rows, endless), /Enough/);
    await rejects(model.impute(rows, { by: "model" }), /by is model, but images are filled in by sampling/);
    await rejects(model.impute(rows, { jump: 10, steps: 5 }), /--jump is 10, expected fewer than the 5 steps/);
  }));

Deno.test("filling in and scoring leave no tensor behind", async () => {
  const before = tf.memory().numTensors, rows = linkedRows(300);
  {
    await using model = await fit(rows, {
      epochs: 1,
      batchSize: 64,
      reference: "none",
      denoiserOptions: NETWORK,
      backend: "tfjs-cpu",
    });
    const once = async () => {
      await model.impute([[1000, NaN]], { draws: 1 });
      await model.anomalyScores([[1000, 0]], { rounds: 1, by: "model", against: rows.slice(0, 20) });
      await rejects(model.impute([[1000, 0, 1]]), /expected 2/);
      const stop = new AbortController(), endless = { rounds: 1e6, by: "model", signal: stop.signal } as const;
      setTimeout(() => stop.abort(new Error("Enough.")));
      await rejects(model.anomalyScores(rows, endless), /Enough/);
      return tf.memory().numTensors;
    };
    equal(await once(), await once(), "flat over calls");
  }
  equal(tf.memory().numTensors, before);
});
