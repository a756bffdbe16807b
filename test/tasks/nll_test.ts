import { deepEqual, equal, match, ok } from "assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { toFloat32 } from "../../core/data/samples.ts";
import { encodeSafetensors } from "../../core/io/safetensors.ts";
import { loadData } from "../../core/mod.ts";
import { Random } from "../../core/random/random.ts";
import { makeRun } from "../core/run/runs.ts";
import { inFolder } from "../folders.ts";
import { Gate } from "../gate.ts";
import { runTask, taskCommand } from "./command.ts";

/** Fifty images of 8 x 8 in colour. */
const IMAGES = fileURLToPath(new URL("../reference/datasets/images.h5", import.meta.url));

/** A small U-Net of diffusers. */
const WEIGHTS = fileURLToPath(new URL("../reference/unet/config_a/safetensors", import.meta.url));

const SEED = ["--hidden-size", "16", "--embedding-size", "16", "--epochs", "2", "--figures", "off", "--quiet"];
const SMALL = ["--width", "16", "--blocks", "1", "--epochs", "2", "--figures", "off", "--quiet"];

/** Correlated points in the file's own units: not centred, and of different scales. */
const TABLE = Array.from({ length: 400 }, (_, i) => {
  const [u, v] = [((i * 0.754877) % 1 + (i * 0.33) % 1 - 1) * 30, ((i * 0.569840) % 1 + (i * 0.71) % 1 - 1) * 2];
  return [100 + u, -5 + 0.02 * u + v];
});

async function nll(cwd: string, ...args: string[]) {
  const { code, stdout, stderr } = await runTask("nll", args, cwd);
  equal(code, 0, stderr);
  return JSON.parse(stdout);
}

