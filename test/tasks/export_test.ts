import { deepEqual, equal, match, ok } from "assert";
import { join } from "node:path";
import { standardGaussian } from "../../core/reference/gaussian.ts";
import { readSafetensors } from "../../core/io/safetensors.ts";
import { Random } from "../../core/random/random.ts";
import { create as createMlp, options as mlpOptions } from "../../denoisers/mlp.ts";
import { makeUnetRun } from "../core/export/unet_run.ts";
import { makeRun } from "../core/run/runs.ts";
import { inFolder, namesIn } from "../folders.ts";
import { runTask } from "./command.ts";

const MLP = Object.fromEntries(Object.entries(mlpOptions).map(([key, spec]) => [key, spec.default]));

async function makeMlpRun(path: string): Promise<void> {
  const model = createMlp({ shape: [2], gaussian: standardGaussian(2) }, MLP).init(Random.fromSeed(0));
  await makeRun(path, { shape: [2] }, { config: { denoiser: "mlp", denoiserOptions: MLP }, model });
}

Deno.test("a U-Net's run is exported in every form, each in a folder of its own", () =>
  inFolder(async (cwd) => {
    const model = await makeUnetRun(join(cwd, "run"), [3, 8, 8], { channels: "8,16", config: "" });
    const results = await Promise.all(["diffusers", "onnx", "tfjs"].map(async (format) => {
      const { code, stdout, stderr } = await runTask("export", ["run", "--format", format, "--json"], cwd);
      deepEqual([code, stderr], [0, ""]);
      return JSON.parse(stdout);
    }));
    const contents = [
      ["config.json", "diffusion_pytorch_model.safetensors", "itdiffusion.json", "scheduler_config.json"],
      ["model.onnx"],
      ["group1-shard1of1.bin", "group2-shard1of1.bin", "model.json"],
    ];
    for (const [i, { format, folder, files, bytes, epoch, parameters }] of results.entries()) {
      equal(folder, join("run", format));
      deepEqual([...files].sort(), contents[i]);
      deepEqual(await namesIn(join(cwd, folder)), contents[i]);
      const sizes = await Promise.all(contents[i].map(async (name) => (await Deno.stat(join(cwd, folder, name))).size));
      equal(bytes, sizes.reduce((a, b) => a + b));
      equal(epoch, 4);
      equal(parameters, Object.values(model).reduce((sum, { data }) => sum + data.length, 0));
    }
    equal(results[1].batch, null);
    ok(results[1].largest_difference < 1e-4);
    const weights = await readSafetensors(join(cwd, "run/diffusers/diffusion_pytorch_model.safetensors"));
    deepEqual(weights.metadata, { format: "pt" });
    deepEqual(weights.tensors, { ...model });
    const checkpoint = join(cwd, "run/checkpoints/000004-1");
    const known = await Deno.stat(checkpoint).then(() => checkpoint, () => join(cwd, "run/checkpoints/000004"));
    for (const name of ["config.json", "scheduler_config.json"]) {
      const read = (folder: string) => Deno.readTextFile(join(folder, name));
      equal(await read(join(cwd, "run/diffusers")), await read(known));
    }
  }));

Deno.test("an export names its folder, by a number where there is one already, and says what it wrote", () =>
  inFolder(async (cwd) => {
    await makeMlpRun(join(cwd, "run"));
    await Deno.mkdir(join(cwd, "empty"));
    const tries: [string[], string][] = [
      [["run", "--format", "onnx"], "run/onnx"],
      [["run/checkpoints/000003", "--format", "onnx", "--batch", "5", "--quiet"], "run/onnx-2"],
      [["run", "--format", "onnx", "--out", "empty"], "empty"],
    ];
    for (const [args, folder] of tries) {
      const { code, stdout, stderr } = await runTask("export", args, cwd);
      equal(code, 0, stderr);
      equal(stderr, args.includes("--quiet") ? "" : "export 1/1\n");
      match(stdout, new RegExp(`^run after epoch 3 as onnx, \\d+ kB\nWrote ${folder}, with model.onnx\n$`));
      deepEqual(await namesIn(join(cwd, folder)), ["model.onnx"]);
    }
  }));

Deno.test("a mistake is one line that says what was expected, and nothing is written", () =>
  inFolder(async (cwd) => {
    await makeMlpRun(join(cwd, "run"));
    await Deno.mkdir(join(cwd, "full"));
    await Deno.writeTextFile(join(cwd, "full", "x"), "");
    await Deno.writeTextFile(
      join(cwd, "sums.ts"),
      `import * as tf from "npm:@tensorflow/tfjs@4.22.0";
       export const create = () => ({ init: () => ({}), predict: (_, z, a) => tf.mul(tf.cumsum(z, 1), tf.mean(a)) });`,
    );
    await makeRun(join(cwd, "own"), { shape: [2] }, { config: { denoiser: join(cwd, "sums.ts") } });
    const before = await Promise.all(["run", "own", "full"].map((name) => namesIn(join(cwd, name))));
    const tries: [string[], RegExp][] = [
      [[], /The argument run is missing/],
      [["none", "--format", "onnx"], /There is no run in none/],
      [["run"], /--format is missing: diffusers, onnx, tfjs\./],
      [["run", "--format", "pdf"], /--format is pdf; it must be one of diffusers, onnx or tfjs/],
      [["run", "--format", "diffusers"], /The denoiser mlp has no form in diffusers; unet-pretrained has\./],
      [["run", "--format", "tfjs", "--batch", "2"], /--batch is for --format onnx, but the format is tfjs/],
      [["run", "--format", "onnx", "--batch", "0"], /--batch is 0; it must be a whole number from 1/],
      [["run", "--format", "tfjs", "--out", "full"], /The folder full is not empty\. Name another with --out\./],
      [
        ["own", "--format", "onnx", "--trust", "./sums.ts"],
        /sums\.ts cannot be exported as ONNX\. The operation Cumsum.* cannot be compiled/,
      ],
    ];
    await Promise.all(tries.map(async ([args, message]) => {
      const { code, stdout, stderr } = await runTask("export", args, cwd);
      deepEqual([code, stdout], [2, ""], stderr);
      match(stderr, message);
      equal(stderr.trim().split("\n").filter((line) => line !== "export 0/1").length, 1, stderr);
    }));
    deepEqual(await Promise.all(["run", "own", "full"].map((name) => namesIn(join(cwd, name)))), before);
  }));
