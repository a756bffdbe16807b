import { deepEqual, doesNotThrow, equal, notDeepEqual, ok, rejects, throws } from "assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type * as tf from "@tensorflow/tfjs";
import { standardGaussian } from "../../core/reference/gaussian.ts";
import { UserError } from "../../core/errors/user_error.ts";
import { encodeSafetensors } from "../../core/io/safetensors.ts";
import { readWeights } from "../../core/io/weights.ts";
import type { CreateContext, Denoiser, OptionValues } from "../../core/plugins/contracts.ts";
import { Random } from "../../core/random/random.ts";
import { type HostTensors, sizeOf } from "../../core/data/tensors.ts";
import { DDPM_CIFAR10, parseUnetConfig } from "../../denoisers/unet_pretrained/config.ts";
import { create } from "../../denoisers/unet_pretrained/mod.ts";
import { unet } from "../../denoisers/unet_pretrained/network.ts";
import { DDPM_SCHEDULE, parseSchedule } from "../../denoisers/unet_pretrained/schedule.ts";
import { requireRoom } from "../../denoisers/unet_pretrained/size.ts";
import { run } from "../core/engine/differentiate.ts";
import { inFolder } from "../folders.ts";
import { assertWithin } from "../reference.ts";

const MODEL = fileURLToPath(new URL("../reference/unet/config_a/safetensors/", import.meta.url));
const [CONFIG, WEIGHTS, SCHEDULER] = [
  "config.json",
  "diffusion_pytorch_model.safetensors",
  "scheduler_config.json",
];

function make(shape: readonly number[], options: OptionValues, context?: CreateContext): Promise<Denoiser> {
  return create({ shape, gaussian: standardGaussian(sizeOf(shape)) }, options, context);
}

/** A denoiser's estimates on the same images at four log SNRs. */
async function estimates(denoiser: Denoiser, z: HostTensors[string], params = denoiser.init(Random.fromSeed(0))) {
  const logsnr = { shape: [z.shape[0]], data: Float32Array.of(-4, 0, 2.5, 7).subarray(0, z.shape[0]) };
  const program = (_: unknown, { z, logsnr, ...params }: Record<string, tf.Tensor>) => ({
    outputs: { epsHat: denoiser.predict(params, z, logsnr as tf.Tensor1D) },
  });
  return (await run("onnx-cpu", program, { ...params, z, logsnr })).epsHat;
}

/** What the network of config_a gives under a schedule. */
async function expectedOf(z: HostTensors[string], scheduler: Record<string, unknown>) {
  const config = parseUnetConfig(JSON.parse(await Deno.readTextFile(join(MODEL, CONFIG))), CONFIG);
  const schedule = parseSchedule(scheduler, SCHEDULER);
  const weights = await readWeights(join(MODEL, WEIGHTS));
  const predict: Denoiser["predict"] = (params, z, logsnr) => unet(config, params, z, schedule.timestep(logsnr));
  return await estimates({ init: () => weights, predict }, z, weights);
}

async function fails(attempt: Promise<unknown>, expected: RegExp): Promise<void> {
  await rejects(attempt, (error) => {
    ok(error instanceof UserError, String(error));
    ok(expected.test(error.message) && !error.message.includes("\n"), error.message);
    return true;
  });
}

const images = Random.fromSeed(1).normalTensor([4, 3, 16, 16]);

Deno.test("a folder of diffusers' files is a denoiser with those weights, at DDPM's time steps", async () => {
  const denoiser = await make([3, 16, 16], { weights: MODEL });
  const weights = await readWeights(join(MODEL, WEIGHTS));
  const params = denoiser.init(Random.fromSeed(0));
  deepEqual(Object.keys(params).sort(), Object.keys(weights).sort());
  for (const [name, { shape, data }] of Object.entries(params)) {
    deepEqual([shape, data], [weights[name].shape, weights[name].data]);
  }
  deepEqual(await estimates(denoiser, images), await expectedOf(images, DDPM_SCHEDULE));
  equal(denoiser.form!.weights, WEIGHTS);
  deepEqual(JSON.parse(denoiser.form!.files[CONFIG]), JSON.parse(await Deno.readTextFile(join(MODEL, CONFIG))));
  deepEqual(JSON.parse(denoiser.form!.files[SCHEDULER]), { _class_name: "DDPMScheduler", ...DDPM_SCHEDULE });
});

