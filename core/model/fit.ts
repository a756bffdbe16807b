import type { Estimate } from "../diffusion/likelihood.ts";
import { logsnrRange } from "../diffusion/logsnr.ts";
import { defaultThreads } from "../engine/start.ts";
import { InterruptedError } from "../errors/interrupted_error.ts";
import { UsageError } from "../errors/usage_error.ts";
import { oneRank } from "../mpi/ranks.ts";
import { givenOptions } from "../options/given.ts";
import { type Dataset, type DenoiserPlugin, type LoadContext, referenceOf } from "../plugins/contracts.ts";
import { checkDataset } from "../plugins/check_dataset.ts";
import { loadDenoiser, pluginOf } from "../plugins/load.ts";
import { Random } from "../random/random.ts";
import { BLEND, blendedDenoiser } from "../reference/blend.ts";
import type { EpochRecord, StepRecord } from "../training/train.ts";
import { beginTraining, type ResolvedSettings } from "./begin_training.ts";
import { loadData, type NamedDataset } from "./load_data.ts";
import { createModel, type Model } from "./model.ts";
import type { ConditionColumns, Rows } from "./rows.ts";
import { requireSettings } from "./setting_ranges.ts";
import { defaultsOf, DROP_CONDITION, type FitSettings, recipeDefaults } from "./settings.ts";

/** How a model is fitted. What is left out is as `deno task train:2d` and `train:cifar` have it. */
export interface FitOptions extends Partial<FitSettings>, LoadContext {
  /** A denoiser's name (`mlp`), path or URL, or a plugin's module. */
  readonly denoiser?: string | DenoiserPlugin;
  /** Of rows: which of their columns are known of a sample, as {@linkcode LoadDataOptions.condition}. */
  readonly condition?: ConditionColumns;
  /** Called after every step. */
  readonly onStep?: (record: StepRecord) => void | Promise<void>;
  /** Called after every epoch, with the NLL on the validation data. */
  readonly onEpoch?: (record: EpochRecord) => void | Promise<void>;
}

/** A model that was fitted here, and how. */
export interface FittedModel extends Model {
  /** The settings, with nothing left open. */
  readonly settings: ResolvedSettings;
  /** What it was fitted to. */
  readonly data: NamedDataset;
  /** The denoiser's name, path or URL; none for one that a program gave. */
  readonly denoiserName: string | undefined;
  /** One record per epoch. */
  readonly history: readonly EpochRecord[];
  /** E[−log p(x)] on the validation data after the last epoch, in nats of the values that the model sees. */
  readonly validation: Estimate;
}

/**
 * Fits a density to data: trains a denoiser, whose loss is the negative log likelihood (arXiv 2302.03792). With the same
 * seed and settings it is the model that `deno task train:2d` trains, number for number.
 *
 * @param data A data set, or rows of numbers, which are standardised as {@linkcode loadData} does it.
 * @throws {UserError} When data, denoiser and settings do not fit each other.
 * @throws {DivergenceError} When a loss is not finite.
 *
 * @example
 * ```ts
 * import { ok } from "assert";
 * import { fit } from "./fit.ts";
 * import { loadData } from "./load_data.ts";
 *
 * const data = await loadData("scg", { options: { points: 400 } });
 * await using model = await fit(data, { epochs: 2, batchSize: 64, denoiserOptions: { width: 16 } });
 * const { nats, stderr } = await model.nll(data.validation);
 * ok(Math.abs(nats - 1.2) < 4 * stderr);
 * ```
 */
export async function fit(data: NamedDataset | Dataset | Rows, options: FitOptions = {}): Promise<FittedModel> {
  const { onStep, onEpoch, onNote, signal, onProgress, denoiser: named, denoiserOptions: given, condition, ...rest } =
    options;
  requireSettings(rest);
  const seed = rest.seed ?? 0;
  const dataset = await namedDataset(data, seed, condition);
  const recipe = rest.recipe ?? "default";
  const usual = defaultsOf(dataset.shape.length === 1 ? "points" : "images", recipe);
  const plugin = await pluginFor(named ?? usual.denoiser);
  const config: FitSettings = {
    ...{ recipe, seed, microBatchSize: 0, validationSamples: 0, backend: "auto", precision: "f32" },
    ...{ epochs: usual.epochs, batchSize: usual.batchSize, learningRate: usual.learningRate },
    ...{ evalBatchSize: usual.evalBatchSize, validationLevels: usual.validationLevels, threads: defaultThreads() },
    dropCondition: DROP_CONDITION,
    ...{ flip: false, checkpointing: false },
    ...recipeDefaults(recipe, usual.proposal),
    ...(typeof rest.epochs === "number" ? { validateEvery: 1 } : {}),
    ...defined(rest),
    denoiserOptions: givenOptions(`denoiser ${plugin.name}`, plugin.options, {
      ...plugin.recipes?.[recipe],
      ...given,
    }),
  };
  const ranks = oneRank();
  const stop = () => ranks.requestStop();
  signal?.throwIfAborted();
  signal?.addEventListener("abort", stop);
  try {
    const begun = await beginTraining(dataset, plugin, config, Random.fromSeed(seed), {
      dataName: dataset.name,
      ranks,
      microBatchValues: usual.microBatchValues ?? Infinity,
      context: { signal: ranks.stop, ...defined({ onProgress, onNote }) },
    });
    const { engine, denoiser, proposal, info, training } = begun;
    const history: EpochRecord[] = [];
    try {
      for await (const record of training.run()) {
        if (record.kind === "step") await onStep?.(record);
        else {
          history.push(record);
          await onEpoch?.(record);
        }
      }
      if (ranks.stop.aborted) {
        throw new InterruptedError(`Stopped in epoch ${history.length + 1} of ${begun.config.epochs}.`);
      }
    } catch (error) {
      await training.dispose();
      await engine.dispose();
      throw error;
    }
    const { model } = await training.snapshot();
    const params = Object.fromEntries(
      Object.entries(model).map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]),
    );
    await training.dispose();
    const { entropy, range, delta, logScale, axes, table } = dataset;
    const facts = defined({ entropy, range, delta, logScale, axes, table });
    return {
      ...createModel({
        ...{ engine, params, proposal, evalBatchSize: config.evalBatchSize },
        denoiser: BLEND in params ? blendedDenoiser(denoiser, referenceOf(info), logsnrRange(proposal)) : denoiser,
        info: { ...info, ...facts },
        ownRows: () => Promise.resolve(dataset),
      }),
      ...{ settings: begun.config, data: dataset, history, validation: history[history.length - 1].validation },
      denoiserName: typeof (named ?? usual.denoiser) === "string" ? String(named ?? usual.denoiser) : undefined,
    };
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

async function namedDataset(
  data: NamedDataset | Dataset | Rows,
  seed: number,
  condition: ConditionColumns | undefined,
): Promise<NamedDataset> {
  if (!("train" in data)) return await loadData(data, { seed, ...(condition ? { condition } : {}) });
  if (condition) {
    throw new UsageError("condition is for rows; a data set has its own, by loadData(…, { condition }). Leave it out.");
  }
  const named = "name" in data ? data : { ...data, name: "data" };
  checkDataset(named.name, named);
  return named;
}

function pluginFor(denoiser: string | DenoiserPlugin): Promise<DenoiserPlugin & { readonly name: string }> {
  if (typeof denoiser === "string") return loadDenoiser(denoiser);
  return Promise.resolve(pluginOf("given", denoiser));
}

/** Without what is undefined, so that it does not hide a default. */
function defined<T extends object>(values: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}
