import { deepEqual, equal, match, ok } from "assert";
import { decode } from "fast-png";
import { join } from "node:path";
import { gaussianOf } from "../../core/reference/gaussian.ts";
import { readSafetensors } from "../../core/io/safetensors.ts";
import { inFolder, namesIn } from "../folders.ts";
import { untilNames } from "../wait.ts";
import { makeRun } from "../core/run/runs.ts";
import { runTask, taskCommand } from "./command.ts";

const SMALL = [
  "--width",
  "16",
  "--blocks",
  "1",
  "--points",
  "400",
  "--batch-size",
  "64",
  "--epochs",
  "1",
];

async function csvOf(folder: string): Promise<number[][]> {
  const [header, ...lines] = (await Deno.readTextFile(join(folder, "samples.csv"))).trim().split("\n");
  equal(header, "x1,x2");
  return lines.map((line) => line.split(",").map(Number));
}

Deno.test("every sampler draws points from a run that train:2d made", () =>
  inFolder(async (cwd) => {
    equal((await runTask("train:2d", ["scg", ...SMALL, "--quiet"], cwd)).code, 0);
    for (const [i, sampler] of ["ode", "ddim", "ancestral"].entries()) {
      const args = ["runs/scg", "--sampler", sampler, "--steps", "30", "--count", "300"];
      const { code, stdout, stderr } = await runTask("sample", args, cwd);
      equal(code, 0, stderr);
      match(stdout, new RegExp(`^scg: 300 samples after epoch 1, by ${sampler} in 30 steps, seed 0, in [\\d.]+ s on `));
      match(stderr, /^sample 300\/300\n$/);
      const folder = join(cwd, "runs/scg", i === 0 ? "samples" : `samples-${i + 1}`);
      deepEqual(await namesIn(folder), ["samples.csv", "samples.safetensors", "samples.svg", "summary.json"]);
      const rows = await csvOf(folder);
      equal(rows.length, 300);
      const { tensors } = await readSafetensors(join(folder, "samples.safetensors"));
      deepEqual(tensors.samples.shape, [300, 2]);
      deepEqual(Float32Array.from(rows.flat()), tensors.samples.data);
      // An almost Gaussian start: unit variances and a correlation of −0.98.
      const mean = (f: (row: number[]) => number) => rows.reduce((sum, row) => sum + f(row) / rows.length, 0);
      ok(Math.abs(mean(([x]) => x * x) - 1) < 0.35 && mean(([x, y]) => x * y) < -0.6, `${sampler}`);
      match(await Deno.readTextFile(join(folder, "samples.svg")), /log p\(x\), nats/);
    }
  }));

Deno.test("--json prints one line; the same seed gives the same samples in other batches; a checkpoint may be named", () =>
  inFolder(async (cwd) => {
    const info = { shape: [2], gaussian: gaussianOf([0, 0], [1, 0.5, 0.5, 1]) };
    await makeRun(join(cwd, "run"), info, info);
    const draw = async (run: string, out: string, ...rest: string[]) => {
      const { code, stdout, stderr } = await runTask("sample", [run, "--out", out, "--json", ...rest], cwd);
      equal(code, 0, stderr);
      equal(stderr, "");
      equal(stdout.trim().split("\n").length, 1);
      return { summary: JSON.parse(stdout), rows: await csvOf(join(cwd, out)) };
    };
    const args = ["--steps", "10", "--count", "5", "--sampler", "ddim", "--eta", "0.5"];
    const first = await draw("run", "a", ...args);
    const { seconds, peak_mb, versions, ...summary } = first.summary;
    ok(seconds > 0 && peak_mb > 0 && versions);
    deepEqual(summary, {
      task: "sample",
      run: "run",
      epoch: 3,
      count: 5,
      sampler: "ddim",
      steps: 10,
      eta: 0.5,
      clip: false,
      logsnr_low: -5,
      logsnr_high: 7,
      seed: 0,
      backend: "onnx-cpu",
      threads: summary.threads,
      folder: "a",
      files: ["samples.safetensors", "samples.csv", "samples.svg"],
    });
    const second = await draw("run/checkpoints/000003", "b", ...args, "--batch-size", "2", "--backend", "tfjs-cpu");
    first.rows.flat().forEach((x, i) => ok(Math.abs(x - second.rows.flat()[i]) < 1e-4));
    const third = await draw("run", "c", ...args, "--seed", "1");
    ok(third.rows.flat().every((x, i) => x !== first.rows.flat()[i]));
  }));