Deno.test("dropout is the configuration's or the one that is given, which a checkpoint keeps", async () => {
  const shareOf = ({ form }: Denoiser) => JSON.parse(form!.files[CONFIG]).dropout;
  const own = await make([3, 16, 16], { weights: MODEL }),
    given = await make([3, 16, 16], { weights: MODEL, dropout: "0.25" });
  deepEqual([shareOf(own), own.training, shareOf(given)], [0, undefined, 0.25]);
  ok(given.training!.draws > 0);
  equal((await make([3, 16, 16], {}, { saved: given.form!.files })).training!.draws, given.training!.draws);
  for (const dropout of ["1.5", "-0.1", "much", "NaN"]) {
    await fails(make([3, 16, 16], { weights: MODEL, dropout }), /--dropout is .*, expected a number from 0 to 1/);
  }
});

Deno.test("the schedule is that of the model's scheduler_config.json, and the network may lie in unet", async () => {
  await inFolder(async (folder) => {
    const scheduler = { _class_name: "DDIMScheduler", ...DDPM_SCHEDULE, beta_end: 0.03 };
    await Deno.mkdir(join(folder, "unet"));
    await Deno.mkdir(join(folder, "scheduler"));
    for (const name of [CONFIG, WEIGHTS]) await Deno.copyFile(join(MODEL, name), join(folder, "unet", name));
    await Deno.writeTextFile(join(folder, "scheduler", SCHEDULER), JSON.stringify(scheduler));
    const denoiser = await make([3, 16, 16], { weights: folder });
    const got = await estimates(denoiser, images);
    deepEqual(got, await expectedOf(images, scheduler));
    notDeepEqual(got, await expectedOf(images, DDPM_SCHEDULE));
    deepEqual(JSON.parse(denoiser.form!.files[SCHEDULER]), scheduler);
  });
});

/** A pipeline of the network of config_a, with a scheduler where one is given. */
async function makePipeline(folder: string, scheduler?: Record<string, unknown>): Promise<void> {
  await Deno.mkdir(join(folder, "unet"), { recursive: true });
  await Deno.mkdir(join(folder, "scheduler"), { recursive: true });
  for (const name of [CONFIG, WEIGHTS]) await Deno.copyFile(join(MODEL, name), join(folder, "unet", name));
  if (scheduler) await Deno.writeTextFile(join(folder, "scheduler", SCHEDULER), JSON.stringify(scheduler));
}

/** What is said of the network of config_a. */
const SIZE = "network: 143,267 parameters, 0.6 MB";

Deno.test("a pipeline's unet has the pipeline's scheduler, by either path, and which one it is is said", () =>
  inFolder(async (folder) => {
    const pipe = join(folder, "pipe"), scheduler = { ...DDPM_SCHEDULE, prediction_type: "v_prediction" };
    const notesOf = async (weights: string) => {
      const notes: string[] = [];
      const denoiser = await make([3, 16, 16], { weights }, { onNote: (note) => notes.push(note) });
      return { notes, got: await estimates(denoiser, images), form: denoiser.form! };
    };
    await makePipeline(pipe);
    const assumed = await notesOf(join(pipe, "unet"));
    deepEqual(assumed.notes, [
      "schedule: assumed, as the model has no scheduler_config.json: epsilon, linear betas 0.0001 to 0.02, 1000 steps",
      SIZE,
    ]);
    await makePipeline(pipe, scheduler);
    const [whole, alone] = [await notesOf(pipe), await notesOf(join(pipe, "unet"))];
    const said = `schedule: scheduler_config.json of ${pipe}, v_prediction, linear betas 0.0001 to 0.02, 1000 steps`;
    deepEqual([whole.notes, alone.notes], [[said, SIZE], [said, SIZE]]);
    deepEqual(alone.got, whole.got);
    notDeepEqual(alone.got, assumed.got);
    deepEqual(JSON.parse(alone.form.files[SCHEDULER]), scheduler);
    // The old key means what it meant, and is written as it is now.
    const { prediction_type: _, ...old } = DDPM_SCHEDULE;
    await makePipeline(pipe, { ...old, predict_epsilon: false });
    const sample = await notesOf(pipe);
    ok(sample.notes[0].includes(", sample, linear"), sample.notes[0]);
    deepEqual(JSON.parse(sample.form.files[SCHEDULER]), { ...old, prediction_type: "sample" });
  }));

