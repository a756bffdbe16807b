import { deepEqual, equal, match, ok, rejects } from "assert";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as tf from "@tensorflow/tfjs";
import {
  conditionInformation,
  type DenoiserPlugin,
  densityFigure,
  errorFigure,
  fit,
  importUnet,
  loadData,
  loadModel,
  lossFigure,
  mutualInformation,
  Random,
  saveModel,
  UserError,
} from "../../core/mod.ts";
import { latestCheckpoint, loadCheckpoint } from "../../core/io/checkpoints.ts";
import { gaussianDenoiser } from "../../core/reference/gaussian.ts";
import { inFolder } from "../folders.ts";
import { exactClasses, exactDensities, labelledInformation, labelledRows } from "../labelled.ts";
import { runTask } from "../tasks/command.ts";

const IMAGES = fileURLToPath(new URL("../reference/datasets/images.h5", import.meta.url));
const WEIGHTS = fileURLToPath(new URL("../reference/unet/config_a/safetensors", import.meta.url));

const NETWORK = { width: 16, blocks: 1 };

/** Rows of independent Gaussians far from the scale that a model sees. */
const MEAN = [1e4, -3], SCALE = [50, 0.02];

function farRows(count: number): number[][] {
  const random = Random.fromSeed(7);
  return Array.from({ length: count }, () => MEAN.map((mean, k) => mean + SCALE[k] * random.normal()));
}

Deno.test("a fit is the run that train:2d makes, number for number", () =>
  inFolder(async (cwd) => {
    const args = ["scg", "--epochs", "2", "--points", "400", "--batch-size", "64", "--figures", "off", "--out", "run"];
    const { code, stderr } = await runTask(
      "train:2d",
      [...args, "--width", "16", "--blocks", "1", "--threads", "1"],
      cwd,
    );
    equal(code, 0, stderr);
    const run = await loadCheckpoint((await latestCheckpoint(join(cwd, "run")))!);
    const data = await loadData("scg", { options: { points: 400 } });
    const settings = { epochs: 2, batchSize: 64, threads: 1, denoiserOptions: NETWORK };
    await using model = await fit(data, settings);
    deepEqual(Object.keys(model.params).sort(), Object.keys(run.model).sort());
    for (const [name, { data }] of Object.entries(run.model)) deepEqual(model.params[name].data, data, name);
    deepEqual(model.history.map(({ epoch, step }) => [epoch, step]), [[1, 5], [2, 10]]);
    await using other = await fit(data, { ...settings, seed: 1 });
    ok(other.history[1].trainNll !== model.history[1].trainNll);
  }));