Deno.test("images are PNG files in the data's range, with a grid as PNG and SVG", () =>
  inFolder(async (cwd) => {
    const info = { shape: [3, 4, 6], range: [-1, 1] as const };
    await makeRun(join(cwd, "run"), info);
    for (const sampler of ["ancestral", "ode"]) {
      const args = [
        "run",
        "--steps",
        "20",
        "--count",
        "5",
        "--batch-size",
        "2",
        "--sampler",
        sampler,
        "--out",
        sampler,
      ];
      const { code, stderr } = await runTask("sample", [...args, "--quiet"], cwd);
      equal(code, 0, stderr);
      equal(stderr, "");
      const folder = join(cwd, sampler);
      deepEqual(await namesIn(folder), ["grid.png", "grid.svg", "images", "samples.safetensors", "summary.json"]);
      deepEqual(await namesIn(join(folder, "images")), [0, 1, 2, 3, 4].map((i) => `00000${i}.png`));
      const { data } = (await readSafetensors(join(folder, "samples.safetensors"))).tensors.samples;
      const largest = Math.max(...Array.from(data as Float32Array, Math.abs));
      ok(sampler === "ode" ? largest > 1 : largest <= 1, `${sampler}: the model's own values reach ${largest}`);
      const picture = decode(await Deno.readFile(join(folder, "images", "000003.png")));
      deepEqual([picture.width, picture.height, picture.channels], [6, 4, 3]);
      // Sample 3, green, row 1, column 2.
      const value = Number(data[3 * 72 + 24 + 6 + 2]);
      equal(picture.data[(6 + 2) * 3 + 1], Math.min(255, Math.max(0, Math.round(255 * (value + 1) / 2))));
      const grid = decode(await Deno.readFile(join(folder, "grid.png")));
      deepEqual([grid.width, grid.height], [3 * 6 + 4, 2 * 4 + 2]);
    }
  }));

Deno.test("a mistake is one line that says what was expected, and nothing is written", () =>
  inFolder(async (cwd) => {
    await makeRun(join(cwd, "run"), { shape: [2] });
    await Deno.mkdir(join(cwd, "full"));
    await Deno.writeTextFile(join(cwd, "full", "x"), "");
    const before = await namesIn(join(cwd, "run"));
    const tries: [string[], RegExp][] = [
      [[], /The argument run is missing/],
      [["none"], /There is no run in none/],
      [["run", "--sampler", "euler"], /--sampler is euler; it must be one of ode, ddim or ancestral/],
      [["run", "--steps", "1"], /--steps is 1; it must be a whole number from 2/],
      [["run", "--eta", "0.5"], /--eta is for --sampler ddim, but the sampler is ancestral/],
      [["run", "--clip", "on"], /this data has no range/],
      [["run", "--count", "200000000"], /it must be at most 134217728/],
      [["run", "--out", "full"], /The folder full is not empty\. Name another with --out\./],
      [["run", "--counts", "3"], /Did you mean --count\?/],
    ];
    await Promise.all(tries.map(async ([args, message]) => {
      const { code, stdout, stderr } = await runTask("sample", args, cwd);
      deepEqual([code, stdout], [2, ""], stderr);
      match(stderr, message);
      equal(stderr.trim().split("\n").length, 1, stderr);
    }));
    deepEqual(await namesIn(join(cwd, "run")), before);
  }));

Deno.test("Ctrl-C keeps the samples that are finished, as whole files", () =>
  inFolder(async (cwd) => {
    await makeRun(join(cwd, "run"), { shape: [1, 8, 8] });
    const args = ["run", "--steps", "200", "--count", "100000", "--batch-size", "4", "--quiet", "--out", "out"];
    const child = (await taskCommand("sample", args, cwd)).spawn();
    const images = join(cwd, "out", "images");
    await untilNames(images, ({ length }) => length >= 8, child);
    child.kill("SIGINT");
    const { code, stderr } = await child.output();
    equal(code, 130);
    const text = new TextDecoder().decode(stderr);
    const [, finished] = text.match(/^Stopped after (\d+) of 100000 samples; wrote out, with [^\n]*\n$/) ?? [];
    ok(Number(finished) >= 8 && Number(finished) % 4 === 0, text);
    const names = await namesIn(images);
    equal(names.length, Number(finished));
    for (const name of names) equal(decode(await Deno.readFile(join(images, name))).width, 8);
    const { tensors } = await readSafetensors(join(cwd, "out", "samples.safetensors"));
    deepEqual(tensors.samples.shape, [Number(finished), 1, 8, 8]);
  }));
