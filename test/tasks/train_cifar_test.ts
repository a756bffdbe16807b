import { deepEqual, equal, match, ok } from "assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { latestCheckpoint, loadCheckpoint } from "../../core/io/checkpoints.ts";
import { encodeSafetensors } from "../../core/io/safetensors.ts";
import { inFolder, namesIn } from "../folders.ts";
import { hasLines, untilFile } from "../wait.ts";
import { runTask, taskCommand } from "./command.ts";

const reference = (path: string) => fileURLToPath(new URL(`../reference/${path}`, import.meta.url));
const ARCHIVE = reference("datasets/cifar-10-binary.tar.gz");
const IMAGES = reference("datasets/images.h5");
const PRETRAINED = reference("unet/config_a/safetensors");

/** A small network, few samples and steps. */
const TINY = [
  "--backend",
  "onnx-cpu",
  "--channels",
  "8,8",
  "--batch-size",
  "32",
  "--validation-samples",
  "4",
  "--samples",
  "2",
];
const SMALL = ["--from-scratch", ...TINY, "--sample-steps", "2", "--data", ARCHIVE];

async function metricsOf(folder: string) {
  const lines = (await Deno.readTextFile(join(folder, "metrics.jsonl"))).trim().split("\n");
  return lines.map((line) => {
    const { seconds, ...rest } = JSON.parse(line);
    ok(seconds > 0);
    return rest;
  });
}

