import { deepEqual, equal, match, ok } from "assert";
import { join } from "node:path";
import { Random } from "../../core/random/random.ts";
import { inFolder, namesIn } from "../folders.ts";
import { untilFile } from "../wait.ts";
import { runTask, taskCommand } from "./command.ts";

const SMALL = ["--estimator", "both", "--epochs", "1", "--rounds", "4", "--threads", "1"];

/** A file of x, y = 0.8·x + 0.6·noise and a constant. */
async function writePairs(folder: string, rows = 1500): Promise<void> {
  const random = Random.fromSeed(4);
  const lines = Array.from({ length: rows }, () => {
    const x = random.normal();
    return `${x},${0.8 * x + 0.6 * random.normal()},1`;
  });
  await Deno.writeTextFile(join(folder, "pairs.csv"), `x,y,constant\n${lines.join("\n")}\n`);
}

Deno.test("mi measures columns by name or number, in either direction, and writes a summary and figures", () =>
  inFolder(async (cwd) => {
    await writePairs(cwd);
    const { code, stdout, stderr } = await runTask("mi", ["pairs.csv", "--x", "x", "--y", "1", ...SMALL], cwd);
    equal(code, 0, stderr);
    match(stdout, /^pairs\.csv: columns 0 \(x\) and 1 \(y\), 1500 rows, in /);
    match(stdout, /Mutual information {7}0\.\d{4} ± 0\.\d{4} nats/);
    match(
      stdout,
      /By a network of x {8}0\.\d{4} ± .*\n {2}the orthogonal form {4}0\.\d{4} ± 0\.\d{4} nats, ½ ∫ E‖ε̂\(z\)/,
    );
    deepEqual(await namesIn(join(cwd, "runs/pairs-mi")), ["mi.svg", "summary.json"]);

    const args = ["pairs.csv", "--x", "0", "--y", "y", "--direction", "both", "--json", ...SMALL];
    const both = await runTask("mi", args, cwd);
    deepEqual([both.code, both.stderr], [0, ""]);
    const summary = JSON.parse(both.stdout);
    const truth = -0.5 * Math.log(1 - 0.64);
    ok(Math.abs(summary.mi_nats - truth) < 4 * summary.mi_stderr, `${summary.mi_nats} ± ${summary.mi_stderr}`);
    ok(Math.abs(summary.mi_bits - summary.mi_nats / Math.LN2) < 1e-12);
    equal(typeof summary.checks.x_less_y_nats, "number");
    deepEqual(summary.directions.map((each: { likelihood_of: string }) => each.likelihood_of), ["x", "y"]);
    deepEqual(await namesIn(join(cwd, "runs/pairs-mi-2")), ["mi-x.svg", "mi-y.svg", "summary.json"]);
    deepEqual(JSON.parse(await Deno.readTextFile(join(cwd, "runs/pairs-mi-2/summary.json"))), summary);

    const again = JSON.parse((await runTask("mi", args, cwd)).stdout);
    deepEqual([again.mi_nats, again.mi_stderr], [summary.mi_nats, summary.mi_stderr]);
  }));

