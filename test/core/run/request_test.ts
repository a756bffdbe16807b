import { deepEqual, equal, match, ok, rejects } from "assert";
import { join } from "node:path";
import { outcomeOf } from "../../../core/cli/errors.ts";
import { UserError } from "../../../core/errors/user_error.ts";
import { readRequest } from "../../../core/run/config.ts";
import { readDataInfo, writeDataInfo } from "../../../core/run/data_info.ts";
import { RunFolder } from "../../../core/run/folder.ts";
import { optionName } from "../../../core/options/names.ts";
import { isFlag, kindOf, type TaskOption } from "../../../core/options/values.ts";
import { type TaskSpec, trainingOptions } from "../../../core/run/options.ts";
import * as moons from "../../../datasets/moons.ts";
import * as mlp from "../../../denoisers/mlp.ts";
import * as residual from "../../../denoisers/residual.ts";
import { oneRank } from "../../../core/mpi/mod.ts";
import { prepareRun } from "../../../core/run/prepare.ts";
import { panelEpochs } from "../../../core/run/density_panels.ts";
import { inFolder } from "../../folders.ts";

const SMALL = ["--hidden-size", "4", "--embedding-size", "4", "--points", "100", "--batch-size", "10"];

async function prepare(args: readonly string[]) {
  const run = await prepareRun(await readRequest(TASK, args), ({ shape }) => {
    return shape.length === 1 ? undefined : "has the wrong shape.";
  }, oneRank());
  await run.training.dispose();
  run.lock?.[Symbol.dispose]();
  return run;
}

/** Arguments that are mistakes, with what the one line says. */
const mistakes: [string, readonly string[], RegExp][] = [
  ["unknown data set", ["mons"], /mons.*moons/],
  ["unknown denoiser", ["moons", "--denoiser", "mpl"], /mpl.*mlp/],
  ["unknown flag", ["moons", "--epoch", "3"], /--epoch.*--epochs/],
  ["not a number", ["moons", "--epochs", "many"], /--epochs is many; it must be a whole number from 1/],
  ["zero", ["moons", "--batch-size", "0"], /--batch-size is 0/],
  ["negative", ["moons", "--hidden-size", "-4"], /--hidden-size is -4/],
  ["fraction", ["moons", "--epochs", "1.5"], /--epochs is 1\.5/],
  ["zero rate", ["moons", "--learning-rate", "0"], /--learning-rate is 0.*above 0/],
  ["zero scale", ["moons", "--logsnr-scale", "0"], /--logsnr-scale is 0/],
  ["odd embedding", ["moons", "--points", "300", "--embedding-size", "5"], /--embedding-size is 5; it must be even/],
  ["not on or off", ["moons", "--embedding", "maybe"], /--embedding is maybe; it must be one of auto, on or off/],
  ["unknown backend", ["moons", "--backend", "cuda"], /--backend is cuda/],
  ["unknown recipe", ["moons", "--recipe", "best"], /--recipe is best/],
  [
    "batch larger than the data",
    ["moons", "--points", "100", "--batch-size", "91"],
    /--batch-size is 91.*90 training samples/,
  ],
  [
    "unknown reference",
    ["moons", "--reference", "gmm"],
    /--reference is gmm, expected auto, gaussian, mixture, kernel/,
  ],
  [
    "a mixture of more than the data",
    ["moons", ...SMALL, "--reference", "mixture:91"],
    /--reference is a mixture of 91, but the data has 90 training samples/,
  ],
  [
    "a skip that is not there",
    ["moons", ...SMALL, "--reference", "gaussian", "--skip", "mixture"],
    /--skip is mixture, but the reference is no mixture: take --reference mixture/,
  ],
  ["unknown proposal", ["moons", "--proposal", "odd"], /--proposal is odd; it must be one of even, fixed or adaptive/],
  ["negative patience", ["moons", "--patience", "-1"], /--patience is -1; it must be a whole number from 0/],
  ["two data sets", ["moons", "scg"], /scg|too many/i],
  ["nothing to resume", ["--resume", "nowhere"], /no run in nowhere/],
];

