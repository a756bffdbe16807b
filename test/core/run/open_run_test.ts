import { deepEqual, equal, match, ok, rejects } from "assert";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import type { HostTensors } from "../../../core/data/tensors.ts";
import { UserError } from "../../../core/errors/user_error.ts";
import { latestCheckpoint } from "../../../core/io/checkpoints.ts";
import { openRun } from "../../../core/run/open_run.ts";
import { Random } from "../../../core/random/random.ts";
import { BLEND, BLEND_NODES, blendedDenoiser } from "../../../core/reference/blend.ts";
import { randomMixture } from "../../../denoisers/mixture/random.ts";
import { create } from "../../../denoisers/mlp.ts";
import { standardGaussian } from "../../../core/reference/gaussian.ts";
import { inFolder } from "../../folders.ts";
import { makeRun } from "./runs.ts";

const MLP = { hiddenSize: 4, hiddenLayers: 2, embedding: true, embeddingSize: 8, skip: true };

Deno.test("a run opens by its folder and by its checkpoint's", () =>
  inFolder(async (path) => {
    const info = { shape: [2], gaussian: standardGaussian(2) };
    const model = create(info, MLP).init(Random.fromSeed(3));
    await makeRun(path, { ...info, entropy: 2.8 }, { model, config: { denoiser: "mlp", denoiserOptions: MLP } });
    const checkpoint = join(path, "checkpoints", "000003");
    for (const name of [path, `${path}/`, checkpoint, `${checkpoint}/`]) {
      const run = await openRun(name);
      deepEqual(run.info, { ...info, entropy: 2.8 });
      deepEqual(run.proposal, { loc: 1, scale: 1.5 });
      deepEqual(run.params, model);
      deepEqual([run.epoch, run.checkpoint, run.folder.path], [3, checkpoint, path]);
      equal(run.config.denoiser, "mlp");
    }
  }));

Deno.test("a run with a blend opens to the blended denoiser, over the log SNRs and with the reference of the run", () =>
  inFolder(async (path) => {
    const gaussian = standardGaussian(2), reference = randomMixture(Random.fromSeed(1), 3, 2);
    const own = create({ shape: [2], gaussian, reference }, MLP);
    const weights = Random.fromSeed(2).fillUniform(new Float32Array(BLEND_NODES));
    const model = { ...own.init(Random.fromSeed(3)), [BLEND]: { shape: [BLEND_NODES], data: weights } };
    const config = { denoiser: "mlp", denoiserOptions: MLP, proposal: "even" };
    await makeRun(path, { shape: [2] }, { reference, model, config });
    const run = await openRun(path);
    deepEqual(run.info, { shape: [2], gaussian, reference });
    deepEqual(run.proposal, { loc: 1, scale: 1.5, even: true });
    deepEqual(run.params, model);
    tf.enableProdMode(); // Without its banner.
    await tf.setBackend("cpu");
    const z = tf.tensor(Random.fromSeed(4).fillNormal(new Float32Array(40)), [20, 2]);
    const logsnr = tf.tensor1d(Float32Array.from({ length: 20 }, (_, i) => -7 + i));
    const tensors = (params: HostTensors) =>
      Object.fromEntries(Object.entries(params).map(([name, { shape, data }]) => [name, tf.tensor(data, [...shape])]));
    const expected = blendedDenoiser(own, reference, [-5, 7]).predict(tensors(model), z, logsnr);
    deepEqual(run.denoiser.predict(tensors(run.params), z, logsnr).dataSync(), expected.dataSync());
    // Without the weights the run has no blend, as those of earlier versions have none.
    const { [BLEND]: _, ...unblended } = model;
    await Deno.remove(join(path, "checkpoints"), { recursive: true });
    await makeRun(path, { shape: [2] }, { reference, model: unblended, config });
    deepEqual((await openRun(path)).params, unblended);
  }));

Deno.test("what is no run, or not a whole one, is an error of one line", () =>
  inFolder(async (path) => {
    const refused = (name: string, message: RegExp) => rejects(openRun(name), { message, exitCode: 2 });
    await refused(path, /^There is no run in .*: it has no config\.json\. Name the folder of a run\.$/);
    await refused(join(path, "none"), /There is no run in/);
    await makeRun(path, { shape: [2] });
    await refused(join(path, "checkpoints"), /There is no run in/);
    await refused(join(path, "checkpoints", "000009"), /000009 is not a usable checkpoint: it has no state\.json/);
    const model = join((await latestCheckpoint(path))!, "model.safetensors");
    const bytes = await Deno.readFile(model);
    await Deno.writeFile(model, bytes.subarray(0, bytes.length - 3));
    await refused(path, /model\.safetensors/);
    await Deno.remove(join(path, "checkpoints"), { recursive: true });
    await refused(path, /has no checkpoint yet/);
    await Deno.writeTextFile(join(path, "config.json"), "{}");
    await refused(path, /config\.json is not the configuration of a run/);
    await Deno.writeTextFile(join(path, "config.json"), "{");
    await refused(path, /config\.json is not valid JSON/);
  }));

