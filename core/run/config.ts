import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { optionName } from "../options/names.ts";
import { storedOptions } from "../options/stored.ts";
import { type CommandLine, parseCommandLine, type ValuesOf } from "../cli/mod.ts";
import { parseDataFile } from "../data/data_file.ts";
import { UsageError } from "../errors/usage_error.ts";
import { UserError } from "../errors/user_error.ts";
import { loadDataset, loadDenoiser } from "../plugins/load.ts";
import { loadStoredDataset, loadStoredDenoiser, RESUME_OPTIONS, trustOfCommand } from "../plugins/trust.ts";
import type { DatasetPlugin, DenoiserPlugin, OptionSpec, OptionValues } from "../plugins/contracts.ts";
import { requireStoredSettings } from "../model/setting_ranges.ts";
import { DROP_CONDITION, type FitDefaults, type FitSettings, recipeDefaults } from "../model/settings.ts";
import { referenceRequest } from "../reference/choose_reference.ts";
import { RunFolder } from "./folder.ts";
import { defaultThreads } from "../engine/start.ts";
import { requireHeeded } from "./unheeded.ts";
import { imageOptions, PRESENTATION, type TaskSpec, trainingOptions } from "./options.ts";

/** What a run is, as config.json keeps it: everything that its numbers depend on. */
export interface RunConfig extends FitSettings {
  readonly task: string;
  /** A name, an absolute path or a URL; empty where a program gave the data. */
  readonly dataset: string;
  readonly datasetOptions: OptionValues;
  readonly denoiser: string;
  /** The values of the task's own options, where it has any: what it shows of the run. */
  readonly taskOptions?: OptionValues;
}

/** The task of a model that a program fitted and saved. */
export const SAVED_BY_PROGRAM = "fit";

/** What a command line asks for. */
export interface RunRequest {
  readonly config: RunConfig;
  readonly dataset: DatasetPlugin & { name: string };
  readonly denoiser: DenoiserPlugin & { name: string };
  /** The folder of a run that is resumed. */
  readonly resumed?: RunFolder;
  /** Whether a run goes on though its data is not what it began with. */
  readonly dataChanged: boolean;
  /** The folder that the user named for a new run. */
  readonly out: string | undefined;
  /** What a new run's folder is called under `runs`. */
  readonly name: string;
  readonly figures: boolean;
  /** Values of the samples whose gradient is computed at once, at most. */
  readonly microBatchValues: number;
  /** The values of the task's own options. */
  readonly taskOptions: OptionValues;
  /** The threads that the user asked for. */
  readonly threads: number | undefined;
  readonly quiet: boolean;
  readonly json: boolean;
}

function optionsOf({ defaults, ofImages }: TaskSpec) {
  return {
    dataset: { optional: "string", placeholder: "name", help: "The data set, if not given first." },
    ...trainingOptions(defaults),
    ...(ofImages ? imageOptions : {}),
  } as const;
}

type Options = ReturnType<typeof optionsOf>;

/**
 * Reads a training task's command line, and the configuration of the run that it resumes.
 *
 * @throws {UserError} When an argument, a plugin or a run's folder is not usable.
 */
