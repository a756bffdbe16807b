import { join, resolve } from "node:path";
import configuration from "../../deno.json" with { type: "json" };
import { Progress } from "../cli/mod.ts";
import { fitGaussian } from "../reference/gaussian.ts";
import type { Proposal } from "../diffusion/logsnr.ts";
import { type Engine, EngineError } from "../engine/mod.ts";
import { UserError } from "../errors/user_error.ts";
import { autoProposal } from "../evaluation/auto_proposal.ts";
import { checkParams } from "../plugins/load.ts";
import { requireSameSettings } from "../mpi/agree.ts";
import type { Ranks } from "../mpi/ranks.ts";
import type { DataInfo, Dataset, Denoiser, LoadContext } from "../plugins/contracts.ts";
import { Random } from "../random/random.ts";
import { sizeOf } from "../data/tensors.ts";
import { PARTS } from "../evaluation/scatter.ts";
import { createTraining, type Training, type TrainingSnapshot } from "../training/train.ts";
import type { AdaptiveState } from "../training/proposal_learner.ts";
import type { TrainingSettings } from "../training/settings.ts";
import { startEngine } from "./backend.ts";
import type { RunConfig, RunRequest } from "./config.ts";
import { writeDataInfo } from "./data_info.ts";
import { RunFolder } from "./folder.ts";

/** A run ready to train. */
export interface PreparedRun {
  readonly config: RunConfig & { readonly logsnrLoc: number; readonly logsnrScale: number };
  readonly data: Dataset;
  readonly info: DataInfo;
  readonly proposal: Proposal;
  readonly settings: TrainingSettings;
  readonly random: Random;
  readonly engine: Engine;
  /** Why it is this engine, where that was left open. */
  readonly engineReason?: string;
  readonly denoiser: Denoiser;
  readonly training: Training;
  readonly folder: RunFolder;
  readonly ranks: Ranks;
}

/**
 * Loads the data, makes the denoiser and compiles the training; only then is the run's folder made, so that a mistake
 * leaves nothing behind.
 *
 * @param ranks All prepare the same run; the first one's folder is written.
 * @param supports Says what is wrong with data that the task cannot show, or nothing.
 * @throws {UserError} When the data, the denoiser, the checkpoint or the folder are not usable.
 */
export async function prepareRun(
  request: RunRequest,
  supports: (data: Dataset) => string | undefined,
  ranks: Ranks,
): Promise<PreparedRun> {
  const { config } = request;
  const isFirst = ranks.rank === 0;
  const random = Random.fromSeed(config.seed);
  // A backend that is missing is told before data is fetched.
  const named = config.backend === "auto" ? undefined : await startEngine(config.backend, config.threads, []);
  using progress = new Progress({ quiet: request.quiet || !isFirst });
  const context: LoadContext = {
    onProgress({ label, done, total }) {
      if (total !== undefined) progress.update({ label: `${label}, MB`, done: done / 1e6, total: total / 1e6 });
    },
  };
  const data = await request.dataset.load(random.split("data"), config.datasetOptions, context);
  ranks.stop.throwIfAborted();
  const unsupported = supports(data);
  if (unsupported) throw new UserError(`The data set ${request.dataset.name} ${unsupported}`);
  const rows = data.train.count;
  if (config.batchSize > rows) {
    throw new UserError(
      `--batch-size is ${config.batchSize}, but the data set ${request.dataset.name} has ${rows} training samples. ` +
        `Give at most ${rows}.`,
    );
  }
  const gaussian = fitGaussian(data.train);
  const info = { shape: data.shape, gaussian };
  const checkpoint = request.resumed?.checkpoint;
  const made = await request.denoiser.create(info, config.denoiserOptions, {
    ...context,
    ...(checkpoint?.form ? { saved: checkpoint.form.files } : {}),
  });
  progress.finish();
  ranks.stop.throwIfAborted();
  const denoiser = {
    ...made,
    init: (r: Random) => checkParams(request.denoiser.name, made.init(r)),
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
  const fitting = Math.max(1, Math.floor(request.microBatchValues / sizeOf(data.shape)));
  const microBatchSize = Math.min(config.batchSize, config.microBatchSize || fitting);
  const settings = {
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
  const from: TrainingSnapshot | undefined = checkpoint && {
    step: checkpoint.step,
    epoch: checkpoint.epoch,
    nllSum: finite(checkpoint.state.nllSum),
    model: checkpoint.model,
    training: checkpoint.training,
    ...(config.proposal === "adaptive" ? { adaptive: adaptiveState(checkpoint.state.adaptive) } : {}),
  };
  ranks.stop.throwIfAborted();
  const { engine, reason } = named ?? await startEngine(config.backend, config.threads, data.shape);
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
  ranks.stop.throwIfAborted();
  const folder = await folderOf(request, isFirst);
  await writeDataInfo(folder, info, data);
  await folder.writeJson("config.json", resolved);
  return {
    ...{ config: resolved, data, info, proposal, settings, random, engine, denoiser, training, folder, ranks },
    ...(reason === undefined ? {} : { engineReason: reason }),
  };
}

async function folderOf({ resumed, out, name }: RunRequest, isFirst: boolean): Promise<RunFolder> {
  if (isFirst) return resumed?.folder ?? await RunFolder.create(out, name);
  return (resumed?.folder ?? new RunFolder(resolve(out ?? join("runs", name)))).unwritten();
}

/** What an adaptive proposal learned, as a checkpoint's state has it. */
function adaptiveState(value: unknown): AdaptiveState {
  const state = value as AdaptiveState | undefined;
  const areNumbers = (list: unknown, length: number | undefined) =>
    Array.isArray(list) && (length === undefined || list.length === length) && list.every(Number.isFinite);
  const { count, sum, squares } = state?.sums ?? {};
  const isWhole = [count, sum, squares].every((list) => areNumbers(list, PARTS)) &&
    areNumbers(state?.factors, undefined) &&
    state!.factors.length > 0 && state!.factors.every((f) => f > 0);
  if (isWhole) return state!;
  throw new UserError("The checkpoint's state has nothing of an adaptive proposal; it was made by another run.");
}

function finite(value: unknown): number {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new UserError("The checkpoint's state has no nllSum; it was not made by a training run.");
}
