import { deepEqual, equal, match, ok } from "assert";
import { join } from "node:path";
import { encodeSafetensors } from "../../core/io/safetensors.ts";
import { Random } from "../../core/random/random.ts";
import { makeRun } from "../core/run/runs.ts";
import { inFolder, namesIn } from "../folders.ts";
import { exactDensities, labelledInformation, labelledRows } from "../labelled.ts";
import { runTask } from "./command.ts";

const SMALL = ["--width", "16", "--blocks", "1", "--batch-size", "64", "--figures", "off"];

const TEST = labelledRows(Random.fromSeed(1), 1500);

/** A folder with a run of three classes, `run`, and other rows of its kind, `test.csv`. */
function inRun(test: (cwd: string) => Promise<void>): Promise<void> {
  return inFolder(async (cwd) => {
    const table = (rows: readonly number[][]) => `x,y,label\n${rows.map((row) => row.join()).join("\n")}\n`;
    await Deno.writeTextFile(join(cwd, "three.csv"), table(labelledRows(Random.fromSeed(0), 3000)));
    await Deno.writeTextFile(join(cwd, "test.csv"), table(TEST));
    const args = ["three.csv", "--condition", "label", "--drop-condition", "0.5", "--epochs", "1", ...SMALL];
    const { code, stderr } = await runTask("train:2d", [...args, "--out", "run"], cwd);
    equal(code, 0, stderr);
    await test(cwd);
  });
}

Deno.test("mi of a run gives the information of its samples and their classes, and of each row", () =>
  inRun(async (cwd) => {
    const truth = labelledInformation();
    const own = TEST.map((row) => exactDensities(row).given[row[2]] - exactDensities(row).plain);
    const args = ["run", "--data", "test.csv", "--rounds", "4", "--per-row", "rows.csv", "--json"];
    const { code, stdout, stderr } = await runTask("mi", args, cwd);
    deepEqual([code, stderr], [0, ""]);
    const summary = JSON.parse(stdout);
    deepEqual([summary.task, summary.samples, summary.rounds, summary.condition], ["mi", 1500, 4, ["label"]]);
    for (const { mi_nats, mi_stderr } of [summary, summary.orthogonal]) {
      ok(Math.abs(mi_nats - truth) < 3 * mi_stderr, `${mi_nats} ± ${mi_stderr} for ${truth}`);
    }
    ok(Math.abs(summary.gap.nats - (summary.mi_nats - summary.orthogonal.mi_nats)) < 1e-9);
    const { classes } = summary;
    equal(classes.levels, 3);
    ok(Math.abs(classes.conditional_entropy_nats - (classes.entropy_nats - summary.mi_nats)) < 1e-9);
    ok(classes.least_error > 0.01 && classes.most_error < 0.15, JSON.stringify(classes));

    const [header, ...lines] = (await Deno.readTextFile(join(cwd, "rows.csv"))).trim().split("\n");
    equal(header, "row,information,stderr,orthogonal,orthogonal_stderr");
    const rows = lines.map((line) => line.split(",").map(Number));
    deepEqual(rows.map(([row]) => row), TEST.map((_, i) => i));
    ok(Math.abs(rows.reduce((sum, [, nats]) => sum + nats / rows.length, 0) - summary.mi_nats) < 1e-9);
    const far = own.map((value, i) => Math.abs(rows[i][1] - value)).sort((a, b) => a - b);
    ok(far[Math.floor(0.9 * far.length)] < 0.3, `${far[Math.floor(0.9 * far.length)]}`);

    deepEqual(summary.figures, ["mi/test.csv.svg"]);
    deepEqual(await namesIn(join(cwd, "run", "mi")), ["test.csv.json", "test.csv.svg"]);
    deepEqual(JSON.parse(await Deno.readTextFile(join(cwd, "run/mi/test.csv.json"))), summary);
    match(await Deno.readTextFile(join(cwd, "run/mi/test.csv.svg")), />half of this area is I\(X; C\)</);
    const again = JSON.parse((await runTask("mi", args, cwd)).stdout);
    deepEqual([again.mi_nats, again.orthogonal], [summary.mi_nats, summary.orthogonal]);

    const some = await runTask("mi", [...args, "--samples", "200", "--rounds", "1"], cwd);
    deepEqual([some.code, some.stderr], [0, ""]);
    const { samples, drawn_from, figures } = JSON.parse(some.stdout);
    deepEqual([samples, drawn_from, figures], [200, 1500, ["mi/test.csv-200_samples.svg"]]);
    const drawnRows = (await Deno.readTextFile(join(cwd, "rows.csv"))).trim().split("\n").slice(1)
      .map((line) => Number(line.split(",")[0]));
    ok(drawnRows.length === 200 && drawnRows.every((row, i) => i === 0 || row > drawnRows[i - 1]));

    const human = await runTask("mi", ["run", "--quiet", "--figures", "off", "--rounds", "2"], cwd);
    deepEqual([human.code, human.stderr], [0, ""]);
    match(human.stdout, /^300 samples of three\.csv-validation under run\n/);
    match(human.stdout, /\n {2}by the difference {3}0\.\d{4} ± 0\.\d{4} nats \(1\.\d{4} bits\), E\[−log p\(x\)\] − /);
    match(human.stdout, /\nEntropy of label {9}1\.0\d{3} nats, of which X tells \d\d\.\d % and leaves /);
    match(human.stdout, /\nWrote run\/mi\/three\.csv-validation\.json\n$/);

    await Deno.writeTextFile(join(cwd, "bare.csv"), "x,y\n1,2\n0,1\n");
    const tries: [string[], RegExp][] = [
      [["run", "--data", "bare.csv"], /bare\.csv does not say label of its samples\. Give data that does, by --data\./],
      [["run", "--per-row", "rows.txt"], /--per-row is rows\.txt; it must end in \.csv, \.h5 or \.hdf5\./],
      [["run", "--x", "0", "--y", "1"], /--x is for columns of data, but run is a run\. Leave it out\./],
      [["run", "--out", "other"], /--out is for columns of data, but run is a run\./],
      [["run", "--header", "on"], /--header is on, but no file is read/],
      [
        ["test.csv", "--x", "0", "--y", "1", "--rounds", "2"],
        /--rounds is for a network\. Add --estimator network or both/,
      ],
      [["test.csv", "--x", "0", "--y", "1", "--data", "test.csv"], /--data is for a run, but test\.csv is data\./],
    ];
    await Promise.all(tries.map(async ([line, message]) => {
      const { code, stdout, stderr } = await runTask("mi", line, cwd);
      deepEqual([code, stdout], [2, ""], stderr);
      match(stderr, message);
      match(stderr, /^error: [^\n]*\n$/);
    }));
  }));

