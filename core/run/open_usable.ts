import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { sizeOf } from "../data/tensors.ts";
import { UserError } from "../errors/user_error.ts";
import { locateModel, type ModelFiles } from "../hub/mod.ts";
import { DESCRIPTION_BOUNDS, readBoundedJson } from "../io/bounded_json.ts";
import type { LoadContext } from "../plugins/contracts.ts";
import { checkParams, loadDenoiser } from "../plugins/load.ts";
import type { Trust } from "../plugins/trust.ts";
import { Random } from "../random/random.ts";
import { standardGaussian } from "../reference/gaussian.ts";
import type { RunConfig } from "./config.ts";
import { freeFolder, RunFolder } from "./folder.ts";
import { type OpenRun, openRun } from "./open_run.ts";
import { conditionOf, EVAL_BATCH_SIZE, factsOf, isCheckpoint, isWeights, LOGSNR, PLUGIN } from "./open_weights.ts";

/** A model to draw from or to export: a run's, or weights without a run, of whose data nothing is known. */
export interface UsableModel extends Omit<OpenRun, "config"> {
  readonly config: Pick<RunConfig, "denoiser" | "denoiserOptions" | "datasetOptions" | "backend" | "evalBatchSize">;
  /** What the user called weights without a run. */
  readonly weights?: string;
}

/**
 * Opens a run, or one of its checkpoints, as {@linkcode openRun} does, or the folder of a diffusers U-Net.
 *
 * @param trust The code from outside the project that a run may have run.
 * @throws {UserError} When it is none of them, is damaged, or names code that is not trusted.
 */
export async function openUsable(name: string, trust: Trust, context: LoadContext = {}): Promise<UsableModel> {
  const isFolder = existsSync(name) && !isCheckpoint(name) && await isWeights(name);
  return isFolder ? await openAlone(name, trust, context) : await openRun(name, { trust }, context);
}

async function openAlone(name: string, trust: Trust, context: LoadContext): Promise<UsableModel> {
  const files = await locateModel(name), shape = await shapeOf(files);
  const facts = await factsOf(files, "", context);
  context.onNote?.("data: none is known, so that values are taken to be from −1 to 1, of the standard Gaussian");
  const condition = facts?.condition ?? await conditionOf(files);
  const info = {
    ...{ shape, gaussian: standardGaussian(sizeOf(shape)), range: [-1, 1] as const },
    ...(condition ? { condition } : {}),
  };
  const plugin = await loadDenoiser(PLUGIN), denoiserOptions = { weights: resolve(name) };
  const denoiser = await plugin.create(info, denoiserOptions, context);
  return {
    folder: new RunFolder(await freeFolder(undefined, join("runs", basename(resolve(name))))),
    config: {
      ...{ denoiser: PLUGIN, denoiserOptions, backend: "auto", evalBatchSize: EVAL_BATCH_SIZE },
      datasetOptions: facts?.range ? { range: facts.range.join() } : {},
    },
    info,
    proposal: facts?.proposal ?? LOGSNR,
    denoiser,
    params: checkParams(plugin.name, denoiser.init(Random.fromSeed(0))),
    epoch: 0,
    checkpoint: resolve(name),
    trust,
    weights: name,
  };
}

/** The shape of the images that a U-Net was trained on, as its configuration says it. */
async function shapeOf({ config }: ModelFiles): Promise<readonly number[]> {
  const json = await readBoundedJson(config, DESCRIPTION_BOUNDS) as Record<string, unknown> | null;
  const size = json?.sample_size, channels = json?.in_channels ?? 3;
  const shape = [channels, ...(Array.isArray(size) ? size : [size, size])];
  const isShape = shape.length === 3 && shape.every((n) => Number.isSafeInteger(n) && n > 0 && n <= MAX_SIDE);
  if (isShape) return shape as number[];
  throw new UserError(
    `${config} has the sample_size ${JSON.stringify(size)}, expected the height and width of its images, from 1 to ` +
      `${MAX_SIDE}. Write them there.`,
  );
}

/** The longest side of images. */
const MAX_SIDE = 4096;
