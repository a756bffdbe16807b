import { basename, dirname, join, resolve } from "node:path";
import { DESCRIPTION_BOUNDS, readBoundedJson } from "../io/bounded_json.ts";
import { HubError } from "./hub_error.ts";
import {
  chooseWeights,
  type ChosenWeights,
  isIndex,
  isWeightsName,
  namedWeights,
  shardsOf,
  WEIGHTS,
} from "./weight_names.ts";

/** The paths of the files of a diffusers model. */
export interface ModelPaths {
  /** The network's config.json. */
  readonly config: string;
  /** The noise schedule's scheduler_config.json, where there is one. */
  readonly scheduler: string | undefined;
  /** The network's weights: .safetensors, or PyTorch's .bin where there are no others; or the index of several files. */
  readonly weights: string;
  /** What an export of this program says of the data that the model was trained on, where the model is one. */
  readonly facts: string | undefined;
  /** What was chosen among several files, in a line for the user. */
  readonly notes: readonly string[];
}

/** Where the files of a diffusers model lie. */
export interface ModelFiles extends ModelPaths {
  /** The files that hold the weights: one, or those that an index names. */
  readonly shards: readonly string[];
}

/** The name of the file in which an export of this program says what its data was. */
export const FACTS = "itdiffusion.json";

const FOLDERS = ["", "unet/"];
const CONFIG = "config.json";
const SCHEDULER = "scheduler_config.json";
const SCHEDULERS = [SCHEDULER, `scheduler/${SCHEDULER}`];

/**
 * Picks the files of a model among paths: a network of its own, or the one in `unet` of a pipeline.
 *
 * @param source What the paths are of, for messages.
 * @param named The weights that are to be taken, which lie at the top.
 * @throws HubError if the configuration or the weights are missing, or there are several and none of them is plain.
 */
export function chooseModelPaths(paths: readonly string[], source: string, named?: string): ModelPaths {
  const has = (path: string) => paths.includes(path);
  for (const folder of named === undefined ? FOLDERS : [""]) {
    if (!has(folder + CONFIG)) continue;
    const names = paths.filter((path) => path.startsWith(folder)).map((path) => path.slice(folder.length));
    const chosen = named === undefined ? chooseWeights(names, source) : namedWeights(named);
    if (!chosen) continue;
    return {
      config: folder + CONFIG,
      scheduler: SCHEDULERS.find(has),
      weights: folder + chosen.name,
      facts: [folder + FACTS].find(has),
      notes: named === undefined ? notesOf(chosen) : [],
    };
  }
  const missing = FOLDERS.some((folder) => has(folder + CONFIG)) ? WEIGHTS.join(" or ") : CONFIG;
  throw new HubError(`${source} is not a diffusers U-Net: it has no ${missing}, neither at its top nor in unet.`);
}

function notesOf({ name, variant }: ChosenWeights): string[] {
  return variant === undefined ? [] : [`weights: ${name}, the variant ${variant}, as there is no plain file`];
}

/**
 * Finds the files of a model in a folder: at its top, where it may be the `unet` of a pipeline whose scheduler lies
 * beside it, or in its `unet`.
 *
 * @param path The folder, or the file of weights in it that is to be taken, such as a variant.
 * @param source What the folder is, for messages; its path if left out.
 * @returns Paths that begin with the folder's.
 * @throws HubError if the configuration or the weights are missing, or an index names files that are not there.
 */
export async function findModelFiles(path: string, source = path): Promise<ModelFiles> {
  const named = isWeightsName(basename(path)) && await isFile(path) ? basename(path) : undefined;
  const folder = named === undefined ? path : dirname(path);
  const paths = (await Promise.all([...FOLDERS, "scheduler/"].map((within) => pathsIn(folder, within)))).flat();
  const placed = placePaths(folder, chooseModelPaths(paths, source, named));
  const scheduler = placed.scheduler ?? await pipelineScheduler(folder);
  const shards = isIndex(placed.weights) ? await readIndex(placed.weights) : [placed.weights];
  const missing = (await Promise.all(shards.map(async (path) => await isFile(path) ? [] : [path]))).flat();
  if (missing.length > 0) {
    throw new HubError(
      `${placed.weights} names ${missing.length} ${
        missing.length === 1 ? "file that is" : "files that are"
      } not there, ` +
        `such as ${basename(missing[0])}. Download the whole model.`,
    );
  }
  return { ...placed, scheduler, shards };
}

/** The files that an index in a folder names, with its folder before them. @throws HubError as {@linkcode shardsOf}. */
export async function readIndex(path: string): Promise<string[]> {
  const names = shardsOf(await readBoundedJson(path, DESCRIPTION_BOUNDS), path);
  return names.map((name) => join(dirname(path), name));
}

/** The files with a folder before their paths. */
export function placePaths(folder: string, { config, scheduler, weights, facts, notes }: ModelPaths): ModelPaths {
  const place = (path: string | undefined) => path === undefined ? undefined : join(folder, path);
  return {
    config: join(folder, config),
    scheduler: place(scheduler),
    weights: join(folder, weights),
    facts: place(facts),
    notes,
  };
}

/** The scheduler of the pipeline that a folder is the network of. */
async function pipelineScheduler(folder: string): Promise<string | undefined> {
  const parent = dirname(resolve(folder));
  const isPart = basename(resolve(folder)) === "unet" || await isFile(join(parent, "model_index.json"));
  const path = join(parent, "scheduler", SCHEDULER);
  return isPart && await isFile(path) ? path : undefined;
}

/** The paths of what may be files of a model, in a folder within a folder. */
async function pathsIn(folder: string, within: string): Promise<string[]> {
  const there: string[] = [];
  try {
    for await (const { name } of Deno.readDir(join(folder, within))) {
      if (name === CONFIG || name === SCHEDULER || name === FACTS || isWeightsName(name)) there.push(within + name);
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return [];
    throw new HubError(`Cannot look into ${join(folder, within)}. Check its permissions.`, { cause: error });
  }
  const areFiles = await Promise.all(there.map((path) => isFile(join(folder, path))));
  return there.filter((_, i) => areFiles[i]).sort();
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw new HubError(`Cannot look for ${path}. Check its permissions.`, { cause: error });
  }
}
