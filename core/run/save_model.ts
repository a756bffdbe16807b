import { saveCheckpoint } from "../io/checkpoints.ts";
import type { FittedModel } from "../model/fit.ts";
import { internalsOf } from "../model/internals.ts";
import { writeDataInfo } from "./data_info.ts";
import { RunFolder } from "./folder.ts";
import { GIVEN } from "./given_denoiser.ts";
import { type RunConfig, SAVED_BY_PROGRAM } from "./config.ts";

/**
 * Saves a fitted model as a run's folder, which {@linkcode loadModel} and the tasks `nll`, `sample`, `diagnose` and `export`
 * open. The weights are `checkpoints/*\/model.safetensors`, under PyTorch's parameter names.
 *
 * @param path A folder that does not exist, or is empty.
 * @returns The folder's path.
 * @throws {UserError} When it holds something already or cannot be written.
 */
export async function saveModel(model: FittedModel, path: string): Promise<string> {
  const { settings, data, denoiserName, params, info, history } = model;
  const { denoiser } = internalsOf(model);
  const { folder, lock } = await RunFolder.create(path, path);
  using _lock = lock;
  const { step, epoch } = history[history.length - 1];
  const config: RunConfig = {
    ...settings,
    task: SAVED_BY_PROGRAM,
    dataset: data.source?.spec ?? "",
    datasetOptions: data.source?.options ?? {},
    denoiser: denoiserName ?? GIVEN,
  };
  await writeDataInfo(folder, info, info);
  await saveCheckpoint(folder.path, {
    ...{ epoch, step, model: params, training: {}, state: {} },
    ...(denoiser.form ? { form: denoiser.form } : {}),
  });
  // Last, since it makes the folder a run.
  await folder.writeJson("config.json", config);
  return folder.path;
}