Deno.test("nll gives the likelihood of a run's own data with its error, to the error that is asked for", () =>
  inFolder(async (cwd) => {
    await Deno.writeTextFile(join(cwd, "points.csv"), TABLE.map((row) => row.join()).join("\n"));
    equal((await runTask("train:2d", ["points.csv", ...SMALL, "--out", "run"], cwd)).code, 0);
    const human = await runTask("nll", ["run"], cwd);
    equal(human.code, 0, human.stderr);
    match(
      human.stdout,
      /^40 samples of points\.csv-validation under run\n {2}read points\.csv: 400 rows .*\nNLL\s+-?[\d.]+ ± [\d.]+ nats \(/,
    );
    match(human.stdout, /add [\d.]+ nats for those of the file/);
    const first = JSON.parse(await Deno.readTextFile(join(cwd, "run/nll/points.csv-validation.json")));
    deepEqual([first.samples, first.rounds, first.estimator], [40, 8, "paired"]);
    const run = JSON.parse(await Deno.readTextFile(join(cwd, "run/summary.json")));
    ok(Math.abs(first.nats - run.val_nll) < 3 * first.noise_stderr + 0.02, `${first.nats} and ${run.val_nll}`);

    const exact = await nll(cwd, "run", "--stderr", `${first.noise_stderr / 3}`, "--json");
    ok(exact.reached && exact.noise_stderr <= first.noise_stderr / 3 && exact.rounds > 8);
    const poor = await runTask("nll", ["run", "--part", "train", "--stderr", "1e-9", "--budget", "6000"], cwd);
    equal(poor.code, 0, poor.stderr);
    match(poor.stdout, /The budget is spent; the noise's error is not down to 1e-9 yet\./);
  }));

Deno.test("the rows of a file are scored in order and in the run's own scale, with the outlier last in likelihood", () =>
  inFolder(async (cwd) => {
    await Deno.writeTextFile(join(cwd, "points.csv"), TABLE.map((row) => row.join()).join("\n"));
    equal((await runTask("train:2d", ["points.csv", ...SMALL, "--out", "run"], cwd)).code, 0);
    // Another file, of another mean and scale than the one that was trained on.
    const rows = [...TABLE.slice(0, 50).map(([x, y]) => [100 + (x - 100) / 3, -5 + (y + 5) / 3]), [190, 20]];
    await Deno.writeTextFile(join(cwd, "new.csv"), rows.map((row) => row.join()).join("\n"));
    const summary = await nll(cwd, "run", "--data", "new.csv", "--per-sample", "scores.csv", "--json");
    deepEqual([summary.samples, summary.data, summary.per_sample], [51, "new.csv", "scores.csv"]);
    const [header, ...lines] = (await Deno.readTextFile(join(cwd, "scores.csv"))).trim().split("\n");
    equal(header, "row,nll,stderr");
    const scores = lines.map((line) => line.split(",").map(Number));
    deepEqual(scores.map(([row]) => row), rows.map((_, i) => i));
    const worst = scores.reduce((a, b) => b[1] > a[1] ? b : a);
    equal(worst[0], 50);
    ok(worst[1] > 5 + scores[0][1]);
    const mean = scores.reduce((sum, [, value]) => sum + value / scores.length, 0);
    ok(Math.abs(mean - summary.nats) < 1e-9);
    // Read from the file where they are needed, they are scored alike.
    const stored = { shape: [51, 2], data: Float32Array.from(rows.flat()) };
    await Deno.writeFile(join(cwd, "new.safetensors"), encodeSafetensors({ x: stored }));
    // Its numbers are the text's, rounded to float32.
    const rounded = await nll(cwd, "run", "--data", "new.safetensors:x", "--json");
    ok(Math.abs(rounded.nats - summary.nats) < 1e-5, `${rounded.nats}, ${summary.nats}`);
  }));

Deno.test("clamped, the Gaussian is used where it is better, by the validation data", () =>
  inFolder(async (cwd) => {
    const e = Random.fromSeed(1).fillNormal(new Float32Array(2 * 1200));
    const rows = Array.from({ length: 1200 }, (_, i) => `${e[2 * i]},${e[2 * i] + 0.2 * e[2 * i + 1]}`);
    await Deno.writeTextFile(join(cwd, "points.csv"), rows.slice(200).join("\n"));
    await Deno.writeTextFile(join(cwd, "new.csv"), rows.slice(0, 200).join("\n"));
    equal((await runTask("train:2d", ["points.csv", "--recipe", "seed", ...SEED, "--out", "run"], cwd)).code, 0);
    const plain = await nll(cwd, "run", "--data", "new.csv", "--json");
    const clamped = await nll(cwd, "run", "--data", "new.csv", "--clamp", "--json");
    deepEqual([plain.clamped, clamped.clamped, clamped.chosen_on], [undefined, true, "validation"]);
    // Nothing is better than the Gaussian of Gaussian data.
    ok(clamped.reference_share > 0.9, `${clamped.reference_share}`);
    ok(clamped.nats < plain.nats - 0.05, `${clamped.nats} and ${plain.nats}`);
    ok(clamped.noise_stderr < plain.noise_stderr);
    match(await Deno.readTextFile(join(cwd, "run", clamped.figures[0])), /^<svg/);
    const human = await runTask("nll", ["run", "--clamp", "--part", "validation", "--rounds", "2"], cwd);
    match(
      human.stdout,
      /\n {2}with \d+% of the reference, one Gaussian, on average over the log SNRs, by the data itself\n/,
    );
    const refused = await runTask("nll", ["run", "--clamp", "--estimator", "discrete"], cwd);
    equal(refused.code, 2);
    match(refused.stderr, /--clamp is for --estimator paired, dequantised or ode, but that is discrete/);
  }));

Deno.test("weights without a run are compared with the Gaussian of the data, or of other data", () =>
  inFolder(async (cwd) => {
    // Without the pilot, which takes more evaluations than a round; the first has it.
    const pilot = ["--rounds", "1", "--backend", "onnx-cpu"], rounds = [...pilot, "--adapt", "off"];
    const human = await runTask("nll", [WEIGHTS, "--data", IMAGES, ...pilot], cwd);
    equal(human.code, 0, human.stderr);
    match(
      human.stdout,
      /^50 samples of images\.h5 under .*safetensors\n {2}read images\.h5: 50 images of 3 x 8 x 8, uint8; \[0, 255\] taken to \[−1, 1\]\n {2}compared with the Gaussian of the data itself\n/,
    );
    match(human.stdout, /\nWrote runs\/safetensors\/nll\/images\.h5\.json\n$/);
    const first = await nll(cwd, WEIGHTS, "--data", IMAGES, ...rounds, "--out", "out", "--json");
    deepEqual([first.gaussian_of, first.run, first.samples, first.rounds], ["the data itself", "out", 50, 1]);
    ok(first.log_scale > 0);
    const fit = ["--fit", "other.safetensors", "--logsnr-loc", "3", "--logsnr-scale", "2"];
    const data = Uint8Array.from({ length: 20 * 192 }, (_, i) => (i * 97 + i * i) % 256);
    const other = encodeSafetensors({ x: { shape: [20, 3, 8, 8], data } });
    await Deno.writeFile(join(cwd, "other.safetensors"), other);
    const fitted = await nll(cwd, WEIGHTS, "--data", IMAGES, ...rounds, ...fit, "--out", "out", "--json");
    equal(fitted.gaussian_of, "other.safetensors");
    ok(fitted.nats !== first.nats);
    // The same folder goes on.
    const more = await nll(
      cwd,
      WEIGHTS,
      "--data",
      IMAGES,
      ...fit,
      ...rounds,
      "--rounds",
      "2",
      "--out",
      "out",
      "--json",
    );
    equal(more.evaluations, fitted.evaluations + 100);
    const discrete = await nll(cwd, WEIGHTS, "--data", IMAGES, ...rounds, "--estimator", "discrete", "--json");
    ok(discrete.bits_per_dim > 0);
    const refused = await runTask("nll", [WEIGHTS], cwd);
    deepEqual([refused.code, refused.stdout], [2, ""]);
    match(refused.stderr, /are weights without data of their own\. Name some, as --data cifar10/);
  }));

Deno.test("components that are constant in training and not in the data are named, whatever the NLL", () =>
  inFolder(async (cwd) => {
    await Deno.mkdir(join(cwd, "run"));
    const gaussian = { mean: new Float64Array(3), eigenvalues: Float64Array.of(1, 1e-9, 1) };
    await makeRun(join(cwd, "run"), { shape: [3] }, { gaussian });
    await Deno.writeTextFile(join(cwd, "same.csv"), "0.5,0,1\n-1,0,0.2\n");
    await Deno.writeTextFile(join(cwd, "new.csv"), "0.5,0,1\n-1,0.5,0.2\n");
    equal((await nll(cwd, "run", "--data", "same.csv", "--json")).outlying_components, undefined);
    const { outlying_components: [{ index, deviations }, ...others] } = await nll(
      cwd,
      "run",
      "--data",
      "new.csv",
      "--json",
    );
    deepEqual([index, Math.round(deviations), others], [1, 15811, []]);
    const human = await runTask("nll", ["run", "--data", "new.csv"], cwd);
    match(
      human.stdout,
      /\nWarning: 1 of 3 components \(1\) hardly vary .* up to 16,000 standard deviations off in new\.csv\./,
    );
  }));

Deno.test("nll that Ctrl-C stops goes on from there and gives what it would have given", () =>
  inFolder(async (cwd) => {
    const gate = await Gate.make(cwd);
    const train = ["scg", "--points", "300", "--denoiser", "./gated.ts", "--epochs", "1", "--figures", "off"];
    const plain = ["--reference", "none", "--logsnr-loc", "2", "--logsnr-scale", "2"];
    const trained = await runTask("train:2d", [...train, ...plain, "--backend", "tfjs-cpu", "--out", "run"], cwd);
    equal(trained.code, 0, trained.stderr);
    const args = ["run", "--part", "validation", "--backend", "tfjs-cpu", "--trust", "./gated.ts"];
    // It would take days. The pilot is a few calls of the denoiser, and a round is one.
    await gate.close({ calls: 40 });
    const child = (await taskCommand("nll", [...args, "--rounds", "1000000"], cwd)).spawn();
    await gate.reached(child);
    child.kill("SIGINT");
    await gate.open();
    const { code, stderr } = await child.output();
    const text = new TextDecoder().decode(stderr);
    equal(code, 130, text);
    const rounds = Number(
      /Stopped after (\d+) rounds, and saved\. The same command goes on from there\./.exec(text)![1],
    );
    ok(rounds > 5, text);
    const wanted = [...args, "--rounds", String(rounds + 1), "--json"];
    const { seconds: _, peak_mb: __, ...resumed } = await nll(cwd, ...wanted);
    await Deno.remove(join(cwd, "run/nll"), { recursive: true });
    const { seconds: ___, peak_mb: ____, ...whole } = await nll(cwd, ...wanted);
    deepEqual(resumed, whole);
  }));

Deno.test("8-bit images have a discrete bound and a dequantised one, and the density has none", () =>
  inFolder(async (cwd) => {
    const args = [
      "--denoiser",
      "gaussian",
      "--samples",
      "2",
      "--sample-steps",
      "2",
      "--batch-size",
      "16",
      "--epochs",
      "1",
    ];
    const trained = await runTask(
      "train:cifar",
      [IMAGES, ...args, "--logsnr-loc", "4", "--logsnr-scale", "2", "--backend", "onnx-cpu", "--out", "run"],
      cwd,
    );
    equal(trained.code, 0, trained.stderr);
    const of = (...more: string[]) => nll(cwd, "run", "--part", "train", "--json", ...more);
    const soft = await of("--estimator", "discrete");
    const wanted = soft.noise_stderr / 2;
    const exact = await of("--estimator", "discrete", "--stderr", `${wanted}`);
    ok(exact.reached && exact.noise_stderr <= wanted && exact.rounds > soft.rounds, JSON.stringify(exact));
    ok(Math.abs(exact.nats - soft.nats) < 3 * soft.noise_stderr, `${exact.nats} and ${soft.nats}`);
    const none = await of("--estimator", "discrete", "--rounding", "none");
    const dequantised = await of("--estimator", "dequantised", "--per-sample", "scores.h5");
    deepEqual([soft.rounding, none.rounding, dequantised.rounding], ["soft", "none", undefined]);
    // Of 192 bytes each; the model is the data's own diagonal Gaussian.
    for (const { bits_per_dim, stderr } of [soft, none, dequantised]) {
      ok(bits_per_dim > 3 && bits_per_dim < 12 && stderr > 0, `${bits_per_dim}`);
    }
    ok(soft.nats < none.nats + 3 * none.noise_stderr && soft.nats < dequantised.nats + 3 * dequantised.noise_stderr);
    const density = await of();
    ok(density.nats < soft.nats && density.log_scale !== undefined);
    const human = await runTask("nll", ["run", "--part", "train", "--estimator", "discrete"], cwd);
    match(human.stdout, /\n−log P at most\s+[\d.]+ ± [\d.]+ nats \([\d.]+ ± [\d.]+ bits\/dim\)/);
    const wrong = await runTask("nll", ["run", "--rounding", "hard"], cwd);
    deepEqual(wrong.code, 2);
    match(wrong.stderr, /--rounding is for --estimator discrete/);
  }));

Deno.test("an ensemble is no worse than its best member, and its figure shows who counts where", () =>
  inFolder(async (cwd) => {
    // Fresh points, of which there are fewer than in the data set's test part.
    const { train: fresh } = await loadData("moons", { seed: 1, options: { points: 1000 } });
    const values = toFloat32(fresh),
      rows = Array.from({ length: fresh.count }, (_, i) => values.slice(2 * i, 2 * i + 2));
    await Deno.writeTextFile(join(cwd, "fresh.csv"), rows.map((row) => row.join()).join("\n"));
    const train = async (out: string, ...args: string[]) => {
      const { code, stderr } = await runTask(
        "train:2d",
        ["moons", "--points", "1000", ...SMALL, "--out", out, ...args],
        cwd,
      );
      equal(code, 0, stderr);
    };
    await Promise.all([train("short", "--epochs", "1"), train("long", "--epochs", "6")]);
    const rounds = ["--data", "fresh.csv", "--rounds", "2", "--json"];
    const [short, long] = await Promise.all(["short", "long"].map((run) => nll(cwd, run, ...rounds)));
    const both = await nll(cwd, "short", "--ensemble", "long", ...rounds);
    deepEqual(both.ensemble.runs, ["short", "long"]);
    ok(Math.abs(both.ensemble.shares[0] + both.ensemble.shares[1] - 1) < 1e-9);
    const best = Math.min(short.nats, long.nats);
    ok(
      both.nats < best + 3 * Math.hypot(both.noise_stderr, long.noise_stderr, short.noise_stderr),
      `${both.nats} ${best}`,
    );
    match(await Deno.readTextFile(join(cwd, "short", both.figures[0])), /^<svg/);
    // More members, one of which is a denoiser without a run.
    const three = await nll(cwd, "short", "--ensemble", "long", "gaussian", ...rounds);
    deepEqual(three.ensemble.runs, ["short", "long", "gaussian"]);
    ok(three.nats < best + 3 * Math.hypot(three.noise_stderr, long.noise_stderr, short.noise_stderr));
    const [unknown, refused] = await Promise.all([
      runTask("nll", ["short", "--ensemble", "gausian"], cwd),
      runTask("nll", ["short", "--ensemble", "long", "--part", "validation"], cwd),
    ]);
    deepEqual([unknown.code, refused.code], [2, 2]);
    match(unknown.stderr, /gausian.*gaussian/);
    match(refused.stderr, /An ensemble is chosen on the validation data/);
  }));

Deno.test("data that is not on a grid has no discrete likelihood", () =>
  inFolder(async (cwd) => {
    await makeRun(join(cwd, "run"), { shape: [2] });
    const { code, stderr } = await runTask("nll", ["run", "--estimator", "discrete"], cwd);
    equal(code, 2);
    match(stderr, /^error: [^\n]*(grid|discrete|step)/);
  }));

Deno.test("what cannot be scored is one line and exit code 2", () =>
  inFolder(async (cwd) => {
    await makeRun(join(cwd, "run"), { shape: [2] });
    await Deno.writeTextFile(join(cwd, "wide.csv"), "1,2,3\n4,5,6\n");
    await Deno.writeTextFile(join(cwd, "ragged.csv"), "1,2\n3\n");
    await Deno.writeTextFile(join(cwd, "nan.csv"), "1,2\n3,nan\n");
    await Deno.writeTextFile(join(cwd, "empty.csv"), "");
    const refused: [string[], RegExp][] = [
      [["none"], /There is no run in none/],
      [["run", "--data", "wide.csv"], /wide\.csv has 3 columns, but the model is of 2\. /],
      [["run", "--data", "ragged.csv"], /ragged\.csv.*line 2/],
      [["run", "--data", "nan.csv"], /nan\.csv.*(line|row)/],
      [["run", "--data", "empty.csv"], /empty\.csv/],
      [["run", "--data", "gone.csv"], /gone\.csv: there is no such file/],
      [["run", "--data", "wide.csv", "--part", "train"], /--part is of a data set/],
      [["run", "--per-sample", "scores.txt"], /--per-sample is scores\.txt; it must end in \.csv, \.h5 or \.hdf5\./],
      [["run", "--stderr", "0"], /--stderr/],
    ];
    await Promise.all(refused.map(async ([args, message]) => {
      const { code, stdout, stderr } = await runTask("nll", args, cwd);
      deepEqual([code, stdout], [2, ""], stderr);
      match(stderr.trim(), /^error: [^\n]+$/);
      match(stderr, message);
    }));
  }));
