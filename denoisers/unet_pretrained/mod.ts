/**
 * The U-Net of diffusers' `UNet2DModel`: pretrained, from a folder or the Hugging Face hub, or from scratch.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { dirname, relative, resolve, sep } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { noiseScale, perSample, signalScale } from "../../core/diffusion/channel.ts";
import { UserError } from "../../core/errors/user_error.ts";
import { DESCRIPTION_BOUNDS, parseBoundedJson, readBoundedJson } from "../../core/io/bounded_json.ts";
import { MAX_PARAMETERS } from "../../core/layers/parameter_limit.ts";
import type { CreateContext, DataInfo, Denoiser, LoadContext, OptionValues } from "../../core/plugins/contracts.ts";
import { type HostTensors, sizeOf } from "../../core/data/tensors.ts";
import { classInputOf, withClasses } from "./classes.ts";
import { DDPM_CIFAR10, parseUnetConfig, type UnetConfig } from "./config.ts";
import { halvings, initParams, parameterCount, parameterShapes, unet, zeroParams } from "./network.ts";
import { DDPM_SCHEDULE, parseSchedule, type Schedule, withPredictionType } from "./schedule.ts";
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

/** One class is given by a table of embeddings, `num_class_embeds`, or as `class_embed_type` says. */
export const conditional = true;

/** The most parameters of a checkpoint, which a fine-tuned model may have more of. */
const MAX_SAVED = 2 ** 30;

/**
 * Makes the denoiser ε̂(z, α): the U-Net at the time step whose noise level is that of the log SNR.
 *
 * @throws {UserError} When the model cannot be had, is not supported, or does not fit the data.
 */
export async function create(
  { shape, condition }: DataInfo,
  values: OptionValues = {},
  { saved, training = false, ...context }: CreateContext = {},
): Promise<Denoiser> {
  requireImages(shape);
  const source = saved
    ? savedModel(saved)
    : values.fromScratch
    ? await newModel(values, shape)
    : await pretrainedModel(String(values.weights ?? PRETRAINED), context);
  const { json: described, isAdded } = withClasses(source.config, condition);
  const config = parseUnetConfig(described, source.name);
  const inputOf = classInputOf(config.classes, condition, config.timeEmbeddingDim, source.name);
  const schedule = parseSchedule(source.scheduler, source.schedulerName);
  requireFit(config, shape, source.name);
  requireRoom(config, source);
  for (const note of source.notes) context.onNote?.(note);
  if (!saved && !values.fromScratch) context.onNote?.(scheduleNote(source, schedule));
  if (training && source.range) {
    const [low, high] = source.range;
    context.onNote?.(
      `range: the model was trained on values from ${low} to ${high}; give the same by --range ${low},${high}`,
    );
  }
  if (training && config.dropout > 0) context.onNote?.(`dropout ${config.dropout} is left out of training`);
  const read = source.readWeights && await source.readWeights();
  const weights = read && matchWeights(config, isAdded ? { ...emptyTable(config), ...read } : read, source.name);
  if (isAdded && read) context.onNote?.(`classes: ${source.name} has none, so that it begins with a table of zeros`);
  return {
    shapes: Object.fromEntries(parameterShapes(config)),
    schedule: schedule.diffusion,
    // Of what a checkpoint has, the names and shapes alone are looked at.
    init: (random) => weights ?? (saved ? zeroParams(config) : initParams(config, random)),
    predict(params, z, logsnr, known) {
      const classes = inputOf?.(known, z.shape[0]);
      const output = unet(config, params, z, schedule.timestep(logsnr), classes);
      return epsilon(schedule, output, z, perSample(logsnr, z.rank));
    },
    form: {
      weights: WEIGHTS,
      files: { [CONFIG]: json(described), [SCHEDULER]: json(withPredictionType(source.scheduler, schedule)) },
    },
  };
}

/** Classes of a U-Net that had none, to which nothing is added yet. */
function emptyTable({ classes, timeEmbeddingDim }: UnetConfig): HostTensors {
  const rows = classes?.kind === "table" ? classes.count : 0, shape = [rows, timeEmbeddingDim];
  return { "class_embedding.weight": { shape, data: new Float32Array(sizeOf(shape)) } };
}

