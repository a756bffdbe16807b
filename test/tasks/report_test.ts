import { deepEqual, equal, match, ok } from "assert";
import { join } from "node:path";
import { standardGaussian } from "../../core/reference/gaussian.ts";
import { Random } from "../../core/random/random.ts";
import { create } from "../../denoisers/mlp.ts";
import { makeFinishedRun } from "../core/report/report_runs.ts";
import { inFolder, namesIn } from "../folders.ts";
import { runTask } from "./command.ts";

const MLP = { hiddenSize: 8, hiddenLayers: 2, embedding: true, embeddingSize: 8, skip: true };

Deno.test("a report is one page in the run's folder, with the model in it, and is written anew", () =>
  inFolder(async (cwd) => {
    await Deno.mkdir(join(cwd, "run"));
    const model = create({ shape: [2], gaussian: standardGaussian(2) }, MLP).init(Random.fromSeed(0));
    await makeFinishedRun(join(cwd, "run"), { config: { denoiser: "mlp", denoiserOptions: MLP }, model });
    const before = await namesIn(join(cwd, "run"));
    const { code, stdout, stderr } = await runTask("report", ["run"], cwd);
    deepEqual([code, stderr], [0, "report 1/1\n"]);
    match(stdout, /^Wrote run\/report\.html, \d\.\d MB\n$/);
    deepEqual(await namesIn(join(cwd, "run")), [...before, "report.html"].sort());
    const page = await Deno.readTextFile(join(cwd, "run", "report.html"));
    match(page, /<section id="live" hidden/);
    match(page, /script-src (&#39;sha256-[\w+/=]+&#39; ){2}&#39;wasm-unsafe-eval&#39;/);
    ok(page.length < 8e6);
    const again = await runTask("report", ["run", "--live", "off", "--json"], cwd);
    const { bytes, file, runs } = JSON.parse(again.stdout);
    deepEqual([again.code, again.stderr, file], [0, "", "run/report.html"]);
    deepEqual(runs, [{ run: "run", finished: true, live: false, notes: [] }]);
    equal((await Deno.stat(join(cwd, file))).size, bytes);
    ok(bytes < 1e6 && !(await Deno.readTextFile(join(cwd, file))).includes("<script"));
  }));

Deno.test("several runs are compared in the folder that they are in, images and unfinished ones among them", () =>
  inFolder(async (cwd) => {
    for (const name of ["a", "b", "c"]) await Deno.mkdir(join(cwd, "runs", name), { recursive: true });
    await makeFinishedRun(join(cwd, "runs", "a"));
    await makeFinishedRun(join(cwd, "runs", "b"), { shape: [3, 4, 4] });
    await makeFinishedRun(join(cwd, "runs", "c"), { summary: null });
    const { code, stdout, stderr } = await runTask(
      "report",
      ["runs/a", "--live=off", "runs/b", "runs/c", "--quiet"],
      cwd,
    );
    deepEqual([code, stderr], [0, ""]);
    match(stdout, /^c: This run is not finished.*\nWrote runs\/report\.html, \d+ kB\n$/);
    match(await Deno.readTextFile(join(cwd, "runs/report.html")), /<h1>3 runs compared<\/h1>/);
  }));

Deno.test("a mistake is one line that says what was expected, and nothing is written", () =>
  inFolder(async (cwd) => {
    await Deno.mkdir(join(cwd, "run"));
    await Deno.mkdir(join(cwd, "bad"));
    await makeFinishedRun(join(cwd, "run"));
    await makeFinishedRun(join(cwd, "bad"));
    await Deno.writeTextFile(join(cwd, "bad", "summary.json"), "{");
    await Deno.writeTextFile(join(cwd, "mine.html"), "<!DOCTYPE html>\n<p>Mine");
    const before = [await namesIn(cwd), await namesIn(join(cwd, "run"))];
    const tries: [string[], RegExp][] = [
      [[], /The argument run\.\.\. is missing/],
      [["none"], /There is no run in none/],
      [["run", "none"], /There is no run in none/],
      [["bad"], /summary\.json is not valid JSON/],
      [["run", "./run"], /is named twice/],
      [["run", "--live", "maybe"], /--live is maybe; it must be on or off/],
      [["run", "--out", "mine.html"], /mine\.html exists and is no report of this program\. Name another file/],
      [["run", "--out", "run"], /run is no file\. Name a file with --out\./],
      [["run", "--live", "off", "--out", "mine.html/x.html"], /Cannot write .*x\.html: a part of the path is a file/],
      [Array.from({ length: 11 }, (_, i) => `r${i}`), /Got 11 runs, but at most 10 can be told apart/],
    ];
    await Promise.all(tries.map(async ([args, message]) => {
      const { code, stdout, stderr } = await runTask("report", args, cwd);
      deepEqual([code, stdout], [2, ""], stderr);
      match(stderr, message);
      equal(stderr.trim().split("\n").filter((line) => !line.startsWith("report ")).length, 1, stderr);
    }));
    deepEqual([await namesIn(cwd), await namesIn(join(cwd, "run"))], before);
    equal(await Deno.readTextFile(join(cwd, "mine.html")), "<!DOCTYPE html>\n<p>Mine");
  }));
