import { deepEqual, equal, match, ok } from "assert";
import { decode, encode } from "fast-png";
import { join } from "node:path";
import { encodeSafetensors, readSafetensors } from "../../core/io/safetensors.ts";
import { Random } from "../../core/random/random.ts";
import { gaussianOf } from "../../core/reference/gaussian.ts";
import { makeUnetRun } from "../core/export/unet_run.ts";
import { makeRun } from "../core/run/runs.ts";
import { inFolder, namesIn } from "../folders.ts";
import { untilNames } from "../wait.ts";
import { runTask, taskCommand } from "./command.ts";

const SIDE = 4, PIXELS = SIDE * SIDE;

/** A run of images whose pixels in a row are alike: those to the right follow from those to the left. */
async function rowsRun(path: string): Promise<void> {
  const covariance = Array.from({ length: PIXELS * PIXELS }, (_, at) => {
    const [i, j] = [Math.floor(at / PIXELS), at % PIXELS];
    return Math.floor(i / SIDE) === Math.floor(j / SIDE) ? i === j ? 0.25 : 0.24 : 0;
  });
  const gaussian = gaussianOf(new Float64Array(PIXELS), covariance);
  await makeRun(path, { shape: [1, SIDE, SIDE], range: [-1, 1] }, { gaussian, config: { evalBatchSize: 16 } });
}

const pictureOf = (rows: readonly number[]) =>
  Uint8Array.from({ length: PIXELS }, (_, i) => rows[Math.floor(i / SIDE)]);

async function writePng(path: string, data: Uint8Array | Uint16Array, width = SIDE): Promise<void> {
  const depth = data instanceof Uint16Array ? 16 : 8;
  await Deno.writeFile(path, encode({ width, height: data.length / width, channels: 1, depth, data }));
}

/** White where the right half is to be filled in. */
const MASK = Uint8Array.from({ length: PIXELS }, (_, i) => i % SIDE < 2 ? 0 : 255);

Deno.test("the right half of pictures follows from the left one, which stays as it is to the bit", () =>
  inFolder(async (cwd) => {
    await rowsRun(join(cwd, "run"));
    const picture = pictureOf([40, 200, 90, 170]);
    picture.forEach((_, i) => picture[i] = i % SIDE < 2 ? picture[i] + i % SIDE : 7);
    await writePng(join(cwd, "a.png"), picture);
    await writePng(join(cwd, "mask.png"), MASK);
    for (const method of ["repaint", "score"]) {
      const args = ["run", "a.png", "--mask", "mask.png", "--method", method, "--draws", "6", "--steps", "40"];
      const { code, stdout, stderr } = await runTask("impute", [...args, "--out", method], cwd);
      equal(code, 0, stderr);
      match(
        stdout,
        new RegExp(`^run: a\\.png: 6 draws of one picture by ${method} in 40 steps of ancestral, seed 0, in `),
      );
      match(stderr, /mask mask\.png: 8 of 4 x 4 pixels to be filled in, where it is white or transparent\n/);
      const names = ["filled.safetensors", "grid.png", "grid.svg", "images", "mean", "stddev", "summary.json"];
      deepEqual(await namesIn(join(cwd, method)), names);
      const files = await namesIn(join(cwd, method, "images"));
      deepEqual(files, [1, 2, 3, 4, 5, 6].map((k) => `000000-${k}.png`));
      const filled = [...files.map((name) => join("images", name)), join("mean", "000000.png")];
      for (const name of filled) {
        const { data, width, height, depth } = decode(await Deno.readFile(join(cwd, method, name)));
        deepEqual([width, height, depth], [SIDE, SIDE, 8]);
        for (let i = 0; i < PIXELS; i++) {
          if (MASK[i] === 0) equal(data[i], picture[i], `${name}, pixel ${i}`);
          // The deviation given two neighbours is 0.11 of the half range, 14 of 255.
          else ok(Math.abs(data[i] - picture[i - i % SIDE]) < 60, `${method} ${name}: ${data[i]} at ${i}`);
        }
      }
      const { tensors } = await readSafetensors(join(cwd, method, "filled.safetensors"));
      deepEqual(tensors.filled.shape, [1, 6, 1, SIDE, SIDE]);
      deepEqual(tensors.mean.shape, [1, 1, SIDE, SIDE]);
      const scatter = Array.from(tensors.stddev.data, Number);
      ok(scatter.every((sd, i) => MASK[i] === 0 ? sd === 0 : sd > 1 && sd < 40), `${scatter}`);
    }
  }));

