import { deepEqual, equal, match, ok } from "assert";
import { join } from "node:path";
import { Random } from "../../core/random/random.ts";
import { latestCheckpoint, loadCheckpoint } from "../../core/io/checkpoints.ts";
import { inFolder } from "../folders.ts";
import { runTask } from "./command.ts";

const SMALL = ["--width", "16", "--blocks", "1", "--batch-size", "64", "--figures", "off"];

/** Three classes of points, two spots each, as a table `x,y,label`; the exact densities are those of {@linkcode exact}. */
const PRIOR = [0.5, 0.3, 0.2], DEVIATION = 0.5;
const SPOTS = [[[-2, 0], [0, 2]], [[2, 0], [0, -2]], [[0, 0], [1.5, 1.5]]];

function rowsOf(seed: number, n: number): number[][] {
  const random = Random.fromSeed(seed);
  return Array.from({ length: n }, () => {
    let u = random.uniform(), label = 0;
    while (label < 2 && (u -= PRIOR[label]) > 0) label++;
    const [x, y] = SPOTS[label][random.integer(2)];
    return [x + DEVIATION * random.normal(), y + DEVIATION * random.normal(), label];
  });
}

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
