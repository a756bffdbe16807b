import configuration from "../../deno.json" with { type: "json" };
import { evenProposal, logsnrRange, type Proposal } from "../diffusion/logsnr.ts";
import { type Engine, EngineError } from "../engine/mod.ts";
import { type StartedEngine, startEngine } from "../engine/start.ts";
import { UserError } from "../errors/user_error.ts";
import { requireSameSettings } from "../mpi/agree.ts";
import { mostRows, type Ranks } from "../mpi/ranks.ts";
import type { CreateContext, DataInfo, Dataset, Denoiser, DenoiserPlugin } from "../plugins/contracts.ts";
import { checkParams } from "../plugins/load.ts";
import type { Random } from "../random/random.ts";
import { chooseReference, type ChosenReference, rangeOf, referenceRequest } from "../reference/choose_reference.ts";
import { chooseTable } from "../reference/choose_table.ts";
import { gaussianOfTable } from "../reference/table_moments.ts";
import { blocksOf } from "../rows/table_coding.ts";
import { drawn } from "../random/row_uniforms.ts";
import { rowsOfRun } from "../evaluation/row_program.ts";
import { fitGaussian, type Gaussian, standardGaussian } from "../reference/gaussian.ts";
import { flooredBy } from "../reference/held_out_floor.ts";
import { type GaussianMixture, onlyGaussian } from "../reference/mixture.ts";
import { sizeOf } from "../data/tensors.ts";
import { requireTrainingMemory } from "../training/memory.ts";
import type { TrainingSettings } from "../training/settings.ts";
import { RECIPES } from "../training/recipe.ts";
import { createTraining, type Training, type TrainingSnapshot } from "../training/train.ts";
import { requireVariedColumns } from "./constant_columns.ts";
import { unresolvedNote } from "./unresolved_directions.ts";
import { FINE_TUNING_RATE, type FitSettings, RATE, WIDE, WIDE_RATE } from "./settings.ts";

/** Settings with nothing left open. */
export type ResolvedSettings<S extends FitSettings = FitSettings> = S & {
  readonly epochs: number;
  readonly patience: number;
  readonly validateEvery: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly logsnrLoc: number;
  readonly logsnrScale: number;
};

/** A training that is ready for its first step. */
export interface BegunTraining<S extends FitSettings = FitSettings> {
  readonly config: ResolvedSettings<S>;
  readonly info: DataInfo;
  readonly proposal: Proposal;
  readonly settings: TrainingSettings;
  readonly engine: Engine;
  /** Why it is this engine, where that was left open. */
  readonly engineReason?: string;
  readonly denoiser: Denoiser;
  readonly training: Training;
}

/** What a training begins with besides its settings. */
export interface BeginOptions {
  /** What to call the data in messages. */
  readonly dataName: string;
  readonly ranks: Ranks;
  /** Values of the samples whose gradient is computed at once, at most. */
  readonly microBatchValues: number;
  readonly context?: CreateContext;
  /** What it goes on from. */
  readonly from?: TrainingSnapshot;
  /** The Gaussian and the reference of the run that it goes on with; otherwise they are fitted. */
  readonly gaussian?: Gaussian;
  readonly reference?: GaussianMixture;
  /** An engine that is started already. */
  readonly started?: StartedEngine;
}

/**
 * Fits the data's Gaussian, makes the denoiser, chooses the log SNRs and compiles the training.
 *
 * @param random Decides, with the settings, every number of the training.
 * @throws {UserError} When the data, the denoiser and the settings do not fit each other.
 */
