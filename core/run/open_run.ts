import { basename, dirname, resolve } from "node:path";
import { logsnrRange, type Proposal } from "../diffusion/logsnr.ts";
import { UserError } from "../errors/user_error.ts";
import { parseDataFile } from "../data/data_file.ts";
import { latestCheckpoint, loadModel } from "../io/checkpoints.ts";
import { firstNotFinite } from "../plugins/check_dataset.ts";
import { checkParams, listPlugins, loadDataset, pluginOf } from "../plugins/load.ts";
import { loadStoredDenoiser, type Trust, trustOfProgram } from "../plugins/trust.ts";
import { type Denoiser, type DenoiserPlugin, type LoadContext, referenceOf } from "../plugins/contracts.ts";
import { Random } from "../random/random.ts";
import { BLEND, blendedDenoiser } from "../reference/blend.ts";
import { type HostTensors, type ParameterShapes, shapesOf } from "../data/tensors.ts";
import { storedOptions } from "../options/stored.ts";
import { readConfig, type RunConfig } from "./config.ts";
import { readDataInfo, type RunDataInfo } from "./data_info.ts";
import type { SavedDataInfo } from "../plugins/contracts.ts";
import { RunFolder } from "./folder.ts";
import { requireNamed } from "./given_denoiser.ts";

/** A finished or interrupted run, opened for use. */
export interface OpenRun {
  readonly folder: RunFolder;
  readonly config: RunConfig;
  /** What the denoiser was told of the data, and what else the run knows of it. */
  readonly info: SavedDataInfo;
  /** The log SNRs that the model was trained on. */
  readonly proposal: Proposal;
  readonly denoiser: Denoiser;
  /** The parameters of the checkpoint: the averaged ones, where the run averages. */
  readonly params: HostTensors;
  /** The epochs that the checkpoint has finished. */
  readonly epoch: number;
  /** The checkpoint's folder. */
  readonly checkpoint: string;
  /** The code from outside the project that its configuration may have run. */
  readonly trust: Trust;
}

/** What a run is opened with besides what its folder holds. */
export interface OpenOptions {
  /** The denoiser, where a program gives it. */
  readonly given?: DenoiserPlugin | undefined;
  /** The plugins that it may run besides the project's own, none if left out. */
  readonly trust?: Trust;
}

/** A run that cannot be opened. */
export class OpenRunError extends UserError {}

/**
 * Opens a run's newest checkpoint, or the checkpoint named. The data set is not loaded.
 *
 * @param path The folder of a run, or of one of its checkpoints.
 * @throws {UserError} When it is no run, has no checkpoint, something in it is damaged, or its denoiser is not trusted.
 */
export async function openRun(
  path: string,
  { given, trust = trustOfProgram([]) }: OpenOptions = {},
  context: LoadContext = {},
): Promise<OpenRun> {
  const { folder, named } = await locate(path);
  const config = await withCheckedData(folder, await readConfig(folder), context);
  const checkpoint = named ?? await latestCheckpoint(folder.path);
  if (checkpoint === undefined) {
    throw new OpenRunError(
      `The run in ${path} has no checkpoint yet. Let it train until it saves one, or go on with it by --resume.`,
    );
  }
  const info = withAnyGaps(await readDataInfo(folder));
  if (!given) requireNamed(config.denoiser);
  const plugin = given ? pluginOf("given", given) : await loadStoredDenoiser(config.denoiser, trust);
  const { epoch, model, form } = await loadModel(checkpoint);
  const proposal = proposalOf(config);
  requireFinite(checkpoint, model);
  const source = folder.file("config.json"), owner = `denoiser ${plugin.name}`;
  const options = storedOptions(source, owner, plugin.options, config.denoiserOptions, context.onNote);
  const own = await plugin.create(info, options, { ...context, ...(form ? { saved: form.files } : {}) });
  const denoiser = BLEND in model ? blendedDenoiser(own, referenceOf(info), logsnrRange(proposal)) : own;
  const expected = denoiser.shapes ?? shapesOf(checkParams(plugin.name, denoiser.init(Random.fromSeed(config.seed))));
  requireFit(plugin.name, checkpoint, expected, model);
  return {
    folder,
    config: { ...config, denoiserOptions: options },
    info,
    proposal,
    denoiser,
    params: model,
    epoch,
    checkpoint,
    trust,
  };
}

