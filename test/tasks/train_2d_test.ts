import { deepEqual, equal, match, ok } from "assert";
import { join } from "node:path";
import { latestCheckpoint, loadCheckpoint } from "../../core/io/checkpoints.ts";
import { runTask, taskCommand } from "./command.ts";
import { inFolder } from "../folders.ts";
import { readmeFile } from "../readme.ts";
import { hasLines, untilFile } from "../wait.ts";

const SMALL = ["--width", "16", "--blocks", "1", "--points", "400", "--batch-size", "64"];

async function linesOf(path: string): Promise<Record<string, number>[]> {
  return (await Deno.readTextFile(path)).trim().split("\n").map((line) => JSON.parse(line));
}

/** Metrics without the times, which no two runs share. */
async function metricsOf(folder: string) {
  return (await linesOf(join(folder, "metrics.jsonl"))).map(({ seconds, ...rest }) => {
    ok(seconds > 0);
    return rest;
  });
}

Deno.test("train:2d writes all that it promises", () =>
  inFolder(async (cwd) => {
    const { code, stdout, stderr } = await runTask("train:2d", ["scg", "--epochs", "3", ...SMALL], cwd);
    equal(code, 0, stderr);
    match(stdout, /^scg: 3 epochs in [\d.]+ s, [\d.]+ ms a step, on onnx-cpu\n/);
    match(stdout, /NLL on fresh data +1\.\d+ ± 0\.\d+ nats/);
    match(stdout, /Log SNRs +drawn evenly from −[\d.]+ to [\d.]+/);
    ok(!/looks like you are running/i.test(stdout + stderr), "no banner of tfjs");
    const run = join(cwd, "runs", "scg");
    const metrics = await linesOf(join(run, "metrics.jsonl"));
    deepEqual(metrics.map((m) => m.epoch), [1, 2, 3]);
    deepEqual(Object.keys(metrics[0]), ["epoch", "step", "train_nll", "val_nll", "val_nll_stderr", "seconds"]);
    const summary = JSON.parse(await Deno.readTextFile(join(run, "summary.json")));
    for (
      const key of ["val_nll", "val_nll_stderr", "train_seconds", "total_seconds", "ms_per_step", "seed", "peak_mb"]
    ) {
      equal(typeof summary[key], "number", key);
    }
    equal(summary.backend, "onnx-cpu");
    equal(summary.versions.deno, Deno.version.deno);
    ok(Math.abs(summary.test_nll - 1.2185) < 0.05, `an almost Gaussian start: ${summary.test_nll}`);
    const config = JSON.parse(await Deno.readTextFile(join(run, "config.json")));
    deepEqual([config.denoiserOptions.width, config.denoiserOptions.octaves], [16, 4], "what was left open is kept");
    ok(Math.abs(config.logsnrLoc - 1.6) < 0.3, `the middle of the spectrum's range: ${config.logsnrLoc}`);
    equal(config.proposal, "even");
    for (const figure of ["overview", "contours", "mse", "loss"]) {
      match(await Deno.readTextFile(join(run, "figures", `${figure}.svg`)), /^<svg/);
    }
    const names = [...Deno.readDirSync(run)].map((entry) => entry.name);
    ok(names.some((name) => name.startsWith("events.out.tfevents.")));
    const checkpoint = await loadCheckpoint((await latestCheckpoint(run))!);
    deepEqual([checkpoint.epoch, checkpoint.step], [3, 15]);
    deepEqual(checkpoint.model["input.weight"].shape, [16, 2 * 9]);
    deepEqual(checkpoint.model["blend.weight"].shape, [24]);
  }));

Deno.test("a second run gets a folder of its own; figures can be left out; --json prints one line", () =>
  inFolder(async (cwd) => {
    const args = ["scg", "--epochs", "1", "--figures", "off", "--json", ...SMALL];
    const runs = [await runTask("train:2d", args, cwd), await runTask("train:2d", args, cwd)];
    for (const { code, stdout, stderr } of runs) {
      equal(code, 0, stderr);
      equal(stdout.trim().split("\n").length, 1);
      equal(stderr, "");
    }
    deepEqual(runs.map(({ stdout }) => JSON.parse(stdout).folder), ["runs/scg", "runs/scg-2"]);
    equal([...Deno.readDirSync(join(cwd, "runs/scg"))].some((entry) => entry.name === "figures"), false);
    deepEqual(await metricsOf(join(cwd, "runs/scg")), await metricsOf(join(cwd, "runs/scg-2")), "same seed, same run");
  }));

/** Such a run cannot end before it is stopped; of a constant learning rate the number of epochs changes nothing else. */
const ENDLESS = ["moons", "--epochs", "1000000", "--decay", "constant", "--figures", "off", "--quiet", ...SMALL];

/** Such a run that fits no mixture, and so is sooner done. */
const PLAIN = [...ENDLESS, "--reference", "gaussian", "--logsnr-loc", "2", "--logsnr-scale", "2"];

/** The run of so many epochs that never stopped. */
async function wholeRun(cwd: string, epochs: number, endless = ENDLESS): Promise<string> {
  const args = [...endless, "--epochs", String(epochs), "--out", `whole-${epochs}`];
  const { code, stderr } = await runTask("train:2d", args, cwd);
  equal(code, 0, stderr);
  return join(cwd, `whole-${epochs}`);
}

