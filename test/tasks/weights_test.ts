import { deepEqual, equal, match, ok } from "assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encodeSafetensors } from "../../core/io/safetensors.ts";
import { DDPM_SCHEDULE } from "../../denoisers/unet_pretrained/schedule.ts";
import { inFolder, namesIn } from "../folders.ts";
import { runTask } from "./command.ts";

const reference = (path: string) => fileURLToPath(new URL(`../reference/${path}`, import.meta.url));
const MODEL = reference("unet/config_a/safetensors"), IMAGES = reference("datasets/images.h5");
/** Without the pilot, which takes more evaluations than the round. */
const ROUND = ["--rounds", "1", "--adapt", "off", "--backend", "onnx-cpu"];

/** Copies the network of config_a to `unet` of a pipeline with a scheduler, and changes its configuration. */
async function makePipeline(folder: string, scheduler: object, changes: object = {}): Promise<void> {
  for (const name of ["unet", "scheduler"]) await Deno.mkdir(join(folder, name), { recursive: true });
  const config = JSON.parse(await Deno.readTextFile(join(MODEL, "config.json")));
  await Deno.writeTextFile(join(folder, "unet/config.json"), JSON.stringify({ ...config, ...changes }));
  const weights = "diffusion_pytorch_model.safetensors";
  await Deno.copyFile(join(MODEL, weights), join(folder, "unet", weights));
  await Deno.writeTextFile(join(folder, "scheduler/scheduler_config.json"), JSON.stringify(scheduler));
}

async function nll(cwd: string, ...args: string[]) {
  const { code, stdout, stderr } = await runTask("nll", [...args, ...ROUND, "--json"], cwd);
  deepEqual([code, stderr], [0, ""]);
  return JSON.parse(stdout);
}

Deno.test("nll takes a pipeline and its unet for the same model, and says which schedule it has", () =>
  inFolder(async (cwd) => {
    await makePipeline(join(cwd, "pipe"), { ...DDPM_SCHEDULE, prediction_type: "v_prediction" });
    const [whole, alone, bare] = await Promise.all(
      ["pipe", "pipe/unet", MODEL].map((name, i) => nll(cwd, name, "--data", IMAGES, "--out", `out${i}`)),
    );
    equal(alone.nats, whole.nats);
    ok(Math.abs(bare.nats - whole.nats) > 1, `${bare.nats} and ${whole.nats}`);
    const schedule = (notes: string[]) => notes.filter((note) => note.startsWith("schedule: "));
    const said = "schedule: scheduler_config.json of pipe, v_prediction, linear betas 0.0001 to 0.02, 1000 steps";
    deepEqual([schedule(whole.notes), schedule(alone.notes)], [[said], [said]]);
    match(schedule(bare.notes)[0], /^schedule: assumed, as the model has no scheduler_config\.json: epsilon, linear/);
    const human = await runTask("nll", ["pipe/unet", "--data", IMAGES, ...ROUND], cwd);
    equal(human.code, 0, human.stderr);
    ok(human.stderr.split("\n").includes(said), human.stderr);
    const quiet = await runTask("nll", ["pipe/unet", "--data", IMAGES, ...ROUND, "--quiet"], cwd);
    equal(quiet.stderr, "");
  }));

Deno.test("train:cifar says which schedule it goes on with, and that it has dropout", () =>
  inFolder(async (cwd) => {
    await makePipeline(join(cwd, "pipe"), { ...DDPM_SCHEDULE, beta_schedule: "scaled_linear" }, { dropout: 0.1 });
    const args = [IMAGES, "--weights", "pipe/unet", "--batch-size", "20", "--micro-batch-size", "8", "--epochs", "1"];
    const trained = await runTask(
      "train:cifar",
      [...args, "--validation-samples", "4", "--figures", "off", "--backend", "onnx-cpu", "--out", "run"],
      cwd,
    );
    equal(trained.code, 0, trained.stderr);
    const said = [
      "schedule: scheduler_config.json of pipe, epsilon, scaled_linear betas 0.0001 to 0.02, 1000 steps",
      "dropout: 0.1, in training alone",
    ];
    const { notes } = JSON.parse(await Deno.readTextFile(join(cwd, "run/summary.json")));
    for (const note of said) {
      ok(trained.stderr.split("\n").includes(note), trained.stderr);
      ok(notes.includes(note), String(notes));
    }
  }));

