import { join } from "node:path";
import { standardGaussian } from "../../core/reference/gaussian.ts";
import { createEngine, type Engine, type Tensors } from "../../core/engine/mod.ts";
import { createErrorMeter } from "../../core/evaluation/errors.ts";
import { encodeSafetensors } from "../../core/io/safetensors.ts";
import type { DataInfo, Denoiser } from "../../core/plugins/contracts.ts";
import { Random } from "../../core/random/random.ts";
import { sizeOf } from "../../core/data/tensors.ts";
import { peakMemory } from "../../core/run/memory.ts";
import { onlyGaussian } from "../../core/reference/mixture.ts";
import { adamSchedule } from "../../core/training/adam.ts";
import { initialParameters, unflattenTensor } from "../../core/training/parameters.ts";
import { RECIPES } from "../../core/training/recipe.ts";
import { GRADIENT, gradientInputs, gradientStep, MOMENTS, optimiserStep, PARAMS } from "../../core/training/step.ts";
import { DDPM_CIFAR10, parseUnetConfig } from "../../denoisers/unet_pretrained/config.ts";
import { create } from "../../denoisers/unet_pretrained/mod.ts";
import { initParams } from "../../denoisers/unet_pretrained/network.ts";
import { type Machine, requirePrecision, type TrainResult } from "./cases.ts";
import { NARROW_BATCH, NARROW_UNETS } from "./narrow_unets.ts";

export interface UnetResult extends TrainResult {
  readonly batch: number;
  /** From the program to one that is ready to run. */
  readonly compile_s: number;
}

export interface UnetEvalResult extends UnetResult {
  /** From the files of the model, which lie in the system's cache, to the denoiser. */
  readonly load_s: number;
}

/** The images of a step. */
interface Images {
  readonly batch: number;
  readonly shape: readonly number[];
}

const CIFAR: Images = { batch: 16, shape: [3, 32, 32] };
const SMALL: Images = { batch: 4, shape: [1, 8, 8] };

/** The loss scale of float16, which it is worth nothing to adapt in a few steps. */
const LOSS_SCALE = 256;

function infoOf({ shape }: Images): DataInfo {
  return { shape, gaussian: standardGaussian(sizeOf(shape)) };
}

/** Puts a model with google/ddpm-cifar10-32's configuration and random weights in a folder, as diffusers does. */
export async function writeRandomUnet(folder: string): Promise<void> {
  const weights = initParams(parseUnetConfig(DDPM_CIFAR10, "config.json"), Random.fromSeed(0));
  await Deno.writeTextFile(join(folder, "config.json"), JSON.stringify(DDPM_CIFAR10));
  await Deno.writeFile(join(folder, "diffusion_pytorch_model.safetensors"), encodeSafetensors(weights));
}

/** Training steps of google/ddpm-cifar10-32's U-Net with the seed's recipe, batch 16: gradient and Adam. */
export function unetTrain(machine: Machine, steps: number): Promise<UnetResult> {
  return train("unet-train", machine, steps, CIFAR, { fromScratch: true });
}

/** The same of a small U-Net, which is soon done on every backend. */
export function unetSmall(machine: Machine, steps: number): Promise<UnetResult> {
  return train("unet-small", machine, steps, CIFAR, { fromScratch: true, channels: "32,64,64" });
}

/** Training steps of a narrow U-Net. */
export function narrowTrain(name: string, machine: Machine, steps: number): Promise<UnetResult> {
  const { channels, ...images } = narrowOf(name);
  return train(name, machine, steps, images, { fromScratch: true, channels });
}

/** Evaluations of a narrow U-Net. */
export async function narrowEval(name: string, machine: Machine, steps: number): Promise<UnetResult> {
  const { channels, ...images } = narrowOf(name);
  return await evaluate(name, machine, steps, await create(infoOf(images), { fromScratch: true, channels }), images);
}

/** The channels and the images of a case as `unet-16-28-train`: the first level's channels, and the side. */
function narrowOf(name: string): Images & { readonly channels: string } {
  const { channels, images: [colours, side] } = NARROW_UNETS[name.replace(/-(train|eval)$/, "")];
  return { channels: channels.join(), shape: [colours, side, side], batch: NARROW_BATCH };
}

/** The same of a U-Net and images so small that software in a GPU's place is soon done with them. */
export function unetTiny(machine: Machine, steps: number): Promise<UnetResult> {
  return train("unet-tiny", machine, steps, SMALL, { fromScratch: true, channels: "8,16" });
}