Deno.test("train:cifar from scratch writes all that it promises, and sample draws from it", () =>
  inFolder(async (cwd) => {
    const { code, stdout, stderr } = await runTask("train:cifar", [...SMALL, "--epochs", "2"], cwd);
    equal(code, 0, stderr);
    match(stdout, /^cifar10: 2 epochs in [\d.]+ s, [\d.]+ ms a step, on onnx-cpu\n/);
    match(stdout, /NLL on the validation data +-?[\d.]+ ± [\d.]+ nats \(-?[\d.]+ bits\/dim\)/);
    match(stdout, /NLL of the data's Gaussian +-?[\d.]+ nats/);
    const run = join(cwd, "runs", "cifar10");
    deepEqual(await namesIn(join(run, "figures")), [
      "loss.svg",
      "mse.svg",
      "samples-000001.svg",
      "samples-000002.svg",
    ]);
    const summary = JSON.parse(await Deno.readTextFile(join(run, "summary.json")));
    ok(Math.abs(summary.val_bits_per_dim * 3072 * Math.log(2) - summary.val_nll) < 1e-6);
    const config = JSON.parse(await Deno.readTextFile(join(run, "config.json")));
    deepEqual(config.taskOptions, { samples: 2, sampleSteps: 2 });
    deepEqual([config.logsnrLoc, config.logsnrScale, config.learningRate, config.microBatchSize], [6, 3, 1e-4, 16]);
    const folder = (await latestCheckpoint(run))!;
    const checkpoint = await loadCheckpoint(folder);
    deepEqual(checkpoint.model["conv_in.weight"].shape, [8, 3, 3, 3]);
    // What diffusers' from_pretrained looks for.
    const network = JSON.parse(await Deno.readTextFile(join(folder, "config.json")));
    deepEqual([network._class_name, network.block_out_channels], ["UNet2DModel", [8, 8]]);
    ok((await namesIn(folder)).includes("diffusion_pytorch_model.safetensors"));
    equal(JSON.parse(await Deno.readTextFile(join(folder, "scheduler_config.json"))).beta_end, 0.02);

    const drawn = await runTask("sample", ["runs/cifar10", "--count", "2", "--steps", "2", "--json"], cwd);
    equal(drawn.code, 0, drawn.stderr);
    equal(JSON.parse(drawn.stdout).count, 2);
  }));

Deno.test("a resumed run draws so many samples as it was started with, unless it is told otherwise", () =>
  inFolder(async (cwd) => {
    const tiny = [IMAGES, "--from-scratch", ...TINY, "--batch-size", "15", "--sample-steps", "2", "--quiet"];
    equal((await runTask("train:cifar", [...tiny, "--epochs", "1", "--out", "run"], cwd)).code, 0);
    const grid = async (epoch: number) => {
      const svg = await Deno.readTextFile(join(cwd, "run", "figures", `samples-00000${epoch}.svg`));
      return /(\d+) samples after epoch \d, by ode in (\d+) steps/.exec(svg)!.slice(1).map(Number);
    };
    const resume = ["--resume", "run", "--quiet", "--epochs"];
    equal((await runTask("train:cifar", [...resume, "2"], cwd)).code, 0);
    equal((await runTask("train:cifar", [...resume, "3", "--samples", "3"], cwd)).code, 0);
    deepEqual([await grid(1), await grid(2), await grid(3)], [[2, 2], [2, 2], [3, 2]]);
  }));

Deno.test("a pretrained folder is fine-tuned, and needed no more afterwards", () =>
  inFolder(async (cwd) => {
    await Deno.mkdir(join(cwd, "model"));
    for (const name of ["config.json", "diffusion_pytorch_model.safetensors"]) {
      await Deno.copyFile(join(PRETRAINED, name), join(cwd, "model", name));
    }
    const options = [IMAGES, "--weights", "model", "--batch-size", "20", "--validation-samples", "4"];
    const args = [...options, "--micro-batch-size", "8", "--figures", "off", "--quiet", "--learning-rate", "1e-9"];
    equal((await runTask("train:cifar", [...args, "--epochs", "1", "--out", "tuned"], cwd)).code, 0);
    const { denoiserOptions } = JSON.parse(await Deno.readTextFile(join(cwd, "tuned", "config.json")));
    equal(denoiserOptions.weights, await Deno.realPath(join(cwd, "model")), "as it holds from any folder");
    await Deno.remove(join(cwd, "model"), { recursive: true });
    // Its learning rate left the weights almost as they were.
    const { model } = await loadCheckpoint((await latestCheckpoint(join(cwd, "tuned")))!);
    ok(Object.values(model).every(({ data }) => data.every(Number.isFinite)));
    const { code, stderr } = await runTask("train:cifar", ["--resume", "tuned", "--epochs", "2", "--quiet"], cwd);
    equal(code, 0, stderr);
    equal((await metricsOf(join(cwd, "tuned"))).length, 2);
    const { notes } = JSON.parse(await Deno.readTextFile(join(cwd, "tuned", "summary.json")));
    ok(
      notes.some((note: string) => note.startsWith("schedule: scheduler_config.json of the checkpoint, ")),
      `${notes}`,
    );
  }));

Deno.test("Ctrl-C within a step saves; the resumed run is the run that never stopped", () =>
  inFolder(async (cwd) => {
    const tiny = [IMAGES, "--from-scratch", ...TINY, "--batch-size", "15", "--micro-batch-size", "1"];
    // It cannot end before it is stopped; of a constant learning rate the number of epochs changes nothing else.
    const endless = [
      ...tiny,
      "--epochs",
      "1000000",
      "--decay",
      "constant",
      "--figures",
      "off",
      "--samples",
      "0",
      "--quiet",
    ];
    const child = (await taskCommand("train:cifar", [...endless, "--out", "broken"], cwd)).spawn();
    await untilFile(join(cwd, "broken", "metrics.jsonl"), hasLines(1), child);
    child.kill("SIGINT");
    const { code, stderr } = await child.output();
    equal(code, 130);
    match(
      new TextDecoder().decode(stderr),
      /^Stopped in epoch \d+ of 1000000, and saved\. Go on with: deno task train:cifar/,
    );
    const epochs = String((await metricsOf(join(cwd, "broken"))).length + 2);
    const resumed = ["--resume", "broken", "--epochs", epochs, "--figures", "off", "--quiet"];
    equal((await runTask("train:cifar", resumed, cwd)).code, 0);
    equal((await runTask("train:cifar", [...endless, "--epochs", epochs, "--out", "whole"], cwd)).code, 0);
    deepEqual(await metricsOf(join(cwd, "broken")), await metricsOf(join(cwd, "whole")));
    const notesOf = async (run: string) => JSON.parse(await Deno.readTextFile(join(cwd, run, "summary.json"))).notes;
    deepEqual(await notesOf("broken"), await notesOf("whole"));
  }));

Deno.test("any denoiser and any file of images will do", () =>
  inFolder(async (cwd) => {
    const args = [IMAGES, "--denoiser", "mlp", "--epochs", "1", "--batch-size", "4", "--figures", "off", "--json"];
    const { code, stdout, stderr } = await runTask("train:cifar", [...args, "--embedding", "off"], cwd);
    equal(code, 0, stderr);
    equal(JSON.parse(stdout).denoiser, "mlp");
  }));

/** Arguments that are mistakes, with what the one line says. */
const MISTAKES: readonly (readonly [string, readonly string[], RegExp])[] = [
  ["points", ["moons"], /samples of shape \[2\]; train:cifar trains on images/],
  ["too few", ["--data", ARCHIVE], /--batch-size is 128, but the data set cifar10 has 100 training samples/],
  ["no model", ["--weights", "./nowhere", "--batch-size", "8", "--data", ARCHIVE], /no folder \.\/nowhere/],
  ["no archive", ["--from-scratch", "--data", "none.tar.gz"], /There is no none\.tar\.gz/],
  ["no halving", [...SMALL, "--channels", "4,4,4,4,4,4,4"], /multiples of 64/],
  ["channels", [...SMALL, "--channels", "4,x"], /--channels is 4,x/],
  ["two configs", [...SMALL, "--config", "a.json"], /Give one of them/],
  ["micro-batch", ["--micro-batch-size", "0"], /--micro-batch-size is 0/],
];

Deno.test("a mistake is one line that says what was expected, exit code 2, and leaves nothing behind", () =>
  inFolder(async (cwd) => {
    await Promise.all(MISTAKES.map(async ([what, args, message]) => {
      const { code, stdout, stderr } = await runTask("train:cifar", args, cwd);
      equal(code, 2, `${what}: ${stderr}`);
      equal(stdout, "");
      match(stderr.trim(), message, what);
      equal(stderr.trim().split("\n").length, 1, `${what}: ${stderr}`);
    }));
    deepEqual(await namesIn(cwd), []);
  }));

Deno.test("a U-Net of classes is trained, drawn from, told apart by, exported and drawn from again", () =>
  inFolder(async (cwd) => {
    const n = 80, pixels = Uint8Array.from({ length: 16 * n }, (_, i) => 60 * (Math.floor(i / 16) % 3) + i % 16);
    const labels = { shape: [n], data: Float64Array.from({ length: n }, (_, i) => i % 3) };
    const file = encodeSafetensors({ x: { shape: [n, 4, 4], data: pixels }, labels });
    await Deno.writeFile(join(cwd, "t.safetensors"), file);
    const args = ["t.safetensors:x", "--condition", "labels", "--from-scratch", ...TINY, "--sample-steps", "2"];
    const { code, stdout, stderr } = await runTask("train:cifar", [...args, "--epochs", "1", "--out", "run"], cwd);
    equal(code, 0, stderr);
    match(stdout, /of −log p\(x \| c\); told nothing, the model has -?[\d.]+ on the validation data/);
    const { model } = await loadCheckpoint((await latestCheckpoint(join(cwd, "run")))!);
    deepEqual(model["class_embedding.weight"].shape, [4, 32]);
    const json = async (task: string, ...rest: string[]) => {
      const ended = await runTask(task, [...rest, "--json"], cwd);
      equal(ended.code, 0, ended.stderr);
      return JSON.parse(ended.stdout);
    };
    const guided = ["--given", "labels=2", "--guidance", "2", "--count", "2", "--steps", "2"];
    equal((await json("sample", "run", ...guided)).given, "labels=2");
    ok((await json("classify", "run", "--rounds", "1")).accuracy >= 0);
    await json("export", "run", "--format", "diffusers", "--out", "exported");
    equal((await json("sample", "exported", ...guided, "--out", "drawn")).guidance, 2);
    const nll = await json(
      "nll",
      "exported",
      "--data",
      "t.safetensors:x",
      "--given",
      "labels=1",
      "--rounds",
      "1",
      "--out",
      "n",
    );
    equal(nll.given, "labels=1");
    const refused = await runTask(
      "train:cifar",
      ["t.safetensors:x", ...TINY, "--weights", "exported", "--epochs", "1"],
      cwd,
    );
    equal(refused.code, 2);
    match(refused.stderr, /num_class_embeds 4.*the data has no condition/);
    const tuned = [...args.filter((word) => word !== "--from-scratch" && word !== "--channels" && word !== "8,8")];
    const again = await runTask(
      "train:cifar",
      [...tuned, "--weights", "exported", "--epochs", "1", "--out", "tuned"],
      cwd,
    );
    equal(again.code, 0, again.stderr);
  }));