export async function beginTraining<S extends FitSettings>(
  data: Dataset,
  plugin: DenoiserPlugin & { readonly name: string },
  config: S,
  random: Random,
  { dataName, ranks, microBatchValues, context = {}, from, reference, started, ...saved }: BeginOptions,
): Promise<BegunTraining<S>> {
  const rows = data.train.count;
  const batchSize = config.batchSize === "auto" ? Math.min(BATCH, rows) : config.batchSize;
  if (batchSize > rows) {
    throw new UserError(
      `--batch-size is ${batchSize}, but the data set ${dataName} has ${rows} training samples. Give at most ${rows}.`,
    );
  }
  if (config.flip && data.shape.length !== 3) {
    throw new UserError(`--flip mirrors pictures, but ${dataName} has samples of shape [${data.shape}]. Leave it out.`);
  }
  const known = {
    shape: data.shape,
    ...(data.condition ? { condition: data.condition } : {}),
    ...(data.gaps ? { gaps: data.gaps } : {}),
  };
  if ((data.condition || data.gaps) && !plugin.conditional) {
    throw new UserError(
      `The denoiser ${plugin.name} takes nothing that is known of a sample, but the data ${
        data.condition
          ? "has a condition. Leave out --condition, or take"
          : "is a table whose values may be unknown. Give numbers alone with --types off, or take"
      } --denoiser residual or mlp.`,
    );
  }
  const { engine, reason } = started ?? await startEngine(config.backend, config.threads, data.shape);
  if (!engine.precisions.includes(config.precision)) {
    throw new EngineError(
      `--precision is ${config.precision}, which the backend ${engine.backend} does not have. ` +
        "Leave it out, or use onnx-webgpu or onnx-cuda.",
    );
  }
  if (config.checkpointing && !engine.checkpoints) {
    throw new EngineError(
      `--checkpointing is of compiled backends, which ${engine.backend} is none of. Leave it out, or use onnx-cpu.`,
    );
  }
  ranks.stop.throwIfAborted();
  const microBatchSize = Math.min(
    batchSize,
    config.microBatchSize || partOf(batchSize, microBatchValues / sizeOf(data.shape)),
  );
  const recipe = {
    // Images keep PyTorch's Adam, whose short runs end before a rise of the rate would.
    ...(data.shape.length === 1 ? RECIPES[config.recipe].optimiser : {}),
    ...{ decay: config.decay, estimator: config.estimator },
    ...(config.ema > 0 ? { ema: config.ema } : {}),
  };
  const sizes = {
    step: Math.min(microBatchSize, mostRows(ranks, batchSize)),
    evaluation: rowsOfRun(config.evalBatchSize, ranks),
    checkpointing: config.checkpointing,
  };
  const isTable = data.table !== undefined;
  if (!isTable && data.shape.length === 1 && (config.logsnrLoc === "auto" || config.logsnrScale === "auto")) {
    requireVariedColumns(data, dataName);
  }
  if (!reference && !isTable && (data.shape.length === 1 || takesMixtures(config))) {
    // What is wrong with the denoiser's options, or too large, is told before a density is fitted, which takes its time.
    const plain = { ...known, gaussian: saved.gaussian ?? standardGaussian(sizeOf(data.shape)) };
    // What is assumed is told once, by the one that stays.
    const { onNote: _, ...quiet } = context;
    const trial = await plugin.create(plain, config.denoiserOptions, { ...quiet, signal: ranks.stop, training: true });
    requireTrainingMemory(engine, trial, plain, recipe, sizes);
  }
  // The moments of rows with unknown values are those of the mixture that is fitted to them.
  const fitted = saved.gaussian ?? (isTable ? undefined : fittedGaussian(data, config));
  if (!reference && data.shape.length === 3 && rows >= MANY_IMAGES && takesMixtures(config)) {
    context.onNote?.(
      "reference: mixtures are fitted to the directions that the images vary in most, which takes minutes before the first " +
        "step; --reference gaussian begins at once",
    );
  }
  const chosen = reference
    ? { reference, structure: reference }
    : fitted
    ? await referenceFor(engine, data, fitted, config, random, ranks.stop)
    : tableReference(data, config, random, ranks.stop);
  const gaussian = fitted ?? gaussianOfTable(chosen.reference);
  // One Gaussian of x and what is known of it is a density given c, which that of x alone is not.
  const isOne = chosen.reference.components.length === 1 && !chosen.reference.given && !isTable;
  const info: DataInfo = { ...known, gaussian, ...(isOne ? {} : { reference: chosen.reference }) };
  const made = await plugin.create(info, config.denoiserOptions, { ...context, training: true });
  ranks.stop.throwIfAborted();
  const denoiser = {
    ...made,
    init: (r: Random) => checkParams(plugin.name, made.init(r), made.shapes),
    ...(made.initEach
      ? {
        *initEach(r: Random) {
          for (const [key, tensor] of made.initEach!(r)) {
            yield* Object.entries(checkParams(plugin.name, { [key]: tensor }));
          }
        },
      }
      : {}),
    predict: made.predict.bind(made),
  };
  requireTrainingMemory(engine, denoiser, info, recipe, sizes);
  const proposal = proposalFor(config, chosen.structure);
  const unresolved = data.shape.length === 3 && config.estimator === "paired"
    ? unresolvedNote(gaussian, proposal)
    : undefined;
  if (unresolved) context.onNote?.(unresolved);
  const stepsPerEpoch = Math.max(1, Math.floor(rows / batchSize));
  const epochs = config.epochs === "auto"
    ? Math.max(
      1,
      Math.round(
        (isTable
          ? stepsForTable(rows)
          : stepsFor(logsnrRange(proposal)[1], isOne && chosen.structure.components.length > 1)) / stepsPerEpoch,
      ),
    )
    : config.epochs;
  const ofHalf = !isTable && sizeOf(data.shape) < OVERFITTING ? 0 : Math.max(LEAST_PATIENCE, Math.ceil(epochs / 2));
  const patience = config.patience === "auto" ? ofHalf : config.patience;
  const often = Math.max(1, Math.round(epochs / VALIDATIONS));
  const validateEvery = config.validateEvery === "auto"
    ? Math.min(isTable ? Infinity : MOST_EVERY, often)
    : config.validateEvery;
  const usualRate = made.isPretrained
    ? FINE_TUNING_RATE
    : made.learningRate ?? (sizeOf(data.shape) > WIDE ? WIDE_RATE : RATE);
  const learningRate = config.learningRate === "auto" ? usualRate : config.learningRate;
  const settings: TrainingSettings = {
    recipe,
    proposal,
    adaptiveProposal: config.proposal === "adaptive",
    epochs,
    batchSize,
    microBatchSize,
    precision: config.precision,
    learningRate,
    evalBatchSize: config.evalBatchSize,
    validateEvery,
    validationLevels: config.validationLevels,
    validationSamples: config.validationSamples || Infinity,
    blend: config.reference !== "none" && config.estimator === "paired" && !denoiser.form,
    patience: patience || Infinity,
    ...(data.condition ? { dropCondition: config.dropCondition } : {}),
    flip: config.flip,
    checkpointing: config.checkpointing,
  };
  const resolved = {
    ...{ ...config, epochs, patience, validateEvery, batchSize, microBatchSize, learningRate },
    ...{ logsnrLoc: proposal.loc, logsnrScale: proposal.scale },
    denoiserOptions: denoiser.options ?? config.denoiserOptions,
  };
  await requireSameSettings(ranks, {
    ...{ config: { ...resolved, threads: 0 }, version: configuration.version, step: from?.step ?? 0 },
    data: [
      data.shape,
      data.train.count,
      data.validation.count,
      [...gaussian.mean],
      [...gaussian.eigenvalues],
      data.condition ?? 0,
      data.gaps ?? 0,
    ],
    reference: [...chosen.reference.weights, ...chosen.reference.components[0].eigenvalues],
  });
  const training = await createTraining(engine, denoiser, data, info, settings, random.split("training"), {
    ...(from ? { from } : {}),
    ranks,
  });
  return {
    ...{ config: resolved, info, proposal, settings, engine, denoiser, training },
    ...(reason === undefined ? {} : { engineReason: reason }),
  };
}