Deno.test("a run without a condition is refused in a line that says how to train one", () =>
  inFolder(async (cwd) => {
    await makeRun(join(cwd, "run"), { shape: [2] });
    const { code, stderr } = await runTask("mi", ["run"], cwd);
    deepEqual([code, stderr.split("\n").length], [2, 2]);
    match(stderr, /^error: The run in run was trained without a condition\. Train one with --condition, as label,/);
  }));

Deno.test("of images it draws where their information lies", () =>
  inFolder(async (cwd) => {
    // A bright left or right half says which of two classes a picture is of.
    const random = Random.fromSeed(3), n = 200, label = Uint8Array.from({ length: n }, (_, i) => i % 2);
    const x = Float32Array.from({ length: n * 16 }, (_, at) => {
      const isBright = (at % 4 < 2) === (label[Math.floor(at / 16)] === 0);
      return (isBright ? 0.5 : -0.5) + 0.3 * random.normal();
    });
    await Deno.writeFile(
      join(cwd, "halves.safetensors"),
      encodeSafetensors({ x: { shape: [n, 1, 4, 4], data: x }, label: { shape: [n], data: label } }),
    );
    const args = ["halves.safetensors:x", "--condition", "label", "--denoiser", "residual", "--width", "8"];
    const settings = ["--blocks", "1", "--epochs", "1", "--figures", "off", "--samples", "0", "--out", "run"];
    const trained = await runTask("train:cifar", [...args, ...settings, "--logsnr-loc", "2"], cwd);
    equal(trained.code, 0, trained.stderr);
    const { code, stdout, stderr } = await runTask("mi", ["run", "--rounds", "2", "--json"], cwd);
    deepEqual([code, stderr], [0, ""]);
    const { figures } = JSON.parse(stdout);
    deepEqual(figures.map((name: string) => name.slice(name.lastIndexOf("-"))), ["-validation.svg", "-map.svg"]);
    const svg = await Deno.readTextFile(join(cwd, "run", figures[1]));
    for (const text of ["label=0", "label=1", "mean of all, nats a pixel"]) ok(svg.includes(`>${text}<`), text);
    ok(!/NaN|Infinity/.test(svg));
  }));