async function train(
  name: string,
  { backend, threads, precision = "f32" }: Machine,
  steps: number,
  images: Images,
  options: Parameters<typeof create>[1],
): Promise<UnetResult> {
  const engine = await createEngine(backend, threads);
  requirePrecision(engine, precision);
  const info = infoOf(images);
  const denoiser = await create(info, options);
  const { layout, state } = stateOf(engine, denoiser, [...MOMENTS, GRADIENT]);
  const begun = performance.now();
  const gradient = await engine.compile(
    gradientStep(denoiser, layout, RECIPES.seed, onlyGaussian(info.gaussian), info),
    state,
    gradientInputs(images.batch, images.shape, precision),
    precision,
  );
  const optimiser = await engine.compile(optimiserStep(), state, { rootScale: [], offset: [] });
  const compile_s = (performance.now() - begun) / 1000;
  const inputs = {
    ...batch(images),
    weight: new Float32Array(images.batch).fill(1),
    ...(precision === "f16" ? { lossScale: Float32Array.of(LOSS_SCALE) } : {}),
  };
  const times = await timed(steps, async (step) => {
    await gradient.run(inputs);
    const { rootScale, offset } = adamSchedule(1e-4, step);
    await optimiser.run({ rootScale: Float32Array.of(rootScale), offset: Float32Array.of(offset) });
  }, images === SMALL ? ENOUGH_SMALL_MS : ENOUGH_MS);
  return { case: name, ...times, compile_s, batch: images.batch, peak_mb: peakMemory(), backend, threads };
}

/**
 * Evaluations of that U-Net, batch 16: what a validation measures.
 *
 * @param folder Where {@linkcode writeRandomUnet} put the model.
 */
export async function unetEval(machine: Machine, steps: number, folder: string): Promise<UnetEvalResult> {
  const loading = performance.now();
  const denoiser = await create(infoOf(CIFAR), { weights: folder });
  const load_s = (performance.now() - loading) / 1000;
  return { ...await evaluate("unet-eval", machine, steps, denoiser, CIFAR), load_s };
}

async function evaluate(
  name: string,
  { backend, threads }: Machine,
  steps: number,
  denoiser: Denoiser,
  images: Images,
): Promise<UnetResult> {
  const engine = await createEngine(backend, threads);
  const { layout, state } = stateOf(engine, denoiser, []);
  const begun = performance.now();
  const weights = (s: Tensors) => unflattenTensor(layout, s[PARAMS]);
  const meter = await createErrorMeter(engine, state, weights, denoiser, infoOf(images), images.batch);
  const compile_s = (performance.now() - begun) / 1000;
  const { x, eps, logsnr } = batch(images);
  const times = await timed(steps, () => meter.measure(x, eps, logsnr));
  return { case: name, ...times, compile_s, batch: images.batch, peak_mb: peakMemory(), backend, threads };
}

/** A state of the denoiser's parameters and of zeros for the other entries. */
function stateOf(engine: Engine, denoiser: Denoiser, others: readonly string[]) {
  const { layout, fill } = initialParameters(denoiser, () => Random.fromSeed(0)), shape = [layout.size];
  const zeros = Object.fromEntries(others.map((name) => [name, { shape }]));
  return { layout, state: engine.createState({ [PARAMS]: { shape, fill }, ...zeros }) };
}

function batch({ batch, shape }: Images) {
  const random = Random.fromSeed(1), count = batch * sizeOf(shape);
  return {
    x: random.normalTensor([count]).data,
    eps: random.normalTensor([count]).data,
    logsnr: Float32Array.from({ length: batch }, (_, i) => -5 + 15 * i / batch),
  };
}

/** A case that has taken longer than this is done with the runs that it has; for one so slow the first run counts. */
const ENOUGH_MS = 20_000;

/** The same of a small case, whose first run is slow by what is compiled in it. */
const ENOUGH_SMALL_MS = 120_000;

/** Runs something once, and then times it. @param run Gets the number of the run, from 1. */
async function timed(runs: number, run: (step: number) => Promise<unknown>, enough = ENOUGH_MS) {
  const times: number[] = [];
  const started = performance.now();
  for (let step = 1; step <= runs + 1; step++) {
    if (times.length > 0 && performance.now() - started > enough) break;
    const begun = performance.now();
    await run(step);
    const took = performance.now() - begun;
    if (step > 1 || took > enough) times.push(took);
  }
  times.sort((a, b) => a - b);
  return {
    ms_per_step: times[times.length >> 1],
    ms_per_step_mean: times.reduce((sum, t) => sum + t, 0) / times.length,
  };
}