/** A model's parts, and what they are called in messages. */
interface Source {
  readonly name: string;
  readonly config: unknown;
  readonly schedulerName: string;
  readonly scheduler: unknown;
  /** What the scheduler's file is of, for the user; none where there is no file. */
  readonly scheduledBy?: string;
  readonly notes: readonly string[];
  /** The values that became -1 and 1 in the data that it was trained on, where its export says them. */
  readonly range?: readonly [number, number];
  /** The most parameters that it may have, and what to do where it has more; what has weights is held to these. */
  readonly limit?: { readonly parameters: number; readonly advice: string };
  /** Of a pretrained model. */
  readonly readWeights?: () => Promise<HostTensors>;
}

async function pretrainedModel(name: string, context: LoadContext): Promise<Source> {
  const [{ hubOptionsOf, locateModel }, { readWeightFiles }, { readFacts }] = await Promise.all([
    import("../../core/hub/mod.ts"),
    import("../../core/io/weights.ts"),
    import("../../core/export/facts.ts"),
  ]);
  const files = await locateModel(name, hubOptionsOf(context));
  const { range } = files.facts === undefined ? {} : await readFacts(files.facts);
  return {
    name: files.config,
    config: await readBoundedJson(files.config, DESCRIPTION_BOUNDS),
    schedulerName: files.scheduler ?? "the default schedule",
    scheduler: files.scheduler === undefined
      ? DDPM_SCHEDULER
      : await readBoundedJson(files.scheduler, DESCRIPTION_BOUNDS),
    ...(files.scheduler === undefined ? {} : { scheduledBy: schedulerOwner(name, files.scheduler) }),
    notes: files.notes,
    ...(range ? { range } : {}),
    readWeights: () => readWeightFiles(files.shards),
  };
}

/** What a scheduler is called: by the user's name of the model, or of the pipeline that it is the network of. */
function schedulerOwner(name: string, scheduler: string): string {
  if (!existsSync(name)) return name;
  const isBeside = !resolve(scheduler).startsWith(resolve(name) + sep);
  const path = resolve(isBeside ? dirname(dirname(scheduler)) : name), short = relative(Deno.cwd(), path);
  return short && !short.startsWith("..") ? short : path;
}

/** Which schedule is used, or what is assumed where the model has none. */
function scheduleNote({ scheduledBy }: Source, { summary }: Schedule): string {
  return scheduledBy === undefined
    ? `schedule: assumed, as the model has no ${SCHEDULER}: ${summary}`
    : `schedule: ${SCHEDULER} of ${scheduledBy}, ${summary}`;
}

/** Refuses, before anything is allocated, more parameters than are meant. */
function requireRoom(config: UnetConfig, { name, limit }: Source): void {
  const count = parameterCount(config);
  if (!limit || count <= limit.parameters) return;
  const [shown, most] = [count, limit.parameters].map((n) => n.toLocaleString("en"));
  throw new UserError(
    `${name} describes a U-Net of ${shown} parameters, but at most ${most} are made. ${limit.advice}`,
  );
}

function savedModel(saved: NonNullable<CreateContext["saved"]>): Source {
  const parse = (name: string) => {
    try {
      return parseBoundedJson(new TextEncoder().encode(saved[name] ?? ""), DESCRIPTION_BOUNDS, name);
    } catch (error) {
      throw new UserError(`The checkpoint's ${name} is missing or not valid JSON. Use another checkpoint.`, {
        cause: error,
      });
    }
  };
  return {
    name: `the checkpoint's ${CONFIG}`,
    config: parse(CONFIG),
    schedulerName: `the checkpoint's ${SCHEDULER}`,
    scheduler: parse(SCHEDULER),
    notes: [],
    limit: { parameters: MAX_SAVED, advice: "Use another checkpoint." },
  };
}

async function newModel({ config, channels }: OptionValues, shape: readonly number[]): Promise<Source> {
  const path = String(config ?? "");
  if (path !== "" && channels) {
    throw new UserError("--config and --channels both describe the U-Net. Give one of them.");
  }
  const images = { in_channels: shape[0], out_channels: shape[0], sample_size: shape[1] };
  const given = path === ""
    ? { ...DDPM_CIFAR10, ...images, ...levels(String(channels ?? "")) }
    : await readBoundedJson(path, DESCRIPTION_BOUNDS);
  return {
    name: path || "the U-Net from scratch",
    config: given,
    schedulerName: "the default schedule",
    scheduler: DDPM_SCHEDULER,
    notes: [],
    limit: { parameters: MAX_PARAMETERS, advice: "Give it fewer channels or layers." },
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

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
