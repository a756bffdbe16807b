import { deepEqual, equal, match, ok } from "assert";
import { join } from "node:path";
import { Random } from "../../core/random/random.ts";
import { encodeSafetensors } from "../../core/io/safetensors.ts";
import { latestCheckpoint, loadCheckpoint } from "../../core/io/checkpoints.ts";
import { inFolder } from "../folders.ts";
import { exactClasses, exactDensities, labelledRows } from "../labelled.ts";
import { runTask } from "./command.ts";

const SMALL = ["--width", "16", "--blocks", "1", "--batch-size", "64", "--figures", "off"];

const rowsOf = (seed: number, n: number) => labelledRows(Random.fromSeed(seed), n);

function table(rows: readonly number[][]): string {
  return `x,y,label\n${rows.map((row) => row.join()).join("\n")}\n`;
}

const json = async (path: string) => JSON.parse(await Deno.readTextFile(path));

Deno.test("a run with a condition tells what it took it for, and measures p(x | c) and p(x)", () =>
  inFolder(async (cwd) => {
    await Deno.writeTextFile(join(cwd, "three.csv"), table(rowsOf(0, 1000)));
    const args = ["three.csv", "--condition", "label", ...SMALL];
    const { code, stdout, stderr } = await runTask("train:2d", [...args, "--epochs", "2"], cwd);
    equal(code, 0, stderr);
    match(stderr, /given label, one of 3 classes \(0, 1, 2\)/);
    match(stdout, /of −log p\(x \| c\); told nothing, the model has [\d.]+ ± [\d.]+ on the validation data/);
    match(stdout, /a conditional mixture of \d+ Gaussians/);
    const run = join(cwd, "runs", "three"), summary = await json(join(run, "summary.json"));
    ok(summary.val_nll < summary.val_nll_unconditional - 0.5, JSON.stringify(summary));
    equal((await json(join(run, "config.json"))).dropCondition, 0.1);

    // A run that stopped after its first epoch ends at the same bits.
    const halves = [...args, "--out", "halves"];
    equal((await runTask("train:2d", [...halves, "--epochs", "1", "--validate-every", "1"], cwd)).code, 0);
    const again = await runTask("train:2d", ["--resume", "halves", "--epochs", "2", "--figures", "off"], cwd);
    equal(again.code, 0, again.stderr);
    const whole = await runTask("train:2d", [...args, "--decay", "constant", "--epochs", "2", "--out", "whole"], cwd);
    equal(whole.code, 0, whole.stderr);
    const other = [...args, "--decay", "constant", "--out", "parts"];
    equal((await runTask("train:2d", [...other, "--epochs", "1"], cwd)).code, 0);
    equal((await runTask("train:2d", ["--resume", "parts", "--epochs", "2", "--figures", "off"], cwd)).code, 0);
    const modelOf = async (name: string) => (await loadCheckpoint((await latestCheckpoint(join(cwd, name)))!)).model;
    deepEqual(await modelOf("parts"), await modelOf("whole"));
    await Deno.writeTextFile(join(cwd, "three.csv"), table(rowsOf(0, 1000).map(([x, y, c]) => [x, y, c + 1])));
    const changed = await runTask("train:2d", ["--resume", "parts", "--epochs", "3", "--data-changed"], cwd);
    equal(changed.code, 2, changed.stderr);
    match(
      changed.stderr,
      /The run was given label, one of 3 classes \(0, 1, 2\), but the data of three now says .*\(1, 2, 3\)/,
    );
  }));

Deno.test("a condition that cannot be had is refused in one line", () =>
  inFolder(async (cwd) => {
    await Deno.writeTextFile(join(cwd, "three.csv"), table(rowsOf(0, 100)));
    for (
      const [args, pattern] of [
        [
          ["three.csv", "--condition", "lable"],
          /--condition names lable, which three.csv does not have|--condition names lable/,
        ],
        [
          ["three.csv", "--condition", "label", "--denoiser", "gaussian"],
          /denoiser gaussian takes nothing that is known/,
        ],
        [["three.csv", "--drop-condition", "0.2"], /--drop-condition is given, but there is no condition to drop/],
        [["three.csv", "--condition", "label", "--drop-condition", "1"], /--drop-condition is 1/],
      ] as const
    ) {
      const { code, stderr } = await runTask("train:2d", [
        ...args,
        ...(args.includes("gaussian" as never) ? [] : SMALL),
      ], cwd);
      equal(code, 2, stderr);
      match(stderr, pattern);
    }
  }));