Deno.test("densities, scores, denoised rows and samples are in the data's own units", async () => {
  const rows = farRows(4000);
  await using model = await fit(rows, { denoiser: "gaussian", epochs: 1 });
  // The truth within what 3,600 rows tell of it: −log p in the data's units.
  const truth = (row: readonly number[]) =>
    row.reduce(
      (sum, x, k) => sum - 0.5 * ((x - MEAN[k]) / SCALE[k]) ** 2 - 0.5 * Math.log(2 * Math.PI * SCALE[k] ** 2),
      0,
    );
  const some = rows.slice(0, 50);
  const { logDensity, stderr } = await model.logDensity(some);
  some.forEach((row, i) => {
    const expected = truth(row), far = -0.5 * Math.log(2 * Math.PI * SCALE[0] * SCALE[1]) - expected;
    ok(Math.abs(logDensity[i] - expected) < 0.1 * (1 + Math.abs(far)), `${logDensity[i]} for ${expected}`);
  });
  ok(stderr.every((error) => error < 1e-3), "an ideal denoiser has no noise against its own Gaussian");
  const entropy = SCALE.reduce((sum, s) => sum + 0.5 * Math.log(2 * Math.PI * Math.E * s ** 2), 0);
  const { nats, stderr: error, samples } = await model.nll(rows.slice(0, 1000));
  ok(Math.abs(nats - entropy) < 4 * error, `${nats} for ${entropy}`);
  equal(samples, 1000);
  const flow = await model.nll(rows.slice(0, 1000), { estimator: "ode" });
  ok(Math.abs(flow.nats - nats) < 1e-3 && flow.noiseStderr === 0, `${flow.nats} for ${nats}`);

  // The fitted Gaussian's own, of data blurred by e^(−α/2) of each scale: ∇ log N(x; μ, Σ + e^−α·I), and E[x | y].
  const logsnr = 3, { gaussian: { mean: centre, eigenvalues, eigenvectors: u }, axes } = model.info;
  const along = (v: readonly number[], weight: (l: number) => number) => {
    const coefficients = [0, 1].map((k) => (u![k] * v[0] + u![2 + k] * v[1]) * weight(eigenvalues[k]));
    return [0, 1].map((i) => u![2 * i] * coefficients[0] + u![2 * i + 1] * coefficients[1]);
  };
  const blur = Math.exp(-logsnr);
  const score = await model.score(some, { logsnr }), clean = await model.denoise(some, logsnr);
  some.forEach((row, i) => {
    const scaled = row.map((x, k) => (x - axes!.mean[k]) / axes!.scale[k] - centre[k]);
    const gradient = along(scaled, (l) => -1 / (l + blur)), shrunk = along(scaled, (l) => l / (l + blur));
    for (const k of [0, 1]) {
      const wanted = {
        score: gradient[k] / axes!.scale[k],
        clean: axes!.mean[k] + axes!.scale[k] * (centre[k] + shrunk[k]),
      };
      ok(Math.abs(score[2 * i + k] - wanted.score) < 1e-3 / SCALE[k], `${score[2 * i + k]} for ${wanted.score}`);
      ok(Math.abs(clean[2 * i + k] - wanted.clean) < 1e-3 * SCALE[k], `${clean[2 * i + k]} for ${wanted.clean}`);
      ok(Math.abs(axes!.mean[k] - MEAN[k]) < 0.1 * SCALE[k] && Math.abs(axes!.scale[k] / SCALE[k] - 1) < 0.1);
    }
  });
  const drawn = await model.sample(2000, { seed: 3, steps: 30 });
  for (const k of [0, 1]) {
    const column = drawn.filter((_, i) => i % 2 === k);
    const mean = column.reduce((sum, x) => sum + x / column.length, 0);
    const deviation = Math.sqrt(column.reduce((sum, x) => sum + (x - mean) ** 2 / column.length, 0));
    ok(
      Math.abs(mean - MEAN[k]) < 0.15 * SCALE[k] && Math.abs(deviation / SCALE[k] - 1) < 0.1,
      `${mean} ± ${deviation}`,
    );
  }
  deepEqual(await model.sample(5, { seed: 3, steps: 30 }), drawn.slice(0, 10), "the same noise for the same sample");
});

Deno.test("a saved model is a run's folder: it loads to the same numbers, and the tasks open it", () =>
  inFolder(async (cwd) => {
    const data = await loadData("moons", { options: { points: 400 } });
    await using model = await fit(data, { epochs: 2, batchSize: 64, denoiserOptions: NETWORK });
    const path = await saveModel(model, join(cwd, "saved"));
    const points = [[0, 0.5], [1, -1], [3, 3]];
    const before = await model.logDensity(points);
    {
      await using again = await loadModel(path);
      deepEqual(await again.logDensity(points), before);
      deepEqual(await again.score(points), await model.score(points));
    }
    await rejects(saveModel(model, path), /is not empty|holds/);
    const { code, stdout, stderr } = await runTask("nll", ["saved", "--part", "validation", "--json"], cwd);
    equal(code, 0, stderr);
    const { nats } = JSON.parse(stdout);
    const own = await model.nll(data.validation);
    ok(Math.abs(own.nats - nats) < 1e-6, `${own.nats} for ${nats}`);
    const resumed = await runTask("train:2d", ["--resume", "saved"], cwd);
    equal(resumed.code, 2);
    match(resumed.stderr, /^error: The run in saved was made by fit, [^\n]*\n$/);
  }));

Deno.test("a denoiser of a program's own is checked, and is needed to load its model", () =>
  inFolder(async (cwd) => {
    const denoiser: DenoiserPlugin = {
      create: ({ gaussian }) => ({
        init: () => ({ scale: { shape: [1], data: Float32Array.of(1) } }),
        predict: ({ scale }, z, logsnr) => tf.mul(gaussianDenoiser(z, logsnr, gaussian), scale),
      }),
    };
    await using model = await fit(farRows(300), { denoiser, epochs: 1 });
    const path = await saveModel(model, join(cwd, "own"));
    await rejects(loadModel(path), (error) => error instanceof UserError && /given by a program/.test(error.message));
    await using again = await loadModel(path, { denoiser });
    deepEqual(await again.logDensity([MEAN]), await model.logDensity([MEAN]));
    await rejects(
      fit(farRows(300), { denoiser: {} as DenoiserPlugin }),
      /breaks its contract: create is missing, expected a function/,
    );
    const { code, stderr } = await runTask("report", ["own"], cwd);
    equal(code, 2, stderr);
    equal(existsSync(join(path, "report.html")), false);
  }));

