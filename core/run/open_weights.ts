import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { UsageError } from "../cli/mod.ts";
import type { Proposal } from "../diffusion/logsnr.ts";
import { parseDataFile } from "../data/data_file.ts";
import { fitGaussian } from "../reference/gaussian.ts";
import { UserError } from "../errors/user_error.ts";
import { type ExportFacts, readFacts } from "../export/facts.ts";
import { FACTS, findModelFiles, hubOptionsOf, locateModel, type ModelFiles, SeveralVariantsError } from "../hub/mod.ts";
import { isModelName } from "../hub/model_id.ts";
import { checkParams, loadDataset, loadDenoiser } from "../plugins/load.ts";
import type { LoadContext, OptionValues } from "../plugins/contracts.ts";
import type { Trust } from "../plugins/trust.ts";
import { Random } from "../random/random.ts";
import { type Condition, MAX_CLASSES } from "../data/condition.ts";
import { DESCRIPTION_BOUNDS, readBoundedJson } from "../io/bounded_json.ts";
import type { Samples } from "../data/samples.ts";
import { openRows } from "../files/open_rows.ts";
import type { RunConfig } from "./config.ts";
import { defaultsOf } from "../options/defaults.ts";
import type { DataFacts, SavedDataInfo } from "../plugins/contracts.ts";
import { freeFolder, RunFolder } from "./folder.ts";
import { type OpenRun, openRun, OpenRunError } from "./open_run.ts";

/** What a likelihood is asked of: a run's model, or weights without a run, which have less of a configuration. */
export interface OpenModel extends Omit<OpenRun, "config"> {
  readonly config: Pick<RunConfig, "datasetOptions" | "seed" | "backend" | "evalBatchSize"> & {
    /** The data that it was trained on, or is compared with the Gaussian of; none for weights where none is said. */
    readonly dataset?: string;
  };
  /** Of weights without a run. */
  readonly weights?: {
    /** What the user called them. */
    readonly name: string;
    /** The data whose Gaussian they are compared with. */
    readonly fit: string;
  };
  /** The name of a denoiser that is a member of an ensemble without a run. */
  readonly member?: string;
}

/** How weights without a run are used. */
export interface WeightsOptions {
  /** A file or data set to evaluate them on. */
  readonly data: string | undefined;
  /** A file or data set whose Gaussian they are compared with, the data itself if undefined. */
  readonly fit: string | undefined;
  /** The proposal's location and scale in nats, 6 and 3 if undefined, as `train:cifar` has them. */
  readonly logsnrLoc: number | undefined;
  readonly logsnrScale: number | undefined;
  /** The folder of the results, a new one under `runs` if undefined. */
  readonly out: string | undefined;
  /** How files are read; by what is in them, if undefined. */
  readonly range?: string | undefined;
  readonly layout?: string | undefined;
}

/** How a run or weights without one are opened. */
export interface OpenModelOptions extends WeightsOptions {
  /** The code from outside the project that a run may have run. */
  readonly trust: Trust;
}

/** The plugin that diffusers' models are denoisers by. */
export const PLUGIN = "unet-pretrained";

/** The log SNRs that weights are measured on where nothing else is known, as `train:cifar` has them. */
export const LOGSNR = { loc: 6, scale: 3 } as const;
/** Images that weights are evaluated on at once. */
export const EVAL_BATCH_SIZE = 16;

/**
 * Opens a run, or one of its checkpoints, as {@linkcode openRun} does, or weights of a diffusers U-Net.
 *
 * @param name The folder of a run, of a checkpoint or of a diffusers model, or a model's name on the hub.
 * @throws {UserError} When it is none of them, is damaged, has options of the other, or names code that is not trusted.
 */
