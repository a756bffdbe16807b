import { deepEqual, equal, ok, rejects } from "assert";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { fitGaussian, gaussianOf } from "../../../core/reference/gaussian.ts";
import { exportRun } from "../../../core/export/mod.ts";
import { floatSamples } from "../../../core/data/samples.ts";
import { StorageError } from "../../../core/io/atomic.ts";
import { loadDenoiser } from "../../../core/plugins/load.ts";
import type { Denoiser } from "../../../core/plugins/contracts.ts";
import { Random } from "../../../core/random/random.ts";
import { openRun } from "../../../core/run/open_run.ts";
import { logsnrRange } from "../../../core/diffusion/logsnr.ts";
import { referenceOf } from "../../../core/plugins/contracts.ts";
import { BLEND, BLEND_NODES, blendedDenoiser } from "../../../core/reference/blend.ts";
import type { GaussianMixture } from "../../../core/reference/mixture.ts";
import { randomMixture } from "../../../denoisers/mixture/random.ts";
import { create as createMlp } from "../../../denoisers/mlp.ts";
import { create as createResidual } from "../../../denoisers/residual.ts";
import { inFolder, namesIn } from "../../folders.ts";
import { assertWithin } from "../../reference.ts";
import { makeRun } from "../run/runs.ts";
import { makeUnetRun } from "./unet_run.ts";

