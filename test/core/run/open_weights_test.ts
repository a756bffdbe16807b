import { deepEqual, equal, match, ok, rejects } from "assert";
import { join } from "node:path";
import { fitGaussian } from "../../../core/reference/gaussian.ts";
import { UserError } from "../../../core/errors/user_error.ts";
import { encodeSafetensors } from "../../../core/io/safetensors.ts";
import { NO_TRUST } from "../../../core/plugins/trust.ts";
import { openModel } from "../../../core/run/open_weights.ts";
import { floatSamples } from "../../../core/data/samples.ts";
import { inFolder, namesIn } from "../../folders.ts";
import { makeRun } from "./runs.ts";

const REFERENCE = new URL("../../reference/", import.meta.url).pathname;
const WEIGHTS = join(REFERENCE, "unet/config_a/safetensors"), IMAGES = join(REFERENCE, "datasets/images.h5");

const NONE = {
  ...{ data: undefined, fit: undefined, logsnrLoc: undefined, logsnrScale: undefined, out: undefined },
  trust: NO_TRUST,
};

Deno.test("weights are a model with the Gaussian of a file, and write nothing yet", () =>
  inFolder(async (folder) => {
    const out = join(folder, "out");
    const model = await openModel(WEIGHTS, { ...NONE, data: IMAGES, out });
    deepEqual(model.proposal, { loc: 6, scale: 3 });
    deepEqual(model.weights, { name: WEIGHTS, fit: "the data itself" });
    deepEqual([model.info.shape, model.info.range, model.info.delta], [[3, 8, 8], [-1, 1], 2 / 255]);
    deepEqual([model.config.dataset, model.folder.path], [undefined, out]);
    ok(Object.keys(model.params).length > 10);
    deepEqual(await namesIn(folder), []);

    const data = Float32Array.from({ length: 8 * 192 }, (_, i) => Math.sin(i * i));
    const file = join(folder, "fit.safetensors");
    await Deno.writeFile(file, encodeSafetensors({ x: { shape: [8, 3, 8, 8], data } }));
    await Deno.mkdir(join(out, "nll"), { recursive: true });
    const options = { ...NONE, data: IMAGES, fit: file, logsnrLoc: 1, logsnrScale: 2, out };
    const other = await openModel(WEIGHTS, options);
    deepEqual(other.info.gaussian, fitGaussian(floatSamples(data, 192), [3, 8, 8]));
    deepEqual([other.info.range, other.config.dataset], [[-1, 1], file]);
    deepEqual([other.weights!.fit, other.proposal], [file, { loc: 1, scale: 2 }]);
  }));

Deno.test("a run and its checkpoints are opened as runs, with no option of weights", () =>
  inFolder(async (folder) => {
    await makeRun(folder, { shape: [2] });
    for (const path of [folder, join(folder, "checkpoints", "000003")]) {
      equal((await openModel(path, NONE)).weights, undefined);
    }
    // A checkpoint of a U-Net is a diffusers folder too.
    for (const name of ["config.json", "diffusion_pytorch_model.safetensors"]) {
      await Deno.copyFile(join(WEIGHTS, name), join(folder, "checkpoints", "000003", name));
    }
    equal((await openModel(join(folder, "checkpoints", "000003"), NONE)).epoch, 3);
    for (const [key, name] of [["fit", "--fit"], ["out", "--out"], ["logsnrLoc", "--logsnr-loc"]] as const) {
      await rejects(openModel(folder, { ...NONE, [key]: "x" }), { message: new RegExp(`^${name} is for weights`) });
    }
  }));

Deno.test("what is neither a run nor weights, or has no data that fits, is an error of one line", () =>
  inFolder(async (folder) => {
    const refused = (name: string, options: Partial<typeof NONE> | Record<string, string>, message: RegExp) =>
      rejects(openModel(name, { ...NONE, ...options }), (error) => {
        ok(error instanceof UserError, String(error));
        match(error.message, message);
        return !error.message.includes("\n");
      });
    for (const name of ["none", "runs/none", folder, join(folder, "none"), join(folder, "checkpoints", "000001")]) {
      await refused(name, { data: IMAGES }, /^There is no run in .*, and no weights\. Name the folder of a run or/);
    }
    await refused(WEIGHTS, {}, /are weights without data of their own\. Name some, as --data cifar10/);
    await refused(WEIGHTS, { data: "gone.npy" }, /gone\.npy: there is no such file/);
    await refused(WEIGHTS, { data: IMAGES, fit: "nowhere" }, /No data set is called/);
    await refused(WEIGHTS, { data: IMAGES, fit: "moons" }, /U-Net denoises images .* the shape \[2\]/);
    await Deno.writeTextFile(join(folder, "x"), "");
    await refused(WEIGHTS, { data: IMAGES, out: folder }, /is not empty\. Name another with --out/);
    const one = encodeSafetensors({ x: { shape: [1, 3, 8, 8], data: new Uint8Array(192) } });
    await Deno.writeFile(join(folder, "one.safetensors"), one);
    await refused(WEIGHTS, { data: join(folder, "one.safetensors") }, /has 1 samples; a Gaussian needs two/);
    await Deno.writeTextFile(join(folder, "config.json"), "{}");
    await refused(folder, {}, /is not the configuration of a run/);
  }));
