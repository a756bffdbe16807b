import configuration from "../../deno.json" with { type: "json" };
import type { Proposal } from "../diffusion/logsnr.ts";
import { type Engine, EngineError } from "../engine/mod.ts";
import { type StartedEngine, startEngine } from "../engine/start.ts";
import { UserError } from "../errors/user_error.ts";
import { autoProposal } from "../evaluation/auto_proposal.ts";
import { requireSameSettings } from "../mpi/agree.ts";
import type { Ranks } from "../mpi/ranks.ts";
import type { CreateContext, DataInfo, Dataset, Denoiser, DenoiserPlugin } from "../plugins/contracts.ts";
import { checkParams } from "../plugins/load.ts";
import type { Random } from "../random/random.ts";
import { fitGaussian } from "../reference/gaussian.ts";
import { sizeOf } from "../data/tensors.ts";
import type { TrainingSettings } from "../training/settings.ts";
import { createTraining, type Training, type TrainingSnapshot } from "../training/train.ts";
import type { FitSettings } from "./settings.ts";

/** Settings with nothing left open. */
export type ResolvedSettings<S extends FitSettings = FitSettings> = S & {
  readonly logsnrLoc: number;
  readonly logsnrScale: number;
};

/** A training that is ready for its first step. */
export interface BegunTraining<S extends FitSettings = FitSettings> {
  readonly config: ResolvedSettings<S>;
  readonly info: DataInfo;
  readonly proposal: Proposal;
  readonly settings: TrainingSettings;
  readonly engine: Engine;
  /** Why it is this engine, where that was left open. */
  readonly engineReason?: string;
  readonly denoiser: Denoiser;
  readonly training: Training;
}

/** What a training begins with besides its settings. */
export interface BeginOptions {
  /** What to call the data in messages. */
  readonly dataName: string;
  readonly ranks: Ranks;
  /** Values of the samples whose gradient is computed at once, at most. */
  readonly microBatchValues: number;
  readonly context?: CreateContext;
  /** What it goes on from. */
  readonly from?: TrainingSnapshot;
  /** An engine that is started already. */
  readonly started?: StartedEngine;
}

/**
 * Fits the data's Gaussian, makes the denoiser, chooses the log SNRs and compiles the training.
 *
 * @param random Decides, with the settings, every number of the training.
 * @throws {UserError} When the data, the denoiser and the settings do not fit each other.
 */
export async function beginTraining<S extends FitSettings>(
  data: Dataset,
  plugin: DenoiserPlugin & { readonly name: string },
  config: S,
  random: Random,
  { dataName, ranks, microBatchValues, context = {}, from, started }: BeginOptions,
): Promise<BegunTraining<S>> {
  const rows = data.train.count;
  if (config.batchSize > rows) {
    throw new UserError(
      `--batch-size is ${config.batchSize}, but the data set ${dataName} has ${rows} training samples. ` +
        `Give at most ${rows}.`,
    );
  }
  const gaussian = fitGaussian(data.train);
  const info = { shape: data.shape, gaussian };
  const made = await plugin.create(info, config.denoiserOptions, context);
  ranks.stop.throwIfAborted();
  const denoiser = {
    ...made,
    init: (r: Random) => checkParams(plugin.name, made.init(r)),
    predict: made.predict.bind(made),
  };
  const { logsnrLoc, logsnrScale } = config;
  const automatic = logsnrLoc === "auto" || logsnrScale === "auto"
    ? autoProposal(data.train, gaussian, random.split("proposal"))
    : undefined;
  const proposal = {
    loc: logsnrLoc === "auto" ? automatic!.loc : logsnrLoc,
    scale: logsnrScale === "auto" ? automatic!.scale : logsnrScale,
  };
  const fitting = Math.max(1, Math.floor(microBatchValues / sizeOf(data.shape)));
  const microBatchSize = Math.min(config.batchSize, config.microBatchSize || fitting);
  const settings: TrainingSettings = {
    recipe: { decay: config.decay, estimator: config.estimator, ...(config.ema > 0 ? { ema: config.ema } : {}) },
    proposal,
    adaptiveProposal: config.proposal === "adaptive",
    epochs: config.epochs,
    batchSize: config.batchSize,
    microBatchSize,
    precision: config.precision,
    learningRate: config.learningRate,
    evalBatchSize: config.evalBatchSize,
    validationLevels: config.validationLevels,
    validationSamples: config.validationSamples || Infinity,
  };
  ranks.stop.throwIfAborted();
  const { engine, reason } = started ?? await startEngine(config.backend, config.threads, data.shape);
  if (!engine.precisions.includes(config.precision)) {
    throw new EngineError(
      `--precision is ${config.precision}, which the backend ${engine.backend} does not have. ` +
        "Leave it out, or use onnx-webgpu or onnx-cuda.",
    );
  }
  const resolved = { ...config, microBatchSize, logsnrLoc: proposal.loc, logsnrScale: proposal.scale };
  await requireSameSettings(ranks, {
    ...{ config: { ...resolved, threads: 0 }, version: configuration.version, step: from?.step ?? 0 },
    data: [data.shape, data.train.count, data.validation.count, [...gaussian.mean], [...gaussian.eigenvalues]],
  });
  const training = await createTraining(engine, denoiser, data, info, settings, random.split("training"), {
    ...(from ? { from } : {}),
    ranks,
  });
  return {
    ...{ config: resolved, info, proposal, settings, engine, denoiser, training },
    ...(reason === undefined ? {} : { engineReason: reason }),
  };
}
