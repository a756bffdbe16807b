import { deepEqual, equal, match, ok, throws } from "assert";
import { join } from "node:path";
import { UsageError } from "../../../core/cli/mod.ts";
import { renderSvg } from "../../../core/figures/mod.ts";
import { readSafetensors } from "../../../core/io/safetensors.ts";
import { densityComparisonFigure } from "../../../tasks/bench/density_figure.ts";
import { PEERS } from "../../../tasks/bench/density_names.ts";
import { compare, type ModelResult, type SetResult } from "../../../tasks/bench/density_results.ts";
import { writeOwnSet } from "../../../tasks/bench/density_sets.ts";
import { densityTable, tableNotes } from "../../../tasks/bench/density_table.ts";
import { namesOf } from "../../../tasks/bench/names.ts";
import { inFolder, namesIn } from "../../folders.ts";
import { runTask } from "../command.ts";

const MODELS: readonly ModelResult[] = [
  { model: "ours", nll_nats: 1, stderr: 0.1, seconds: 20.4, points: 4 },
  { model: "reference", nll_nats: 1.2, stderr: 0.1, points: 4 },
  { model: "gmm", nll_nats: 1.5, stderr: 0.1, seconds: 1.13, points: 4 },
  { model: "kde", nll_nats: 1.9, stderr: 0.2, seconds: 2, points: 2 },
  { model: "maf", error: "python failed: maf diverged" },
];

const POINTS = { ours: [0, 1, 1, 2], reference: [0, 1, 1, 2.8], gmm: [0.5, 1.5, 1.6, 2.4], kde: [1, 2.2] };

/** A set's result with other NLLs of ours. */
function resultOf(set: string, ours: readonly number[] = POINTS.ours): SetResult {
  const mean = ours.reduce((sum, value) => sum + value) / ours.length;
  const models = MODELS.map((one) => one.model === "ours" ? { ...one, nll_nats: mean } : one);
  return {
    ...{ set, dimension: 2, train: 4, validation: 2, test: 4, truth: 0.9, backend: "onnx-cpu", threads: 2 },
    ...compare(models, { ...POINTS, ours }),
  };
}

Deno.test("names are told apart by commas, in the order of those that are known", () => {
  deepEqual(namesOf("--peers", " nsf,gmm,nsf", PEERS), ["gmm", "nsf"]);
  throws(() => namesOf("--peers", "gmn", PEERS), (error: unknown) => {
    ok(error instanceof UsageError);
    match(error.message, /^--peers has "gmn", expected some of gmm,kde,nsf,maf, .*Did you mean gmm\?$/);
    return true;
  });
  throws(() => namesOf("--peers", ",", PEERS), UsageError);
});

Deno.test("models are compared on the points that both were measured on", () => {
  const { models, verdict } = resultOf("moons");
  const above = Object.fromEntries(models.map(({ model, above_best }) => [model, above_best]));
  equal(above.ours, undefined);
  ok(Math.abs(above.gmm! - 0.5) < 1e-12);
  ok(Math.abs(above.kde! - 1.1) < 1e-12);
  equal(above.maf, undefined);
  equal(verdict?.best_peer, "gmm");
  deepEqual([verdict?.better, verdict?.as_good], [true, true]);
  const equals = resultOf("moons", POINTS.gmm.map((value, i) => value + (i % 2 ? 0.3 : -0.2))).verdict!;
  deepEqual([equals.better, equals.as_good], [false, true]);
  const worse = resultOf("moons", POINTS.gmm.map((value) => value + 0.2)).verdict!;
  deepEqual([worse.better, worse.as_good], [false, false]);
});

Deno.test("a table has a row a set, marks the best, and says what failed", () => {
  const results = [resultOf("moons"), resultOf("dino", POINTS.gmm.map((value) => value + 0.2))];
  const [head, first, second] = densityTable(results).split("\n");
  match(head, /^set +truth +ours +reference +gmm +kde +maf +ours beside the best peer$/);
  match(
    first,
    /^moons +0\.900 +1\.000 ± 0\.100 \(20 s\) \* +1\.200 +1\.500 ± 0\.100 \(1\.1 s\) .* failed +better than gmm by /,
  );
  match(second, /^dino .* 1\.500 ± 0\.100 \(1\.1 s\) \* .* behind gmm by 0\.200 ± 0\.000$/);
  deepEqual(tableNotes(results).slice(1), ["moons", "dino"].map((set) => `maf on ${set}: python failed: maf diverged`));
});

Deno.test("the figure draws every set with the models that have an NLL", async () => {
  const svg = await renderSvg(densityComparisonFigure("Densities", [resultOf("moons"), resultOf("dino")]));
  for (const label of ["moons", "dino", "ours", "reference", "gmm", "kde", "truth"]) {
    ok(svg.includes(`>${label}<`), label);
  }
  ok(!svg.includes(">maf<"));
  throws(() => densityComparisonFigure("None", []), RangeError);
});

Deno.test("sets that need no Python have the truth, and their test points are a fair part", () =>
  inFolder(async (folder) => {
    await writeOwnSet("moons", folder);
    await writeOwnSet("mix8", folder);
    const moons = (await readSafetensors(join(folder, "moons.safetensors"))).tensors;
    deepEqual([moons.train.shape, moons.validation.shape, moons.test.shape], [[7200, 2], [800, 2], [20_000, 2]]);
    ok(Math.abs(Number(moons.truth.data[0]) - 0.613) < 1e-3);
    // They are standardised, and the moons lie in order in the data set.
    const mean = Array.from({ length: 20_000 }, (_, i) => Number(moons.test.data[2 * i])).reduce((a, b) => a + b) /
      20_000;
    ok(Math.abs(mean) < 0.05, `${mean}`);
    const { test, truth } = (await readSafetensors(join(folder, "mix8.safetensors"))).tensors;
    deepEqual(test.shape, [20_000, 8]);
    ok(truth.data[0] > 5 && truth.data[0] < 20);
  }));

Deno.test("a mistake in the case density is one line, and nothing is written", () =>
  inFolder(async (cwd) => {
    const tries: [string[], RegExp][] = [
      [["density", "--sets", "mops"], /--sets has "mops", expected some of moons,/],
      [["density", "--sets", "moons,digits"], /--sets has digits, which Python makes\. Add --vs-python/],
      [["density", "--vs-torch"], /Give --vs-python instead/],
      [["train-2d", "--vs-python"], /--vs-python is of the case density alone/],
      [["density", "--vs-python", "--python", "no-such-python"], /no-such-python was not found/],
    ];
    for (const [args, message] of tries) {
      const { code, stdout, stderr } = await runTask("bench", args, cwd);
      deepEqual([code, stdout, stderr.trim().split("\n").length], [2, "", 1], stderr);
      match(stderr, message);
    }
    deepEqual(await namesIn(cwd), []);
  }));