export async function openModel(
  name: string,
  options: OpenModelOptions,
  context: LoadContext = {},
): Promise<OpenModel> {
  if (!isCheckpoint(name) && await isWeights(name)) return await openWeights(name, options, context);
  for (const key of ["fit", "logsnrLoc", "logsnrScale", "out"] as const) {
    if (options[key] === undefined) continue;
    const option = { fit: "--fit", logsnrLoc: "--logsnr-loc", logsnrScale: "--logsnr-scale", out: "--out" }[key];
    throw new UsageError(
      `${option} is for weights without a run, but ${name} is a run, which has its own. Leave it out.`,
    );
  }
  if (isCheckpoint(name) || existsSync(join(name, "config.json"))) {
    return await openRun(name, { trust: options.trust }, context);
  }
  throw new OpenRunError(
    `There is no run in ${name}, and no weights. Name the folder of a run or of a diffusers model, or a model on the ` +
      "hub, such as google/ddpm-cifar10-32.",
  );
}

/** Whether a path is below a run's `checkpoints`; those of a U-Net are diffusers folders too. */
export function isCheckpoint(path: string): boolean {
  const parent = dirname(resolve(path));
  return basename(parent) === "checkpoints" && existsSync(join(dirname(parent), "config.json"));
}

/**
 * Whether a name is a folder with a diffusers model, or may be one's name on the hub.
 *
 * @throws {SeveralVariantsError} When it is one, but which of its weights are meant is not clear.
 */
export async function isWeights(name: string): Promise<boolean> {
  if (existsSync(name)) {
    return await findModelFiles(name).then(() => true, (error) => {
      if (error instanceof SeveralVariantsError) throw error;
      return false;
    });
  }
  // Where the first part is a folder here, the second was to be one in it.
  const [owner, ...rest] = name.split("/");
  return rest.length === 1 && isModelName(name.replace(/@.*$/, "")) && owner !== "runs" && !existsSync(owner);
}

async function openWeights(
  name: string,
  { data, fit, logsnrLoc, logsnrScale, out, range, layout, trust }: OpenModelOptions,
  context: LoadContext,
): Promise<OpenModel> {
  if (data === undefined) {
    throw new UsageError(
      `${name} are weights without data of their own. Name some, as --data cifar10 or --data photos.h5.`,
    );
  }
  const itself = fit === undefined || absolute(fit) === absolute(data), spec = absolute(fit ?? data);
  // All rows of a file are evaluated, so that none are held out.
  const dataset = itself && parseDataFile(spec) ? {} : { dataset: spec };
  const folder = new RunFolder(await resultFolder(out, basename(resolve(name)).replace(/@.*$/, "")));
  const files = await locateModel(name, hubOptionsOf(context));
  const facts = await factsOf(files, range, context), known = range ?? facts?.range?.join();
  const condition = facts?.condition ?? await conditionOf(files);
  const { info: fitted, datasetOptions } = await fittedTo(
    spec,
    { ...(known ? { range: known } : {}), ...(layout ? { layout } : {}) },
    context,
  );
  const info = { ...fitted, ...(condition ? { condition } : {}) };
  const plugin = await loadDenoiser(PLUGIN);
  const denoiser = await plugin.create(info, { weights: name }, context);
  return {
    folder,
    config: { ...dataset, datasetOptions, seed: 0, backend: "auto", evalBatchSize: EVAL_BATCH_SIZE },
    info,
    proposal: proposalOf(facts, logsnrLoc, logsnrScale),
    denoiser,
    params: checkParams(plugin.name, denoiser.init(Random.fromSeed(0))),
    epoch: 0,
    checkpoint: existsSync(name) ? resolve(name) : name,
    trust,
    weights: { name, fit: itself ? "the data itself" : fit },
  };
}