Deno.test("the memory is told and refused by what the run holds: in training the weights five times", async () => {
  const notesOf = async (training: boolean) => {
    const notes: string[] = [];
    await make([3, 16, 16], { weights: MODEL }, { training, onNote: (note) => notes.push(note) });
    return notes.filter((note) => note.startsWith("network: "));
  };
  deepEqual(await notesOf(false), [SIZE]);
  deepEqual(await notesOf(true), [`${SIZE}; training holds 2.9 MB and what a micro-batch takes`]);
  const source = { name: "config.json" };
  doesNotThrow(() => requireRoom(1e9, source, false, 5e9));
  throws(() => requireRoom(1e9, source, false, 3e9), /^BackendError: The U-Net of config\.json, of 1,000,000,000 par/);
  throws(() => requireRoom(1e9, source, true, 5e9), /Training the U-Net of .* takes at least 20\.0 GB of memory/);
  doesNotThrow(() => requireRoom(1e9, source, true, 21e9));
});

Deno.test("weights in parts, and of a variant, are those of one file", () =>
  inFolder(async (folder) => {
    const expected = await make([3, 16, 16], { weights: MODEL });
    const all = Object.entries(await readWeights(join(MODEL, WEIGHTS)));
    const parts = [
      "diffusion_pytorch_model-00001-of-00002.safetensors",
      "diffusion_pytorch_model-00002-of-00002.safetensors",
    ];
    const halves = [all.slice(0, 100), all.slice(100)];
    const map = halves.flatMap((half, i) => half.map(([name]) => [name, parts[i]]));
    await Deno.copyFile(join(MODEL, CONFIG), join(folder, CONFIG));
    for (const [i, half] of halves.entries()) {
      await Deno.writeFile(join(folder, parts[i]), encodeSafetensors(Object.fromEntries(half)));
    }
    const index = join(folder, `${WEIGHTS}.index.json`);
    await Deno.writeTextFile(index, JSON.stringify({ metadata: {}, weight_map: Object.fromEntries(map) }));
    const paramsOf = (denoiser: Denoiser) => denoiser.init(Random.fromSeed(0));
    deepEqual(paramsOf(await make([3, 16, 16], { weights: folder })), paramsOf(expected));
    await Deno.remove(join(folder, parts[1]));
    await fails(
      make([3, 16, 16], { weights: folder }),
      /index\.json names 1 file that is not there, such as .*00002-of/,
    );
    await Deno.remove(index);
    await Deno.copyFile(join(MODEL, WEIGHTS), join(folder, "diffusion_pytorch_model.fp16.safetensors"));
    const notes: string[] = [];
    const variant = await make([3, 16, 16], { weights: folder }, { onNote: (note) => notes.push(note) });
    deepEqual(paramsOf(variant), paramsOf(expected));
    ok(notes[0].startsWith("weights: diffusion_pytorch_model.fp16.safetensors, the variant fp16"), notes[0]);
  }));