Deno.test("errors are those of the command line", async () => {
  const data = await loadData("scg", { options: { points: 100 } });
  const tries: [() => Promise<unknown>, RegExp][] = [
    [() => loadData("mons"), /No data set is called "mons"\. Did you mean moons\?/],
    [
      () => loadData("moons", { options: { point: 5 } }),
      /The data set moons has no option point\. Did you mean points\?/,
    ],
    [() => loadData("moons", { options: { points: 5 } }), /--points is 5; it must be a whole number from 10/],
    [() => loadData("moons", { options: { points: "many" } }), /--points is "many"; it must be a whole number from 10/],
    [() => loadData([[1, 2], [3]]), /Row 1 \(from 0\) has 1 values, expected 2/],
    [() => loadData([[1, 2], [3, NaN]]), /Row 1, column 1 \(from 0\) is NaN, expected a finite number/],
    [() => loadData([]), /Got no rows/],
    [() => fit(data, { denoiser: "mpl" }), /No denoiser is called "mpl"\. Did you mean mlp\?/],
    [() => fit(data, { batchSize: 1000 }), /--batch-size is 1000, but the data set scg has 90 training samples/],
    [() => fit(data, { epochs: 2.5 }), /epochs is 2\.5; it must be a whole number from 1/],
    [() => fit(data, { evalBatchSize: 1e9 }), /evalBatchSize is 1000000000; it must be a whole number from 1 to 65536/],
    [() => fit(data, { seed: -1 }), /seed is -1; it must be/],
    [() => fit(data, { recipe: "__proto__" as "seed" }), /recipe is "__proto__"; it must be one of default or seed/],
    [() => fit(data, { epoch: 3 } as object), /There is no setting epoch\. Did you mean epochs\?/],
    [() => fit(data, { denoiserOptions: { hidden: 3 } }), /The denoiser residual has no option hidden/],
    [() => mutualInformation(farRows(100), { x: [0], y: [0] }), /Column 0 is in both --x and --y/],
    [() => mutualInformation(farRows(100), { x: "0", y: "7" }), /--y has 7, but the data has 2 columns/],
    [() => loadModel("/nowhere"), /There is no run in \/nowhere/],
  ];
  for (const [attempt, message] of tries) {
    await rejects(attempt(), (error) => error instanceof UserError && message.test(error.message), String(message));
  }
});

Deno.test("a signal ends a fit, and no tensor is left behind", async () => {
  const data = await loadData("scg", { options: { points: 200 } });
  const stop = new AbortController();
  const sizes = { batchSize: 64, evalBatchSize: 64 };
  const endless = { epochs: 1e6, ...sizes, denoiserOptions: NETWORK, backend: "tfjs-cpu" } as const;
  let epochs = 0;
  const before = tf.memory().numTensors;
  await rejects(
    fit(data, {
      ...endless,
      signal: stop.signal,
      onEpoch: () => {
        if (++epochs === 2) stop.abort();
      },
    }),
    /Stopped in epoch 3 of 1000000/,
  );
  equal(tf.memory().numTensors, before);
  await rejects(fit(data, { ...endless, signal: AbortSignal.abort(new Error("Enough.")) }), /Enough/);
  {
    await using model = await fit(data, { ...endless, epochs: 1 });
    const once = async () => {
      await model.logDensity([[0, 0]], { levels: 2 });
      await model.score([[0, 0]]);
      await model.sample(2, { steps: 2 });
      return tf.memory().numTensors;
    };
    equal(await once(), await once(), "flat over calls");
  }
  equal(tf.memory().numTensors, before);
});