Deno.test("16-bit pictures stay so, folders and arrays of images are filled in too, and --mean leaves the draws out", () =>
  inFolder(async (cwd) => {
    await rowsRun(join(cwd, "run"));
    const deep = Uint16Array.from(pictureOf([40, 200, 90, 170]), (x, i) => 257 * x + i);
    await Deno.mkdir(join(cwd, "deep"));
    for (const name of ["1.png", "2.png"]) await writePng(join(cwd, "deep", name), deep);
    await writePng(join(cwd, "mask.png"), MASK);
    const few = ["--mask", "mask.png", "--steps", "10", "--resample", "1", "--draws", "2", "--quiet"];
    const first = await runTask("impute", ["run", "deep", ...few], cwd);
    equal(first.code, 0, first.stderr);
    const names = ["000000-1.png", "000000-2.png", "000001-1.png", "000001-2.png"];
    deepEqual(await namesIn(join(cwd, "run/impute/images")), names);
    const { data, depth } = decode(await Deno.readFile(join(cwd, "run/impute/images/000001-2.png")));
    equal(depth, 16);
    for (let i = 0; i < PIXELS; i++) if (MASK[i] === 0) equal(data[i], deep[i]);

    const values = Random.fromSeed(0).uniformTensor([3, 1, SIDE, SIDE], -1, 1);
    await Deno.writeFile(join(cwd, "x.safetensors"), encodeSafetensors({ x: values }));
    const { code, stdout, stderr } = await runTask("impute", ["run", "x.safetensors", ...few, "--mean", "--json"], cwd);
    equal(code, 0, stderr);
    const { folder, files, pictures, missing_pixels, method, resample } = JSON.parse(stdout);
    deepEqual([folder, pictures, missing_pixels, method, resample], ["run/impute-2", 3, 8, "repaint", 1]);
    deepEqual(files, ["filled.safetensors", "mean", "stddev", "grid.png", "grid.svg"]);
    const { tensors } = await readSafetensors(join(cwd, folder, "filled.safetensors"));
    deepEqual(Object.keys(tensors).sort(), ["mean", "stddev"]);
    tensors.mean.data.forEach((x, i) => MASK[i % PIXELS] === 0 ? equal(x, values.data[i]) : ok(x !== values.data[i]));
    // The same seed, the same draws.
    const again = await runTask("impute", ["run", "x.safetensors", ...few, "--mean", "--out", "again"], cwd);
    equal(again.code, 0, again.stderr);
    const other = await readSafetensors(join(cwd, "again", "filled.safetensors"));
    deepEqual(other.tensors.mean.data, tensors.mean.data);
  }));

Deno.test("pictures of another size are brought to the run's, or to --size", () =>
  inFolder(async (cwd) => {
    await rowsRun(join(cwd, "run"));
    await writePng(join(cwd, "mask.png"), MASK);
    const large = Uint8Array.from({ length: 2 * SIDE * 3 * SIDE }, (_, i) => [40, 200][Math.floor(i / (6 * SIDE)) % 2]);
    await writePng(join(cwd, "large.png"), large, 3 * SIDE);
    const impute = (...more: string[]) =>
      runTask(
        "impute",
        [
          "run",
          "large.png",
          "--mask",
          "mask.png",
          "--draws",
          "1",
          "--steps",
          "5",
          "--out",
          more.join("").replaceAll("-", "") || "own",
          ...more,
        ],
        cwd,
      );
    const refused = await impute();
    equal(refused.code, 2, refused.stdout);
    match(refused.stderr, /large\.png has samples of shape \[1,8,12\], but the model is of samples of \[1,4,4\]/);
    const told = await impute("--size", "4");
    equal(told.code, 0, told.stderr);
    // A run whose own pictures were brought to a size brings these to it.
    const path = join(cwd, "run", "config.json"), config = JSON.parse(await Deno.readTextFile(path));
    await Deno.writeTextFile(
      path,
      JSON.stringify({ ...config, datasetOptions: { ...config.datasetOptions, size: "4" } }),
    );
    const known = await impute();
    equal(known.code, 0, known.stderr);
    const first = async (folder: string) => decode(await Deno.readFile(join(cwd, folder, "mean", "000000.png"))).data;
    deepEqual(await first("own"), await first("size4"));
    await Deno.writeFile(
      join(cwd, "a.safetensors"),
      encodeSafetensors({ x: { shape: [1, 1, 4, 4], data: new Float32Array(16) } }),
    );
    const wrong = await runTask("impute", ["run", "a.safetensors", "--mask", "mask.png", "--size", "4"], cwd);
    equal(wrong.code, 2);
    match(wrong.stderr, /--size is 4, but a\.safetensors is not of pictures\. Leave it out/);
  }));