Deno.test("Ctrl-C saves and says how to go on; the resumed run is the run that never stopped", () =>
  inFolder(async (cwd) => {
    const child = (await taskCommand("train:2d", [...ENDLESS, "--out", "broken"], cwd)).spawn();
    await untilFile(join(cwd, "broken", "metrics.jsonl"), hasLines(3), child);
    child.kill("SIGINT");
    const { code, stderr } = await child.output();
    equal(code, 130);
    const message = new TextDecoder().decode(stderr);
    match(
      message,
      /^Stopped in epoch \d+ of 1000000, and saved\. Go on with: deno task train:2d --resume broken --figures off\n$/,
    );
    const stopped = (await metricsOf(join(cwd, "broken"))).length;
    ok(stopped >= 3, `${stopped} epochs were done`);
    // A line that was being written, as kill -9 may leave it.
    await Deno.writeTextFile(join(cwd, "broken", "metrics.jsonl"), '{"epoch": 9', { append: true });
    const epochs = stopped + 3;
    const args = ["--resume", "broken", "--epochs", String(epochs), "--figures", "off", "--quiet"];
    const resumed = await runTask("train:2d", args, cwd);
    equal(resumed.code, 0, resumed.stderr);
    const whole = await wholeRun(cwd, epochs);
    deepEqual(await metricsOf(join(cwd, "broken")), await metricsOf(whole));
    const summaries = await Promise.all([whole, join(cwd, "broken")].map(async (folder) => {
      const { test_nll, val_nll } = JSON.parse(await Deno.readTextFile(join(folder, "summary.json")));
      return { test_nll, val_nll };
    }));
    deepEqual(summaries[0], summaries[1]);
  }));

Deno.test("kill -9 leaves a checkpoint that resumes to the same numbers", () =>
  inFolder(async (cwd) => {
    for (const epochs of [2, 5]) {
      const name = `killed-${epochs}`;
      const child = (await taskCommand("train:2d", [...PLAIN, "--out", name], cwd)).spawn();
      await untilFile(join(cwd, name, "metrics.jsonl"), hasLines(epochs), child);
      child.kill("SIGKILL");
      await child.output();
      const all = (await Deno.readTextFile(join(cwd, name, "metrics.jsonl"))).split("\n").length + 2;
      const args = ["--resume", name, "--epochs", String(all), "--figures", "off", "--quiet"];
      const { code, stderr } = await runTask("train:2d", args, cwd);
      equal(code, 0, stderr);
      deepEqual(await metricsOf(join(cwd, name)), await metricsOf(await wholeRun(cwd, all, PLAIN)));
    }
  }));

Deno.test("a loss that is not finite ends the run with its step and log SNR, and the last good state is saved", () =>
  inFolder(async (cwd) => {
    const args = ["line", "--recipe", "seed", "--learning-rate", "1e6", "--epochs", "50", "--points", "400"];
    const { code, stderr } = await runTask(
      "train:2d",
      [...args, "--batch-size", "64", "--hidden-size", "16", "--hidden-layers", "9", "--out", "run", "--quiet"],
      cwd,
    );
    equal(code, 1);
    match(stderr, /^error: The loss is not finite at step \d+, log SNR -?\d+\.\d+\. Lower --learning-rate[^\n]*\n$/);
    const latest = await latestCheckpoint(join(cwd, "run"));
    ok(latest);
    const { model } = await loadCheckpoint(latest);
    for (const { data } of Object.values(model)) ok(data.every(Number.isFinite));
  }));

Deno.test("the READMEs' two plugins, outside the repo, train", () =>
  inFolder(async (cwd) => {
    await Deno.writeTextFile(join(cwd, "my_points.ts"), await readmeFile("my_points.ts", "datasets/README.md"));
    await Deno.writeTextFile(join(cwd, "my_denoiser.ts"), await readmeFile("my_denoiser.ts"));
    const args = ["./my_points.ts", "--denoiser", "./my_denoiser.ts", "--width", "12", "--spread", "0.2"];
    const { code, stdout, stderr } = await runTask("train:2d", [...args, "--epochs", "2", "--json"], cwd);
    equal(code, 0, stderr);
    const summary = JSON.parse(stdout);
    equal(summary.parameters, 4 * 12 + 12 * 3);
    equal(summary.folder, "runs/my_points");
    // Three dimensions have no contours, but the curves are drawn.
    const figures = [...Deno.readDirSync(join(cwd, "runs/my_points/figures"))].map((entry) => entry.name).sort();
    deepEqual(figures, ["blend.svg", "loss.svg", "mse.svg"]);
  }));

Deno.test("the ideal denoiser trains nothing and has the data's entropy", () =>
  inFolder(async (cwd) => {
    const { code, stdout, stderr } = await runTask(
      "train:2d",
      ["scg", "--denoiser", "gaussian", "--epochs", "2", "--figures", "off", "--json"],
      cwd,
    );
    equal(code, 0, stderr);
    const summary = JSON.parse(stdout);
    equal(summary.parameters, 0);
    ok(Math.abs(summary.test_nll - summary.entropy) < 3 * summary.test_nll_stderr && summary.test_nll_stderr < 0.005);
    const again = await runTask("train:2d", ["--resume", "runs/scg", "--figures", "off", "--json"], cwd);
    equal(again.code, 0, again.stderr);
    equal(JSON.parse(again.stdout).test_nll, summary.test_nll);
  }));

Deno.test("--help shows every option and those of the plugins", async () => {
  const { code, stdout } = await runTask("train:2d", ["moons", "--help"]);
  equal(code, 0);
  for (
    const word of [
      "--epochs",
      "--logsnr-loc",
      "--recipe",
      "--octaves",
      "--noise",
      "denoiser residual",
      "data set moons",
    ]
  ) {
    ok(stdout.includes(word), word);
  }
});
