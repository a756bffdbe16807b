import { join } from "node:path";
import { HubError } from "./hub_error.ts";

/** Where the files of a diffusers model lie. */
export interface ModelFiles {
  /** The network's config.json. */
  readonly config: string;
  /** The noise schedule's scheduler_config.json, where there is one. */
  readonly scheduler: string | undefined;
  /** The network's weights: .safetensors, or PyTorch's .bin where there are no others. */
  readonly weights: string;
}

const FOLDERS = ["", "unet/"];
const CONFIG = "config.json";
const WEIGHTS = ["diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"];
const SCHEDULERS = ["scheduler_config.json", "scheduler/scheduler_config.json"];

/** All paths that files of a model may have. */
const CANDIDATES = [...FOLDERS.flatMap((folder) => [CONFIG, ...WEIGHTS].map((name) => folder + name)), ...SCHEDULERS];

/**
 * Picks the files of a model among paths: a network of its own, or the one in `unet` of a pipeline.
 *
 * @param source What the paths are of, for messages.
 * @throws HubError if the configuration or the weights are missing.
 */
export function chooseModelFiles(paths: readonly string[], source: string): ModelFiles {
  const has = (path: string) => paths.includes(path);
  const scheduler = SCHEDULERS.find(has);
  for (const folder of FOLDERS) {
    const config = folder + CONFIG, weights = WEIGHTS.map((name) => folder + name).find(has);
    if (has(config) && weights !== undefined) return { config, scheduler, weights };
  }
  const missing = FOLDERS.some((folder) => has(folder + CONFIG)) ? WEIGHTS.join(" or ") : CONFIG;
  throw new HubError(`${source} is not a diffusers U-Net: it has no ${missing}, neither at its top nor in unet.`);
}

/**
 * Finds the files of a model in a folder, at its top or in `unet`.
 *
 * @param source What the folder is, for messages; its path if left out.
 * @returns Paths that begin with the folder's.
 * @throws HubError if the configuration or the weights are missing.
 */
export async function findModelFiles(folder: string, source = folder): Promise<ModelFiles> {
  const there = await Promise.all(CANDIDATES.map((path) => isFile(join(folder, path))));
  const found = chooseModelFiles(CANDIDATES.filter((_, i) => there[i]), source);
  return placeModelFiles(folder, found);
}

/** The files with a folder before their paths. */
export function placeModelFiles(folder: string, { config, scheduler, weights }: ModelFiles): ModelFiles {
  return {
    config: join(folder, config),
    scheduler: scheduler === undefined ? undefined : join(folder, scheduler),
    weights: join(folder, weights),
  };
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw new HubError(`Cannot look for ${path}. Check its permissions.`, { cause: error });
  }
}
