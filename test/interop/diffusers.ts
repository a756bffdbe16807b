import { deepEqual, equal, ok } from "assert";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { standardGaussian } from "../../core/reference/gaussian.ts";
import { gradients } from "../../core/engine/gradients.ts";
import type { Tensors } from "../../core/engine/program.ts";
import { exportRun } from "../../core/export/mod.ts";
import { latestCheckpoint } from "../../core/io/checkpoints.ts";
import { encodeSafetensors, hostTensors, readSafetensors } from "../../core/io/safetensors.ts";
import { type Condition, encodeCondition } from "../../core/data/condition.ts";
import { Random } from "../../core/random/random.ts";
import { openRun } from "../../core/run/open_run.ts";
import { type HostTensors, sizeOf } from "../../core/data/tensors.ts";
import { parseUnetConfig, type UnetConfig } from "../../denoisers/unet_pretrained/config.ts";
import { create } from "../../denoisers/unet_pretrained/mod.ts";
import { unet } from "../../denoisers/unet_pretrained/network.ts";
import { DDPM_SCHEDULE, parseSchedule } from "../../denoisers/unet_pretrained/schedule.ts";
import { run } from "../core/engine/differentiate.ts";
import { makeUnetRun } from "../core/export/unet_run.ts";
import { inFolder } from "../folders.ts";
import { runPython } from "../python.ts";
import { assertWithin } from "../reference.ts";

const PACKAGES = ["torch", "diffusers", "safetensors"];

async function readTensors(path: string): Promise<HostTensors> {
  return hostTensors(await readSafetensors(path), path);
}

Deno.test("diffusers loads a checkpoint's folder and an exported one, with the outputs of the denoiser", () =>
  inFolder(async (cwd) => {
    const shape = [3, 16, 8];
    await makeUnetRun(join(cwd, "run"), shape, { channels: "16,32", config: "" });
    const opened = await openRun(join(cwd, "run"));
    const exported = join(cwd, "exported");
    await exportRun(opened, "diffusers", exported, { threads: 1 });
    const checkpoint = (await latestCheckpoint(join(cwd, "run")))!;

    const z = Random.fromSeed(2).normalTensor([4, ...shape]);
    const logsnr = { shape: [4], data: Float32Array.of(-6.3, -0.2, 1.7, 8.9) };
    const schedule = parseSchedule(DDPM_SCHEDULE, "DDPM");
    const { epsHat, timestep } = await run(
      "onnx-cpu",
      (_, { z, logsnr, ...params }) => ({
        outputs: {
          epsHat: opened.denoiser.predict(params, z, logsnr as tf.Tensor1D),
          timestep: schedule.timestep(logsnr),
        },
      }),
      { ...opened.params, z, logsnr },
    );
    ok(timestep.some((t) => t % 1 !== 0), "no time step is a fraction");
    const inputs = join(cwd, "inputs.safetensors");
    await Deno.writeFile(inputs, encodeSafetensors({ sample: z, timestep: { shape: [4], data: timestep } }));
    await runPython("diffusers_unet.py", ["run", inputs, checkpoint, exported], PACKAGES);
    for (const folder of [checkpoint, exported]) {
      const { output } = await readTensors(join(folder, "output.safetensors"));
      assertWithin(epsHat, output.data, { rtol: 1e-4, atol: 1e-5 }, folder);
    }
  }));

