import { equal, ok } from "assert";
import { existsSync } from "node:fs";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import type { Condition } from "../../core/data/condition.ts";
import { type HostTensors, sizeOf } from "../../core/data/tensors.ts";
import { createEngine, type Engine, type Tensors } from "../../core/engine/mod.ts";
import { gradients } from "../../core/engine/gradients.ts";
import { encodeSafetensors, hostTensors, readSafetensors } from "../../core/io/safetensors.ts";
import { findModelFiles } from "../../core/hub/mod.ts";
import { readWeightFiles } from "../../core/io/weights.ts";
import { Random } from "../../core/random/random.ts";
import { standardGaussian } from "../../core/reference/gaussian.ts";
import { parseUnetConfig, type UnetConfig, UnetConfigError } from "../../denoisers/unet_pretrained/config.ts";
import { create } from "../../denoisers/unet_pretrained/mod.ts";
import { unet } from "../../denoisers/unet_pretrained/network.ts";
import { matchWeights } from "../../denoisers/unet_pretrained/weights.ts";
import { runOn } from "../core/engine/differentiate.ts";
import { inFolder } from "../folders.ts";
import { runPython } from "../python.ts";

const PACKAGES = ["torch", "diffusers", "safetensors"];

/** Each seed is a configuration; some of them are such that diffusers refuses them. */
const SEEDS = { first: 0, last: 110 };

/** The largest error, as a part of a tensor's largest value. */
const TOLERANCE = 1e-4;

/** The same of gradients of ReLU's networks, whose derivative jumps where rounding moves a value over zero. */
const JUMP = 0.02;

/**
 * How much further than PyTorch's own float32 from its float64 an error may be where that is more: of what sums cancel to
 * nothing but rounding is left, of which the order of the sum, another one on each processor, makes several times as much.
 */
const ROUNDING = 8;

interface Errors {
  readonly output: number;
  readonly gradient: number;
  readonly parameters: number;
}

Deno.test("random configurations of diffusers' UNet2DModel are refused or have the same outputs and gradients", async (t) => {
  await inFolder(async (cwd) => {
    await runPython("random_unets.py", ["make", cwd, `${SEEDS.first}`, `${SEEDS.last}`], PACKAGES);
    const engine = await createEngine("onnx-cpu", 2);
    const seeds = Array.from({ length: SEEDS.last - SEEDS.first }, (_, i) => SEEDS.first + i);
    const valid = seeds.filter((seed) => !existsSync(join(cwd, `${seed}`, "refused.txt")));
    let within = 0;
    await t.step("diffusers' refusals are ours", async () => {
      for (const seed of seeds) {
        const folder = join(cwd, `${seed}`), text = await Deno.readTextFile(join(folder, "config.json"));
        equal(isRefused(JSON.parse(text)), !valid.includes(seed), `seed ${seed}: ${text}`);
      }
    });
    await t.step(`outputs and gradients of ${valid.length} others`, async () => {
      for (const seed of valid) {
        const folder = join(cwd, `${seed}`), errors = await errorsOf(engine, folder);
        const { activation } = await configOf(folder);
        const rounding: Errors = JSON.parse(await Deno.readTextFile(join(folder, "rounding.json")));
        for (const key of ["output", "gradient", "parameters"] as const) {
          const least = activation === "relu" && key !== "output" ? JUMP : TOLERANCE;
          ok(
            errors[key] <= Math.max(least, ROUNDING * rounding[key]),
            `seed ${seed}, ${key}: ${errors[key]} where PyTorch's own rounding is ${rounding[key]}`,
          );
        }
        if (Math.max(...Object.values(errors)) <= TOLERANCE) within++;
      }
      console.log(
        `${within} of ${valid.length} are within ${TOLERANCE}, the others where PyTorch's float32 is no better`,
      );
      ok(within >= 60, `${within} within ${TOLERANCE}`);
    });
    await t.step("import, export, and diffusers loads them as they were, to the bit", async () => {
      const exported: string[] = [];
      for (const seed of valid) {
        const folder = join(cwd, `${seed}`), target = join(cwd, "exported", `${seed}`);
        if (await exportAgain(folder, target)) exported.push(target);
      }
      ok(exported.length >= 60, `${exported.length}`);
      await runPython("random_unets.py", ["check", cwd, ...exported], PACKAGES);
    });
  });
});

