import type { Gaussian } from "../reference/gaussian.ts";
import type { Estimate } from "../diffusion/likelihood.ts";
import { type Engine, EngineError, type InitialEntry, type State, type Tensors } from "../engine/program.ts";
import { createErrorMeter, type ErrorMeter } from "../evaluation/errors.ts";
import { estimateNll, estimateNllAgainstStandard } from "../evaluation/nll.ts";
import { requireSameNumber } from "../mpi/agree.ts";
import { oneRank, type Ranks } from "../mpi/ranks.ts";
import type { DataInfo, Dataset, Denoiser } from "../plugins/contracts.ts";
import type { Random } from "../random/random.ts";
import { createSampler, type Sampler } from "../sampling/sampler.ts";
import { type Samples, selectRows } from "../data/samples.ts";
import type { HostTensors } from "../data/tensors.ts";
import { createBatches, inParts } from "./batches.ts";
import { DivergenceError } from "./divergence.ts";
import { type AdaptiveState, ProposalLearner } from "./proposal_learner.ts";
import type { TrainingSettings } from "./settings.ts";
import { flatten, layoutOf, type ParameterLayout, unflatten, unflattenTensor } from "./parameters.ts";
import { averagingShare, learningRateAt, type Recipe } from "./recipe.ts";
import { averagingStep, EMA, GRADIENT, MOMENTS, PARAMS, PARTIAL_GRADIENT } from "./step.ts";

export { DivergenceError } from "./divergence.ts";

/** One optimiser step. */
export interface StepRecord {
  /** Tells it from an epoch's record. */
  readonly kind: "step";
  /** Counted from 1. */
  readonly epoch: number;
  /** Steps since training began. */
  readonly step: number;
  /** The batch's NLL in nats. */
  readonly nll: number;
}

/** One finished epoch. */
export interface EpochRecord {
  /** Tells it from a step's record. */
  readonly kind: "epoch";
  /** Counted from 1. */
  readonly epoch: number;
  /** Steps since training began. */
  readonly step: number;
  /** The mean over the epoch's batches, in nats. */
  readonly trainNll: number;
  /** On the validation data, with its standard error, in nats. */
  readonly validation: Estimate;
  /** That of the epoch's last step. */
  readonly learningRate: number;
}

/**
 * Everything that a run needs to go on as if it had not stopped. Its tensors may be the state's own memory, which the next
 * step changes.
 */
export interface TrainingSnapshot {
  /** Finished steps. */
  readonly step: number;
  /** Epochs whose records have been yielded. */
  readonly epoch: number;
  /** The sum of the NLLs of the unfinished epoch's batches. */
  readonly nllSum: number;
  /** What is evaluated: the averaged parameters, where the recipe averages. */
  readonly model: HostTensors;
  /** The optimiser's vectors. */
  readonly training: HostTensors;
  /** What an adaptive proposal has learned, and draws by. */
  readonly adaptive?: AdaptiveState;
}

/** A training run. */
export interface Training {
  readonly stepsPerEpoch: number;
  readonly parameterCount: number;
  /** Measures the error of the model as it is now. */
  readonly meter: ErrorMeter;
  /** A sampler of the model as it is at each call. @param batch Samples at a time. */
  samplerOf(batch: number): Promise<Sampler>;
  /** Measures the error of a denoiser that is made of the one trained and has its weights, as they are at each call. */
  meterOf(wrap: (denoiser: Denoiser) => Denoiser, gaussian: Gaussian): Promise<ErrorMeter>;
  /**
   * Trains to the end, yielding every step and every finished epoch. May be left and called again. Ends early, within a
   * step or a validation, when the ranks are to stop; what was begun is then as if it had not been.
   *
   * @throws {DivergenceError} When a loss is not finite.
   * @throws {RanksDifferError} When the ranks do not hold the same parameters.
   */
  run(): AsyncGenerator<StepRecord | EpochRecord>;
  snapshot(): Promise<TrainingSnapshot>;
  dispose(): Promise<void>;
}

/**
 * Sets up a training run, from its start or from a snapshot. All chance comes from `random`, split by purpose and by
 * step, so that a run that resumes sees the same numbers as one that never stopped.
 *
 * Of several ranks each takes a part of every batch, and all hold the same parameters; what the training yields, and its
 * snapshots, are the same on every rank, and but for rounding the same as those of one rank.
 *
 * @throws {EngineError} When the denoiser cannot run on the engine or gives a wrong shape, or a snapshot does not fit.
 */