/** Components times numbers squared of a mixture that leaves out any numbers: half a gigabyte in an evaluation. */
const MOST_GAPS = 40_000;

/**
 * A table's reference as one that leaves out any value. In training it leaves out those that are unknown there, which of many
 * numbers takes less; the model is the same.
 */
function withAnyGaps(info: RunDataInfo): RunDataInfo {
  const { table, reference, shape } = info;
  if (!table || !reference || reference.components.length * table.numbers.length ** 2 > MOST_GAPS) return info;
  const gaps = Array.from({ length: shape[0] }, (_, place) => place);
  return { ...info, gaps, reference: { ...reference, gaps } };
}

/** The log SNRs that a run was trained on. */
function proposalOf({ logsnrLoc, logsnrScale, proposal }: RunConfig): Proposal {
  return {
    loc: logsnrLoc as number,
    scale: logsnrScale as number,
    ...(proposal === "even" ? { even: true } : {}),
  };
}

/** The run's folder that a path stands for, and the checkpoint if it names one. */
async function locate(path: string): Promise<{ folder: RunFolder; named?: string }> {
  const full = resolve(path);
  if (basename(dirname(full)) !== "checkpoints") return { folder: await RunFolder.open(path) };
  const folder = await RunFolder.open(dirname(dirname(full)));
  return { folder, named: full };
}

/** The configuration with the options of a data set that comes with the program; one of the user's own is not loaded. */
async function withCheckedData(folder: RunFolder, config: RunConfig, { onNote }: LoadContext): Promise<RunConfig> {
  const { dataset, datasetOptions } = config;
  const name = parseDataFile(dataset) ? "file" : dataset.replaceAll("_", "-");
  if (Object.keys(datasetOptions).length === 0 || !listPlugins("datasets").includes(name)) return config;
  const { options } = await loadDataset(name), source = folder.file("config.json");
  return { ...config, datasetOptions: storedOptions(source, `data set ${name}`, options, datasetOptions, onNote) };
}

/** A model that has diverged, or a damaged file. */
function requireFinite(checkpoint: string, model: HostTensors): void {
  for (const [name, { data }] of Object.entries(model)) {
    const bad = firstNotFinite(data);
    if (bad < 0) continue;
    throw new OpenRunError(
      `The checkpoint ${checkpoint} has ${data[bad]} in ${JSON.stringify(name)} at index ${bad}, expected finite ` +
        "values: its training diverged, or the file is damaged. Use another checkpoint, or train again.",
    );
  }
}

/** The plugin's file may have changed since the run was trained. */
function requireFit(name: string, checkpoint: string, expected: ParameterShapes, model: HostTensors): void {
  const got = shapesOf(model);
  const shapeOf = (shapes: ParameterShapes, key: string) =>
    Object.hasOwn(shapes, key) ? `of shape [${shapes[key]}]` : "missing";
  const problems = [...new Set([...Object.keys(expected), ...Object.keys(got)])]
    .map((key) => ({ key, got: shapeOf(got, key), expected: shapeOf(expected, key) }))
    .filter((one) => one.got !== one.expected);
  if (problems.length === 0) return;
  const [first] = problems;
  const more = problems.length > 1 ? `, and ${problems.length - 1} more differ` : "";
  const wanted = first.expected === "missing" ? "has none such" : `needs it ${first.expected}`;
  throw new OpenRunError(
    `The checkpoint ${checkpoint} does not fit the denoiser ${name}: ${first.key} is ${first.got}, but the denoiser ` +
      `${wanted}${more}. Use the denoiser that the run was trained with.`,
  );
}