Deno.test("mutual information and figures", async () => {
  const random = Random.fromSeed(1);
  const rows = Array.from({ length: 800 }, () => {
    const x = random.normal();
    return [x, random.normal(), x + random.normal()];
  });
  const { nats, stderr, gaussianNats } = await mutualInformation(rows, {
    ...{ x: "a", y: "c", names: ["a", "b", "c"], epochs: 2 },
  });
  ok(Math.abs(nats - Math.LN2 / 2) < 4 * stderr, `${nats} ± ${stderr}`);
  ok(Math.abs(gaussianNats - Math.LN2 / 2) < 0.1);

  const data = await loadData("moons", { options: { points: 400 } });
  await using model = await fit(data, { epochs: 2, batchSize: 64, denoiserOptions: NETWORK });
  const figures = [await densityFigure(model), await errorFigure(model, data.validation), await lossFigure(model)];
  for (const svg of figures) match(svg, /^<svg[^]*<\/svg>$/);
  await using flat = await fit(rows, { denoiser: "gaussian", epochs: 1 });
  await rejects(densityFigure(flat), /The model is of samples of shape \[3\], but a density is drawn of shape \[2\]/);
});

Deno.test("a U-Net of diffusers is a density of images, the one that the task nll measures", () =>
  inFolder(async (cwd) => {
    const { code, stdout, stderr } = await runTask(
      "nll",
      [WEIGHTS, "--data", IMAGES, "--fit", IMAGES, "--rounds", "2", "--adapt", "off", "--json"],
      cwd,
    );
    equal(code, 0, stderr);
    const data = await loadData(IMAGES);
    await using model = await importUnet(WEIGHTS, data);
    equal(model.shape.join(), data.shape.join());
    const { nats, stderr: error } = await model.nll(data.validation, { rounds: 2 });
    ok(Number.isFinite(nats) && error > 0);
    ok(Math.abs(nats - JSON.parse(stdout).nats) < 6 * Math.hypot(error, JSON.parse(stdout).stderr));
    equal((await model.sample(1, { steps: 2 })).length, data.train.dimension);
  }));

Deno.test("a conditional model is fitted to rows, saved and loaded, and all its functions go by what is given", () =>
  inFolder(async (cwd) => {
    const rows = labelledRows(Random.fromSeed(0), 2000), far = rows.map(([x, y, c]) => [1e3 + 20 * x, y, 10 + c]);
    const fitted = await fit(far, { condition: [2], epochs: 1, denoiserOptions: NETWORK });
    await saveModel(fitted, join(cwd, "run"));
    const { condition } = fitted.info;
    deepEqual(condition!.map((one) => one.kind === "class" && [one.name, one.levels, one.place]), [[
      "2",
      [10, 11, 12],
      2,
    ]]);
    ok(fitted.history[0].unconditional!.mean > fitted.history[0].validation.mean + 0.5);
    await fitted[Symbol.asyncDispose]();

    await using model = await loadModel(join(cwd, "run"));
    const test = labelledRows(Random.fromSeed(1), 300), points = test.map(([x, y]) => [1e3 + 20 * x, y]);
    const each = test.map(([, , c]) => ({ 2: 10 + c })), size = Math.log(20);
    const told = await model.logDensity(points, { given: each }), untold = await model.logDensity(points);
    const one = await model.logDensity(points, { given: { 2: 11 } });
    const mean = (of: (row: number[], i: number) => number) =>
      test.reduce((sum, row, i) => sum + of(row, i) / test.length, 0);
    const truth = {
      told: mean((row) => exactDensities(row).given[row[2]]),
      untold: mean((row) => exactDensities(row).plain),
    };
    ok(Math.abs(mean((_, i) => told.logDensity[i]) + size - truth.told) < 0.1);
    ok(Math.abs(mean((_, i) => untold.logDensity[i]) + size - truth.untold) < 0.1);
    test.forEach(([, , c], i) => ok(c !== 1 || Math.abs(one.logDensity[i] - told.logDensity[i]) < 1e-4));
    const nll = await model.nll(points, { given: each });
    ok(Math.abs(nll.nats + mean((_, i) => told.logDensity[i])) < 0.02);

    const { difference, orthogonal, classes } = await conditionInformation(model, points, { given: each });
    ok(Math.abs(difference.mean - (truth.told - truth.untold)) < 0.03, `${difference.mean}`);
    ok(Math.abs(orthogonal.mean - labelledInformation()) < 3 * orthogonal.stderr, `${orthogonal.mean}`);
    ok(classes!.levels === 3 && classes!.conditional.mean > 0);
    const single = await conditionInformation(model, points.slice(0, 1), { given: each.slice(0, 1) });
    ok(single.classes === undefined && Number.isFinite(single.orthogonal.stderr));

    const drawn = await model.sample(200, { given: { 2: 11 }, steps: 50 });
    const own = Array.from({ length: 200 }, (_, i) => exactClasses([(drawn[2 * i] - 1e3) / 20, drawn[2 * i + 1]])[1]);
    ok(own.filter((log) => log > Math.log(0.3)).length > 175);
    const plain = await model.sample(20, { steps: 20 }), zero = { given: { 2: 11 }, guidance: 0, steps: 20 };
    deepEqual(await model.sample(20, zero), plain);
    const scores = [await model.score([[1e3, 0]], { given: { 2: 10 } }), await model.score([[1e3, 0]])];
    ok(scores[0][0] !== scores[1][0]);
    ok((await model.denoise([[1e3, 0]], 0, { given: { 2: 10 } }))[0] < (await model.denoise([[1e3, 0]], 0))[0]);
    ok((await densityFigure(model, { given: { 2: 10 } })).startsWith("<svg"));

    for (
      const [attempt, pattern] of [
        [conditionInformation(model, points), /Nothing says 2 of the samples\. Give data that does, or a record/],
        [model.logDensity(points, { given: { 3: 1 } }), /given names "3", but the model is given 2/],
        [model.logDensity(points, { given: { 2: 3 } }), /2 is given as 3, expected one of 10, 11, 12/],
        [model.nll(points, { given: [{ 2: 10 }] }), /given has 1 records, expected one for each of the 300 rows/],
        [model.sample(1, { guidance: 2 }), /--guidance is by what is given/],
        [fit(far, { condition: [3] }), /condition names column 3, expected whole numbers from 0 to 2/],
        [fit(far, { condition: [2], denoiser: "gaussian" }), /denoiser gaussian takes nothing that is known/],
      ] as const
    ) await rejects(attempt, pattern);
  }));

