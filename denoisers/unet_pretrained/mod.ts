/**
 * The U-Net of diffusers' `UNet2DModel`: pretrained, from a folder or the Hugging Face hub, or from scratch.
 *
 * @module
 */
import { UserError } from "../../core/errors/user_error.ts";
import { DRAWS_BELOW, dropout, dropoutDraws } from "../../core/layers/dropout.ts";
import { pythonJson } from "../../core/io/python_json.ts";
import type { CreateContext, DataInfo, Denoiser, OptionValues, Tensor } from "../../core/plugins/contracts.ts";
import { type HostTensors, sizeOf } from "../../core/data/tensors.ts";
import { classInputOf, withClasses } from "./classes.ts";
import { mirrorsOnePixel } from "./consistency.ts";
import { parseUnetConfig, type UnetConfig } from "./config.ts";
import { halvings, initLayers, initParams, parameterCount, parameterShapes, zeroParams } from "./network.ts";
import { prediction } from "./prediction.ts";
import { parseSchedule, type Schedule, withPredictionType } from "./schedule.ts";
import { requireRoom, sizeNote } from "./size.ts";
import { CONFIG, newModel, pretrainedModel, savedModel, SCHEDULER, type Source } from "./source.ts";
import { matchWeights } from "./weights.ts";

/** What the weights of a pretrained model are where none are named. */
const PRETRAINED = "google/ddpm-cifar10-32";

const WEIGHTS = "diffusion_pytorch_model.safetensors";

export const options = {
  weights: {
    default: PRETRAINED,
    path: true,
    help: "Pretrained model: a folder, a file of weights in one, or a name on the Hugging Face hub.",
  },
  fromScratch: { default: false, help: "Start from random weights." },
  config: {
    default: "",
    path: true,
    help: "config.json of the U-Net to train from scratch (default: that of google/ddpm-cifar10-32).",
  },
  channels: { default: "", help: "Its channels by level, as 64,128; attention at the second level." },
  dropout: {
    default: "",
    help:
      "Share of a residual block's values that are dropped in training, from 0 to 1 (default: as config.json has it).",
  },
} as const;

/** One class is given by a table of embeddings, `num_class_embeds`, or as `class_embed_type` says. */
export const conditional = true;

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
  const { json: described, isAdded } = withClasses(withDropout(source.config, values.dropout), condition);
  const config = parseUnetConfig(described, source.name);
  const inputOf = classInputOf(config.classes, condition, config.timeEmbeddingDim, source.name, config.timeEmbedding);
  const schedule = parseSchedule(source.scheduler, source.schedulerName);
  requireFit(config, shape, source.name);
  requireSteps(config, schedule, source);
  requireRoom(parameterCount(config), source, training);
  for (const note of source.notes) context.onNote?.(note);
  // Of a training that goes on too, as its summary tells what the uninterrupted one's does.
  if (!saved || training) {
    if (!values.fromScratch) context.onNote?.(scheduleNote(source, schedule));
    context.onNote?.(sizeNote(parameterCount(config), training));
  }
  if (!saved && config.ignored.length > 0) {
    context.onNote?.(`config: passed over, as diffusers does: ${config.ignored.join(", ")}`);
  }
  if (training && source.range) {
    const [low, high] = source.range;
    context.onNote?.(
      `range: the model was trained on values from ${low} to ${high}; give the same by --range ${low},${high}`,
    );
  }
  if (training && config.dropout > 0) context.onNote?.(`dropout: ${config.dropout}, in training alone`);
  // Without what it says of a variance the numbers have no meaning.
  const learned = config.outChannels > config.inChannels ? schedule.learned : undefined;
  if (config.outChannels > config.inChannels) {
    context.onNote?.(
      learned
        ? `variance: the network's own, ${learned}, is used by the estimator elbo alone`
        : "variance: the network's own is not used, only the mean that it predicts",
    );
  }
  const read = source.readWeights && await source.readWeights();
  const weights = read && matchWeights(config, isAdded ? { ...emptyTable(config), ...read } : read, source.name);
  if (isAdded && read) context.onNote?.(`classes: ${source.name} has none, so that it begins with a table of zeros`);
  const predict = (params: Record<string, Tensor>, z: Tensor, logsnr: Tensor, known?: Tensor, draws?: Tensor) => {
    const drop = draws && dropout(draws, ...dropped, config.dropout);
    return prediction(config, schedule, params, z, logsnr, inputOf?.(known, z.shape[0]), drop);
  };
  const dropped = [Math.max(...config.levels.map(({ channels }) => channels)), shape[1] * shape[2]] as const;
  return {
    shapes: Object.fromEntries(parameterShapes(config)),
    ...(schedule.diffusion ? { schedule: { ...schedule.diffusion, ...(learned ? { learned } : {}) } } : {}),
    ...(learned
      ? {
        stepVariance: (params, z, logsnr, known) => {
          const { epsHat, v } = predict(params, z, logsnr, known);
          return { epsHat, v: v! };
        },
      }
      : {}),
    ...(weights ? { isPretrained: true } : {}),
    // Of what a checkpoint has, the names and shapes alone are looked at.
    init: (random) => weights ?? (saved ? zeroParams(config) : initParams(config, random)),
    ...(weights || saved ? {} : { initEach: (random) => initLayers(config, random) }),
    predict: (params, z, logsnr, known) => predict(params, z, logsnr, known).epsHat,
    ...(config.dropout > 0
      ? {
        training: {
          draws: dropoutDraws(...dropped),
          below: DRAWS_BELOW,
          predict: (params, z, logsnr, draws, known) => predict(params, z, logsnr, known, draws).epsHat,
        },
      }
      : {}),
    form: {
      weights: WEIGHTS,
      files: { [CONFIG]: json(described), [SCHEDULER]: json(withPredictionType(source.scheduler, schedule)) },
    },
  };
}

