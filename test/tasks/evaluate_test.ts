import { deepEqual, equal, match, ok } from "assert";
import { join } from "node:path";
import { load } from "../../core/files/load_file.ts";
import { encodeSafetensors, readSafetensors } from "../../core/io/safetensors.ts";
import { Random } from "../../core/random/random.ts";
import { gaussianOf } from "../../core/reference/gaussian.ts";
import { filters } from "../core/quality/feature_model.ts";
import { makeRun } from "../core/run/runs.ts";
import { inFolder, namesIn } from "../folders.ts";
import { untilNames } from "../wait.ts";
import { runTask, taskCommand } from "./command.ts";

/** A table of two columns that go together, and the Gaussian that it is of. */
function table(random: Random, n: number): { readonly rows: number[][]; readonly text: string } {
  const rows = Array.from({ length: n }, () => {
    const [a, b] = random.fillNormal(new Float64Array(2));
    return [170 + 10 * a, 70 + 12 * (0.8 * a + 0.6 * b)];
  });
  return { rows, text: textOf(rows) };
}

function textOf(rows: readonly (readonly number[])[]): string {
  return `height,weight\n${rows.map((row) => row.map((x) => x.toFixed(4)).join()).join("\n")}\n`;
}

/** A run of such a table, whose model is the true density. */
async function tableRun(cwd: string, count = 2000): Promise<number[][]> {
  const { rows, text } = table(Random.fromSeed(0), count), path = join(cwd, "people.csv");
  await Deno.writeTextFile(path, text);
  const { axes } = await load(Random.fromSeed(0).split("data"), { path }), columns = ["height", "weight"];
  const facts = { shape: [2], columns, ...(axes ? { axes } : {}) };
  await makeRun(join(cwd, "run"), facts, {
    gaussian: gaussianOf([0, 0], [1, 0.8, 0.8, 1]),
    config: { dataset: path, logsnrLoc: 2, logsnrScale: 2, evalBatchSize: 256 },
  });
  return rows;
}

Deno.test("samples of the true density are as good as training rows, and the numbers are kept", () =>
  inFolder(async (cwd) => {
    await tableRun(cwd);
    const { code, stdout, stderr } = await runTask("evaluate", ["run", "--steps", "200", "--sampler", "ode"], cwd);
    equal(code, 0, stderr);
    match(stdout, /^200 samples by ode in 200 steps, beside 200 rows of people\.csv-validation; run\n/);
    match(stdout, /\nTold apart by trees +\d\d\.\d ± 2\.\d % +\d\d\.\d ± 2\.\d % +chance 50\.0 ± 2\.7 %, p [\d.]+\n/);
    match(stdout, /\nNearest training row, median +[\d.]+ +[\d.]+ +held-out rows [\d.]+; ratio [\d.]+\n/);
    match(
      stdout,
      /\nNothing tells the samples from data\.\nWrote run\/evaluate\/people\.csv-validation\.safetensors, /,
    );
    const names = ["json", "safetensors", "svg"].map((ending) => `people.csv-validation.${ending}`);
    deepEqual(await namesIn(join(cwd, "run", "evaluate")), names);
    const kept = JSON.parse(await Deno.readTextFile(join(cwd, "run", "evaluate", names[0])));
    equal(kept.rows, 200);
    equal(kept.training_rows, 1800);
    deepEqual(kept.findings, []);
    deepEqual(kept.columns.map((column: { name: string }) => column.name), ["height", "weight"]);
    const { value, stderr: error, real, real_scatter } = kept.sliced_wasserstein;
    ok([value, error, real, real_scatter].every((x) => x > 0 && x < 0.4), JSON.stringify(kept.sliced_wasserstein));
    match(await Deno.readTextFile(join(cwd, "run", "evaluate", names[2])), /held-out rows.*weight/s);

    // The same samples from the file that was kept, and the same seed, give the same numbers.
    const file = join("run", "evaluate", names[1]);
    const again = await runTask("evaluate", ["run", "--samples", `${file}:samples`, "--json", "--quiet"], cwd);
    equal(again.code, 0, again.stderr);
    const other = JSON.parse(again.stdout);
    equal(other.classifiers[0].samples.accuracy.value > 0.4, true);
    ok(Math.abs(other.mean_wasserstein.value - kept.mean_wasserstein.value) < 1e-6);
    equal(other.samples, `${file}:samples`);

    const page = await runTask("report", ["run", "--live", "off", "--out", "page.html"], cwd);
    equal(page.code, 0, page.stderr);
    match(
      await Deno.readTextFile(join(cwd, "page.html")),
      /<h2>Samples beside data<\/h2>.*people\.csv-validation.*200/s,
    );
  }));

Deno.test("samples of another program are judged: a wrong density and copies are found", () =>
  inFolder(async (cwd) => {
    const rows = await tableRun(cwd), random = Random.fromSeed(1);
    const apart = Array.from({ length: 300 }, () => [170 + 10 * random.normal(), 70 + 12 * random.normal()]);
    await Deno.writeTextFile(join(cwd, "apart.csv"), textOf(apart));
    await Deno.writeTextFile(join(cwd, "copies.csv"), textOf(rows.slice(0, 300)));
    const findingsOf = async (file: string) => {
      const { code, stdout, stderr } = await runTask("evaluate", ["run", "--samples", file, "--json"], cwd);
      equal(code, 0, stderr);
      equal(stderr, "");
      return JSON.parse(stdout).findings.join("\n");
    };
    match(await findingsOf("apart.csv"), /the trees tell samples from held-out rows: [67]\d\.\d % right/);
    // A tenth of the rows are held out; the others are what the model was trained on.
    match(await findingsOf("copies.csv"), /^[89]\d\.\d % of the samples are copies of training rows/);
  }));