Deno.test("diffusers loads an exported U-Net of classes, with the same outputs for each class and for none", () =>
  inFolder(async (cwd) => {
    const shape = [1, 8, 8], path = join(cwd, "run"), exported = join(cwd, "exported");
    const condition: Condition = [{ name: "c", kind: "class", levels: [3, 5, 8], counts: [1, 1, 1] }];
    await makeUnetRun(path, shape, { channels: "16,32", config: "" }, condition);
    const opened = await openRun(path);
    await exportRun(opened, "diffusers", exported, { threads: 1 });
    const z = Random.fromSeed(2).normalTensor([4, ...shape]), logsnr = Float32Array.of(-6.3, -0.2, 1.7, 8.9);
    const c = { shape: [4, 4], data: encodeCondition(condition, [5, 3, NaN, 8]) };
    const schedule = parseSchedule(DDPM_SCHEDULE, "DDPM");
    const { epsHat, timestep } = await run(
      "onnx-cpu",
      (_, { z, logsnr, c, ...params }) => ({
        outputs: {
          epsHat: opened.denoiser.predict(params, z, logsnr as tf.Tensor1D, c),
          timestep: schedule.timestep(logsnr),
        },
      }),
      { ...opened.params, z, logsnr: { shape: [4], data: logsnr }, c },
    );
    const inputs = join(cwd, "inputs.safetensors"), labels = { shape: [4], data: Float32Array.of(1, 0, 3, 2) };
    await Deno.writeFile(
      inputs,
      encodeSafetensors({ sample: z, timestep: { shape: [4], data: timestep }, class_labels: labels }),
    );
    await runPython("diffusers_unet.py", ["run", inputs, exported], PACKAGES);
    const { output } = await readTensors(join(exported, "output.safetensors"));
    assertWithin(epsHat, output.data, { rtol: 1e-4, atol: 1e-5 }, "exported");
    // And back again, to the bit.
    const info = { shape, gaussian: standardGaussian(sizeOf(shape)), condition };
    const again = (await create(info, { weights: exported })).init(Random.fromSeed(0));
    for (const [name, { data }] of Object.entries(opened.params)) deepEqual(again[name].data, data, name);
    equal(Object.keys(again).length, Object.keys(opened.params).length);
  }));

interface Case {
  readonly config: Readonly<Record<string, unknown>>;
  readonly size: readonly [number, number];
  readonly batch: number;
  /** How the weights are stored: as safetensors, or by torch.save with present or old attention names. */
  readonly file: "safetensors" | "bin" | "bin with old names";
}

/** A case of a U-Net with attention where it is said, D for none and A for some, from the largest image down. */
function model(
  channels: readonly number[],
  [down, up]: readonly [string, string],
  size: readonly [number, number],
  more: Readonly<Record<string, unknown>>,
  file: Case["file"] = "safetensors",
): Case {
  const config = {
    in_channels: 3,
    out_channels: 3,
    block_out_channels: channels,
    down_block_types: [...down].map((kind) => kind === "A" ? "AttnDownBlock2D" : "DownBlock2D"),
    up_block_types: [...up].map((kind) => kind === "A" ? "AttnUpBlock2D" : "UpBlock2D").reverse(),
    norm_num_groups: 4,
    ...more,
  };
  return { config, size, batch: 3, file };
}

const ONE = { in_channels: 1, out_channels: 1 };

/** Beside the reference values: each option in several values, each with others. */
const CASES: readonly Case[] = [
  model([8, 16], ["DA", "DA"], [8, 8], { ...ONE, layers_per_block: 1 }),
  model([16], ["D", "D"], [7, 5], { layers_per_block: 3, flip_sin_to_cos: false, freq_shift: 1 }),
  model([16, 8, 24], ["ADA", "DAD"], [12, 20], { attention_head_dim: 4, downsample_padding: 0 }, "bin"),
  model([8, 8, 16, 16], ["DDAA", "AADD"], [24, 8], { norm_eps: 1e-3, norm_num_groups: 8, freq_shift: 0.5 }),
  model(
    [20, 28],
    ["AD", "AD"],
    [10, 6],
    { attention_head_dim: null, mid_block_scale_factor: 1.4 },
    "bin with old names",
  ),
  model([12, 24], ["DA", "DD"], [6, 14], { center_input_sample: true, norm_num_groups: 3, layers_per_block: 3 }),
  model([16, 32], ["DA", "AD"], [8, 12], { resnet_time_scale_shift: "scale_shift", norm_num_groups: 16 }),
  model([16, 16], ["DD", "DD"], [4, 4], { in_channels: 4, out_channels: 4, add_attention: false, act_fn: "swish" }),
  model([24, 48], ["DA", "DA"], [8, 8], {
    in_channels: 2,
    out_channels: 2,
    resnet_time_scale_shift: "scale_shift",
    downsample_padding: 0,
    attention_head_dim: null,
    mid_block_scale_factor: 0.5,
    attn_norm_num_groups: 6,
  }),
  model([10, 20], ["DA", "DA"], [2, 2], { ...ONE, norm_num_groups: 5, attention_head_dim: 10, time_embedding_dim: 24 }),
  model([16, 16, 16], ["DDD", "DDD"], [4, 8], { mid_block_type: null, layers_per_block: 1 }),
  model([8, 16], ["DA", "DA"], [8, 8], { ...ONE, layers_per_block: 1, num_class_embeds: 5 }),
  model([8, 16], ["DD", "DD"], [8, 6], { layers_per_block: 1, class_embed_type: "timestep", flip_sin_to_cos: false }),
  model([8, 16], ["DD", "DA"], [6, 8], {
    ...{ layers_per_block: 1, class_embed_type: "identity", resnet_time_scale_shift: "scale_shift" },
  }, "bin"),
  // Where convolutions are Winograd's.
  model([64, 128], ["DA", "DD"], [16, 16], { layers_per_block: 1, attention_head_dim: 8, norm_num_groups: 32 }),
  model([96, 64], ["DD", "AD"], [16, 24], { ...ONE, flip_sin_to_cos: false, freq_shift: 1, downsample_padding: 0 }),
  model(
    [128],
    ["A", "A"],
    [12, 8],
    { norm_eps: 1e-6, layers_per_block: 1, attention_head_dim: 4 },
    "bin with old names",
  ),
];