export async function createTraining(
  engine: Engine,
  denoiser: Denoiser,
  data: Dataset,
  info: DataInfo,
  settings: TrainingSettings,
  random: Random,
  { from, ranks = oneRank() }: { readonly from?: TrainingSnapshot; readonly ranks?: Ranks } = {},
): Promise<Training> {
  const { recipe, batchSize } = settings;
  const signal = ranks.stop;
  const { gaussian } = info;
  const initial = denoiser.init(random.split("init"));
  const layout = layoutOf(initial);
  const state = engine.createState(initialState(layout, recipe, inParts(ranks, settings), initial, from));
  const evaluated = recipe.ema === undefined ? PARAMS : EMA;
  const weights = (s: Tensors) => layout.size === 0 ? {} : unflattenTensor(layout, s[evaluated]);
  const meterOf: Training["meterOf"] = (wrap, gaussian) =>
    createErrorMeter(
      engine,
      state,
      weights,
      wrap(denoiser),
      { shape: info.shape, gaussian },
      settings.evalBatchSize,
      { signal, ranks },
    );
  const meter = await meterOf((d) => d, gaussian);
  const learner = settings.adaptiveProposal ? new ProposalLearner(settings.proposal, from?.adaptive) : undefined;
  // A denoiser without parameters trains nothing; its epochs only validate.
  const batches = layout.size === 0
    ? undefined
    : await createBatches(engine, state, { denoiser, layout }, data, info, settings, random, learner, ranks);
  const averaging = batches && recipe.ema !== undefined
    ? await engine.compile(averagingStep, state, { share: [] })
    : undefined;
  const held = selectRows(
    data.validation,
    random.split("validation samples").permutation(data.validation.count).slice(0, settings.validationSamples).sort(),
  );
  const stepsPerEpoch = batches ? Math.floor(data.train.count / batchSize) : 1;
  let { step, epoch, nllSum } = from ?? { step: 0, epoch: 0, nllSum: 0 };

  async function* run(): AsyncGenerator<StepRecord | EpochRecord> {
    const steps = settings.epochs * stepsPerEpoch;
    while (epoch < settings.epochs) {
      if (step < (epoch + 1) * stepsPerEpoch) {
        if (signal.aborted) return;
        const nll = batches ? await batches.train(step + 1) : 0;
        if (nll === undefined) return;
        nllSum += nll;
        step++;
        if (recipe.ema !== undefined) {
          await averaging?.run({ share: Float32Array.of(averagingShare(recipe.ema, step)) });
        }
        if (batches) yield { kind: "step", epoch: epoch + 1, step, nll };
        continue;
      }
      await requireSameParameters(ranks, state, layout);
      const validation = await unlessAborted(() => validate(meter, held, settings, random), signal);
      if (!validation) return;
      if (!Number.isFinite(validation.mean)) throw new DivergenceError(step, settings.proposal.loc, "validation NLL");
      const trainNll = batches ? nllSum / stepsPerEpoch : validation.mean;
      const learningRate = learningRateAt(recipe, settings.learningRate, step, steps);
      epoch++;
      nllSum = 0;
      learner?.learn();
      yield { kind: "epoch", epoch, step, trainNll, validation, learningRate };
    }
  }

  return {
    stepsPerEpoch,
    parameterCount: layout.size,
    meter,
    meterOf,
    samplerOf: (batch) => createSampler(engine, state, weights, denoiser, info, batch, ranks),
    run,
    async snapshot() {
      if (layout.size === 0) return { step, epoch, nllSum, model: {}, training: {} };
      const { [GRADIENT]: _, [PARTIAL_GRADIENT]: __, ...training } = await state.read();
      const model = unflatten(layout, training[evaluated].data);
      return { step, epoch, nllSum, model, training, ...(learner ? { adaptive: learner.state() } : {}) };
    },
    async dispose() {
      await batches?.dispose();
      await averaging?.dispose();
      await meter.dispose();
      state.dispose();
    },
  };
}

/** The model's NLL on held-out samples. The noise is that of every epoch, so that only the model moves the curve. */
export function validate(
  meter: ErrorMeter,
  samples: Samples,
  { recipe, proposal, validationLevels }: TrainingSettings,
  random: Random,
): Promise<Estimate> {
  const noise = random.split("validation");
  return recipe.estimator === "paired"
    ? estimateNll(meter, samples, proposal, noise, validationLevels)
    : estimateNllAgainstStandard(meter, samples, proposal, noise);
}

/** What a function gives, or nothing where the signal ends it. */
async function unlessAborted<T>(run: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    if (signal.aborted && error === signal.reason) return undefined;
    throw error;
  }
}

/** Checks that every rank has the parameters of this one. @throws {RanksDifferError} */
async function requireSameParameters(ranks: Ranks, state: State, layout: ParameterLayout): Promise<void> {
  if (ranks.size === 1 || layout.size === 0) return;
  const { [PARAMS]: { data } } = await state.read([PARAMS]);
  const sum = data.reduce((sum, x, i) => sum + x * (1 + i % 7), 0);
  await requireSameNumber(
    ranks,
    sum,
    "their parameters have gone apart. Their processors or libraries round differently; run on machines of one kind.",
  );
}

function initialState(
  layout: ParameterLayout,
  recipe: Recipe,
  severalParts: boolean,
  params: HostTensors,
  from: TrainingSnapshot | undefined,
): Record<string, InitialEntry> {
  if (layout.size === 0) return {};
  const shape = [layout.size];
  const kept = [PARAMS, ...MOMENTS, ...(recipe.ema === undefined ? [] : [EMA])];
  const zero = [GRADIENT, ...(severalParts ? [PARTIAL_GRADIENT] : [])].map((name) => [name, { shape }]);
  if (!from) {
    const start = { shape, data: flatten(layout, params) };
    const fresh = kept.map((name) => [name, name === PARAMS || name === EMA ? start : { shape }]);
    return Object.fromEntries([...fresh, ...zero]);
  }
  for (const name of kept) {
    const got = from.training[name]?.data.length;
    if (got !== layout.size) {
      throw new EngineError(
        `The checkpoint has ${got ?? "no"} values of "${name}"; this denoiser needs ${layout.size}. ` +
          "Resume with the options that the run was started with.",
      );
    }
  }
  return Object.fromEntries([...kept.map((name) => [name, from.training[name]]), ...zero]);
}
