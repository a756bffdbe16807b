import { basename, isAbsolute } from "node:path";
import type { OptionTable } from "../cli/arguments.ts";
import { optionName } from "../options/names.ts";
import { shellWord } from "../options/shell_word.ts";
import {
  loadStoredDataset,
  loadStoredDenoiser,
  namedAgain,
  NO_TRUST,
  RESUME_OPTIONS,
  TRUST_OPTIONS,
} from "../plugins/trust.ts";
import type { OptionValues } from "../plugins/contracts.ts";
import type { RunConfig } from "../run/config.ts";
import { trainingOptions } from "../run/options.ts";
import { shown } from "../run/result.ts";
import { recipeDefaults } from "../model/settings.ts";
import { RECIPES } from "../training/recipe.ts";

/** One setting of a run. */
export interface Setting {
  /** Its name on the command line, with the dashes. */
  readonly name: string;
  readonly value: string;
  /** Whether a training task that is not given it may do something else. */
  readonly isOwn: boolean;
}

/** Settings that have another default in each task, or whose default the run's data decides. */
const DECIDED_ELSEWHERE = [
  "denoiser",
  "epochs",
  "patience",
  "validateEvery",
  "batchSize",
  "learningRate",
  "validationLevels",
  "logsnrLoc",
  "logsnrScale",
] as const;

/** Settings that say how a run is computed, not what it is. */
const COMPUTATION = ["evalBatchSize", "microBatchSize"] as const;

/**
 * The settings of a run, those first that are not every run's. The data set is not among them.
 *
 * Where a plugin cannot be loaded, all of its options count as the run's own.
 */
export async function settingsOf(config: RunConfig): Promise<Setting[]> {
  // What a recipe calls its proposal are the location and the scale, which are settings of their own.
  const { proposal: _proposal, optimiser: _optimiser, ...recipe } = RECIPES[config.recipe];
  const usual: Readonly<Record<string, unknown>> = {
    ...defaultsOf(trainingOptions({
      dataset: "",
      denoiser: "",
      epochs: 1,
      batchSize: 1,
      learningRate: 1,
      evalBatchSize: 1,
      validationLevels: 1,
    })),
    // Zero stands for an option that is left out.
    ...{ microBatchSize: 0, validationSamples: 0, ema: 0 },
    ...recipe,
    ...recipeDefaults(config.recipe, undefined),
  };
  const { task: _task, dataset: _dataset, datasetOptions, denoiserOptions, taskOptions = {}, ...own } = config;
  const always: readonly string[] = [...DECIDED_ELSEWHERE, "threads"];
  const never: readonly string[] = COMPUTATION;
  const task = Object.entries(own).map(([key, value]) => ({
    name: optionName(key),
    value: String(value),
    isOwn: !never.includes(key) && (always.includes(key) || value !== usual[key]),
  }));
  const denoiser = await loadStoredDenoiser(config.denoiser, NO_TRUST).catch(() => undefined);
  const dataset = await loadStoredDataset(config.dataset, NO_TRUST).catch(() => undefined);
  const special = denoiser?.recipes?.[config.recipe] ?? {};
  const all = [
    ...task,
    ...pluginSettings(denoiserOptions, { ...defaultsOf(denoiser?.options ?? {}), ...special }),
    ...pluginSettings(datasetOptions, defaultsOf(dataset?.options ?? {})),
    // What is shown of a run changes none of its numbers.
    ...pluginSettings(taskOptions, taskOptions),
  ];
  return [...all.filter(({ isOwn }) => isOwn), ...all.filter(({ isOwn }) => !isOwn)];
}

function defaultsOf(specs: OptionTable): OptionValues {
  return Object.fromEntries(
    Object.entries(specs).flatMap(([key, spec]) => spec.default === undefined ? [] : [[key, spec.default]]),
  );
}

function pluginSettings(values: OptionValues, usual: OptionValues): Setting[] {
  return Object.entries(values).map(([key, value]) => ({
    name: optionName(key),
    value: typeof value === "boolean" ? (value ? "on" : "off") : String(value),
    isOwn: value !== usual[key],
  }));
}

/** A command of a run, and what it does. */
export interface RunCommand {
  readonly what: string;
  readonly command: string;
}

/** The commands that repeat a run and use its model. @param settings As `settingsOf` gives them. */
export function commandsOf(
  { config, path, hasModel, isFinished }: {
    readonly config: RunConfig;
    /** The run's folder. */
    readonly path: string;
    readonly hasModel: boolean;
    readonly isFinished: boolean;
  },
  settings: readonly Setting[],
): RunCommand[] {
  const task = (name: string, ...words: string[]) => ["deno task", shellWord(name), ...words].join(" ");
  const folder = shellWord(shown(path));
  // What is no name of an option is no word for a shell either.
  const given = settings.filter(({ name, value, isOwn }) => isOwn && value !== "" && /^--[a-z][a-z0-9-]*$/.test(name));
  const options = given.map(({ name, value }) => `${name} ${shellWord(isAbsolute(value) ? shown(value) : value)}`);
  const dataset = isAbsolute(config.dataset) ? shown(config.dataset) : config.dataset;
  const train = task(config.task, shellWord(dataset), ...options);
  // Code from outside the project is run only where the command names it again.
  const plugins = { denoisers: config.denoiser, datasets: config.dataset };
  const again = task(config.task, "--resume", folder, ...namedAgain(plugins, RESUME_OPTIONS));
  const trusting = namedAgain(plugins, { denoisers: TRUST_OPTIONS.denoisers });
  return [
    { what: "Train it again", command: train },
    isFinished
      ? { what: "Train it further", command: `${again} --epochs ${2 * Number(config.epochs)}` }
      : { what: "Go on with it", command: again },
    ...(hasModel
      ? [
        { what: "Draw samples", command: task("sample", folder, ...trusting) },
        { what: "Export the model", command: task("export", folder, "--format onnx", ...trusting) },
      ]
      : []),
    { what: "Make this page again", command: reportCommand([path]) },
  ];
}

/** The command that makes the report of the runs in these folders. */
export function reportCommand(paths: readonly string[]): string {
  return ["deno task report", ...paths.map((path) => shellWord(shown(path)))].join(" ");
}

/** A data set or denoiser by its name, or its file's. */
export function plainName(spec: string): string {
  return /[\\/]/.test(spec) ? basename(spec) : spec;
}