export async function readRequest(spec: TaskSpec, args: readonly string[]): Promise<RunRequest> {
  const { name: task, summary, defaults: { dataset: defaultDataset } } = spec;
  let earlier: { folder: RunFolder; config: RunConfig } | undefined;
  let dataset: RunRequest["dataset"] | undefined;
  let denoiser: RunRequest["denoiser"] | undefined;
  const line = await parseCommandLine({
    name: task,
    summary,
    positional: [{ name: "data", help: "Data set: a name, a file, or a URL", default: defaultDataset }],
    options: { ...optionsOf(spec), ...spec.options },
    // The denoiser first: its flags may stand before the data set's name.
    extraOptions: [
      async ({ options, positional, given }) => {
        const named = given.has("data") ? positional.data : options.dataset;
        if (options.resume !== undefined) earlier = await openEarlier(task, options, named ?? defaultDataset);
        denoiser = earlier
          ? await loadStoredDenoiser(earlier.config.denoiser, trustOfCommand([options.denoiser], RESUME_OPTIONS))
          : await loadDenoiser(absolute(options.denoiser ?? usualOf(spec, options).denoiser));
        return { title: `denoiser ${denoiser.name}`, specs: shownOptions(spec, denoiser) };
      },
      async ({ options, positional, given }) => {
        const named = given.has("data") ? positional.data : options.dataset;
        dataset = earlier
          ? await loadStoredDataset(earlier.config.dataset, trustOfCommand([named], RESUME_OPTIONS))
          : await loadDataset(absolute(named ?? defaultDataset));
        return { title: `data set ${dataset.name}`, specs: dataset.options ?? {} };
      },
    ],
  }, args);
  if (!dataset || !denoiser) throw new Error("The plugins are loaded while the command line is read.");

  const givenOf = (values: OptionValues, given: ReadonlySet<string>) =>
    Object.fromEntries(Object.entries(values).filter(([key]) => given.has(key)));
  requireHeeded({
    options: line.options,
    data: line.given.has("data") ? line.positional.data : undefined,
    shown: givenOf(taskOptionsOf(spec, line), line.given),
    reading: givenOf(line.groups[1].values, line.groups[1].given),
  });
  const fresh = configOf(spec, line, denoiser, dataset);
  if (line.given.has("dropCondition") && !fresh.datasetOptions.condition && !earlier) {
    throw new UsageError(
      "--drop-condition is given, but there is no condition to drop. Name one by --condition, or leave it out.",
    );
  }
  if (earlier) requireSame(line, fresh, earlier.config, spec);
  const { backend, threads, precision } = line.options;
  const taskOptions = taskOptionsOf(spec, line, earlier);
  const config = earlier
    ? {
      ...earlier.config,
      ...(spec.options ? { taskOptions } : {}),
      ...(typeof line.options.epochs === "number" ? { epochs: line.options.epochs } : {}),
      ...(line.options.patience === undefined ? {} : { patience: line.options.patience }),
      ...(line.given.has("backend") ? { backend } : {}),
      ...(line.given.has("precision") ? { precision } : {}),
      ...(line.given.has("checkpointing") ? { checkpointing: fresh.checkpointing } : {}),
      ...(line.given.has("microBatchSize") ? { microBatchSize: fresh.microBatchSize } : {}),
      ...(line.given.has("evalBatchSize") ? { evalBatchSize: fresh.evalBatchSize } : {}),
      ...(line.given.has("threads") ? { threads: threads ?? defaultThreads() } : {}),
    }
    : { ...fresh, ...(spec.options ? { taskOptions } : {}) };
  const { out, experimentName, dataChanged, figures, quiet, json } = line.options;
  return {
    config,
    dataset,
    denoiser,
    ...(earlier ? { resumed: earlier.folder } : {}),
    dataChanged,
    out,
    name: experimentName ? `${dataset.name}-${experimentName}` : dataset.name,
    figures,
    microBatchValues: spec.defaults.microBatchValues ?? Infinity,
    taskOptions,
    threads,
    quiet: quiet || json,
    json,
  };
}

type Line = CommandLine<Options, readonly [{ name: "data"; help: string; default: string }]>;

