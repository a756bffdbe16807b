import type { Estimate } from "../diffusion/likelihood.ts";
import { logsnrRange } from "../diffusion/logsnr.ts";
import { type Engine, EngineError, type InitialEntry, type State, type Tensors } from "../engine/program.ts";
import { createErrorMeter, type ErrorMeter } from "../evaluation/errors.ts";
import {
  blendedNll,
  estimateNll,
  estimateNllAgainstStandard,
  type HalfBlends,
  nllOfHalves,
} from "../evaluation/nll.ts";
import { requireSameNumber } from "../mpi/agree.ts";
import { oneRank, type Ranks } from "../mpi/ranks.ts";
import { type DataInfo, type Dataset, type Denoiser, referenceOf } from "../plugins/contracts.ts";
import type { Random } from "../random/random.ts";
import { BLEND, BLEND_NODES, blendedDenoiser } from "../reference/blend.ts";
import type { GaussianMixture } from "../reference/mixture.ts";
import { createSampler, type Sampler } from "../sampling/sampler.ts";
import { givenNothing } from "../data/condition.ts";
import { type Samples, selectRows } from "../data/samples.ts";
import type { HostTensors } from "../data/tensors.ts";
import { createBatches, inParts } from "./batches.ts";
import { DivergenceError } from "./divergence.ts";
import { type AdaptiveState, ProposalLearner } from "./proposal_learner.ts";
import type { TrainingSettings } from "./settings.ts";
import { initialParameters, type ParameterLayout, unflatten, unflattenTensor } from "./parameters.ts";
import { averagingShare, learningRateAt, type Recipe } from "./recipe.ts";
import { averagingStep, EMA, GRADIENT, MOMENTS, PARAMS, PARTIAL_GRADIENT } from "./step.ts";

/** The entry of a snapshot with the weights of the best epoch. */
const BEST = "best";

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

/** Finished epochs up to a validation: one, where each is validated. */
export interface EpochRecord {
  /** Tells it from a step's record. */
  readonly kind: "epoch";
  /** Counted from 1. */
  readonly epoch: number;
  /** Steps since training began. */
  readonly step: number;
  /** The mean over the batches since the last record, in nats. */
  readonly trainNll: number;
  /** On the validation data, with its standard error, in nats. */
  readonly validation: Estimate;
  /**
   * Of a model with a condition, whose `validation` is E[−log p(x | c)]: E[−log p(x)], of the same network that is told
   * nothing, on the same noise.
   */
  readonly unconditional?: Estimate;
  /** That of the epoch's last step. */
  readonly learningRate: number;
  /** Whether training ends with it: it is the last, or no epoch has been better for as long as the settings wait. */
  readonly isLast: boolean;
}

/**
 * Everything that a run needs to go on as if it had not stopped. Its tensors may be the state's own memory, which the next
 * step changes.
 */
export interface TrainingSnapshot {
  /** Finished steps. */
  readonly step: number;
  /** Finished epochs. */
  readonly epoch: number;
  /** The sum of the NLLs of the batches since the last epoch's record. */
  readonly nllSum: number;
  /** The lowest NLL of a validation so far, and its epoch. */
  readonly best?: BestEpoch;
  /** What is evaluated: the averaged parameters, where the recipe averages, and the blend's. */
  readonly model: HostTensors;
  /** The optimiser's vectors. */
  readonly training: HostTensors;
  /** What an adaptive proposal has learned, and draws by. */
  readonly adaptive?: AdaptiveState;
}

/** The epoch with the lowest NLL of a validation, in nats. */
export interface BestEpoch {
  readonly epoch: number;
  readonly nll: number;
  /** The same of the denoiser by itself, which may get better long before it adds to the reference. */
  readonly own: { readonly epoch: number; readonly nll: number };
}