Deno.test("rows, columns, a label's entropy and what has to hold are printed and written", () =>
  inFolder(async (cwd) => {
    const random = Random.fromSeed(7);
    // The label is wrong in every tenth row; in another order some 820 would seem right.
    const rows = Array.from({ length: 1000 }, (_, i) => {
      const y = random.uniform() < 0.5 ? 1 : 0;
      return [6 * (i % 10 === 0 ? 1 - y : y) - 3 + random.normal(), random.normal(), y];
    });
    await Deno.writeTextFile(join(cwd, "label.csv"), `a,b,label\n${rows.map((row) => row.join()).join("\n")}\n`);
    const args = ["label.csv", "--x", "a,b", "--y", "label", "--estimator", "mixture", "--threads", "1"];
    const { code, stdout, stderr } = await runTask("mi", [...args, "--per-row", "rows.csv"], cwd);
    equal(code, 0, stderr);
    match(stdout, /^ {2}column 2 \(label\) is a label of 2 values, one of them in 5\d(\.\d)? % of the rows$/m);
    match(stdout, /^By the mixture {11}0\.3\d{3} ± .* nats, mixtures of \d+ (Gaussians|Students) .*2 classes/m);
    match(stdout, /^Entropy of 2 \(label\) {5}0\.69\d\d nats, of which X tells \d\d\.\d % and leaves 0\.\d{4} ± /m);
    match(
      stdout,
      /^ {2}error of classifiers {3}at least \d+\.\d %, of the best at most \d\d\.\d %; without X [45]\d\.\d %$/m,
    );
    match(stdout, /^Log normalisation {8}-?0\.\d{4} ± 0\.\d{4} nats, 0 of a density ratio$/m);
    match(stdout, /^Lost without a column\n {2}0 \(a\) of x {13}0\.\d{4} ± .*\n {2}1 \(b\) of x {13}-?0\.0\d{3} ± /m);
    deepEqual(await namesIn(join(cwd, "runs/label-mi")), ["summary.json"]);

    const [header, ...lines] = (await Deno.readTextFile(join(cwd, "rows.csv"))).trimEnd().split("\n");
    const told = lines.map((line) => line.split(",").map(Number));
    equal(header, "row,information");
    deepEqual(told.map(([row]) => row), rows.map((_, i) => i));
    const right = told.filter(([row, pmi]) => pmi < 0 === (row % 10 === 0)).length;
    ok(right > 900, `${right}`);
    const summary = JSON.parse(await Deno.readTextFile(join(cwd, "runs/label-mi/summary.json")));
    // ln 2 − h(0.1), but for normals around 3 that are below 0.
    ok(Math.abs(summary.mi_nats - 0.3664) < 2.5 * summary.mi_stderr, `${summary.mi_nats} ± ${summary.mi_stderr}`);
    equal(summary.mixture.classes, 2);
    const mean = told.reduce((sum, [, pmi]) => sum + pmi / told.length, 0);
    deepEqual([summary.per_row, summary.per_row_mean_nats], ["rows.csv", summary.mixture.held_out_nats]);
    ok(Math.abs(mean - summary.per_row_mean_nats) < 1e-9);
    const [label] = summary.labels;
    deepEqual([label.side, label.column, label.levels], ["y", "label", 2]);
    ok(Math.abs(label.entropy_nats - label.conditional_entropy_nats - summary.mi_nats) < 1e-12);
    ok(label.least_error > 0.08 && label.most_error > label.least_error, JSON.stringify(label));
    const { normalisation, lost_without, warnings } = summary.checks;
    ok(normalisation.effective_pairs > 1000 && Math.abs(normalisation.log_mean_ratio) < 0.2);
    deepEqual(lost_without.map((each: { column: string }) => each.column), ["a", "b"]);
    deepEqual(warnings, []);
  }));

Deno.test("two labels have their table", () =>
  inFolder(async (cwd) => {
    // A third of the rows each: both, neither, or the second alone.
    const rows = Array.from({ length: 300 }, (_, i) => [Number(i % 3 === 0), Number(i % 3 < 2)]);
    await Deno.writeTextFile(join(cwd, "bits.csv"), `a,b\n${rows.map((row) => row.join()).join("\n")}\n`);
    const { code, stdout, stderr } = await runTask(
      "mi",
      ["bits.csv", "--x", "a", "--y", "b", "--per-row", "rows.csv"],
      cwd,
    );
    equal(code, 0, stderr);
    match(
      stdout,
      /^By their table {11}0\.1\d{3} ± 0\.0\d{3} nats, of 2 by 2 values, \d\.\d % drawn to independent ones$/m,
    );
    const summary = JSON.parse(await Deno.readTextFile(join(cwd, "runs/bits-mi/summary.json")));
    const truth = Math.log(3) - 4 / 3 * Math.LN2;
    ok(Math.abs(summary.mi_nats - truth) < 0.01, `${summary.mi_nats}, not ${truth}`);
    deepEqual([summary.estimator, summary.table.levels, summary.network], ["table", [2, 2], undefined]);
    deepEqual(await namesIn(cwd), ["bits.csv", "rows.csv", "runs"]);
  }));