/** Samples in a step where their number is left open. */
const BATCH = 256;

/** Epochs that training goes on at least without a better one. */
const LEAST_PATIENCE = 10;

/** The dimension from which on a network soon learns its samples by heart, so that its best epoch may not be its last. */
const OVERFITTING = 16;

/** Validations of a run on points, about, and epochs between two at most: one of few samples takes less time than one. */
const VALIDATIONS = 64, MOST_EVERY = 8;

/** Steps for data whose structure ends at a log SNR, which is where that of the moons does. */
const STEPS = 4000;
const STEPS_UP_TO = 12;

/** How many times finer structure, in log SNR, takes e times the steps, and the most times that they are taken. */
const STEPS_SCALE = 4;
const MOST_TIMES = 1.75;

/** The same of a network that has only a Gaussian beside it, of data that is none, and how many times more it takes at all. */
const MOST_TIMES_ALONE = 4;
const ALONE = 2;

/** Steps that data needs whose finest structure is resolved at a log SNR: the finer, the more there is to learn. */
function stepsFor(logsnr: number, isAlone: boolean): number {
  const most = isAlone ? MOST_TIMES_ALONE : MOST_TIMES;
  const times = Math.min(most, Math.max(1, Math.exp((logsnr - STEPS_UP_TO) / STEPS_SCALE)));
  return STEPS * times * (isAlone ? ALONE : 1);
}