Deno.test("options of a run that are out of range are one line that names them, before anything is allocated", () =>
  inFolder(async (path) => {
    const info = { shape: [2], gaussian: standardGaussian(2) };
    const model = create(info, MLP).init(Random.fromSeed(3));
    await makeRun(path, info, { model, config: { denoiser: "mlp", denoiserOptions: MLP } });
    const whole = JSON.parse(await Deno.readTextFile(join(path, "config.json")));
    const write = (changes: object) =>
      Deno.writeTextFile(join(path, "config.json"), JSON.stringify({ ...whole, ...changes }));
    const cases: [object, RegExp][] = [
      [
        { denoiserOptions: { ...MLP, hiddenSize: -5 } },
        /hiddenSize of the denoiser mlp is -5, expected a whole number from 1/,
      ],
      [{ denoiserOptions: { ...MLP, hiddenSize: "4" } }, /hiddenSize of the denoiser mlp is "4"/],
      [
        { denoiserOptions: { ...MLP, hiddenLayers: 1e9 } },
        /hiddenLayers of the denoiser mlp is 1000000000, .* 2 to 1000/,
      ],
      [
        { denoiserOptions: { ...MLP, embeddingSize: 1e9 } },
        /embeddingSize of the denoiser mlp is 1000000000, .* 4 to 65536/,
      ],
      [{ dataset: "moons", datasetOptions: { points: -1 } }, /points of the data set moons is -1, expected a whole/],
      [{ evalBatchSize: 0 }, /evalBatchSize is 0, expected a whole number from 1/],
      [{ logsnrScale: 0 }, /logsnrScale is 0, expected a number above 0/],
      // The checkpoint's shapes are compared with what would be drawn.
      [
        { denoiserOptions: { ...MLP, hiddenSize: 30_000 } },
        /does not fit the denoiser mlp: layers\.0\.weight is of shape/,
      ],
      ...Object.entries({
        ...{ batchSize: 0, seed: -1, threads: 1e6, evalBatchSize: 1e9, recipe: "__proto__", epochs: 2.5 },
        ...{
          decay: 1,
          ema: 1,
          estimator: "x",
          precision: "f64",
          proposal: null,
          backend: "toString",
          reference: "__proto__",
        },
        ...{ logsnrLoc: 1e9, learningRate: -1, validationLevels: "4", patience: 0.5, microBatchSize: 1.5 },
      }).map((
        [key, value],
      ): [object, RegExp] => [{ [key]: value }, new RegExp(`config\\.json is damaged: ${key} is `)]),
    ];
    for (const [changes, message] of cases) {
      await write(changes);
      await rejects(openRun(path), (error) => {
        ok(error instanceof UserError && error.exitCode === 2, String(error));
        match(error.message, message);
        return !error.message.includes("\n");
      });
    }
    // A number that is not there has its default, which is said; here the checkpoint shows that it is another.
    const { hiddenLayers: _, ...rest } = MLP;
    await write({ denoiserOptions: rest });
    const notes: string[] = [];
    const onNote = (note: string) => notes.push(note);
    await rejects(openRun(path, undefined, { onNote }), /does not fit the denoiser mlp: layers\.2\.weight is of shape/);
    match(notes.join(), /^hiddenLayers of the denoiser mlp is not in .*config\.json; its default 3 is taken$/);
  }));

Deno.test("a checkpoint with a weight that is not finite is refused with its name", () =>
  inFolder(async (path) => {
    const info = { shape: [2], gaussian: standardGaussian(2) };
    for (const bad of [NaN, Infinity]) {
      const model = create(info, MLP).init(Random.fromSeed(3));
      model["layers.2.weight"].data[5] = bad;
      await Deno.remove(join(path, "checkpoints"), { recursive: true }).catch(() => {});
      await makeRun(path, info, { model, config: { denoiser: "mlp", denoiserOptions: MLP } });
      await rejects(openRun(path), {
        message: new RegExp(
          `000003 has ${bad} in "layers\\.2\\.weight" at index 5, expected finite values: its training`,
        ),
        exitCode: 2,
      });
    }
  }));

Deno.test("a checkpoint of another denoiser is refused with the parameter that differs", () =>
  inFolder(async (path) => {
    const model = { "layers.0.weight": { shape: [1], data: Float32Array.of(1) } };
    await makeRun(path, { shape: [2] }, { model });
    await rejects(openRun(path), /does not fit the denoiser gaussian: layers\.0\.weight is of shape \[1\], but .*none/);
    const config = { denoiser: "mlp", denoiserOptions: MLP };
    await Deno.remove(join(path, "checkpoints"), { recursive: true });
    await makeRun(path, { shape: [2] }, { model, config });
    await rejects(
      openRun(path),
      /layers\.0\.weight is of shape \[1\], but the denoiser needs it of shape \[4,24\], and 3/,
    );
  }));