Deno.test("an export keeps the range and the log SNRs of its run, and nll takes them", () =>
  inFolder(async (cwd) => {
    // The same pictures, of values from 0 to 16, as floats and as bytes.
    const values = Array.from({ length: 40 * 64 }, (_, i) => (i * 7 + i * i) % 17);
    for (const [name, data] of [["floats", Float32Array.from(values)], ["bytes", Uint8Array.from(values)]] as const) {
      await Deno.writeFile(join(cwd, `${name}.safetensors`), encodeSafetensors({ x: { shape: [40, 1, 8, 8], data } }));
    }
    const args = ["floats.safetensors", "--range", "0,16", "--from-scratch", "--channels", "8,8", "--epochs", "1"];
    const logsnr = ["--logsnr-loc", "2", "--logsnr-scale", "1.5"];
    const trained = await runTask(
      "train:cifar",
      [...args, ...logsnr, "--batch-size", "16", "--figures", "off", "--backend", "onnx-cpu", "--out", "run", "--json"],
      cwd,
    );
    equal(trained.code, 0, trained.stderr);
    const exported = await runTask("export", ["run", "--format", "diffusers", "--out", "exported", "--json"], cwd);
    equal(exported.code, 0, exported.stderr);
    ok((await namesIn(join(cwd, "exported"))).includes("itdiffusion.json"));
    const facts = JSON.parse(await Deno.readTextFile(join(cwd, "exported/itdiffusion.json")));
    const { logScale, ...rest } = facts;
    deepEqual(rest, {
      ...{ format: "itdiffusion-export", version: 1, shape: [1, 8, 8], range: [0, 16], logsnrLoc: 2, logsnrScale: 1.5 },
    });
    ok(Math.abs(logScale - 64 * Math.log(8)) < 1e-9, `${logScale}`);
    const [floats, bytes] = await Promise.all(
      ["floats", "bytes"].map((name) => nll(cwd, "exported", "--data", `${name}.safetensors`, "--out", `of-${name}`)),
    );
    // Bytes alone would be taken for values up to 255.
    equal(bytes.nats, floats.nats);
    deepEqual([floats.log_scale, bytes.log_scale], [logScale, logScale]);
    for (
      const note of [
        "range: values from 0 to 16 are taken to −1 and 1, as itdiffusion.json says",
        "log SNRs: location 2 and scale 1.5, as itdiffusion.json says",
      ]
    ) {
      ok(bytes.notes.includes(note), String(bytes.notes));
    }
    const own = await nll(cwd, "exported", "--data", "bytes.safetensors", "--logsnr-loc", "4", "--out", "own");
    ok(own.nats !== bytes.nats);
    await Deno.writeTextFile(join(cwd, "exported/itdiffusion.json"), '{"format":"itdiffusion-export","version":1}');
    const damaged = await runTask("nll", ["exported", "--data", "bytes.safetensors"], cwd);
    deepEqual([damaged.code, damaged.stdout], [2, ""]);
    match(damaged.stderr, /^error: [^\n]*itdiffusion\.json has no finite logsnrLoc[^\n]*\n$/);
  }));

Deno.test("a pointer of Git LFS in the place of the weights is one line that says what to do", () =>
  inFolder(async (cwd) => {
    await makePipeline(join(cwd, "pipe"), DDPM_SCHEDULE);
    const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 143\n";
    await Deno.writeTextFile(join(cwd, "pipe/unet/diffusion_pytorch_model.safetensors"), pointer);
    const { code, stdout, stderr } = await runTask("nll", ["pipe", "--data", IMAGES, "--quiet"], cwd);
    deepEqual([code, stdout], [2, ""]);
    match(stderr, /^error: [^\n]*\.safetensors is a pointer of Git LFS[^\n]*git lfs pull[^\n]*\n$/);
  }));

Deno.test("sample and export take a pipeline's unet as nll does, with the pipeline's scheduler", () =>
  inFolder(async (cwd) => {
    await makePipeline(join(cwd, "pipe"), { ...DDPM_SCHEDULE, prediction_type: "v_prediction" }, { sample_size: 8 });
    const said = "schedule: scheduler_config.json of pipe, v_prediction, linear betas 0.0001 to 0.02, 1000 steps";
    const drawn = await runTask("sample", ["pipe/unet", "--count", "2", "--steps", "2", "--backend", "onnx-cpu"], cwd);
    equal(drawn.code, 0, drawn.stderr);
    ok(drawn.stderr.split("\n").includes(said), drawn.stderr);
    match(
      drawn.stderr,
      /^data: none is known, so that values are taken to be from −1 to 1, of the standard Gaussian$/m,
    );
    match(
      drawn.stdout,
      /^unet: 2 samples by ode in 2 steps, seed 0, in [\d.]+ s on onnx-cpu\nWrote runs\/unet\/samples, with /,
    );
    const summary = JSON.parse(await Deno.readTextFile(join(cwd, "runs/unet/samples/summary.json")));
    deepEqual([summary.weights, summary.epoch, summary.notes.includes(said)], ["pipe/unet", undefined, true]);

    const [diffusers, onnx, tfjs] = await Promise.all(
      ["diffusers", "onnx", "tfjs"].map((format) =>
        runTask("export", ["pipe", "--format", format, "--out", format, "--json"], cwd)
      ),
    );
    deepEqual([diffusers.code, onnx.code, tfjs.code], [0, 0, 2], diffusers.stderr + onnx.stderr);
    ok(JSON.parse(onnx.stdout).largest_difference < 1e-4);
    deepEqual(JSON.parse(diffusers.stdout).notes.includes(said), true);
    match(tfjs.stderr, /^error: pipe are weights without data, whose Gaussian tfjs weights come with\.[^\n]*\n$/);
    const scheduler = JSON.parse(await Deno.readTextFile(join(cwd, "diffusers/scheduler_config.json")));
    equal(scheduler.prediction_type, "v_prediction");
    const [own, copy] = await Promise.all(
      ["pipe", "diffusers"].map((name, i) => nll(cwd, name, "--data", IMAGES, "--out", `nll${i}`)),
    );
    equal(copy.nats, own.nats);

    const config = JSON.parse(await Deno.readTextFile(join(cwd, "pipe/unet/config.json")));
    for (const sample_size of [undefined, 0, [8], 1e9, "8"]) {
      await Deno.writeTextFile(join(cwd, "pipe/unet/config.json"), JSON.stringify({ ...config, sample_size }));
      const refused = await runTask("sample", ["pipe", "--quiet"], cwd);
      deepEqual([refused.code, refused.stdout], [2, ""]);
      match(
        refused.stderr,
        /^error: [^\n]*has the sample_size [^\n]*expected the height and width of its images[^\n]*\n$/,
      );
    }
  }));