Deno.test("dropout is said where it has a part, which is in training", () =>
  inFolder(async (folder) => {
    const config = JSON.parse(await Deno.readTextFile(join(MODEL, CONFIG)));
    await Deno.writeTextFile(join(folder, CONFIG), JSON.stringify({ ...config, dropout: 0.1 }));
    await Deno.copyFile(join(MODEL, WEIGHTS), join(folder, WEIGHTS));
    const notesOf = async (training: boolean) => {
      const notes: string[] = [];
      await make([3, 16, 16], { weights: folder }, { training, onNote: (note) => notes.push(note) });
      return notes.filter((note) => note.includes("dropout"));
    };
    deepEqual([await notesOf(false), await notesOf(true)], [[], ["dropout: 0.1, in training alone"]]);
  }));

Deno.test("a U-Net of more parameters than memory is meant for is refused before anything is allocated", () =>
  inFolder(async (folder) => {
    const path = join(folder, CONFIG), huge = { ...DDPM_CIFAR10, time_embedding_dim: 65536 };
    await Deno.writeTextFile(path, JSON.stringify(huge));
    const message =
      /config\.json describes a U-Net of 4,\d{3},\d{3},\d{3} parameters, but at most 268,435,456 are made\. Give/;
    await fails(make([3, 32, 32], { fromScratch: true, config: path }), message);
    await fails(make([3, 32, 32], { fromScratch: true, channels: "4096,4096" }), /at most 268,435,456 are made/);
    const saved = { [CONFIG]: JSON.stringify(huge), [SCHEDULER]: "{}" };
    await fails(make([3, 32, 32], {}, { saved }), /the checkpoint's config\.json describes .* Use another checkpoint/);
    // Given weights that are not so large, it is these that do not fit.
    await Deno.copyFile(join(MODEL, WEIGHTS), join(folder, WEIGHTS));
    const either =
      /The weights do not fit the U-Net|of 4,\d{3},\d{3},\d{3} parameters, takes at least 1\d\.\d GB of memory/;
    await fails(make([3, 32, 32], { weights: folder }), either);
  }));

Deno.test("pointers of Git LFS are told, be it the weights or the configuration", () =>
  inFolder(async (folder) => {
    const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 143000000\n";
    const attempt = () => make([3, 16, 16], { weights: folder });
    await Deno.copyFile(join(MODEL, CONFIG), join(folder, CONFIG));
    await Deno.writeTextFile(join(folder, WEIGHTS), pointer);
    await fails(
      attempt(),
      /diffusion_pytorch_model\.safetensors is a pointer of Git LFS, not the file itself\. Run git lfs/,
    );
    await Deno.writeTextFile(join(folder, CONFIG), pointer);
    await fails(attempt(), /config\.json is a pointer of Git LFS/);
  }));

Deno.test("a checkpoint's files make the same denoiser, and need no weights", async () => {
  const first = await make([3, 16, 16], { weights: MODEL });
  const again = await make([3, 16, 16], { weights: "a folder that is gone" }, { saved: first.form!.files });
  const params = first.init(Random.fromSeed(0));
  const shapes = (params: HostTensors) => Object.entries(params).map(([name, { shape }]) => [name, shape]);
  deepEqual(shapes(again.init(Random.fromSeed(1))), shapes(params));
  deepEqual(again.form, first.form);
  deepEqual(await estimates(again, images, params), await estimates(first, images));
});

Deno.test("a checkpoint's files that are missing or damaged are named", async () => {
  const { files } = (await make([3, 16, 16], { weights: MODEL })).form!;
  const attempt = (saved: Record<string, string>) => make([3, 16, 16], {}, { saved });
  await fails(attempt({}), /the checkpoint's config\.json is missing or not valid JSON/i);
  await fails(attempt({ ...files, [SCHEDULER]: "{" }), /the checkpoint's scheduler_config\.json is missing or not/i);
  await fails(attempt({ ...files, [CONFIG]: '{"act_fn":"tanh"}' }), /the checkpoint's config\.json .*act_fn is "tanh"/);
});

Deno.test("from scratch a U-Net has the data's channels, and those given by level", async () => {
  const denoiser = await make([1, 8, 8], { fromScratch: true, channels: "8,12" });
  const config = JSON.parse(denoiser.form!.files[CONFIG]);
  deepEqual(config.block_out_channels, [8, 12]);
  deepEqual([config.in_channels, config.out_channels, config.sample_size, config.norm_num_groups], [1, 1, 8, 4]);
  deepEqual(config.down_block_types, ["DownBlock2D", "AttnDownBlock2D"]);
  deepEqual(config.up_block_types, ["AttnUpBlock2D", "UpBlock2D"]);
  const [first, again, other] = [4, 4, 5].map((seed) => denoiser.init(Random.fromSeed(seed)));
  deepEqual(first, again);
  notDeepEqual(first["conv_in.weight"].data, other["conv_in.weight"].data);
  deepEqual(first["conv_in.weight"].shape, [8, 1, 3, 3]);
  const z = Random.fromSeed(2).normalTensor([2, 1, 8, 8]);
  const got = await estimates(denoiser, z, first);
  ok(got.length === 128 && got.every(Number.isFinite));
  for (const channels of ["4", "5,10", "96,160,224", "64"]) {
    const { block_out_channels, norm_num_groups } = JSON.parse(
      (await make([3, 16, 16], { fromScratch: true, channels })).form!.files[CONFIG],
    );
    deepEqual(block_out_channels, channels.split(",").map(Number));
    ok(block_out_channels.every((c: number) => c % norm_num_groups === 0 && c / norm_num_groups >= 2), channels);
  }
});

Deno.test("from scratch without more it is DDPM's U-Net, and with a configuration that one's", async () => {
  const ddpm = JSON.parse((await make([3, 32, 32], { fromScratch: true })).form!.files[CONFIG]);
  deepEqual(ddpm.block_out_channels, [128, 256, 256, 256]);
  const path = join(MODEL, CONFIG);
  const { form } = await make([3, 16, 16], { fromScratch: true, config: path });
  deepEqual(JSON.parse(form!.files[CONFIG]), JSON.parse(await Deno.readTextFile(path)));
});

Deno.test("data that the U-Net does not fit is refused before weights are read", async () => {
  const weights = MODEL;
  await fails(make([2], { weights }), /images \[channels, height, width\], but the data has the shape \[2\]/);
  await fails(make([7], { fromScratch: true }), /the data has the shape \[7\]/);
  await fails(make([1, 16, 16], { weights }), /images have 1 channels, but in_channels is 3 in .*config\.json/);
  await fails(
    make([3, 12, 16], { weights }),
    /halves its images 3 times, but those of the data are 12 x 16.* multiples of 8/,
  );
  await fails(make([3, 16, 20], { weights }), /16 x 20/);
  await fails(make([3, 8, 9], { fromScratch: true, channels: "8,8" }), /halves its images 1 times/);
});

Deno.test("options that do not go together or are not valid are said", async () => {
  const scratch = (options: OptionValues) => make([3, 16, 16], { fromScratch: true, ...options });
  await fails(scratch({ config: join(MODEL, CONFIG), channels: "8" }), /--config and --channels both/);
  for (const channels of ["8,", "x", "2", "8.5", "-8", "5000", "8;8", ",", new Array(17).fill(8).join()]) {
    await fails(scratch({ channels }), /--channels is .*; it must be whole numbers from 4 to 4096/);
  }
  await fails(scratch({ config: "nowhere/config.json" }), /Cannot read nowhere\/config\.json: there is no such file/);
  await fails(scratch({ config: MODEL }), /Cannot read /);
});

Deno.test("a model's files that are missing, damaged or of another model are one clear error each", async () => {
  await inFolder(async (folder) => {
    const attempt = () => make([3, 16, 16], { weights: folder });
    const write = (name: string, text: string) => Deno.writeTextFile(join(folder, name), text);
    await fails(attempt(), /has no config\.json/);
    await Deno.copyFile(join(MODEL, CONFIG), join(folder, CONFIG));
    await fails(attempt(), /has no diffusion_pytorch_model\.safetensors or diffusion_pytorch_model\.bin/);
    await Deno.copyFile(join(MODEL, WEIGHTS), join(folder, WEIGHTS));
    await attempt();
    const deep = `{"_a": ${"[".repeat(300_000)}${"]".repeat(300_000)}}`;
    for (const text of ["", "{", '{"act_fn": silu}', "\0", deep]) {
      await write(CONFIG, text);
      await fails(attempt(), /Cannot read .*config\.json: /);
    }
    await write(CONFIG, `{"a": "${"x".repeat(1_000_000)}"}`);
    await fails(attempt(), /config\.json has \d+ bytes, too many/);
    await write(CONFIG, "[]");
    await fails(attempt(), /config\.json is not the configuration of a model/);
    await Deno.copyFile(join(MODEL, CONFIG), join(folder, CONFIG));
    await write(SCHEDULER, '{"beta_schedule": "tanh"}');
    await fails(attempt(), /scheduler_config\.json: beta_schedule is "tanh"/);
    await write(SCHEDULER, "x");
    await fails(attempt(), /Cannot read .*scheduler_config\.json: it is not valid JSON/);
    await Deno.remove(join(folder, SCHEDULER));
    const { "conv_in.bias": _, ...rest } = await readWeights(join(MODEL, WEIGHTS));
    await Deno.writeFile(
      join(folder, WEIGHTS),
      encodeSafetensors({ ...rest, other: { shape: [1], data: new Float32Array(1) } }),
    );
    await fails(attempt(), /2 problems\): "other" is no parameter of this U-Net; conv_in\.bias is missing/);
    await Deno.writeFile(join(folder, WEIGHTS), (await Deno.readFile(join(MODEL, WEIGHTS))).subarray(0, 5000));
    await fails(attempt(), /diffusion_pytorch_model\.safetensors/);
  });
});

Deno.test("ε̂ follows from a prediction of v or of x as from one of ε", async () => {
  const config = JSON.stringify({
    block_out_channels: [4],
    down_block_types: ["DownBlock2D"],
    up_block_types: ["UpBlock2D"],
    layers_per_block: 1,
    norm_num_groups: 2,
    add_attention: false,
  });
  const [x, eps, logsnr] = [[0.5, -0.2, 0.9], [1.1, -0.7, 0.3], -4];
  const [signal, noise] = [Math.sqrt(1 / (1 + Math.exp(-logsnr))), Math.sqrt(1 / (1 + Math.exp(logsnr)))];
  const pixels = 16;
  const z = {
    shape: [1, 3, 4, 4],
    data: Float32Array.from({ length: 3 * pixels }, (_, i) => {
      const c = Math.floor(i / pixels);
      return signal * x[c] + noise * eps[c];
    }),
  };
  const outputs = { epsilon: eps, v_prediction: x.map((v, c) => signal * eps[c] - noise * v), sample: x };
  for (const [prediction_type, output] of Object.entries(outputs)) {
    const saved = { [CONFIG]: config, [SCHEDULER]: JSON.stringify({ ...DDPM_SCHEDULE, prediction_type }) };
    const denoiser = await make([3, 4, 4], {}, { saved });
    // With no other weights the network's output is the last bias.
    const params = Object.fromEntries(
      Object.entries(denoiser.init(Random.fromSeed(0))).map(([name, { shape, data }]) => [
        name,
        { shape, data: name === "conv_out.bias" ? Float32Array.from(output) : new Float32Array(data.length) },
      ]),
    );
    const got = await estimates(denoiser, z, params);
    const expected = Float32Array.from(got, (_, i) => eps[Math.floor(i / pixels)]);
    assertWithin(got, expected, { rtol: 0, atol: 2e-6 }, prediction_type);
  }
});