/** Loads a model as a page does, by tf.io over HTTP, which here reads the folder. */
async function loadByTf(folder: string) {
  const fetchFunc = async (url: string | URL | Request) => {
    const name = String(url).replace(/^.*\//, "");
    return new Response(await Deno.readFile(join(folder, name)), {
      headers: { "content-type": name.endsWith(".json") ? "application/json" : "application/octet-stream" },
    });
  };
  const { weightSpecs, weightData, userDefinedMetadata } = await tf.io.http("http://127.0.0.1/model.json", {
    fetchFunc,
  }).load!();
  return {
    tensors: tf.io.decodeWeights(weightData as ArrayBuffer, weightSpecs!),
    metadata: userDefinedMetadata as Record<string, unknown>,
  };
}

/** A mixture by the names that a run's data.safetensors has too. */
function mixtureOf(values: (name: string) => Float64Array): GaussianMixture {
  const weights = values("reference.weights"), k = weights.length;
  const [means, eigenvalues, eigenvectors] = ["means", "eigenvalues", "eigenvectors"].map((name) =>
    values(`reference.${name}`)
  );
  const part = (all: Float64Array, i: number) => all.slice(i * all.length / k, (i + 1) * all.length / k);
  return {
    weights,
    components: Array.from(weights, (_, i) => ({
      mean: part(means, i),
      eigenvalues: part(eigenvalues, i),
      eigenvectors: part(eigenvectors, i),
    })),
  };
}

/** A denoiser made of nothing but what tf.io gave. */
async function remade({ tensors, metadata }: Awaited<ReturnType<typeof loadByTf>>): Promise<Denoiser> {
  const { create } = await loadDenoiser(metadata.denoiser as string);
  const values = (name: string) => Float64Array.from(tensors[name].dataSync());
  const gaussian = {
    mean: values("gaussian.mean"),
    eigenvalues: values("gaussian.eigenvalues"),
    ...("gaussian.eigenvectors" in tensors ? { eigenvectors: values("gaussian.eigenvectors") } : {}),
    ...("gaussian.axisBases.0" in tensors
      ? { axisBases: [0, 1, 2].map((axis) => values(`gaussian.axisBases.${axis}`)) }
      : {}),
  };
  const { shape, denoiserOptions, files, logsnrLoc, logsnrScale } = metadata as {
    shape: number[];
    denoiserOptions: Record<string, number>;
    files?: Record<string, string>;
    logsnrLoc: number;
    logsnrScale: number;
  };
  const reference = "reference.weights" in tensors ? mixtureOf(values) : undefined;
  const info = { shape, gaussian, ...(reference ? { reference } : {}) };
  const own = await create(info, denoiserOptions, files ? { saved: files } : {});
  if (!(BLEND in tensors)) return own;
  return blendedDenoiser(own, referenceOf(info), logsnrRange({ loc: logsnrLoc, scale: logsnrScale }));
}

async function assertRemade(run: string, folder: string): Promise<void> {
  tf.enableProdMode(); // Without its banner.
  await tf.setBackend("cpu");
  const { denoiser, params, info } = await openRun(run);
  const loaded = await loadByTf(folder);
  for (const [name, { shape, data }] of Object.entries(params)) {
    deepEqual(loaded.tensors[name].shape, shape, name);
    deepEqual(loaded.tensors[name].dataSync(), data, name);
  }
  const { data } = Random.fromSeed(1).normalTensor([2, ...info.shape]);
  const values = (own: Denoiser, tensors: Record<string, tf.Tensor>) =>
    own.predict(tensors, tf.tensor(data, [2, ...info.shape]), tf.tensor1d([-1, 3])).dataSync();
  const tensors = Object.fromEntries(Object.entries(params).map(([k, t]) => [k, tf.tensor(t.data, [...t.shape])]));
  const got = values(await remade(loaded), loaded.tensors);
  // The Gaussian is stored as float32.
  assertWithin(got, values(denoiser, tensors), { rtol: 1e-5, atol: 1e-5 }, "ε̂");
}

Deno.test("tf.io loads an mlp with its Gaussian, and the denoiser can be made of it again", () =>
  inFolder(async (cwd) => {
    const denoiserOptions = { hiddenSize: 1100, hiddenLayers: 3, embedding: true, embeddingSize: 8, skip: true };
    const gaussian = gaussianOf([1, -2], [2, 0.5, 0.5, 1]);
    const model = createMlp({ shape: [2], gaussian }, denoiserOptions).init(Random.fromSeed(0));
    await makeRun(join(cwd, "run"), { shape: [2] }, { gaussian, config: { denoiser: "mlp", denoiserOptions }, model });
    const run = await openRun(join(cwd, "run"));
    const { files, bytes } = await exportRun(run, "tfjs", join(cwd, "out"), { threads: 1 });
    const names = ["group1-shard1of2.bin", "group1-shard2of2.bin", "group2-shard1of1.bin", "model.json"];
    deepEqual(await namesIn(join(cwd, "out")), names);
    deepEqual([...files].sort(), names);
    const sizes = await Promise.all(names.map(async (name) => (await Deno.stat(join(cwd, "out", name))).size));
    equal(sizes[0], 4 << 20);
    equal(sizes.reduce((a, b) => a + b), bytes);
    await assertRemade(join(cwd, "run"), join(cwd, "out"));
  }));

Deno.test("tf.io loads a blend with its reference", () =>
  inFolder(async (cwd) => {
    const denoiserOptions = { width: 8, blocks: 1, octaves: 2, skip: "mixture" };
    const info = { shape: [2], gaussian: gaussianOf([1, -2], [2, 0.5, 0.5, 1]) };
    const reference = randomMixture(Random.fromSeed(1), 3, 2);
    const initial = createResidual({ ...info, reference }, denoiserOptions).init(Random.fromSeed(0));
    const data = Random.fromSeed(2).fillUniform(new Float32Array(BLEND_NODES));
    const model = { ...initial, [BLEND]: { shape: [BLEND_NODES], data } };
    const config = { denoiser: "residual", denoiserOptions, proposal: "even" };
    await makeRun(join(cwd, "run"), info, { ...info, reference, config, model });
    await exportRun(await openRun(join(cwd, "run")), "tfjs", join(cwd, "out"), { threads: 1 });
    await assertRemade(join(cwd, "run"), join(cwd, "out"));
  }));

Deno.test("tf.io loads a U-Net with its configuration and schedule", () =>
  inFolder(async (cwd) => {
    await makeUnetRun(join(cwd, "run"), [1, 8, 8], { channels: "8,16", config: "" });
    await exportRun(await openRun(join(cwd, "run")), "tfjs", join(cwd, "out"), { threads: 1 });
    await assertRemade(join(cwd, "run"), join(cwd, "out"));
  }));

Deno.test("a model without parameters is a manifest with its Gaussian", () =>
  inFolder(async (cwd) => {
    await makeRun(join(cwd, "run"), { shape: [2] });
    await exportRun(await openRun(join(cwd, "run")), "tfjs", join(cwd, "out"), { threads: 1 });
    deepEqual(await namesIn(join(cwd, "out")), ["group1-shard1of1.bin", "model.json"]);
    await assertRemade(join(cwd, "run"), join(cwd, "out"));
  }));

Deno.test("the Gaussian of images has a basis for each of their axes", () =>
  inFolder(async (cwd) => {
    const images = floatSamples(Random.fromSeed(0).normalTensor([20, 60]).data, 60), shape = [3, 4, 5];
    await makeRun(join(cwd, "run"), { shape }, { gaussian: fitGaussian(images, shape) });
    await exportRun(await openRun(join(cwd, "run")), "tfjs", join(cwd, "out"), { threads: 1 });
    ok((await Deno.readTextFile(join(cwd, "out", "model.json"))).includes("gaussian.axisBases.2"));
    await assertRemade(join(cwd, "run"), join(cwd, "out"));
  }));

Deno.test("an export takes the place of an empty folder, and of nothing else", () =>
  inFolder(async (cwd) => {
    await makeRun(join(cwd, "run"), { shape: [2] });
    const run = await openRun(join(cwd, "run"));
    await Deno.mkdir(join(cwd, "full"));
    for (const path of ["file", "full/file"]) await Deno.writeTextFile(join(cwd, path), "kept");
    for (const path of ["file", "full"]) {
      await rejects(exportRun(run, "tfjs", join(cwd, path), { threads: 1 }), StorageError);
    }
    for (const path of ["file", "full/file"]) equal(await Deno.readTextFile(join(cwd, path)), "kept");
    await Deno.mkdir(join(cwd, "empty"));
    await exportRun(run, "tfjs", join(cwd, "empty"), { threads: 1 });
    deepEqual(await namesIn(cwd), ["empty", "file", "full", "run"]);
  }));