function configOf(
  spec: TaskSpec,
  { options, positional, given, groups }: Line,
  denoiser: RunRequest["denoiser"],
  dataset: RunRequest["dataset"],
): RunConfig {
  const defaults = usualOf(spec, options);
  const usual = recipeDefaults(options.recipe, defaults.proposal);
  const special = denoiser.recipes?.[options.recipe] ?? {};
  const [denoiserGroup, datasetGroup] = groups;
  const preset = spec.preset?.(denoiser.name, denoiserGroup.given) ?? {};
  if (options.reference !== undefined) referenceRequest(options.reference);
  return {
    task: spec.name,
    dataset: absolute(given.has("data") ? positional.data : options.dataset ?? positional.data),
    datasetOptions: withAbsolutePaths(datasetGroup.values, dataset.options),
    denoiser: absolute(options.denoiser ?? defaults.denoiser),
    denoiserOptions: withAbsolutePaths(
      Object.fromEntries(
        Object.entries(denoiserGroup.values).map(([key, value]) => [
          key,
          denoiserGroup.given.has(key)
            ? value
            : special[key] ?? preset[key] ?? denoiser.options?.[key].default ?? value,
        ]),
      ),
      denoiser.options,
    ),
    recipe: options.recipe,
    decay: options.decay ?? usual.decay,
    ema: options.ema ?? usual.ema,
    estimator: options.estimator ?? usual.estimator,
    reference: options.reference ?? usual.reference,
    epochs: options.epochs ?? defaults.epochs,
    patience: options.patience ?? usual.patience,
    // What is validated must not depend on how many epochs a run is resumed for.
    validateEvery: options.validateEvery ?? (typeof options.epochs === "number" ? 1 : usual.validateEvery),
    batchSize: options.batchSize ?? defaults.batchSize,
    microBatchSize: options.microBatchSize ?? 0,
    learningRate: options.learningRate ?? defaults.learningRate,
    evalBatchSize: options.evalBatchSize,
    validationLevels: options.validationLevels ?? defaults.validationLevels,
    validationSamples: options.validationSamples ?? 0,
    logsnrLoc: options.logsnrLoc ?? usual.logsnrLoc,
    logsnrScale: options.logsnrScale ?? usual.logsnrScale,
    seed: options.seed,
    backend: options.backend,
    threads: options.threads ?? defaultThreads(),
    precision: options.precision,
    proposal: options.proposal ?? usual.proposal,
    dropCondition: options.dropCondition ?? DROP_CONDITION,
    flip: options.flip === true,
    checkpointing: options.checkpointing === true,
  };
}

/** A denoiser's options with the defaults that they have under a task where none of them is given. */
function shownOptions(
  { preset }: TaskSpec,
  { name, options = {} }: RunRequest["denoiser"],
): Readonly<Record<string, OptionSpec>> {
  const usual = preset?.(name, new Set()) ?? {};
  return Object.fromEntries(
    Object.entries(options).map(([key, option]) => [key, key in usual ? { ...option, default: usual[key] } : option]),
  );
}

/** The task's own options: as the command line gives them, else as a run that is resumed had them. */
function taskOptionsOf(
  { name, options: specs = {} }: TaskSpec,
  { options, given }: Line,
  earlier?: { readonly folder: RunFolder; readonly config: RunConfig },
): OptionValues {
  const file = earlier?.folder.file("config.json") ?? "";
  const stored = earlier ? storedOptions(file, `task ${name}`, specs, earlier.config.taskOptions ?? {}) : {};
  return Object.fromEntries(
    Object.keys(specs).map((key) => {
      const isStored = !given.has(key) && key in stored;
      return [key, isStored ? stored[key] : (options as OptionValues)[key]];
    }),
  );
}

/** What a task takes where nothing is given. */
function usualOf({ defaults, seedDefaults }: TaskSpec, { recipe }: Pick<ValuesOf<Options>, "recipe">): FitDefaults {
  return recipe === "seed" ? seedDefaults ?? defaults : defaults;
}

/** A path as it holds from any working folder; names and URLs as they are. */
function absolute(spec: string): string {
  const file = parseDataFile(spec);
  if (file) return resolve(file.path) + (file.name === undefined ? "" : `:${file.name}`);
  const isPath = (spec.includes("/") || spec.includes("\\") || /\.(ts|js|mjs)$/.test(spec)) &&
    !/^[a-z]{2,}:/i.test(spec);
  return isPath ? resolve(spec) : spec;
}

function withAbsolutePaths(values: OptionValues, specs: Readonly<Record<string, OptionSpec>> = {}): OptionValues {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [
      key,
      specs[key]?.path && typeof value === "string" && value !== "" && existsSync(value) ? resolve(value) : value,
    ]),
  );
}