/** What a U-Net of classes may be told, where nothing else says what these are: their places in its table, or a number. */
export async function conditionOf({ config }: Pick<ModelFiles, "config">): Promise<Condition | undefined> {
  const json = await readBoundedJson(config, DESCRIPTION_BOUNDS) as Record<string, unknown> | null;
  const { class_embed_type: type = null, time_embedding_type: time, num_train_timesteps: steps } = json ?? {};
  // A class that is embedded as a time step, of which there is a table, is one of its rows.
  const isRow = type === "timestep" && time === "learned";
  const count = isRow ? steps : json?.num_class_embeds ?? null;
  if (type === "timestep" && !isRow) return [{ name: "class", kind: "number", mean: 0, scale: 1 }];
  if (type !== null && !isRow || typeof count !== "number" || !(count >= 2 && count <= MAX_CLASSES)) return undefined;
  const levels = Array.from({ length: count }, (_, level) => level);
  return [{ name: "class", kind: "class", levels, counts: levels.map(() => 1) }];
}

/**
 * What an export of this program says of its data and its log SNRs, which is said to the user where it matters.
 *
 * @param given The range that the user says, which holds instead; empty where no data is read.
 */
export async function factsOf(
  { facts: path }: Pick<ModelFiles, "facts">,
  given: string | undefined,
  context: LoadContext,
): Promise<ExportFacts | undefined> {
  if (path === undefined) return undefined;
  const facts = await readFacts(path), { range, proposal: { loc, scale, even } } = facts;
  if (range && given === undefined) {
    context.onNote?.(`range: values from ${range[0]} to ${range[1]} are taken to −1 and 1, as ${FACTS} says`);
  }
  if (even || loc !== LOGSNR.loc || scale !== LOGSNR.scale) {
    context.onNote?.(`log SNRs: location ${loc} and scale ${scale}${even ? ", drawn evenly" : ""}, as ${FACTS} says`);
  }
  return facts;
}

/** The log SNRs that are asked for, otherwise those that the model was trained on, where that is known. */
function proposalOf(facts: ExportFacts | undefined, loc: number | undefined, scale: number | undefined): Proposal {
  const known: Proposal = facts?.proposal ?? LOGSNR;
  if (loc === undefined && scale === undefined) return { ...known };
  return { loc: loc ?? known.loc, scale: scale ?? known.scale };
}

/** The Gaussian of a file's rows, or of a data set's training part, and what else is known of them. */
async function fittedTo(
  spec: string,
  reading: OptionValues,
  context: LoadContext,
): Promise<{ readonly info: SavedDataInfo; readonly datasetOptions: OptionValues }> {
  const fitted = (samples: Samples, { shape, range, delta, logScale }: DataFacts): SavedDataInfo => {
    if (samples.count < 2) {
      throw new UserError(`The data ${spec} has ${samples.count} samples; a Gaussian needs two. Give more.`);
    }
    return {
      shape,
      gaussian: fitGaussian(samples, shape),
      ...(range ? { range } : {}),
      ...(delta === undefined ? {} : { delta }),
      ...(logScale === undefined ? {} : { logScale }),
    };
  };
  if (parseDataFile(spec)) {
    using rows = await openRows(spec, { range: [-1, 1] }, reading);
    return { info: fitted(rows.samples, rows), datasetOptions: reading };
  }
  const plugin = await loadDataset(spec), datasetOptions = { ...defaultsOf(plugin.options), ...reading };
  const loaded = await plugin.load(Random.fromSeed(0).split("data"), datasetOptions, context);
  return { info: fitted(loaded.train, loaded), datasetOptions };
}

/** A path as it holds from any working folder; names as they are. */
function absolute(spec: string): string {
  return parseDataFile(spec) || spec.includes("/") && existsSync(spec) ? resolve(spec) : spec;
}

/** A new folder, or one that holds earlier results of weights, to which others are added. It is not made yet. */
async function resultFolder(out: string | undefined, name: string): Promise<string> {
  const earlier = out !== undefined && existsSync(join(out, "nll")) && !existsSync(join(out, "config.json"));
  return earlier ? resolve(out) : await freeFolder(out, join("runs", name));
}
