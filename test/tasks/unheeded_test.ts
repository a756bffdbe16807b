import { deepEqual, equal, match, rejects } from "assert";
import { join } from "node:path";
import { UsageError } from "../../core/errors/usage_error.ts";
import { readRequest } from "../../core/run/config.ts";
import type { TaskSpec } from "../../core/run/options.ts";
import { DEFAULTS } from "../../core/mod.ts";
import { makeRun } from "../core/run/runs.ts";
import { inFolder, namesIn } from "../folders.ts";
import { runTask } from "./command.ts";

const TRAINING: TaskSpec = {
  name: "train:2d",
  summary: "",
  defaults: { ...DEFAULTS.points, dataset: "moons" },
  options: { samples: { default: 16, help: "Drawn." } },
};

/** Options of a training that nothing would heed, and what is said of them. */
const TRAININGS: readonly (readonly [string, RegExp])[] = [
  [
    "moons --data-changed",
    /^--data-changed is for a run that goes on, but there is no --resume\. .*--resume FOLDER\.$/,
  ],
  ["moons --dataset scg", /^--dataset is scg, but the data set is given first as moons\. Leave one of them out\.$/],
  [
    "scg --resume run --out other",
    /^--out is other, but the run in run goes on where it is\. Leave one of them out\.$/,
  ],
  ["scg --resume run --experiment-name x", /^--experiment-name is for a folder in runs, but run is named\./],
  ["moons --out other --experiment-name x", /^--experiment-name is for a folder in runs, but other is named\./],
  ["moons --samples 4 --figures off", /^--samples is 4, but --figures is off, which draws none\./],
  ["points.npy --header on", /^--header is on, but points\.npy is not a table of text\. Leave it out\.$/],
  ["points.csv --transpose off", /^--transpose is off, but points\.csv is not a file of HDF5\. Leave it out\.$/],
];

/** The same of other tasks. */
const TASKS: readonly (readonly [string, string, RegExp])[] = [
  ["nll", "run --data points.csv --range 0,1", /--range is 0,1, but the model's own data was not brought to a range\./],
  ["nll", "run --data points.csv --transpose on", /--transpose is on, but points\.csv is not a file of HDF5\./],
  ["nll", "run --rounding soft", /--rounding is for --estimator discrete/],
  ["nll", "run --out other", /--out is for weights without a run/],
  ["nll", "run --header on", /--header is on, but no file is read/],
  ["sample", "run --sampler ode --eta 0.5", /--eta is for --sampler ddim, but the sampler is ode/],
  ["export", "run --format tfjs --batch 2", /--batch is for --format onnx/],
  ["mi", "points.csv --x 0 --y 1 --epochs 8", /--epochs is for a network\. Add --estimator network or both/],
  ["mi", "points.csv --x 0 --y 1 --transpose on", /--transpose is on, but points\.csv is not a file of HDF5\./],
  ["mi", "points.csv --x 0 --y 1 --per-row rows.csv --estimator network", /--per-row is for the mixture/],
  ["mi", "points.csv --matrix --per-row rows.csv", /--per-row is not for --matrix\./],
  ["mi", "run --x 0", /--x is for columns of data, but run is a run\./],
  ["bench", "train-2d --rows 5", /--rows is for the case read\./],
  ["bench", "train-2d --stderr 1", /--stderr is for the case density-2d\./],
  ["bench", "train-2d --mpirun mpiexec", /--mpirun is for --ranks\./],
  ["bench", "--backends --backend tfjs-cpu", /--backend is for the cases, not for --backends/],
];

/** The words of a line, in which what is in the folder is named in full. */
function wordsIn(cwd: string, line: string): string[] {
  return line.split(" ").map((word) => word === "run" || word.startsWith("points.") ? join(cwd, word) : word);
}

/** Runs a test in a folder with a run and two files. */
function inRun(test: (cwd: string) => Promise<void>): Promise<void> {
  return inFolder(async (cwd) => {
    await makeRun(join(cwd, "run"), { shape: [2] });
    await Deno.writeTextFile(join(cwd, "points.csv"), "0.5,1\n-1,0.25\n0.75,-0.5\n");
    await Deno.writeTextFile(join(cwd, "points.npy"), "");
    await test(cwd);
  });
}

Deno.test("an option of a training that nothing would heed is refused", async (t) => {
  for (const [line, message] of TRAININGS) {
    await t.step(line, () =>
      inRun(async (cwd) => {
        await rejects(readRequest(TRAINING, wordsIn(cwd, line)), (error) => {
          equal(error instanceof UsageError, true, Deno.inspect(error));
          match((error as Error).message.replaceAll(`${cwd}/`, ""), message);
          return true;
        });
      }));
  }
});

Deno.test("one of another task is a line and exit code 2, and nothing is written", () =>
  inRun(async (cwd) => {
    const before = [await namesIn(cwd), await namesIn(join(cwd, "run"))];
    await Promise.all(TASKS.map(async ([task, line, message]) => {
      const { code, stdout, stderr } = await runTask(task, line.split(" "), cwd);
      deepEqual([code, stdout], [2, ""], `${line}: ${stderr}`);
      match(stderr, message);
      match(stderr, /^error: [^\n]*\n$/);
    }));
    deepEqual([await namesIn(cwd), await namesIn(join(cwd, "run"))], before);
  }));

Deno.test("what is said twice alike, or goes with the rest, is no mistake", () =>
  inRun(async (cwd) => {
    for (
      const line of [
        "moons --dataset moons",
        "moons --samples 0 --figures off",
        "points.csv --header off",
        "points.csv --transpose auto",
        "scg --resume run --data-changed --eval-batch-size 7",
      ]
    ) {
      const { config, dataChanged, resumed } = await readRequest(TRAINING, wordsIn(cwd, line));
      deepEqual([dataChanged, config.evalBatchSize === 7], [resumed !== undefined, resumed !== undefined]);
    }
  }));

Deno.test("threads that a backend has not are told in a note", () =>
  inRun(async (cwd) => {
    const args = ["run", "--count", "2", "--steps", "2", "--backend", "tfjs-cpu", "--json", "--threads"];
    const notes = async (threads: string) =>
      JSON.parse((await runTask("sample", [...args, threads], cwd)).stdout).notes;
    deepEqual(await notes("3"), ["--threads is 3, but tfjs-cpu runs on one thread"]);
    deepEqual(await notes("1"), undefined);
  }));