/** A training run. */
export interface Training {
  readonly stepsPerEpoch: number;
  readonly parameterCount: number;
  /** Measures the error of the model as it is now: of the denoiser, blended with the reference where the settings say so. */
  readonly meter: ErrorMeter;
  /** A sampler of the model as it is at each call. @param batch Samples at a time. */
  samplerOf(batch: number): Promise<Sampler>;
  /** Measures the error of a denoiser that is made of the one trained and has its weights, as they are at each call. */
  meterOf(wrap: (denoiser: Denoiser) => Denoiser, reference: GaussianMixture): Promise<ErrorMeter>;
  /** Whether no epoch is left to train. */
  isOver(): boolean;
  /** λ of the blend with the reference at its nodes, as of the last validation; none where there is no blend. */
  blend(): Promise<Float32Array | undefined>;
  /**
   * Trains to the end, yielding every step and every finished epoch. May be left and called again. Ends early, within a
   * step or a validation, when the ranks are to stop; what was begun is then as if it had not been.
   *
   * @param onBlend Told how many of the pairs of evaluations are done that the last blend is fitted to, after the last
   * epoch's validation.
   * @throws {DivergenceError} When a loss is not finite.
   * @throws {RanksDifferError} When the ranks do not hold the same parameters.
   */
  run(onBlend?: (done: number, total: number) => void): AsyncGenerator<StepRecord | EpochRecord>;
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
  const { layout, fill } = initialParameters(denoiser, () => random.split("init"));
  // A denoiser without parameters is what it is, and one that another library loads is stored as that library knows it.
  const blends = settings.blend && layout.size > 0;
  const state = engine.createState(
    initialState(layout, recipe, inParts(ranks, settings), blends, fill, from),
  );
  const evaluated = recipe.ema === undefined ? PARAMS : EMA;
  const own = (s: Tensors) => layout.size === 0 ? {} : unflattenTensor(layout, s[evaluated]);
  const weights = (s: Tensors) => ({ ...own(s), ...(blends ? { [BLEND]: s[BLEND] } : {}) });
  const range = logsnrRange(settings.proposal);
  const model = blends ? blendedDenoiser(denoiser, referenceOf(info), range) : denoiser;
  const meterFor = (of: Denoiser, read: (s: Tensors) => Tensors, reference: GaussianMixture) =>
    createErrorMeter(engine, state, read, of, { ...info, reference }, settings.evalBatchSize, { signal, ranks });
  const meterOf: Training["meterOf"] = (wrap, reference) => meterFor(wrap(model), weights, reference);
  const meter = await meterOf((d) => d, referenceOf(info));
  /** Of the denoiser by itself, whose blend a validation fits. */
  const ownMeter = blends ? await meterFor(denoiser, own, referenceOf(info)) : meter;
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
  let { step, epoch, nllSum, best }: Pick<TrainingSnapshot, "step" | "epoch" | "nllSum" | "best"> = from ??
    { step: 0, epoch: 0, nllSum: 0 };
  // Of a run that may end early the best epoch is the model.
  const keepsBest = layout.size > 0 && settings.patience < Infinity;
  let bestWeights = keepsBest ? from?.training[BEST]?.data : undefined;
  const every = settings.validateEvery ?? 1;
  // A run ends with a validation.
  const patience = Math.ceil(settings.patience / every) * every;
  const isTired = (after: number, { epoch, own }: BestEpoch) => after - Math.max(epoch, own.epoch) >= patience;
  const isOver = () => epoch >= settings.epochs || best !== undefined && isTired(epoch, best);

  /** Of the same samples on the same noise as a validation, with the same blends, told nothing. */
  const estimateUntold = (halves: HalfBlends | undefined) => {
    const noise = random.split("validation"), { proposal, validationLevels: levels } = settings;
    return halves
      ? nllOfHalves(ownMeter, givenNothing(held), proposal, noise, levels, halves)
      : estimateNll(meter, givenNothing(held), proposal, noise, levels);
  };

  async function* run(onBlend?: Parameters<Training["run"]>[0]): AsyncGenerator<StepRecord | EpochRecord> {
    const steps = settings.epochs * stepsPerEpoch;
    while (!isOver()) {
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
      if (epoch + 1 < settings.epochs && (epoch + 1) % every !== 0) {
        epoch++;
        learner?.learn();
        continue;
      }
      await requireSameParameters(ranks, state, layout);
      const validated = await unlessAborted(
        () => validate(ownMeter, held, { ...settings, blend: blends }, random),
        signal,
      );
      if (!validated) return;
      const { estimate: validation, own: ownNll, blend, halves } = validated;
      // The blend of the model that stays is fitted to more noise.
      const isBest = !best || validation.mean < best.nll;
      const next: BestEpoch = {
        ...(isBest ? { epoch: epoch + 1, nll: validation.mean } : { epoch: best!.epoch, nll: best!.nll }),
        own: !best || ownNll < best.own.nll ? { epoch: epoch + 1, nll: ownNll } : best.own,
      };
      const isLast = epoch + 1 >= settings.epochs || isTired(epoch + 1, next);
      if (keepsBest && isBest) bestWeights = (await state.read([evaluated]))[evaluated].data.slice();
      if (isLast && bestWeights) state.write({ [evaluated]: { shape: [layout.size], data: bestWeights } });
      if (blend) state.write({ [BLEND]: { shape: [BLEND_NODES], data: blend } });
      // Before the last blend, so that an epoch's record is the same whether or not the run goes on.
      const { unconditional } = info.condition && recipe.estimator === "paired"
        ? await unlessAborted(async () => ({ unconditional: await estimateUntold(halves) }), signal) ?? {}
        : {};
      if (info.condition && signal.aborted) return;
      const refined = blend && isLast
        ? await unlessAborted(() => refineBlend(ownMeter, held, settings, random, onBlend), signal)
        : blend;
      if (blend && !refined) return;
      if (refined) state.write({ [BLEND]: { shape: [BLEND_NODES], data: refined } });
      if (!Number.isFinite(validation.mean)) throw new DivergenceError(step, settings.proposal.loc, "validation NLL");
      const epochs = epoch + 1 - Math.floor(epoch / every) * every;
      const trainNll = batches ? nllSum / epochs / stepsPerEpoch : validation.mean;
      const learningRate = learningRateAt(recipe, settings.learningRate, step, steps);
      epoch++;
      nllSum = 0;
      best = next;
      learner?.learn();
      yield {
        ...{ kind: "epoch", epoch, step, trainNll, validation, learningRate, isLast },
        ...(unconditional ? { unconditional } : {}),
      };
    }
  }