/** A configuration with the share that is given, or as it is where none is. @throws {UserError} For what is none. */
function withDropout(config: unknown, value: OptionValues[string] = ""): unknown {
  if (value === "" || typeof config !== "object" || config === null) return config;
  const dropout = Number(value);
  if (!(dropout >= 0 && dropout <= 1)) {
    throw new UserError(`--dropout is ${value}, expected a number from 0 to 1, as 0.1.`);
  }
  return { ...config, dropout };
}

/** Classes of a U-Net that had none, to which nothing is added yet. */
function emptyTable({ classes, timeEmbeddingDim }: UnetConfig): HostTensors {
  const rows = classes?.kind === "table" ? classes.count : 0, shape = [rows, timeEmbeddingDim];
  return { "class_embedding.weight": { shape, data: new Float32Array(sizeOf(shape)) } };
}

/** Which schedule is used, or what is assumed where the model has none. */
function scheduleNote({ scheduledBy }: Source, { summary }: Schedule): string {
  return scheduledBy === undefined
    ? `schedule: assumed, as the model has no ${SCHEDULER}: ${summary}`
    : `schedule: ${SCHEDULER} of ${scheduledBy}, ${summary}`;
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
  if (config.outChannels !== channels && config.outChannels !== 2 * channels) {
    throw new UserError(
      `out_channels is ${config.outChannels} in ${name}, expected the ${channels} of the images, or twice as many where a ` +
        "variance is learned. Choose another model.",
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
  if (mirrorsOnePixel(config, [height, width])) {
    throw new UserError(
      `The U-Net of ${name} mirrors its smallest images at their edges, but those of the data would have one pixel a side. ` +
        "Give images of twice the size.",
    );
  }
}

/** A table of time steps has to have the schedule's. */
function requireSteps({ timeEmbedding }: UnetConfig, { steps }: Schedule, { name, schedulerName }: Source): void {
  if (timeEmbedding.kind !== "learned" || steps !== undefined && steps <= timeEmbedding.steps) return;
  throw new UserError(
    `${name} has a table of ${timeEmbedding.steps} time steps, but ${schedulerName} has ${steps ?? "noise levels"}. ` +
      `Give num_train_timesteps as the schedule has it.`,
  );
}

function json(value: unknown): string {
  return `${pythonJson(value)}\n`;
}
