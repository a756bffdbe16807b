import { deepEqual, equal, match, ok } from "assert";
import { join } from "node:path";
import { gaussianOf } from "../../core/reference/gaussian.ts";
import { makeRun } from "../core/run/runs.ts";
import { inFolder, namesIn } from "../folders.ts";
import { runTask } from "./command.ts";

/** A run of the ideal denoiser of a Gaussian that is about that of the data set scg. */
async function runIn(cwd: string): Promise<void> {
  const info = { shape: [2], gaussian: gaussianOf([0, 0], [1, -0.98, -0.98, 1]) };
  await makeRun(join(cwd, "run"), info, { ...info, config: { datasetOptions: { points: 400 }, evalBatchSize: 256 } });
}

Deno.test("diagnose writes its figure and its numbers into the run, and prints them", () =>
  inFolder(async (cwd) => {
    await runIn(cwd);
    const args = ["run", "--levels", "17", "--samples", "200"];
    const { code, stdout, stderr } = await runTask("diagnose", args, cwd);
    equal(code, 0, stderr);
    match(stderr, /^diagnose 17\/17\n$/);
    const lines = stdout.trim().split("\n");
    match(lines[0], /^run after epoch 3 on scg-test, in [\d.]+ s on onnx-cpu$/);
    equal(lines[1], "200 samples in 2 dimensions, 17 log SNRs from -5.0 to 7.0");
    match(lines[5], /^Gaussian wins {2}/);
    equal(lines.at(-1), "Wrote run/diagnosis.json and figures/diagnosis.svg");
    deepEqual(await namesIn(join(cwd, "run", "figures")), ["diagnosis.svg"]);
    match(await Deno.readTextFile(join(cwd, "run", "figures", "diagnosis.svg")), />run: diagnosis on scg-test</);

    const again = await runTask("diagnose", [...args, "--json"], cwd);
    equal(again.stderr, "");
    const summary = JSON.parse(again.stdout);
    deepEqual(JSON.parse(await Deno.readTextFile(join(cwd, "run", "diagnosis.json"))), summary);
    equal(summary.task, "diagnose");
    equal(summary.evaluations, 2 * 200 * 17);
    equal(summary.levels.length, 17);
    ok(Math.abs(summary.nll - summary.gaussian_nll) < 1e-3 && Math.abs(summary.gain) < 1e-3);
    // The model is exact, so that its density is one.
    ok(Math.abs(summary.integral - 1) < 4 * summary.integral_stderr + 1e-3 && summary.integral_stderr < 0.05);
    ok(Math.abs(summary.normalised_nll - summary.nll - Math.log(summary.integral)) < 1e-9);
    deepEqual(summary.files, ["diagnosis.json", "figures/diagnosis.svg"]);
  }));

Deno.test("--part, --data and what does not fit are heeded; nothing is written on a mistake", () =>
  inFolder(async (cwd) => {
    await runIn(cwd);
    const small = ["--levels", "3", "--samples", "20", "--quiet"];
    const part = await runTask("diagnose", ["run", ...small, "--part", "validation", "--json"], cwd);
    equal(JSON.parse(part.stdout).data, "scg-validation");
    await Deno.writeTextFile(join(cwd, "points.csv"), "1,2\n3,4\n5,6\n");
    const file = await runTask("diagnose", ["run", ...small, "--data", "points.csv", "--json"], cwd);
    equal(JSON.parse(file.stdout).samples, 3, file.stderr);
    const before = await namesIn(join(cwd, "run"));
    for (
      const [args, message] of [
        [["nowhere"], /There is no run in nowhere/],
        [["run", "--levels", "2"], /--levels is 2; it must be/],
      ] as const
    ) {
      const { code, stdout, stderr } = await runTask("diagnose", args, cwd);
      equal(code, 2, stderr);
      equal(stdout, "");
      match(stderr, message);
      equal(stderr.trim().split("\n").length, 1);
    }
    deepEqual(await namesIn(join(cwd, "run")), before);
  }));