Deno.test("a U-Net fills in pictures of colour by either method, by its gradient too", () =>
  inFolder(async (cwd) => {
    await makeUnetRun(join(cwd, "run"), [3, 8, 8], { channels: "8,16", config: "" });
    const data = Uint8Array.from({ length: 192 }, (_, i) => (37 * i) % 256);
    await Deno.writeFile(join(cwd, "a.png"), encode({ width: 8, height: 8, channels: 3, depth: 8, data }));
    const mask = Uint8Array.from({ length: 64 }, (_, i) => i < 32 ? 255 : 0);
    await writePng(join(cwd, "mask.png"), mask, 8);
    for (const method of ["repaint", "score"]) {
      const args = ["run", "a.png", "--mask", "mask.png", "--draws", "2", "--steps", "4", "--out", method, "--json"];
      const { code, stdout, stderr } = await runTask("impute", [...args, "--method", method, "--range", "0,255"], cwd);
      equal(code, 0, stderr);
      equal(JSON.parse(stdout).jump, 1);
      const [one, other] = await Promise.all([1, 2].map(async (k) => {
        const picture = decode(await Deno.readFile(join(cwd, method, "images", `000000-${k}.png`)));
        deepEqual([picture.width, picture.height, picture.channels], [8, 8, 3]);
        return picture.data;
      }));
      deepEqual([...one.slice(96)], [...data.slice(96)]);
      deepEqual([...other.slice(96)], [...data.slice(96)]);
      ok(one.slice(0, 96).some((value, i) => value !== other[i]));
    }
  }));

Deno.test("a mistake is one line that says what was expected, and nothing is written", () =>
  inFolder(async (cwd) => {
    await rowsRun(join(cwd, "run"));
    await makeRun(join(cwd, "points"), { shape: [2] });
    await writePng(join(cwd, "a.png"), pictureOf([1, 2, 3, 4]));
    await writePng(join(cwd, "mask.png"), MASK);
    await writePng(join(cwd, "wide.png"), MASK, 8);
    await writePng(join(cwd, "large.png"), new Uint8Array(64), 8);
    await Deno.mkdir(join(cwd, "full"));
    await Deno.writeTextFile(join(cwd, "full", "x"), "");
    const before = await namesIn(join(cwd, "run")), masked = ["--mask", "mask.png"];
    const tries: [string[], RegExp][] = [
      [["run"], /The argument file is missing/],
      [["run", "a.png"], /--mask is missing: the picture that is white where/],
      [["run", "a.png", "--mask", "wide.png"], /has 8 x 2 pixels, expected 4 x 4 as the model's images have/],
      [["run", "none.png", ...masked], /there is no such file/],
      [["run", "large.png", ...masked], /samples of shape \[1,8,8\], but the model is of samples of \[1,4,4\]/],
      [["points", "a.png", ...masked], /are of shape \[2\], expected images/],
      [["run", "a.png", ...masked, "--iterations", "2"], /--iterations is 2, but --method is repaint/],
      [["run", "a.png", ...masked, "--jump", "100"], /--jump is 100, expected fewer than the 100 steps/],
      [["run", "a.png", ...masked, "--given", "label=3"], /without a condition/],
      [["run", "a.png", ...masked, "--out", "full"], /The folder full is not empty/],
    ];
    await Promise.all(tries.map(async ([args, message]) => {
      const { code, stdout, stderr } = await runTask("impute", [...args, "--quiet"], cwd);
      deepEqual([code, stdout], [2, ""], stderr);
      match(stderr, message);
      equal(stderr.trim().split("\n").length, 1, stderr);
    }));
    deepEqual(await namesIn(join(cwd, "run")), before);
  }));

Deno.test("Ctrl-C keeps the pictures whose draws are finished", () =>
  inFolder(async (cwd) => {
    await rowsRun(join(cwd, "run"));
    const values = Random.fromSeed(0).uniformTensor([2000, 1, SIDE, SIDE], -1, 1);
    await Deno.writeFile(join(cwd, "x.safetensors"), encodeSafetensors({ x: values }));
    await writePng(join(cwd, "mask.png"), MASK);
    const args = ["run", "x.safetensors", "--mask", "mask.png", "--draws", "4", "--out", "out", "--batch-size", "8"];
    const child = (await taskCommand("impute", [...args, "--steps", "200"], cwd)).spawn();
    // Its folder is there once it fills in; some of 1,000 batches are done by the time that it has heard of the signal.
    await untilNames(join(cwd, "out"), (names) => names.length > 0, child);
    const reader = child.stderr.getReader(), decoder = new TextDecoder();
    let text = "";
    while (!/impute +[1-9]\d*\/8000/.test(text.replace(/impute +[1-7]\/8000/g, ""))) {
      const { value, done } = await reader.read();
      if (done) break;
      text += decoder.decode(value);
    }
    child.kill("SIGINT");
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      text += decoder.decode(value);
    }
    equal((await child.status).code, 130, text);
    await child.stdout.cancel();
    const [, finished] = text.match(/Stopped after (\d+) of 8000 draws; wrote out, with [^\n]*\n$/) ?? [];
    ok(Number(finished) >= 8, text);
    const { tensors } = await readSafetensors(join(cwd, "out", "filled.safetensors"));
    equal(tensors.filled.shape[0], Math.floor(Number(finished) / 4));
    equal((await namesIn(join(cwd, "out", "images"))).length, 4 * tensors.filled.shape[0]);
  }));