for (const [what, args, message] of mistakes) {
  Deno.test(`a mistake is one line with exit code 2, and nothing is written: ${what}`, () =>
    inFolder(async (folder) => {
      const out = join(folder, "run");
      await rejects(prepare([...args, ...(args[0] === "--resume" ? [] : ["--out", out])]), (error: Error) => {
        ok(error instanceof UserError, Deno.inspect(error));
        const { code, text } = outcomeOf(error);
        equal(code, 2);
        match(text, message);
        equal(text.trim().split("\n").length, 1);
        return true;
      });
      equal([...Deno.readDirSync(folder)].length, 0);
    }));
}

Deno.test("every number and choice of a training and its plugins has limits, and a value beyond them is named", async () => {
  const denoisers = { mlp: mlp.options, residual: residual.options };
  for (const [denoiser, own] of Object.entries(denoisers)) {
    const specs: Readonly<Record<string, TaskOption>> = { ...trainingOptions(TASK.defaults), ...own, ...moons.options };
    for (const [key, spec] of Object.entries(specs)) {
      const name = optionName(key);
      if (isFlag(spec) || kindOf(spec) === "string" && !spec.choices) continue;
      if (key === "denoiser") continue;
      const { min = -Infinity, above = -Infinity, max = Infinity } = spec;
      if (kindOf(spec) === "number") ok(Math.max(min, above) > -Infinity && max < Infinity, `${name} has no limits`);
      for (const value of ["", "__proto__", "NaN", "-1e18", "1e19", `${max + 1}`, `${min - 1}`, "0x10", "1,5"]) {
        await rejects(
          readRequest(TASK, ["moons", "--denoiser", denoiser, `${name}=${value}`]),
          (error) => error instanceof UserError && outcomeOf(error).text.startsWith(`error: ${name} is `),
          `${name}=${value}`,
        );
      }
    }
  }
});

Deno.test("a folder that holds something is not written to", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(join(folder, "mine.txt"), "mine");
    await rejects(prepare(["moons", ...SMALL, "--out", folder]), /not empty.*--out.*--resume/);
    equal([...Deno.readDirSync(folder)].length, 1);
    await rejects(
      prepare(["moons", ...SMALL, "--out", join(folder, "mine.txt")]),
      /is a file; --out must name a folder/,
    );
    await rejects(
      prepare(["moons", ...SMALL, "--out", "/proc/none/run"]),
      (error: Error) => error instanceof UserError,
    );
  }));

Deno.test("a plugin with wrong shapes, or none of what it must have, is told what it lacks", () =>
  inFolder(async (folder) => {
    const write = async (name: string, text: string) => {
      await Deno.writeTextFile(join(folder, name), text);
      return join(folder, name);
    };
    const wrongShape = await write(
      "wrong_shape.ts",
      `import * as tf from "@tensorflow/tfjs";
export const create = () => ({ init: () => ({}), predict: (_, z) => tf.sum(z, 1) });`,
    );
    const out = ["--out", join(folder, "run")];
    const points = ["moons", "--points", "100", "--batch-size", "10"];
    await rejects(
      prepare([...points, "--denoiser", wrongShape, ...out]),
      /returned shape \[1024\] for z of shape \[1024,2\]/,
    );
    const noInit = await write("no_init.ts", `export const create = () => ({ predict: () => 0 });`);
    await rejects(prepare([...points, "--denoiser", noInit, ...out]), /has init undefined, expected a function/);
    const noCreate = await write("no_create.ts", `export const make = 1;`);
    await rejects(prepare([...points, "--denoiser", noCreate, ...out]), /create is missing/);
    const ragged = await write("ragged.ts", `export const load = () => ({ train: [[1, 2], [3]] });`);
    await rejects(prepare([ragged, ...out]), (error: Error) => error instanceof UserError && /row/.test(error.message));
    const images = await write(
      "images.ts",
      `export const load = () => ({ shape: [2, 2], train: new Float32Array(400).map((_, i) => Math.sin(i)) });`,
    );
    await rejects(prepare([images, ...out]), /wrong shape/);
    equal([...Deno.readDirSync(folder)].some((entry) => entry.name === "run"), false);
  }));

Deno.test("the backend is chosen for points without a look at GPUs, and what it cannot do is refused before a run begins", () =>
  inFolder(async (folder) => {
    const out = join(folder, "run");
    const refused = (args: string[], message: RegExp) =>
      rejects(prepare(["scg", ...SMALL, "--out", out, ...args]), { message, exitCode: 2 });
    await refused(["--precision", "f16"], /^--precision is f16, which the backend onnx-cpu does not have\./);
    await refused(["--precision", "f64"], /^--precision is f64; it must be one of f32 or f16\.$/);
    await refused(["--backend", "cuda"], /^--backend is cuda; it must be one of auto, onnx-cpu, /);
    equal([...Deno.readDirSync(folder)].length, 0);
    const { engine, engineReason } = await prepare(["scg", ...SMALL, "--out", out]);
    equal(engine.backend, "onnx-cpu");
    match(engineReason!, /points/);
  }));

