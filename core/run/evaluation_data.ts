import { basename, resolve } from "node:path";
import { UsageError } from "../cli/mod.ts";
import { parseDataFile } from "../data/data_file.ts";
import { UserError } from "../errors/user_error.ts";
import { loadDataset } from "../plugins/load.ts";
import type { Dataset } from "../plugins/contracts.ts";
import { defaultsOf } from "../options/defaults.ts";
import { Random } from "../random/random.ts";
import type { Samples } from "../data/samples.ts";
import { openRows } from "../../datasets/file.ts";
import type { OpenModel } from "./open_weights.ts";

/** The parts of a data set. */
export const PARTS = ["test", "validation", "train"] as const;

export type Part = typeof PARTS[number];

/** Samples to evaluate a model on. Those of a file are read from it until this is disposed of. */
export interface ChosenSamples extends Disposable {
  readonly samples: Samples;
  /** Samples of about the same distribution. */
  readonly pool: Samples;
  /** What to call them, also in a file's name. */
  readonly name: string;
  /** Tells a file from a later one of the same name. */
  readonly version?: string;
  /** Added to an NLL in nats it gives that of the values before they were scaled. */
  readonly logScale?: number;
}

/**
 * The samples that a task is asked to evaluate a run on: a part of its own data set, of another, or the rows of a file.
 *
 * @param data A file or data set; the run's own if undefined.
 * @param part Which part of a data set; test, or validation where there is none, if undefined.
 * @throws {UserError} When they do not fit the run, or are fewer than two.
 */
export async function samplesOf(
  model: OpenModel,
  { data, part }: { readonly data: string | undefined; readonly part: Part | undefined },
): Promise<ChosenSamples> {
  if (data !== undefined && parseDataFile(data) && resolve(data) !== model.config.dataset) {
    if (part !== undefined) {
      throw new UsageError("--part is of a data set; of a file all rows are taken. Leave it out.");
    }
    const { axes, range, shape, logScale } = model.info;
    const scaling = { ...(axes ? { axes } : {}), ...(range ? { range } : {}) };
    using opened = new DisposableStack();
    const { samples } = opened.use(await openRows(data, shape, scaling, model.config.datasetOptions));
    const version = await versionOf(data);
    const chosen = { samples: atLeastTwo(samples, data), pool: samples, name: basename(data), version };
    const kept = opened.move();
    return { ...chosen, ...(logScale === undefined ? {} : { logScale }), [Symbol.dispose]: () => kept.dispose() };
  }
  const spec = data === undefined || parseDataFile(data) ? ownSpec(model) : data;
  const own = spec === model.config.dataset;
  const plugin = await loadDataset(spec);
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
    samples: atLeastTwo(samples, spec),
    pool: own ? loaded.train : samples,
    name: `${basename(spec)}-${chosen}`,
    ...(loaded.logScale === undefined ? {} : { logScale: loaded.logScale }),
    [Symbol.dispose]() {},
  };
}

/** The data that a model was trained on, in the parts that it was trained with. */
export async function ownData(model: OpenModel): Promise<Dataset> {
  const plugin = await loadDataset(ownSpec(model));
  return await plugin.load(Random.fromSeed(model.config.seed).split("data"), model.config.datasetOptions);
}

function ownSpec({ config, checkpoint }: OpenModel): string {
  if (config.dataset) return config.dataset;
  throw new UserError(`${checkpoint} has no data of its own. Give some with --data, or with --fit.`);
}

async function versionOf(spec: string): Promise<string> {
  const { size, mtime } = await Deno.stat(parseDataFile(spec)!.path);
  return `${size} ${mtime?.getTime()}`;
}

function atLeastTwo(samples: Samples, name: string): Samples {
  if (samples.count >= 2) return samples;
  throw new UserError(`The data ${name} has ${samples.count} samples; an estimate with an error needs two.`);
}
