import { basename, resolve } from "node:path";
import { UsageError } from "../cli/mod.ts";
import { parseDataFile } from "../data_file_spec.ts";
import { UserError } from "../errors.ts";
import { loadDataset } from "../load_plugin.ts";
import type { Dataset } from "../plugins.ts";
import { Random } from "../random.ts";
import type { Samples } from "../samples.ts";
import { loadRows } from "../../datasets/file.ts";
import type { OpenRun } from "./open_run.ts";

/** The parts of a data set. */
export const PARTS = ["test", "validation", "train"] as const;

export type Part = typeof PARTS[number];

/** Samples to evaluate a model on. */
export interface ChosenSamples {
  readonly samples: Samples;
  /** Samples of about the same distribution. */
  readonly pool: Samples;
  /** What to call them, also in a file's name. */
  readonly name: string;
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
  run: OpenRun,
  { data, part }: { readonly data: string | undefined; readonly part: Part | undefined },
): Promise<ChosenSamples> {
  if (data !== undefined && parseDataFile(data) && resolve(data) !== run.config.dataset) {
    if (part !== undefined) {
      throw new UsageError("--part is of a data set; of a file all rows are taken. Leave it out.");
    }
    const { axes, range, shape, logScale } = run.info;
    const scaling = { ...(axes ? { axes } : {}), ...(range ? { range } : {}) };
    const samples = await loadRows(data, shape, scaling, run.config.datasetOptions);
    return {
      ...{ samples: atLeastTwo(samples, data), pool: samples, name: basename(data) },
      ...(logScale === undefined ? {} : { logScale }),
    };
  }
  const spec = data === undefined || parseDataFile(data) ? run.config.dataset : data;
  const own = spec === run.config.dataset;
  const plugin = await loadDataset(spec);
  const defaults = Object.entries(plugin.options ?? {}).map(([key, option]) => [key, option.default]);
  const values = own ? run.config.datasetOptions : Object.fromEntries(defaults);
  const loaded = await plugin.load(Random.fromSeed(run.config.seed).split("data"), values);
  if (loaded.shape.join() !== run.info.shape.join()) {
    throw new UserError(
      `The data ${spec} has samples of shape [${loaded.shape}], but the model is of samples of [${run.info.shape}]. ` +
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
  };
}

/** The data that a run was trained on, in the parts that it was trained with. */
export async function ownData(run: OpenRun): Promise<Dataset> {
  const plugin = await loadDataset(run.config.dataset);
  return await plugin.load(Random.fromSeed(run.config.seed).split("data"), run.config.datasetOptions);
}

function atLeastTwo(samples: Samples, name: string): Samples {
  if (samples.count >= 2) return samples;
  throw new UserError(`The data ${name} has ${samples.count} samples; an estimate with an error needs two.`);
}