const TASK: TaskSpec = {
  name: "train:2d",
  summary: "Test.",
  defaults: {
    dataset: "dino",
    denoiser: "mlp",
    epochs: 160,
    batchSize: 128,
    learningRate: 1e-3,
    evalBatchSize: 1024,
    validationLevels: 4,
  },
};

Deno.test("resuming takes the run's own options, refuses others, and refuses what is no run", () =>
  inFolder(async (folder) => {
    const out = join(folder, "run");
    const { config } = await prepare(["scg", ...SMALL, "--out", out, "--seed", "3"]);
    const again = await prepare(["--resume", out, "--threads", "1"]);
    const { threads: _, ...same } = again.config;
    const { threads: __, ...first } = config;
    equal(JSON.stringify(same), JSON.stringify(first));
    await rejects(prepare(["--resume", out, "--seed", "4"]), /--seed is 4, but the run was started with 3/);
    await rejects(prepare(["moons", "--resume", out]), /--dataset is moons, but the run was started with scg/);
    await rejects(
      prepare(["--resume", out, "--hidden-size", "9"]),
      /--hidden-size is 9, but the run was started with 4/,
    );
    await prepare(["--resume", out, "--seed", "3", "--epochs", "200"]);
    // Earlier versions had no choice of precision.
    const { precision: ___, ...earlier } = config;
    await Deno.writeTextFile(join(out, "config.json"), JSON.stringify(earlier));
    equal((await prepare(["--resume", out])).config.precision, "f32");
    // Nor had they references, other log SNRs than a logistic's, or an early end.
    const { proposal: _p, reference: _r, patience: _e, validateEvery: _v, ...before } = config;
    await Deno.writeTextFile(join(out, "config.json"), JSON.stringify(before));
    const old = await prepare(["--resume", out]);
    deepEqual([old.config.proposal, old.config.reference, old.config.patience], ["fixed", "none", 0]);
    deepEqual([old.settings.blend, old.settings.patience, old.proposal.even], [false, Infinity, undefined]);
    await Deno.writeTextFile(join(out, "config.json"), '{"foreign": true}');
    await rejects(prepare(["--resume", out]), /not the configuration of a run/);
    await Deno.writeTextFile(join(out, "config.json"), "{");
    await rejects(prepare(["--resume", out]), /not valid JSON/);
  }));

Deno.test("a resumed run has the reference of the run, also where it would not be fitted alike", () =>
  inFolder(async (folder) => {
    const out = join(folder, "run");
    const first = await prepare(["moons", ...SMALL, "--points", "300", "--reference", "mixture:3", "--out", out]);
    equal(first.info.reference!.components.length, 3);
    const again = await prepare(["--resume", out]);
    deepEqual(again.info.reference, first.info.reference);
    deepEqual(again.proposal, first.proposal);
    // It is read from the run, and not fitted to the data.
    const { weights, components } = first.info.reference!;
    const moved = { weights, components: components.map((one) => ({ ...one, mean: one.mean.map((m) => m + 1) })) };
    await writeDataInfo(new RunFolder(out), { ...first.info, reference: moved }, first.data);
    deepEqual((await prepare(["--resume", out])).info.reference, moved);
    await rejects(
      prepare(["--resume", out, "--reference", "gaussian"]),
      /--reference is gaussian, but the run was started with mixture:3/,
    );
    equal((await prepare(["--resume", out, "--patience", "5"])).settings.patience, 5);
  }));