Deno.test("rows without a label train p(x), and are scored so", () =>
  inFolder(async (cwd) => {
    const rows = rowsOf(0, 3000), test = rowsOf(1, 400);
    const gaps = (of: readonly number[][]) => table(of).replace(/,\d\n/g, (end, at) => at % 3 ? end : ",\n");
    await Deno.writeTextFile(join(cwd, "gaps.csv"), gaps(rows));
    await Deno.writeTextFile(join(cwd, "test.csv"), gaps(test));
    const json = async (task: string, ...args: string[]) => {
      const { code, stdout, stderr } = await runTask(task, [...args, "--json"], cwd);
      equal(code, 0, stderr);
      return JSON.parse(stdout);
    };
    const unknown = gaps(rows).match(/,\n/g)!.length, untold = gaps(test).match(/,\n/g)!.length;
    ok(unknown > 800 && unknown < 1200, String(unknown));
    const trained = await json(
      "train:2d",
      "gaps.csv",
      "--condition",
      "label",
      "--epochs",
      "1",
      ...SMALL,
      "--out",
      "run",
    );
    match(trained.notes.join(), new RegExp(`label unknown in ${unknown} rows`));
    const { nats, log_scale, read } = await json("nll", "run", "--data", "test.csv", "--rounds", "4");
    match(read, new RegExp(`label unknown in ${untold} rows`));
    const isKnown = gaps(test).split("\n").slice(1).map((line) => !line.endsWith(","));
    const truth = test.reduce((sum, row, i) => {
      const { given, plain } = exactDensities(row);
      return sum - (isKnown[i] ? given[row[2]] : plain) / test.length;
    }, 0);
    ok(Math.abs(nats + log_scale - truth) < 0.05, `${nats + log_scale} for ${truth}`);
    const { unlabelled, accuracy, notes } = await json("classify", "run", "--data", "test.csv", "--rounds", "2");
    equal(unlabelled, untold);
    ok(accuracy > 0.9);
    match(notes.join(), /label is unknown of \d+ of the 400 samples, by which nothing is scored/);
  }));

Deno.test("the bound of discrete data goes by what is given", () =>
  inFolder(async (cwd) => {
    // Two bytes, each one of four equally likely values, which are others in each of two classes.
    const random = Random.fromSeed(3), n = 2000;
    const labels = Uint8Array.from({ length: n }, () => random.integer(2));
    const x = Uint8Array.from({ length: 2 * n }, (_, i) => 96 + 60 * labels[i >> 1] + random.integer(4));
    const tensors = { x: { shape: [n, 2], data: x }, kind: { shape: [n], data: Float32Array.from(labels) } };
    await Deno.writeFile(join(cwd, "bytes.safetensors"), encodeSafetensors(tensors));
    const args = ["bytes.safetensors:x", "--condition", "kind", "--epochs", "1", ...SMALL, "--out", "run"];
    const { code, stderr } = await runTask("train:2d", args, cwd);
    equal(code, 0, stderr);
    const bound = async (given: string) => {
      const asked = ["--part", "train", "--estimator", "discrete", "--rounds", "4", "--given", given, "--json"];
      const { code, stdout, stderr } = await runTask("nll", ["run", ...asked], cwd);
      equal(code, 0, stderr);
      return JSON.parse(stdout);
    };
    const given = await bound("data"), plain = await bound("none");
    equal(given.given, "kind of each sample");
    const least = 2 * Math.log(4), stderrs = 3 * Math.hypot(given.stderr, plain.stderr);
    ok(given.nats > least - stderrs && given.nats < least + 0.3, JSON.stringify(given));
    ok(Math.abs(plain.nats - given.nats - Math.log(2)) < stderrs + 0.02, `${plain.nats} and ${given.nats}`);
  }));

