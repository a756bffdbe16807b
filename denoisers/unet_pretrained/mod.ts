/**
 * The U-Net of diffusers' `UNet2DModel`: pretrained, from a folder or the Hugging Face hub, or from scratch.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs";
import { noiseScale, perSample, signalScale } from "../../core/diffusion/channel.ts";
import { messageOf, UserError } from "../../core/errors/user_error.ts";
import type { CreateContext, DataInfo, Denoiser, LoadContext, OptionValues } from "../../core/plugins/contracts.ts";
import { DDPM_CIFAR10, parseUnetConfig, type UnetConfig } from "./config.ts";
import { halvings, initParams, unet } from "./network.ts";
import { DDPM_SCHEDULE, parseSchedule, type Schedule } from "./schedule.ts";
import { matchWeights } from "./weights.ts";

/** What the weights of a pretrained model are where none are named. */
const PRETRAINED = "google/ddpm-cifar10-32";

/** A model's files under the names that diffusers gives them. */
const CONFIG = "config.json";
const SCHEDULER = "scheduler_config.json";
const WEIGHTS = "diffusion_pytorch_model.safetensors";

export const options = {
  weights: {
    default: PRETRAINED,
    path: true,
    help: "Pretrained model: a folder, or its name on the Hugging Face hub.",
  },
  fromScratch: { default: false, help: "Start from random weights." },
  config: {
    default: "",
    path: true,
    help: "config.json of the U-Net to train from scratch (default: that of google/ddpm-cifar10-32).",
  },
  channels: { default: "", help: "Its channels by level, as 64,128; attention at the second level." },
} as const;

/**
 * Makes the denoiser ε̂(z, α): the U-Net at the time step whose noise level is that of the log SNR.
 *
 * @throws {UserError} When the model cannot be had, is not supported, or does not fit the data.
 */
export async function create(
  { shape }: DataInfo,
  values: OptionValues = {},
  { saved, ...context }: CreateContext = {},
): Promise<Denoiser> {
  requireImages(shape);
  const source = saved
    ? savedModel(saved)
    : values.fromScratch
    ? await newModel(values, shape)
    : await pretrainedModel(String(values.weights ?? PRETRAINED), context);
  const config = parseUnetConfig(source.config, source.name);
  const schedule = parseSchedule(source.scheduler, source.schedulerName);
  requireFit(config, shape, source.name);
  const weights = source.weights && matchWeights(config, source.weights, source.name);
  return {
    init: (random) => weights ?? initParams(config, random),
    predict(params, z, logsnr) {
      const output = unet(config, params, z, schedule.timestep(logsnr));
      return epsilon(schedule, output, z, perSample(logsnr, z.rank));
    },
    form: {
      weights: WEIGHTS,
      files: { [CONFIG]: json(source.config), [SCHEDULER]: json(source.scheduler) },
    },
  };
}

/** A model's parts, and what they are called in messages. */
interface Source {
  readonly name: string;
  readonly config: unknown;
  readonly schedulerName: string;
  readonly scheduler: unknown;
  readonly weights?: Awaited<ReturnType<typeof import("../../core/io/weights.ts").readWeights>>;
}

async function pretrainedModel(name: string, { onProgress, signal }: LoadContext): Promise<Source> {
  const [{ locateModel }, { readWeights }] = await Promise.all([
    import("../../core/hub/mod.ts"),
    import("../../core/io/weights.ts"),
  ]);
  const files = await locateModel(name, {
    ...(onProgress ? { onProgress: ({ file, done, total }) => onProgress({ label: file, done, total }) } : {}),
    ...(signal ? { signal } : {}),
  });
  const [config, scheduler] = [await readJson(files.config), files.scheduler && await readJson(files.scheduler)];
  // What is not supported is said before the weights are read.
  parseUnetConfig(config, files.config);
  return {
    name: files.config,
    config,
    schedulerName: files.scheduler ?? "the default schedule",
    scheduler: scheduler ?? DDPM_SCHEDULER,
    weights: await readWeights(files.weights),
  };
}

function savedModel(saved: NonNullable<CreateContext["saved"]>): Source {
  const parse = (name: string) => {
    try {
      return JSON.parse(saved[name]);
    } catch {
      throw new UserError(`The checkpoint's ${name} is missing or not valid JSON. Use another checkpoint.`);
    }
  };
  return {
    name: `the checkpoint's ${CONFIG}`,
    config: parse(CONFIG),
    schedulerName: `the checkpoint's ${SCHEDULER}`,
    scheduler: parse(SCHEDULER),
  };
}

