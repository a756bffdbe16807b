/**
 * Pretrained models in diffusers' form, from a folder or the Hugging Face hub.
 *
 * @module
 */
import { basename, dirname, join } from "node:path";
import { download } from "../io/download.ts";
import { explainHubError, HubError } from "./hub_error.ts";
import { isThere, modelFolder, placeBlob, readRef, snapshotFolder, writeRef } from "./model_cache.ts";
import { chooseModelPaths, findModelFiles, type ModelFiles, placePaths, readIndex } from "./model_files.ts";
import { isModelName, type ModelId, parseModelId } from "./model_id.ts";
import { authorisation, describeFile, listModel } from "./repository.ts";
import { type HubOptions, hubSettings } from "./settings.ts";
import { isIndex, isWeightsName } from "./weight_names.ts";

export { HubError, SeveralVariantsError } from "./hub_error.ts";
export { FACTS, findModelFiles, type ModelFiles } from "./model_files.ts";
export { type FileProgress, type HubOptions, hubOptionsOf } from "./settings.ts";

/** The most bytes of a file whose size the hub does not tell: configurations are small. */
const MAX_JSON_BYTES = 1_000_000;
const MAX_WEIGHT_BYTES = 16e9;

/** A model of the hub in the cache. */
export interface FetchedModel extends ModelFiles {
  readonly id: string;
  /** The commit that the files are of. */
  readonly commit: string;
}

/**
 * The files of a model: of a folder, or with a file of weights in it, if there is one by that name, otherwise of the hub.
 *
 * @param name Its path, or what {@link fetchModel} takes.
 * @throws HubError if it is neither, and what else `fetchModel` throws.
 */
export async function locateModel(name: string, options: HubOptions = {}): Promise<ModelFiles> {
  const info = await Deno.stat(name).catch(() => undefined);
  if (info?.isDirectory || info && isWeightsName(basename(name))) return await findModelFiles(name);
  if (info) throw new HubError(`${name} is a file. Name the folder with its config.json, or a model on the hub.`);
  if (/^[.~/\\]|\\|^[A-Za-z]:/.test(name) || name.split("/").length > 2 || !isModelName(name.replace(/@.*$/, ""))) {
    throw new HubError(`There is no folder ${name}, and no model on the hub has such a name. Check the path.`);
  }
  return await fetchModel(name, options);
}

/**
 * Brings what is needed of a diffusers U-Net from the hub to the cache: its config.json, scheduler_config.json if there
 * is one, and weights, in one file or in those that an index names. Files that the cache has are not fetched again; size and digest of the others are checked.
 *
 * @param name `organisation/name`, with `@revision` if it is not to be the newest.
 * @throws HubError if the hub, or offline the cache, has no such model, or it may not be seen.
 * @throws NetworkError if the hub cannot be reached, DownloadError if it sends something else, and StorageError if the
 * cache cannot be written.
 */
export async function fetchModel(name: string, options: HubOptions = {}): Promise<FetchedModel> {
  const settings = hubSettings(options), model = parseModelId(name, options.revision);
  const folder = modelFolder(settings.cache, model);
  if (settings.offline) return await cachedModel(folder, model, settings.cache);

  const { commit, paths } = await listModel(model, settings);
  const chosen = chooseModelPaths(paths, model.id), { config, scheduler, weights, facts } = chosen;
  const snapshot = snapshotFolder(folder, commit);
  const bring = async (path: string) => {
    if (await isThere(join(snapshot, path))) return;
    const { onProgress, signal } = options, { token, endpoint } = settings, exact = { id: model.id, revision: commit };
    const { url, etag, size, digest } = await describeFile(exact, path, settings);
    const blob = join(folder, "blobs", etag);
    try {
      await download(url, blob, {
        ...settings.retry,
        size,
        ...(digest.length > 0 ? { digest } : {}),
        maxBytes: path.endsWith(".json") ? MAX_JSON_BYTES : MAX_WEIGHT_BYTES,
        headers: authorisation(token),
        onProgress: onProgress && (({ done, total }) => onProgress({ file: path, done, total })),
        signal,
      });
    } catch (error) {
      throw explainHubError(error, { ...exact, endpoint, token }, path);
    }
    await placeBlob(blob, join(snapshot, path));
  };
  for (const path of [config, scheduler, facts, weights]) if (path !== undefined) await bring(path);
  let shards = [weights];
  if (isIndex(weights)) {
    shards = (await readIndex(join(snapshot, weights))).map((path) => join(dirname(weights), basename(path)));
    for (const path of shards) {
      if (!paths.includes(path)) {
        throw new HubError(`${weights} of ${model.id} names ${path}, which the model does not have. Name another one.`);
      }
    }
    for (const path of shards) await bring(path);
  }
  // The name leads to the commit only now that all of it is there.
  await writeRef(folder, model.revision, commit);
  return {
    id: model.id,
    commit,
    ...placePaths(snapshot, chosen),
    shards: shards.map((path) => join(snapshot, path)),
  };
}

async function cachedModel(folder: string, model: ModelId, cache: string): Promise<FetchedModel> {
  const { id, revision } = model, commit = await readRef(folder, revision);
  try {
    return { id, commit, ...await findModelFiles(snapshotFolder(folder, commit || "none"), id) };
  } catch (error) {
    const at = revision === "main" ? "" : ` at "${revision}"`;
    throw new HubError(
      `The cache ${cache} does not have all of ${id}${at}, and HF_HUB_OFFLINE forbids to fetch it. ` +
        "Unset it, or name a folder with the model.",
      { cause: error },
    );
  }
}
