import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { checkParams, loadDenoiser } from "../plugins/load.ts";
import { Random } from "../random/random.ts";
import { defaultsOf } from "../options/defaults.ts";
import { openRun } from "./open_run.ts";
import type { OpenModel } from "./open_weights.ts";

/**
 * Opens a member of an ensemble: a run, or a denoiser plugin with its defaults, such as `gaussian`, for the data of the
 * first member.
 *
 * @param name The folder of a run or of one of its checkpoints, or a denoiser's name, file or URL.
 * @throws {UserError} When it is none of them, is damaged, or is a run whose denoiser is not trusted.
 */
export async function openMember(name: string, first: OpenModel): Promise<OpenModel> {
  const isPlugin = /\.(ts|js|mjs)$/.test(name) || /^[a-z]{2,}:/i.test(name) || !/[/\\]/.test(name);
  if (existsSync(name) && !/\.(ts|js|mjs)$/.test(name) || !isPlugin) return await openRun(name, { trust: first.trust });
  const plugin = await loadDenoiser(name);
  const denoiser = await plugin.create(first.info, defaultsOf(plugin.options));
  return {
    ...first,
    denoiser,
    params: checkParams(plugin.name, denoiser.init(Random.fromSeed(first.config.seed))),
    checkpoint: existsSync(name) ? resolve(name) : name,
    member: plugin.name,
  };
}