function isRefused(json: unknown): boolean {
  try {
    parseUnetConfig(json, "config.json");
    return false;
  } catch (error) {
    if (error instanceof UnetConfigError) return true;
    throw error;
  }
}

async function configOf(folder: string): Promise<UnetConfig> {
  return parseUnetConfig(JSON.parse(await Deno.readTextFile(join(folder, "config.json"))), "config.json");
}

/** Our network with the model's weights beside what diffusers computed. */
async function errorsOf(engine: Engine, folder: string): Promise<Errors> {
  const config = await configOf(folder), path = join(folder, "values.safetensors");
  const { sample, target, timestep, output, gradient, class_labels: labels, ...expected } = hostTensors(
    await readSafetensors(path),
    path,
  );
  const params = matchWeights(config, await readWeightFiles((await findModelFiles(folder)).shards), folder);
  const classes = labels && (config.classes?.kind === "table" ? oneHot(labels, config.classes.count) : labels);
  const got = await runOn(engine, (_, { timestep, target, classes, ...variables }) => {
    const { gradients: found, aux } = gradients(({ sample, ...params }: Tensors) => {
      const y = unet(config, params, sample, timestep, classes && { values: classes });
      return { loss: tf.mean(tf.square(tf.sub(y, target))) as tf.Scalar, aux: { y } };
    }, variables);
    return { outputs: { y: aux.y, ...found } };
  }, { ...params, sample, timestep, target, ...(classes ? { classes } : {}) });
  // The frequencies of a Fourier embedding are fixed in both.
  const trained = Object.keys(params).filter((name) => expected[`gradient.${name}`]);
  equal(trained.length, Object.keys(expected).length);
  for (const name of Object.keys(params)) if (!trained.includes(name)) ok(got[name].every((g) => g === 0), name);
  const all = Math.max(...Object.values(expected).map(({ data }) => largest(data)));
  return {
    output: difference(got.y, output.data) / largest(output.data),
    gradient: difference(got.sample, gradient.data) / largest(gradient.data),
    // Some are nothing but rounding: the softmax cancels what a key's bias adds, and a normalisation what comes before it.
    parameters: Math.max(...trained.map((name) => {
      const { data } = expected[`gradient.${name}`];
      return difference(got[name], data) / Math.max(largest(data), 1e-3 * all);
    })),
  };
}

function largest(data: Float32Array): number {
  return data.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-30);
}

/** The largest; not a number, where something is not. */
function difference(a: Float32Array, b: Float32Array): number {
  equal(a.length, b.length);
  return a.reduce((most, x, i) => Number.isNaN(x - b[i]) ? NaN : Math.max(most, Math.abs(x - b[i])), 0);
}

function oneHot({ shape: [n], data }: HostTensors[string], count: number): HostTensors[string] {
  const rows = new Float32Array(n * count);
  data.forEach((label, i) => rows[i * count + label] = 1);
  return { shape: [n, count], data: rows };
}

/** Opens a model as a denoiser and writes it as a checkpoint is written; not one that denoises no images of its input's kind. */
async function exportAgain(folder: string, target: string): Promise<boolean> {
  const config = await configOf(folder), { inChannels, outChannels, levels, classes } = config;
  if (outChannels !== inChannels && outChannels !== 2 * inChannels) return false;
  const side = 2 ** levels.length, shape = [inChannels, side, side];
  const count = classes?.kind === "table" ? classes.count : 3;
  const condition: Condition = [
    { name: "c", kind: "class", levels: Array.from({ length: count }, (_, k) => k + 1), counts: Array(count).fill(1) },
  ];
  const info = { shape, gaussian: standardGaussian(sizeOf(shape)), ...(classes ? { condition } : {}) };
  const { form, init } = await create(info, { weights: folder });
  await Deno.mkdir(target, { recursive: true });
  for (const [name, text] of Object.entries(form!.files)) await Deno.writeTextFile(join(target, name), text);
  await Deno.writeFile(join(target, form!.weights), encodeSafetensors(init(Random.fromSeed(0)), { format: "pt" }));
  return true;
}