Deno.test("a matrix of pairs of columns is printed, written and drawn; what it would not heed is refused", () =>
  inFolder(async (cwd) => {
    await writePairs(cwd, 300);
    const args = ["pairs.csv", "--matrix", "--threads", "1"];
    const { code, stdout, stderr } = await runTask("mi", [...args, "--x", "x,y", "--quiet"], cwd);
    equal(code, 0, stderr);
    match(stdout, /^ {9}x {6}y\n {2}x {6}· {2}0\.\d{3}\n {2}y {2}0\.\d{3} {6}·$/m);
    deepEqual(await namesIn(join(cwd, "runs/pairs-mi")), ["matrix.svg", "summary.json"]);
    const { matrix_nats, columns } = JSON.parse(await Deno.readTextFile(join(cwd, "runs/pairs-mi/summary.json")));
    deepEqual([columns, matrix_nats[0][0], matrix_nats[0][1]], [["x", "y"], null, matrix_nats[1][0]]);
    const refused = await runTask("mi", [...args, "--y", "1"], cwd);
    deepEqual([refused.code, refused.stderr], [2, "error: --y is not for --matrix. Leave one of them out.\n"]);
  }));

Deno.test("a mistake is one line with exit code 2, and nothing is written", () =>
  inFolder(async (cwd) => {
    await writePairs(cwd);
    await Deno.writeTextFile(join(cwd, "nan.csv"), "x,y\n1,2\n3,nan\n");
    await Deno.writeTextFile(join(cwd, "one.csv"), "x\n1\n2\n3\n");
    await Deno.writeTextFile(join(cwd, "short.csv"), `x,y\n${"1,2\n3,5\n".repeat(10)}`);
    const tries: [string[], RegExp][] = [
      [["pairs.csv", "--x", "x"], /--y is missing/],
      [
        ["pairs.csv", "--x", "x", "--y", "z"],
        /--y has "z", expected numbers from 0 to 2 or names \(x, y, constant\)/,
      ],
      [["pairs.csv", "--x", "0-1", "--y", "y"], /Column 1 \(y\) is in both/],
      [["pairs.csv", "--x", "0", "--y", "7"], /--y has 7, but the data has 3 columns/],
      [["pairs.csv", "--x", "0", "--y", "constant"], /Column 2 \(constant\) has the same value/],
      [["nan.csv", "--x", "0", "--y", "1"], /nan\.csv has "nan" in line 3, column 2 \(y\)/],
      [["one.csv", "--x", "0", "--y", "1"], /one\.csv has 1 column, expected at least 2/],
      [["short.csv", "--x", "0", "--y", "1"], /has 20 rows, expected at least 50/],
    ];
    await Promise.all(tries.map(async ([args, message]) => {
      const { code, stdout, stderr } = await runTask("mi", args, cwd);
      deepEqual([code, stdout], [2, ""], stderr);
      match(stderr, message);
      match(stderr, /^error: [^\n]*\n$/);
    }));
    deepEqual(await namesIn(cwd), ["nan.csv", "one.csv", "pairs.csv", "short.csv"]);
  }));

/** Pairs whose plugin says when they are loaded and the task goes on. */
const PAIRS = `
import { setImmediate } from "node:timers";
export function load(random) {
  setImmediate(() => Deno.writeTextFileSync(new URL("loaded", import.meta.url), ""));
  return { train: Array.from({ length: 3000 }, () => [random.normal(), random.normal()]) };
}
`;

Deno.test("Ctrl-C ends it with nothing written", () =>
  inFolder(async (cwd) => {
    await Deno.writeTextFile(join(cwd, "pairs.ts"), PAIRS);
    // It would take weeks.
    const args = [
      "./pairs.ts",
      "--x",
      "0",
      "--y",
      "1",
      "--estimator",
      "network",
      "--epochs",
      "1000000",
      "--threads",
      "1",
    ];
    const child = (await taskCommand("mi", args, cwd)).spawn();
    await untilFile(join(cwd, "loaded"), undefined, child);
    child.kill("SIGINT");
    const { code, stderr } = await child.output();
    equal(code, 130);
    match(new TextDecoder().decode(stderr), /Stopped before the measurement; wrote nothing\.\n$/);
    deepEqual(await namesIn(cwd), ["loaded", "pairs.ts"]);
  }));