Deno.test("nll, sample and classify go by what is given", () =>
  inFolder(async (cwd) => {
    const test = rowsOf(1, 400);
    await Deno.writeTextFile(join(cwd, "three.csv"), table(rowsOf(0, 3000)));
    await Deno.writeTextFile(join(cwd, "test.csv"), table(test));
    await Deno.writeTextFile(join(cwd, "bare.csv"), `x,y\n${test.map(([x, y]) => `${x},${y}`).join("\n")}\n`);
    const trained = await runTask(
      "train:2d",
      ["three.csv", "--condition", "label", "--epochs", "1", ...SMALL, "--out", "run"],
      cwd,
    );
    equal(trained.code, 0, trained.stderr);
    const run = async (task: string, ...args: string[]) => {
      const { code, stdout, stderr } = await runTask(task, ["run", ...args, "--json"], cwd);
      equal(code, 0, stderr);
      return JSON.parse(stdout);
    };
    const mean = (of: (row: number[]) => number) => test.reduce((sum, row) => sum + of(row) / test.length, 0);
    const exact = {
      data: mean((row) => -exactDensities(row).given[row[2]]),
      none: mean((row) => -exactDensities(row).plain),
      "label=1": mean((row) => -exactDensities(row).given[1]),
    };
    for (const [given, truth] of Object.entries(exact)) {
      const said = given === "data" ? [] : ["--given", given];
      const { nats, log_scale, given: words } = await run("nll", "--data", "test.csv", "--rounds", "4", ...said);
      equal(words, { data: "label of each sample", none: "nothing", "label=1": "label=1" }[given]);
      // Of points of other classes, which lie in its tails, the density is a rough one.
      const tolerance = given === "label=1" ? 2 : 0.05;
      ok(Math.abs(nats + log_scale - truth) < tolerance, `${given}: ${nats + log_scale} for ${truth}`);
    }
    equal((await run("nll", "--data", "bare.csv", "--rounds", "1")).given, "nothing");
    // A run without a condition is told nothing.
    const points = rowsOf(0, 3000).map(([x, y]) => `${x},${y}`).join("\n");
    await Deno.writeTextFile(join(cwd, "points.csv"), `x,y\n${points}\n`);
    const other = ["points.csv", "--epochs", "1", ...SMALL, "--out", "other"];
    equal((await runTask("train:2d", other, cwd)).code, 0);
    for (const given of ["data", "none"] as const) {
      const asked = ["--data", "test.csv", "--rounds", "4", "--given", given];
      const clamped = await run("nll", ...asked, "--clamp"), both = await run("nll", ...asked, "--ensemble", "other");
      for (const { nats, log_scale, given: words } of [clamped, both]) {
        equal(words, given === "data" ? "label of each sample" : "nothing");
        ok(Math.abs(nats + log_scale - exact[given]) < 0.05, `${given}: ${nats + log_scale} for ${exact[given]}`);
      }
      if (given === "data") ok(both.ensemble.shares[0] > 0.9, both.ensemble.shares.join());
    }
    equal((await run("nll", "--data", "bare.csv", "--given", "label=1", "--clamp", "--rounds", "1")).given, "label=1");

    const { accuracy, log_loss, entropy_nats, mi_at_least_nats, likelihoods, figures } = await run(
      "classify",
      "--data",
      "test.csv",
      "--per-sample",
      "c.csv",
    );
    const best = mean((row) => -exactClasses(row)[row[2]]);
    ok(Math.abs(log_loss - best) < 0.03 && accuracy > 0.9, `${accuracy}, ${log_loss} for ${best}`);
    ok(["paired", "errors"].includes(likelihoods), likelihoods);
    ok(Math.abs(entropy_nats - log_loss - mi_at_least_nats) < 1e-9 && mi_at_least_nats < entropy_nats);
    match(await Deno.readTextFile(join(cwd, "run", figures[0])), /share of right answers/);
    const [head, first] = (await Deno.readTextFile(join(cwd, "c.csv"))).split("\n");
    equal(head, "row,label,predicted,log_p_0,log_p_1,log_p_2");
    equal(Number(first.split(",")[1]), test[0][2]);
    await run("classify", "--data", "bare.csv", "--per-sample", "b.csv", "--rounds", "1");
    equal((await Deno.readTextFile(join(cwd, "b.csv"))).split("\n")[0], "row,predicted,log_p_0,log_p_1,log_p_2");

    // Some of the rows, drawn by the seed, with a file beside that of all.
    const some = await run(
      "classify",
      "--data",
      "test.csv",
      "--samples",
      "20",
      "--rounds",
      "1",
      "--per-sample",
      "s.csv",
    );
    deepEqual([some.samples, some.drawn_from], [20, test.length]);
    deepEqual(some.figures, ["classify/test.csv-20_samples.svg"]);
    for (const line of (await Deno.readTextFile(join(cwd, "s.csv"))).trim().split("\n").slice(1)) {
      const [row, label] = line.split(",").map(Number);
      equal(label, test[row][2]);
    }

    let figure = "";
    const drawn = async (...args: string[]) => {
      const { folder } = await run("sample", "--count", "64", "--steps", "40", ...args);
      figure = await Deno.readTextFile(join(cwd, folder, "samples.svg"));
      return await Deno.readTextFile(join(cwd, folder, "samples.csv"));
    };
    const plain = await drawn(), one = await drawn("--given", "label=1");
    match(figure, /over filled contours of the model's log p\(x \| c\)[^]*log p\(x \| c\), nats/);
    equal(await drawn("--given", "label=1", "--guidance", "0"), plain);
    // The run has no panel of p(x).
    ok(!figure.includes("contours"));
    equal(await drawn("--given", "label=1", "--guidance", "1"), one);
    const rows = one.trim().split("\n").slice(1).map((line) => line.split(",").map(Number));
    ok(rows.filter((row) => exactClasses(row)[1] > Math.log(0.3)).length > 56);
    ok(await drawn("--given", "label=1", "--guidance", "3", "--sampler", "ode") !== one);

    for (
      const [task, args, pattern] of [
        ["nll", ["--given", "label=9"], /label is given as 9, expected one of 0, 1, 2/],
        ["nll", ["--given", "data", "--data", "bare.csv"], /bare.csv does not say label of its samples/],
        ["sample", ["--given", "data"], /which samples that are drawn have none of/],
        ["sample", ["--guidance", "2"], /--guidance is by what is given, but nothing is/],
        ["classify", ["--data", "bare.csv"], /does not say the label of its samples/],
        ["classify", ["--variable", "age"], /--variable is age, expected a class of the run: label/],
      ] as const
    ) {
      const { code, stderr } = await runTask(task, ["run", ...args], cwd);
      equal(code, 2, `${task} ${args}: ${stderr}`);
      match(stderr, pattern);
    }
  }));