/** Steps for a table: few rows say little beyond their mixture, and are soon learned by heart. */
function stepsForTable(rows: number): number {
  return Math.min(STEPS, Math.max(LEAST_TABLE_STEPS, rows));
}

const LEAST_TABLE_STEPS = 1000;

/** What the settings leave open of the log SNRs is that of the data's structure. */
function proposalFor({ logsnrLoc, logsnrScale, proposal }: FitSettings, structure: GaussianMixture): Proposal {
  const { loc, scale } = evenProposal(...rangeOf(structure));
  return {
    loc: logsnrLoc === "auto" ? loc : logsnrLoc,
    scale: logsnrScale === "auto" ? scale : logsnrScale,
    ...(proposal === "even" ? { even: true } : {}),
  };
}

/** Images whose mixtures take long to fit. */
const MANY_IMAGES = 10_000;

/** Samples that convolutions take together; they are slower on others. */
const BLOCK = 16;

/** How many samples of a batch have their gradient computed at once: alike parts of at most so many, in whole blocks. */
function partOf(batchSize: number, most: number): number {
  if (most >= batchSize) return batchSize;
  const block = most < BLOCK ? 1 : BLOCK, fitting = Math.max(1, Math.floor(most / block) * block);
  const parts = Math.ceil(batchSize / fitting);
  return Math.ceil(batchSize / parts / block) * block;
}

/** The data's Gaussian; of pictures with variances by which those that are held out are the most likely. */
function fittedGaussian({ train, validation, shape }: Dataset, { recipe }: FitSettings): Gaussian {
  const gaussian = fitGaussian(train, shape);
  return shape.length === 3 && recipe !== "seed" ? flooredBy(gaussian, validation) : gaussian;
}

/** The reference that the settings ask for; nothing is fitted that nothing asks for. */
async function referenceFor(
  engine: Engine,
  data: Dataset,
  gaussian: Gaussian,
  config: FitSettings,
  random: Random,
  signal: AbortSignal,
): Promise<ChosenReference> {
  const one = onlyGaussian(gaussian);
  const isKnown = config.reference === "none" || !data.condition;
  if (isKnown && !takesMixtures(config)) return { reference: one, structure: one };
  const request = referenceRequest(config.reference);
  const asked = takesMixtures(config) ? request : { ...request, components: 1 };
  return await chooseReference(engine, data, gaussian, asked, random.split("reference"), signal, data.condition);
}

/** Whether the settings ask for what only mixtures tell: a reference, or the range of the log SNRs. */
function takesMixtures({ reference, logsnrLoc, logsnrScale }: FitSettings): boolean {
  const { kind } = referenceRequest(reference);
  return logsnrLoc === "auto" || logsnrScale === "auto" || !(kind === "none" || kind === "gaussian");
}

/** The mixture of a table's rows that the settings ask for. */
function tableReference(
  { train, validation, table, gaps }: Dataset,
  { reference }: FitSettings,
  random: Random,
  signal: AbortSignal,
): ChosenReference {
  const request = referenceRequest(reference);
  if (request.kind === "kernel") {
    throw new UserError(
      "--reference is kernel, which a table with levels or unknown values has none of. Take mixture.",
    );
  }
  const components = request.kind === "gaussian" || request.kind === "none" ? 1 : request.components;
  const chance = random.split("reference"), options = { components, signal };
  const [own, judges] = [train, validation].map((samples) => drawn(samples, chance));
  const chosen = chooseTable(own, judges, blocksOf(table!), gaps, chance.split("mixture"), options);
  return { reference: chosen, structure: chosen };
}
