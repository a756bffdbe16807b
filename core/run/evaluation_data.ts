import { basename, resolve } from "node:path";
import { type TaskOption, UsageError } from "../cli/mod.ts";
import { LAYOUTS } from "../files/layout.ts";
import { parseDataFile } from "../data/data_file.ts";
import { UserError } from "../errors/user_error.ts";
import { loadDataset } from "../plugins/load.ts";
import { isSamePlugin, loadStoredDataset } from "../plugins/trust.ts";
import type { Dataset } from "../plugins/contracts.ts";
import { defaultsOf } from "../options/defaults.ts";
import { optionName } from "../options/names.ts";
import type { OptionValues } from "../options/spec.ts";
import { Random } from "../random/random.ts";
import type { Samples } from "../data/samples.ts";
import { requireHeededReading } from "../files/unheeded.ts";
import { openRows } from "../files/open_rows.ts";
import { versionOf } from "./data_version.ts";
import type { OpenModel } from "./open_weights.ts";

/** The parts of a data set. */
export const PARTS = ["test", "validation", "train"] as const;

export type Part = typeof PARTS[number];

/** How a file of data is read, where it can be read in two ways. */
export const readingOptions = {
  range: {
    optional: "string",
    placeholder: "low,high",
    help: "Of a file: the values that are -1 and 1 to the model, as 0,255 (default: as in training, or by the values).",
  },
  layout: { optional: "string", choices: LAYOUTS, help: "Of a file: the order of the axes of images." },
  header: { optional: "string", choices: ["auto", "on", "off"], help: "Of a table: whether its first line has names." },
  transpose: {
    optional: "string",
    choices: ["auto", "on", "off"],
    help: "Of HDF5: whether the axes are reversed (auto: where MATLAB wrote it).",
  },
  size: {
    optional: "string",
    placeholder: "pixels",
    help: "Of pictures: what each is brought to, as 32 or 48x32 (default: as in training).",
  },
  background: {
    optional: "string",
    placeholder: "colour",
    help: "Of pictures: what transparent ones are laid over, as white or #ff8800 (default: as in training).",
  },
} as const satisfies Record<string, TaskOption>;

/** What is said of how a file is read. */
export type Reading = { readonly [K in keyof typeof readingOptions]?: string | undefined };

/** What of some values says how a file is read. */
export function readingIn(values: Reading): Reading {
  return Object.fromEntries(Object.keys(readingOptions).map((key) => [key, values[key as keyof Reading]]));
}

/** Samples to evaluate a model on. Those of a file are read from it until this is disposed of. */
export interface ChosenSamples extends Disposable {
  readonly samples: Samples;
  /** Samples of about the same distribution. */
  readonly pool: Samples;
  /** All of the run's own data, where these are a part of it. */
  readonly own?: { readonly part: Part; readonly dataset: Dataset };
  /** What to call them, also in a file's name. */
  readonly name: string;
  /** Tells a file from a later one of the same name. */
  readonly version?: string;
  /** Added to an NLL in nats it gives that of the values before they were scaled. */
  readonly logScale?: number;
  /** The step between neighbouring values of discrete data, as the model sees them. */
  readonly delta?: number;
  /** What was read and how it was taken, in one line. */
  readonly description?: string;
}

/** What is evaluated, and how a file of it is read. */
export interface ChoiceOptions extends Reading {
  readonly data: string | undefined;
  readonly part: Part | undefined;
}

/**
 * The samples that a task is asked to evaluate a run on: a part of its own data set, of another, or the rows of a file.
 *
 * @param data A file or data set; the run's own if undefined.
 * @param part Which part of a data set; test, or validation where there is none, if undefined.
 * @throws {UserError} When they do not fit the run, are fewer than two, or come of code that is not trusted.
 */