  return {
    stepsPerEpoch,
    parameterCount: layout.size,
    meter,
    meterOf,
    isOver,
    samplerOf: (batch) => createSampler(engine, state, weights, model, info, batch, ranks),
    async blend() {
      return blends ? (await state.read([BLEND]))[BLEND].data.slice() : undefined;
    },
    run,
    async snapshot() {
      if (layout.size === 0) return { step, epoch, nllSum, model: {}, training: {} };
      const { [GRADIENT]: _, [PARTIAL_GRADIENT]: __, [BLEND]: blend, ...training } = await state.read();
      return {
        ...{ step, epoch, nllSum, ...(best ? { best } : {}) },
        training: { ...training, ...(bestWeights ? { [BEST]: { shape: [layout.size], data: bestWeights } } : {}) },
        model: { ...unflatten(layout, training[evaluated].data), ...(blend ? { [BLEND]: blend } : {}) },
        ...(learner ? { adaptive: learner.state() } : {}),
      };
    },
    async dispose() {
      await batches?.dispose();
      await averaging?.dispose();
      await meter.dispose();
      if (ownMeter !== meter) await ownMeter.dispose();
      state.dispose();
    },
  };
}

/**
 * The model's NLL on held-out samples, and the blend with the reference that makes it the least. The noise is that of every
 * epoch, so that only the model moves the curve.
 */
async function validate(
  meter: ErrorMeter,
  samples: Samples,
  { recipe, proposal, validationLevels: levels, blend }: TrainingSettings,
  random: Random,
): Promise<
  { readonly estimate: Estimate; readonly own: number; readonly blend?: Float32Array; readonly halves?: HalfBlends }
> {
  const noise = random.split("validation");
  if (recipe.estimator === "paired" && blend) return await blendedNll(meter, samples, proposal, noise, levels);
  const estimate = recipe.estimator === "paired"
    ? await estimateNll(meter, samples, proposal, noise, levels)
    : await estimateNllAgainstStandard(meter, samples, proposal, noise);
  return { estimate, own: estimate.mean };
}

/** Pairs of evaluations that the last blend is fitted to, about, and log SNRs for each sample at most. */
const BLEND_PAIRS = 1 << 16, MAX_BLEND_LEVELS = 64;

/** The blend of a model that is no longer trained. */
async function refineBlend(
  meter: ErrorMeter,
  samples: Samples,
  { proposal, validationLevels }: TrainingSettings,
  random: Random,
  onPairs?: (done: number, total: number) => void,
): Promise<Float32Array> {
  const levels = Math.max(validationLevels, Math.min(MAX_BLEND_LEVELS, Math.ceil(BLEND_PAIRS / samples.count)));
  return (await blendedNll(meter, samples, proposal, random.split("blend"), levels, onPairs)).blend;
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
  blends: boolean,
  fill: (vector: Float32Array) => void,
  from: TrainingSnapshot | undefined,
): Record<string, InitialEntry> {
  if (layout.size === 0) return {};
  const shape = [layout.size];
  const kept = [PARAMS, ...MOMENTS, ...(recipe.ema === undefined ? [] : [EMA])];
  const zero = [GRADIENT, ...(severalParts ? [PARTIAL_GRADIENT] : [])].map((name) => [name, { shape }]);
  const blend = blends
    ? { [BLEND]: from?.model[BLEND] ?? { shape: [BLEND_NODES], data: new Float32Array(BLEND_NODES).fill(1) } }
    : {};
  if (!from) {
    const start = { shape, fill };
    const fresh = kept.map((name) => [name, name === PARAMS || name === EMA ? start : { shape }]);
    return { ...Object.fromEntries([...fresh, ...zero]), ...blend };
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
  return { ...Object.fromEntries([...kept.map((name) => [name, from.training[name]]), ...zero]), ...blend };
}
