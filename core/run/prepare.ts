import { join, resolve } from "node:path";
import { Progress, takeNotes } from "../cli/mod.ts";
import { startEngine } from "../engine/start.ts";
import { type Condition, describeCondition } from "../data/condition.ts";
import { UserError } from "../errors/user_error.ts";
import { type Checkpoint, latestCheckpoint, loadCheckpoint, removeOtherCheckpoints } from "../io/checkpoints.ts";
import { type Lock, lockFolder } from "../io/lock.ts";
import { removeLeftovers } from "../io/temporary.ts";
import { PARTS } from "../evaluation/scatter.ts";
import { beginTraining, type BegunTraining } from "../model/begin_training.ts";
import type { Ranks } from "../mpi/ranks.ts";
import { type Dataset, type LoadContext, referenceOf } from "../plugins/contracts.ts";
import { storedOptions } from "../options/stored.ts";
import { Random } from "../random/random.ts";
import type { AdaptiveState } from "../training/proposal_learner.ts";
import type { BestEpoch, TrainingSnapshot } from "../training/train.ts";
import { noteThreads } from "./backend.ts";
import type { RunConfig, RunRequest } from "./config.ts";
import { digestOfData, readDataInfo, type RunDataInfo, writeDataInfo } from "./data_info.ts";
import { RunFolder } from "./folder.ts";

/** A run ready to train. */
export interface PreparedRun extends BegunTraining<RunConfig> {
  readonly data: Dataset;
  readonly random: Random;
  readonly folder: RunFolder;
  /** That of the folder, which a process has until it ends; of several ranks the first one has it. */
  readonly lock?: Lock;
  /** The checkpoint that a resumed run goes on from; none where it has none yet. */
  readonly from?: Checkpoint;
  readonly isResumed: boolean;
  readonly ranks: Ranks;
  /** What was said to the user while the data and the denoiser were loaded. */
  readonly notes: readonly string[];
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
  const isFirst = ranks.rank === 0;
  // From before its checkpoint is read.
  const lock = isFirst && request.resumed ? await lockFolder(request.resumed.path) : undefined;
  try {
    if (lock) { for (const path of ["", "figures"]) await removeLeftovers(request.resumed!.file(path)); }
    const prepared = await prepare(request, supports, ranks);
    return { ...prepared, ...(lock ? { lock } : {}) };
  } catch (error) {
    lock?.[Symbol.dispose]();
    throw error;
  }
}

async function prepare(
  request: RunRequest,
  supports: (data: Dataset) => string | undefined,
  ranks: Ranks,
): Promise<PreparedRun> {
  const isFirst = ranks.rank === 0;
  using progress = new Progress({ quiet: request.quiet || !isFirst });
  const { notes, onNote } = takeNotes(progress);
  const config = checkedConfig(request, onNote);
  const random = Random.fromSeed(config.seed);
  const latest = request.resumed && await latestCheckpoint(request.resumed.path);
  const checkpoint = latest === undefined ? undefined : await loadCheckpoint(latest);
  // A process that was killed while it removed an older one has left a part of it.
  if (latest !== undefined && isFirst) await removeOtherCheckpoints(latest);
  // A backend that is missing is told before data is fetched.
  const started = config.backend === "auto" ? undefined : await startEngine(config.backend, config.threads, []);
  const context: LoadContext = {
    signal: ranks.stop,
    onNote,
    onProgress({ label, done, total }) {
      if (total !== undefined) progress.update({ label: `${label}, MB`, done: done / 1e6, total: total / 1e6 });
    },
  };
  const data = await request.dataset.load(random.split("data"), config.datasetOptions, context);
  ranks.stop.throwIfAborted();
  const unsupported = supports(data);
  if (unsupported) throw new UserError(`The data set ${request.dataset.name} ${unsupported}`);
  const saved = await savedInfo(request);
  const digest = digestOfData(data);
  if (!request.dataChanged) requireSameData(request, saved, digest);
  if (saved) requireSameCondition(request, saved, data);
  const from: TrainingSnapshot | undefined = checkpoint && {
    step: checkpoint.step,
    epoch: checkpoint.epoch,
    nllSum: finite(checkpoint.state.nllSum),
    ...(checkpoint.state.best === undefined ? {} : { best: bestEpoch(checkpoint.state.best) }),
    model: checkpoint.model,
    training: checkpoint.training,
    ...(config.proposal === "adaptive" ? { adaptive: adaptiveState(checkpoint.state.adaptive) } : {}),
  };
  const begun = await beginTraining(data, request.denoiser, config, random, {
    dataName: request.dataset.name,
    ranks,
    microBatchValues: request.microBatchValues,
    context: { ...context, ...(checkpoint?.form ? { saved: checkpoint.form.files } : {}) },
    ...(from ? { from } : {}),
    ...(saved ? { gaussian: saved.gaussian } : {}),
    ...(saved && config.reference !== "none" ? { reference: referenceOf(saved) } : {}),
    ...(started ? { started } : {}),
  });
  noteThreads(request.threads, begun.engine, onNote);
  progress.finish();
  ranks.stop.throwIfAborted();
  const { folder, lock } = await folderOf(request, isFirst);
  try {
    await writeDataInfo(folder, begun.info, data, digest);
    await folder.writeJson("config.json", begun.config);
  } catch (error) {
    lock?.[Symbol.dispose]();
    throw error;
  }
  return {
    ...{ ...begun, data, random, folder, ranks, notes, isResumed: request.resumed !== undefined },
    ...(checkpoint ? { from: checkpoint } : {}),
    ...(lock ? { lock } : {}),
  };
}