Deno.test("a table is a density of its cells, in their own units, with what is unknown left out", () =>
  inFolder(async (folder) => {
    const random = Random.fromSeed(11),
      rows = Array.from({ length: 400 }, () => {
        const isLarge = random.uniform() < 0.5;
        return [Math.round((isLarge ? 50 : 40) * 10 + 30 * random.normal()) / 10, isLarge ? "large" : "small"];
      });
    await Deno.writeTextFile(join(folder, "t.csv"), `mass,size\n${rows.map((row) => row.join()).join("\n")}\n`);
    const data = await loadData(join(folder, "t.csv"));
    deepEqual(data.table?.schema.columns.map(({ name, kind }) => [name, kind]), [["mass", "number"], [
      "size",
      "class",
    ]]);
    await using model = await fit(data, { epochs: 2, batchSize: 64, denoiserOptions: NETWORK });
    // −log P(size) alone, of two classes as often as each other, and of a mass given a tenth.
    const { nats } = await model.nll([[NaN, 0], [NaN, 1]]);
    ok(Math.abs(nats - Math.log(2)) < 0.1, `${nats}`);
    const { logDensity } = await model.logDensity([[50, 0], [50, NaN], [40, 0]], { levels: 64 });
    const expected = Math.log(0.5 * 0.1 / (3 * Math.sqrt(2 * Math.PI)));
    for (const log of logDensity.slice(0, 2)) ok(Math.abs(log - expected) < 0.4, `${log}, ${expected}`);
    ok(logDensity[2] < expected - 3);
    const cells = await model.sample(50, { steps: 50 });
    equal(cells.length, 100);
    for (let i = 0; i < 100; i += 2) {
      ok(
        cells[i] > 25 && cells[i] < 65 && Math.abs(cells[i] * 10 - Math.round(cells[i] * 10)) < 1e-3 &&
          cells[i + 1] in [0, 1],
      );
    }
    await rejects(
      model.nll([[50, 0]], { estimator: "ode" }),
      /whose levels and unknown values the paired estimator alone/,
    );
    await saveModel(model, join(folder, "run"));
    await using loaded = await loadModel(join(folder, "run"));
    deepEqual((await loaded.logDensity([[50, 0]])).logDensity, (await model.logDensity([[50, 0]])).logDensity);
  }));