export async function samplesOf(
  model: OpenModel,
  { data, part, ...rest }: ChoiceOptions,
): Promise<ChosenSamples> {
  const reading = readingIn(rest), { range } = reading;
  // The run's own file, read in another way, is another file.
  const isSaid = Object.keys(given(reading)).length > 0;
  if (data !== undefined && parseDataFile(data) && (resolve(data) !== model.config.dataset || isSaid)) {
    if (part !== undefined) {
      throw new UsageError("--part is of a data set; of a file all rows are taken. Leave it out.");
    }
    requireHeededReading(data, reading);
    if (range !== undefined && range !== "auto" && !(model.info.range && !model.info.axes)) {
      throw new UsageError(
        `--range is ${range}, but the model's own data was not brought to a range. Leave it out.`,
      );
    }
    using opened = new DisposableStack();
    const values = { ...readingOf(model.config.datasetOptions), ...given(reading) };
    const rows = opened.use(await openRows(data, model.info, values));
    const { samples, description, logScale, delta } = rows;
    const version = `${await versionOf(data)} ${JSON.stringify(values)}`;
    const chosen = { samples: atLeastOne(samples, data), pool: samples, name: basename(data), version, description };
    const kept = opened.move();
    return {
      ...chosen,
      ...(logScale === undefined ? {} : { logScale }),
      ...(delta === undefined ? {} : { delta }),
      [Symbol.dispose]: () => kept.dispose(),
    };
  }
  for (const [key, value] of Object.entries(given(reading))) {
    throw new UsageError(`${optionName(key)} is ${value}, but no file is read that it is for. Give one with --data.`);
  }
  const spec = data === undefined || parseDataFile(data) ? ownSpec(model) : data;
  const own = model.config.dataset !== undefined && isSamePlugin("datasets", spec, model.config.dataset);
  const plugin = spec === data ? await loadDataset(spec) : await loadStoredDataset(spec, model.trust);
  const values = own ? model.config.datasetOptions : defaultsOf(plugin.options);
  const loaded = await plugin.load(Random.fromSeed(model.config.seed).split("data"), values);
  if (loaded.shape.join() !== model.info.shape.join()) {
    throw new UserError(
      `The data ${spec} has samples of shape [${loaded.shape}], but the model is of samples of [${model.info.shape}]. ` +
        "Give data like that which it was trained on.",
    );
  }
  const chosen = part ?? (loaded.test ? "test" : "validation");
  const samples = loaded[chosen];
  if (!samples) throw new UserError(`The data ${spec} has no part ${chosen}. Choose --part validation or train.`);
  return {
    samples: atLeastOne(samples, spec),
    pool: own ? loaded.train : samples,
    ...(own ? { own: { part: chosen, dataset: loaded } } : {}),
    name: `${basename(spec)}-${chosen}`,
    ...(loaded.logScale === undefined ? {} : { logScale: loaded.logScale }),
    ...(loaded.delta === undefined ? {} : { delta: loaded.delta }),
    ...(loaded.description === undefined ? {} : { description: loaded.description }),
    [Symbol.dispose]() {},
  };
}

/** The data that a model was trained on, in the parts that it was trained with. */
export async function ownData(model: OpenModel): Promise<Dataset> {
  const plugin = await loadStoredDataset(ownSpec(model), model.trust);
  return await plugin.load(Random.fromSeed(model.config.seed).split("data"), model.config.datasetOptions);
}

function ownSpec({ config, checkpoint }: OpenModel): string {
  if (config.dataset) return config.dataset;
  throw new UserError(`${checkpoint} has no data of its own. Give some with --data, or with --fit.`);
}

/** How the run's own file was read, as far as it holds for another of its kind. */
function readingOf(options: OptionValues): OptionValues {
  const kept = ["range", "layout", "size", "background"].filter((key) => options[key] !== undefined);
  return Object.fromEntries(kept.map((key) => [key, options[key]]));
}

function given(values: Reading): Record<string, string> {
  const some = Object.entries(values).filter((each): each is [string, string] => each[1] !== undefined);
  return Object.fromEntries(some.filter(([, value]) => value !== "auto"));
}

function atLeastOne(samples: Samples, name: string): Samples {
  if (samples.count >= 1) return samples;
  throw new UserError(`The data ${name} has no samples. Give some.`);
}
