import type { BackendChoice } from "../engine/mod.ts";
import { defaultThreads, startEngine } from "../engine/start.ts";
import type { OwnRows } from "../model/internals.ts";
import { createModel, type Model } from "../model/model.ts";
import type { DenoiserPlugin, LoadContext } from "../plugins/contracts.ts";
import { trustOfProgram } from "../plugins/trust.ts";
import { ownData } from "./evaluation_data.ts";
import { openRun } from "./open_run.ts";
import type { UsableModel } from "./open_usable.ts";

/** How a saved model is loaded. */
export interface LoadOptions extends Pick<LoadContext, "onNote"> {
  /** What runs the tensors; what it was trained on if left out. */
  readonly backend?: BackendChoice | undefined;
  /** Threads, the processor's if left out, at most 4. */
  readonly threads?: number | undefined;
  /** The plugin that a program gave when the model was fitted, which cannot be found by a name. */
  readonly denoiser?: DenoiserPlugin;
  /**
   * Paths and URLs of plugins from outside the project that may be run where the run's configuration names them. Without
   * this such code is refused: a run is data.
   */
  readonly trust?: readonly string[];
}

/** A model of a run's folder. */
export interface LoadedModel extends Model {
  /** The run's folder. */
  readonly folder: string;
  /** The epochs that it has seen. */
  readonly epoch: number;
  /** Why it is this backend that runs it, where that was left open: a clause without a full stop. */
  readonly backendReason?: string;
}

/**
 * Loads a model that a task trained, or that {@linkcode saveModel} saved.
 *
 * @param path The folder of a run, or of one of its checkpoints.
 * @throws {UserError} When it is no run, has no checkpoint, something in it is damaged, or it names code to run that is
 * not trusted.
 */
export async function loadModel(path: string, options: LoadOptions = {}): Promise<LoadedModel> {
  const { denoiser: given, trust = [], onNote } = options;
  const opened = await openRun(path, { given, trust: trustOfProgram(trust) }, onNote ? { onNote } : {});
  // Rows of a program are not kept with its model.
  return await startModel(opened, options, opened.config.dataset === "" ? undefined : () => ownData(opened));
}

/** The model of a run, or of weights, that is opened. @param ownRows The data that it was trained on, where that is asked for. */
export async function startModel(
  { denoiser, params, info, proposal, config, folder, epoch }: UsableModel,
  { backend, threads = defaultThreads() }: Pick<LoadOptions, "backend" | "threads"> = {},
  ownRows?: OwnRows,
): Promise<LoadedModel> {
  const { engine, reason } = await startEngine(backend ?? config.backend, threads, info.shape);
  const { evalBatchSize } = config;
  return {
    ...createModel({ engine, denoiser, params, info, proposal, evalBatchSize, ownRows }),
    ...{ folder: folder.path, epoch },
    ...(reason === undefined ? {} : { backendReason: reason }),
  };
}