/** @throws {UserError} When a run that goes on would see other samples than those that it began with. */
function requireSameData({ resumed, dataset }: RunRequest, saved: RunDataInfo | undefined, digest: string): void {
  // Runs of earlier versions do not say what they began with.
  if (!resumed || saved?.digest === undefined || saved.digest === digest) return;
  throw new UserError(
    `The data of ${dataset.name} has changed since the run in ${resumed.path} began: expected samples with the digest ` +
      `${shortened(saved.digest)}, got ${
        shortened(digest)
      }. Restore them, or go on with those of now by --data-changed.`,
  );
}

/** @throws {UserError} When what is known of the samples is not what the run's network was told. */
function requireSameCondition({ dataset }: RunRequest, saved: RunDataInfo, data: Dataset): void {
  const shapeOf = (condition: Condition | undefined) =>
    JSON.stringify(
      condition?.map((own) => [own.name, own.kind, own.kind === "class" ? [own.levels, own.names ?? 0] : 0]),
    );
  if (shapeOf(saved.condition) === shapeOf(data.condition)) return;
  const said = (condition: Condition | undefined) => condition ? describeCondition(condition) : "nothing";
  throw new UserError(
    `The run was given ${said(saved.condition)}, but the data of ${dataset.name} now says ${said(data.condition)}. ` +
      "Restore the data, or start a new run.",
  );
}

function shortened(digest: string): string {
  return digest.slice(0, "sha1:".length + 8);
}

/** The configuration, of which a run that goes on has what a file keeps. @throws {UserError} For a value out of range. */
function checkedConfig(
  { config, resumed, dataset, denoiser }: RunRequest,
  onNote: (note: string) => void,
): RunConfig {
  if (!resumed) return config;
  const source = resumed.file("config.json");
  const { denoiserOptions, datasetOptions } = config;
  return {
    ...config,
    denoiserOptions: storedOptions(source, `denoiser ${denoiser.name}`, denoiser.options, denoiserOptions, onNote),
    datasetOptions: storedOptions(source, `data set ${dataset.name}`, dataset.options, datasetOptions, onNote),
  };
}

/**
 * What a run that goes on knows of its data: its network corrects the Gaussian and the reference that it began with. A
 * run without a reference may know nothing, and has the Gaussian fitted.
 */
async function savedInfo({ resumed, config }: RunRequest): Promise<RunDataInfo | undefined> {
  if (!resumed) return undefined;
  try {
    return await readDataInfo(resumed);
  } catch (error) {
    if (config.reference === "none" && error instanceof UserError) return undefined;
    throw error;
  }
}

/** The run's folder, with its lock where it is new. */
async function folderOf(
  { resumed, out, name }: RunRequest,
  isFirst: boolean,
): Promise<{ folder: RunFolder; lock?: Lock }> {
  if (isFirst) return resumed ? { folder: resumed } : await RunFolder.create(out, name);
  return { folder: (resumed ?? new RunFolder(resolve(out ?? join("runs", name)))).unwritten() };
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

function bestEpoch(value: unknown): BestEpoch {
  const { epoch, nll, own = { epoch, nll } } = value as Partial<BestEpoch>;
  return { epoch: finite(epoch), nll: finite(nll), own: { epoch: finite(own.epoch), nll: finite(own.nll) } };
}

function finite(value: unknown): number {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new UserError("The checkpoint's state lacks a number; it was not made by a training run.");
}