async function newModel({ config, channels }: OptionValues, shape: readonly number[]): Promise<Source> {
  const path = String(config ?? "");
  if (path !== "" && channels) {
    throw new UserError("--config and --channels both describe the U-Net. Give one of them.");
  }
  const images = { in_channels: shape[0], out_channels: shape[0], sample_size: shape[1] };
  const given = path === "" ? { ...DDPM_CIFAR10, ...images, ...levels(String(channels ?? "")) } : await readJson(path);
  return {
    name: path || "the U-Net from scratch",
    config: given,
    schedulerName: "the default schedule",
    scheduler: DDPM_SCHEDULER,
  };
}

const DDPM_SCHEDULER = { _class_name: "DDPMScheduler", ...DDPM_SCHEDULE };

/** The parts of a configuration that follow from the channels of its levels, as `64,128`. */
function levels(text: string): Record<string, unknown> {
  if (text === "") return {};
  const channels = text.split(",").map(Number);
  if (channels.length > 16 || !channels.every((c) => Number.isInteger(c) && c >= 4 && c <= 4096)) {
    throw new UserError(`--channels is ${text}; it must be whole numbers from 4 to 4096 with commas, as 64,128.`);
  }
  const attends = channels.map((_, i) => i === Math.min(1, channels.length - 1));
  const divisors = [32, 16, 8, 4, 2, 1];
  return {
    block_out_channels: channels,
    down_block_types: attends.map((a) => a ? "AttnDownBlock2D" : "DownBlock2D"),
    up_block_types: attends.toReversed().map((a) => a ? "AttnUpBlock2D" : "UpBlock2D"),
    norm_num_groups: divisors.find((n) => channels.every((c) => c % n === 0 && c / n >= 2)) ?? 1,
  };
}

function requireImages(shape: readonly number[]): void {
  if (shape.length === 3) return;
  throw new UserError(
    `The U-Net denoises images [channels, height, width], but the data has the shape [${shape}]. Choose another denoiser.`,
  );
}

function requireFit(config: UnetConfig, [channels, height, width]: readonly number[], name: string): void {
  if (channels !== config.inChannels) {
    throw new UserError(
      `The data's images have ${channels} channels, but in_channels is ${config.inChannels} in ${name}. ` +
        "Choose another model, or train one with --from-scratch on.",
    );
  }
  const times = halvings(config);
  if (height % 2 ** times !== 0 || width % 2 ** times !== 0) {
    throw new UserError(
      `The U-Net halves its images ${times} times, but those of the data are ${height} x ${width}. ` +
        `Give images whose sides are multiples of ${
          2 ** times
        }, or train fewer levels with --from-scratch on --channels.`,
    );
  }
}

/** ε̂ from what the network predicts: ε, v = √σ(α)·ε − √σ(−α)·x (arXiv 2202.00512), or x. */
function epsilon({ prediction }: Schedule, output: tf.Tensor, z: tf.Tensor, logsnr: tf.Tensor): tf.Tensor {
  if (prediction === "epsilon") return output;
  const [signal, noise] = [signalScale(logsnr), noiseScale(logsnr)];
  if (prediction === "v_prediction") return tf.add(tf.mul(signal, output), tf.mul(noise, z));
  return tf.div(tf.sub(z, tf.mul(signal, output)), noise);
}

/** Descriptions are small and shallow. */
const MAX_JSON_BYTES = 1_000_000;
const MAX_JSON_DEPTH = 10;

async function readJson(path: string): Promise<unknown> {
  try {
    const { size } = await Deno.stat(path);
    if (size > MAX_JSON_BYTES) throw new UserError(`${path} has ${size} bytes, too many for a configuration.`);
    const value = JSON.parse(await Deno.readTextFile(path));
    if (!isFlat(value, MAX_JSON_DEPTH)) {
      throw new UserError(`Cannot read ${path}: its values nest too deeply. Check the path of the configuration.`);
    }
    return value;
  } catch (error) {
    if (error instanceof UserError) throw error;
    const what = error instanceof SyntaxError
      ? "it is not valid JSON"
      : error instanceof Deno.errors.NotFound
      ? "there is no such file"
      : messageOf(error);
    throw new UserError(`Cannot read ${path}: ${what}. Check the path of the configuration.`, { cause: error });
  }
}

function isFlat(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return depth > 0 && Object.values(value).every((part) => isFlat(part, depth - 1));
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