Deno.test("images have their nearest training images drawn beside them", () =>
  inFolder(async (cwd) => {
    const { data, shape } = Random.fromSeed(2).normalTensor([300, 1, 4, 4]);
    const path = join(cwd, "x.safetensors");
    await Deno.writeFile(path, encodeSafetensors({ x: { shape, data: data.map((x) => Math.tanh(x / 2)) } }));
    const config = { dataset: path, task: "train:cifar", evalBatchSize: 64 };
    await makeRun(join(cwd, "run"), { shape: [1, 4, 4], range: [-1, 1] }, { config });
    await Deno.writeFile(join(cwd, "model.onnx"), filters(1, 5));
    const args = ["run", "--count", "28", "--steps", "10", "--features", "model.onnx"];
    const { code, stdout, stderr } = await runTask("evaluate", [...args, "--json"], cwd);
    equal(code, 0, stderr);
    const { rows, columns, nearest, files, associated_columns, features, notes } = JSON.parse(stdout);
    equal(features.width, 2);
    ok(features.frechet.value >= 0 && features.frechet.stderr > 0 && features.frechet.real >= 0);
    match(
      notes.join(),
      /features model\.onnx: input \w+ \[n, 1, 2, 2\], float32; images taken to 0,1; resized from 4 x 4/,
    );
    const shown = await runTask("evaluate", [...args, "--features-range=-1,1", "--quiet"], cwd);
    equal(shown.code, 0, shown.stderr);
    match(shown.stdout, /\nFréchet distance of features +[\d.]+ ± [\d.]+ +[\d.]+ ± [\d.]+ +2 features of 28 images/);
    deepEqual([rows, columns.length, associated_columns], [28, 16, undefined]);
    ok(nearest.samples.median > 0);
    match(await Deno.readTextFile(join(cwd, "run", files[1])), /56 images: the samples that lie the closest/);
  }));

Deno.test("a mistake is one line that says what was expected, and nothing is written", () =>
  inFolder(async (cwd) => {
    await tableRun(cwd);
    await Deno.writeTextFile(join(cwd, "few.csv"), textOf([[1, 2], [3, 4], [5, 6]]));
    await Deno.writeTextFile(join(cwd, "wide.csv"), "a,b,c\n1,2,3\n4,5,6\n");
    const before = await namesIn(join(cwd, "run"));
    const tries: [string[], RegExp][] = [
      [["none"], /There is no run in none/],
      [["run", "--count", "500"], /--count is 500, but there are 200 held-out rows/],
      [["run", "--samples", "few.csv"], /There are 3 samples to compare, expected at least 24/],
      [["run", "--samples", "wide.csv"], /wide\.csv/],
      [["run", "--samples", "none.csv"], /there is no such file/],
      [["run", "--features", "model.onnx"], /--features is for images/],
      [["run", "--part", "test"], /no part test/],
      [["run", "--range", "0,255"], /--range is 0,255, but no file is read that it is for/],
      [["run", "--samples", "few.csv", "--steps", "9"], /--steps is 9, but the samples are those of few\.csv/],
      [["run", "--features-size", "9"], /--features-size is 9, but there is no network of --features/],
      [["run", "--eta", "0.5"], /--eta is for --sampler ddim/],
      [["run", "--part", "train"], /it must be one of test or validation/],
    ];
    await Promise.all(tries.map(async ([args, message]) => {
      const { code, stdout, stderr } = await runTask("evaluate", [...args, "--quiet"], cwd);
      deepEqual([code, stdout], [2, ""], stderr);
      match(stderr, message);
      equal(stderr.trim().split("\n").length, 1, stderr);
    }));
    deepEqual(await namesIn(join(cwd, "run")), before);
  }));

Deno.test("Ctrl-C while samples are compared keeps them", () =>
  inFolder(async (cwd) => {
    await tableRun(cwd, 60_000);
    const args = ["run", "--count", "6000", "--steps", "2", "--sampler", "ode", "--quiet"];
    const child = (await taskCommand("evaluate", args, cwd)).spawn();
    await untilNames(
      join(cwd, "run", "evaluate"),
      (names) => names.some((name) => name.endsWith(".safetensors")),
      child,
    );
    child.kill("SIGINT");
    const { code, stderr } = await child.output();
    equal(code, 130);
    const kept = "run/evaluate/people.csv-validation.safetensors";
    equal(
      new TextDecoder().decode(stderr),
      `Stopped before the comparison was finished; the samples are in ${kept}, for --samples.\n`,
    );
    const { tensors } = await readSafetensors(join(cwd, kept));
    deepEqual(tensors.samples.shape, [6000, 2]);
    deepEqual(await namesIn(join(cwd, "run", "evaluate")), ["people.csv-validation.safetensors"]);
  }));