Deno.test("diffusers' models of many configurations have the same outputs and gradients", async (t) => {
  await inFolder(async (cwd) => {
    await Deno.writeTextFile(join(cwd, "cases.json"), JSON.stringify(CASES));
    await runPython("diffusers_unet.py", ["make", cwd, join(cwd, "cases.json")], PACKAGES);
    for (const [i, { config, size, file }] of CASES.entries()) {
      const name = `case ${i}: channels ${config.block_out_channels}, ${size.join(" x ")}, from ${file}`;
      await t.step(name, () => assertEqual(join(cwd, `${i}`)));
    }
  });
});

/** What a denoiser of such a U-Net is told may be known. */
function conditionOf({ classes }: UnetConfig): { readonly condition?: Condition } {
  if (!classes) return {};
  const count = classes.kind === "table" ? classes.count : 3;
  return { condition: [{ name: "c", kind: "class", levels: [...Array(count).keys()], counts: Array(count).fill(1) }] };
}

function oneHot({ shape: [n], data }: HostTensors[string], count: number): HostTensors[string] {
  const rows = new Float32Array(n * count);
  data.forEach((label, i) => rows[i * count + label] = 1);
  return { shape: [n, count], data: rows };
}

/** Our network in the model's configuration, with its weights as the denoiser loads them, beside what diffusers computed. */
async function assertEqual(folder: string): Promise<void> {
  const { sample, target, timestep, output, gradient, class_labels: labels, ...grads } = await readTensors(
    join(folder, "values.safetensors"),
  );
  const shape = sample.shape.slice(1);
  const config = parseUnetConfig(JSON.parse(await Deno.readTextFile(join(folder, "config.json"))), "config.json");
  const info = { shape, gaussian: standardGaussian(sizeOf(shape)), ...conditionOf(config) };
  const denoiser = await create(info, { weights: folder });
  const values = labels && config.classes?.kind === "table" ? oneHot(labels, config.classes.count) : labels;
  const params = denoiser.init(Random.fromSeed(0));
  const results = await run(
    "onnx-cpu",
    (_, { timestep, target, classes, ...variables }) => {
      const { gradients: found, aux } = gradients(({ sample, ...params }: Tensors) => {
        const y = unet(config, params, sample, timestep, classes && { values: classes });
        return { loss: tf.mean(tf.square(tf.sub(y, target))) as tf.Scalar, aux: { y } };
      }, variables);
      return { outputs: { y: aux.y, ...found } };
    },
    { ...params, sample, timestep, target, ...(values ? { classes: values } : {}) },
  );
  assertWithin(results.y, output.data, { rtol: 1e-4, atol: 1e-5 }, "output");
  equal(Object.keys(grads).length, Object.keys(params).length);
  const largest = (data: Float32Array) => data.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  assertWithin(results.sample, gradient.data, { rtol: 1e-3, atol: 1e-5 * largest(gradient.data) }, "gradient");
  // Some are nothing but rounding: the softmax cancels what a key's bias adds, and a normalisation what comes before it.
  const atol = 1e-5 * Math.max(...Object.values(grads).map(({ data }) => largest(data)));
  for (const [name, { data }] of Object.entries(grads)) {
    assertWithin(results[name.slice("gradient.".length)], data, { rtol: 1e-3, atol }, name);
  }
}