Deno.test("what is left open is decided by the data, and kept by the run", () =>
  inFolder(async (folder) => {
    const many = join(folder, "many.ts");
    await Deno.writeTextFile(
      many,
      `export function load(random) {
        const rows = (n) => Array.from({ length: n }, () => Array.from({ length: 16 }, () => random.normal()));
        return { train: rows(600), validation: rows(50) };
      }`,
    );
    const open = ["--batch-size", "auto", "--learning-rate", "auto"], small = SMALL.slice(0, 4);
    const of = async (name: string, ...args: string[]) => {
      const epochs = args.includes("--epochs") ? [] : ["--epochs", "auto"];
      const { config, settings } = await prepare([...args, ...small, ...open, ...epochs, "--out", join(folder, name)]);
      deepEqual([config.epochs, config.batchSize], [settings.epochs, settings.batchSize]);
      return settings;
    };
    const few = await of("few", "scg", "--points", "100");
    deepEqual([few.batchSize, few.patience, few.blend, few.learningRate], [90, Infinity, true, 2e-3]);
    // Of many short epochs some are validated; of given ones each, however many there are, since a run may be resumed for more.
    equal(few.validateEvery, 8);
    equal((await of("each", "scg", "--points", "100", "--epochs", "5000")).validateEvery, 1);
    equal((await of("some", "scg", "--points", "100", "--epochs", "5000", "--validate-every", "5")).validateEvery, 5);
    const steps = few.epochs * Math.floor(90 / few.batchSize);
    ok(steps >= 4000 && steps <= 40_000, `${steps}`);
    // Finer structure takes more steps.
    const moons = (noise: string) => of(`noise-${noise}`, "moons", "--points", "400", "--noise", noise);
    const [rough, fine] = [await moons("0.1"), await moons("0.003")];
    ok(fine.epochs > 1.5 * rough.epochs, `${fine.epochs} and ${rough.epochs}`);
    // Many dimensions are learned by heart, so that training may end at half of the epochs.
    const wide = await of("wide", many);
    equal(wide.learningRate, 2e-3);
    deepEqual([wide.batchSize, wide.patience], [256, Math.max(10, Math.ceil(wide.epochs / 2))]);
    equal((await of("never", many, "--patience", "0")).patience, Infinity);
    equal((await of("none", many, "--reference", "none")).blend, false);
    const again = await prepare([many, "--resume", join(folder, "wide")]);
    deepEqual([again.settings.epochs, again.settings.patience], [wide.epochs, wide.patience]);
  }));

Deno.test("a resumed run keeps the Gaussian that it began with, or has one fitted", () =>
  inFolder(async (folder) => {
    const out = join(folder, "run");
    const { info } = await prepare(["scg", ...SMALL, "--out", out, "--reference", "none"]);
    // As an earlier version may have fitted it.
    const gaussian = { mean: info.gaussian.mean, eigenvalues: info.gaussian.eigenvalues };
    await writeDataInfo(new RunFolder(out), { ...info, gaussian }, info);
    deepEqual((await prepare(["--resume", out])).info.gaussian, gaussian);
    deepEqual((await readDataInfo(new RunFolder(out))).gaussian, gaussian);
    for (const change of [(path: string) => Deno.remove(path), (path: string) => Deno.writeTextFile(path, "damaged")]) {
      await change(join(out, "data.safetensors"));
      deepEqual((await prepare(["--resume", out])).info.gaussian, info.gaussian);
    }
  }));

Deno.test("a corrupt checkpoint is refused by name", () =>
  inFolder(async (folder) => {
    const out = join(folder, "run");
    await prepare(["scg", ...SMALL, "--out", out]);
    const checkpoint = join(out, "checkpoints", "000001");
    await Deno.mkdir(checkpoint, { recursive: true });
    for (const name of ["model.safetensors", "training.safetensors", "state.json"]) {
      await Deno.writeTextFile(join(checkpoint, name), "nonsense");
    }
    await rejects(prepare(["--resume", out]), (error: Error) => {
      return error instanceof UserError && error.message.includes("000001");
    });
  }));

Deno.test("JSON lines survive an unfinished last line", () =>
  inFolder(async (path) => {
    const folder = new RunFolder(path);
    await folder.appendLine("lines", { a: 1 });
    await folder.appendLine("lines", { a: 2 });
    await Deno.writeTextFile(folder.file("lines"), '{"a": 3', { append: true });
    equal(JSON.stringify(await folder.readLines("lines")), '[{"a":1},{"a":2}]');
    equal((await folder.readLines("none")).length, 0);
  }));

Deno.test("panels are spread over the epochs, whatever their number", () => {
  equal(panelEpochs(160).join(), "20,40,60,80,100,120,140,160");
  equal(panelEpochs(3).join(), "1,2,3");
  equal(panelEpochs(1).join(), "1");
  equal(panelEpochs(9).length, 8);
});