async function openEarlier(
  task: string,
  { resume, out, experimentName }: ValuesOf<Options>,
  dataset: string,
): Promise<{ folder: RunFolder; config: RunConfig }> {
  const file = parseDataFile(dataset)?.path;
  const stem = (file?.replace(/\.\w+$/, "") ?? dataset.replace(/\.(ts|js|mjs)$/, "")).replace(/^.*[/\\]/, "");
  const path = typeof resume === "string"
    ? resume
    : out ?? await newestRun(experimentName ? `${stem}-${experimentName}` : stem);
  const folder = await RunFolder.open(path);
  const config = await readConfig(folder);
  if (config.task !== task) {
    const how = config.task === SAVED_BY_PROGRAM
      ? ", which saves nothing to go on from. Fit it again"
      : `; resume it with deno task ${config.task}`;
    throw new UserError(`The run in ${path} was made by ${config.task}${how}.`);
  }
  return { folder, config };
}

/** What runs of earlier versions are, which do not say it. */
const EARLIER = {
  ...{ precision: "f32", proposal: "fixed", reference: "none", patience: 0, validateEvery: 1 },
  ...{ dropCondition: DROP_CONDITION, flip: false, checkpointing: false },
};

function missing(config: object): Partial<typeof EARLIER> {
  return Object.fromEntries(Object.entries(EARLIER).filter(([key]) => !(key in config)));
}

/** The configuration that a run's folder holds. @throws {UserError} When it is not one. */
export async function readConfig(folder: RunFolder): Promise<RunConfig> {
  const config = await folder.readJson("config.json");
  const whole = typeof config === "object" && config !== null ? { ...config, ...missing(config) } : config;
  if (isConfig(whole)) {
    requireStoredSettings(folder.file("config.json"), whole);
    return whole;
  }
  throw new UserError(`${folder.file("config.json")} is not the configuration of a run of this program.`);
}

/** The latest of the runs of a name under `runs`, which are numbered from the second on. */
async function newestRun(name: string): Promise<string> {
  let newest: { path: string; number: number } | undefined;
  try {
    for await (const entry of Deno.readDir("runs")) {
      const number = entry.name === name ? 1 : Number(entry.name.match(/-(\d+)$/)?.[1] ?? NaN);
      const own = entry.name === name || entry.name === `${name}-${number}`;
      if (own && !(newest && newest.number > number)) newest = { path: `runs/${entry.name}`, number };
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  if (!newest) {
    throw new UserError(`There is no run of ${name} under runs to resume. Name its folder: --resume FOLDER.`);
  }
  return newest.path;
}

/** Whether a configuration has what is none of the settings: of which task, data and denoiser it is. */
function isConfig(value: unknown): value is RunConfig {
  if (typeof value !== "object" || value === null) return false;
  const config = value as Record<string, unknown>;
  const isRecord = (part: unknown) => typeof part === "object" && part !== null && !Array.isArray(part);
  return ["task", "dataset", "denoiser"].every((key) => typeof config[key] === "string") &&
    isRecord(config.datasetOptions) && isRecord(config.denoiserOptions) && isRecord(config.taskOptions ?? {});
}

/** A resumed run is the run that it was: an option that says otherwise is a mistake. */
function requireSame({ given, groups }: Line, fresh: RunConfig, earlier: RunConfig, spec: TaskSpec): void {
  const differ = (key: string, now: unknown, then: unknown) => {
    if (now !== undefined && now !== then) {
      throw new UserError(
        `${optionName(key)} is ${now}, but the run was started with ${then}. ` +
          "Leave it out to resume, or start a new run.",
      );
    }
  };
  for (const key of given) {
    if (PRESENTATION.has(key) || key === "epochs" || key === "patience" || Object.hasOwn(spec.options ?? {}, key)) {
      continue;
    }
    const name = key === "data" ? "dataset" : key;
    const then = earlier[name as keyof RunConfig];
    if (fresh[name as keyof RunConfig] !== "auto" || name === "reference") {
      differ(name, fresh[name as keyof RunConfig], then);
    }
  }
  const pairs = [[fresh.denoiserOptions, earlier.denoiserOptions], [fresh.datasetOptions, earlier.datasetOptions]];
  pairs.forEach(([now, then], i) => {
    for (const key of groups[i].given) differ(key, now[key], then[key]);
  });
}
