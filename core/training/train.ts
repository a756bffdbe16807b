import { type Gaussian, gaussianNll } from "../diffusion/gaussian.ts";
import { type Estimate, nllAgainstGaussian, nllAgainstStandard } from "../diffusion/likelihood.ts";
import type { Proposal } from "../diffusion/logsnr.ts";
import { reweightedProposal } from "../diffusion/reweighted_proposal.ts";
import {
  type CompiledProgram,
  type Engine,
  EngineError,
  type InitialEntry,
  type Precision,
  type Tensors,
} from "../engine/program.ts";
import { UserError } from "../errors.ts";
import { createErrorMeter, type ErrorMeter } from "../evaluation/errors.ts";
import { estimateNll, estimateNllAgainstStandard } from "../evaluation/nll.ts";
import type { DataInfo, Dataset, Denoiser } from "../plugins.ts";
import type { Random } from "../random.ts";
import { createSampler, type Sampler } from "../sampling/sampler.ts";
import { type Samples, selectRows } from "../samples.ts";
import { type HostTensors, sizeOf } from "../tensors.ts";
import { adamSchedule } from "./adam.ts";
import type { ScatterSums } from "../evaluation/scatter.ts";
import { ProposalLearner } from "./proposal_learner.ts";
import { flatten, layoutOf, type ParameterLayout, unflatten, unflattenTensor } from "./parameters.ts";
import { averagingShare, learningRateAt, type Recipe } from "./recipe.ts";
import {
  accumulationStep,
  averagingStep,
  EMA,
  GRADIENT,
  gradientInputs,
  gradientStep,
  MOMENTS,
  optimiserStep,
  PARAMS,
  PARTIAL_GRADIENT,
} from "./step.ts";

/** What a training run is made of. */
export interface TrainingSettings {
  readonly recipe: Recipe;
  readonly proposal: Proposal;
  /** Whether log SNRs are drawn more often where the loss scatters, as measured in the epochs before. */
  readonly adaptiveProposal: boolean;
  readonly epochs: number;
  /** Samples per step. The last partial batch of an epoch is left out. */
  readonly batchSize: number;
  /** Samples whose gradient is computed at once; memory is that of so many activations. */
  readonly microBatchSize: number;
  /** Arithmetic of the gradient's products. Likelihoods and samples are computed in float32 whatever it is. */
  readonly precision: Precision;
  readonly learningRate: number;
  /** Samples per run of the denoiser in evaluations. */
  readonly evalBatchSize: number;
  /** Log SNRs per sample in a validation by the paired estimator. */
  readonly validationLevels: number;
  /** Samples that a validation measures at most, always the same ones. */
  readonly validationSamples: number;
}

/** One optimiser step. */
export interface StepRecord {
  readonly kind: "step";
  readonly epoch: number;
  readonly step: number;
  /** The batch's NLL in nats. */
  readonly nll: number;
}

/** One finished epoch. */
export interface EpochRecord {
  readonly kind: "epoch";
  readonly epoch: number;
  readonly step: number;
  /** The mean over the epoch's batches, in nats. */
  readonly trainNll: number;
  /** On the validation data, with its standard error, in nats. */
  readonly validation: Estimate;
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

/** What an adaptive proposal goes on from. */
export interface AdaptiveState {
  readonly sums: ScatterSums;
  readonly factors: readonly number[];
}

/** A loss that is not a number. The training's snapshot is that of the last good step. */
export class DivergenceError extends UserError {
  override readonly exitCode = 1;
  constructor(readonly step: number, readonly logsnr: number, readonly what: string) {
    super(
      `The ${what} is not finite at step ${step}, log SNR ${logsnr.toFixed(2)}. ` +
        "Lower --learning-rate, or narrow the log SNRs with --logsnr-scale.",
    );
  }
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
   * step or a validation, when the training's signal is aborted; what was begun is then as if it had not been.
   *
   * @throws {DivergenceError} When a loss is not finite.
   */
  run(): AsyncGenerator<StepRecord | EpochRecord>;
  snapshot(): Promise<TrainingSnapshot>;
  dispose(): Promise<void>;
}

/**
 * Sets up a training run, from its start or from a snapshot. All chance comes from `random`, split by purpose and by
 * step, so that a run that resumes sees the same numbers as one that never stopped.
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
  { from, signal }: { readonly from?: TrainingSnapshot; readonly signal?: AbortSignal } = {},
): Promise<Training> {
  const { recipe, batchSize } = settings;
  const microBatchSize = Math.min(settings.microBatchSize, batchSize);
  const inParts = microBatchSize < batchSize;
  const { gaussian } = info;
  const initial = denoiser.init(random.split("init"));
  const layout = layoutOf(initial);
  const state = engine.createState(initialState(layout, recipe, inParts, initial, from));
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
      signal,
    );
  const meter = await meterOf((d) => d, gaussian);
  // A denoiser without parameters trains nothing; its epochs only validate.
  const program = layout.size === 0 ? undefined : {
    gradient: await engine.compile(
      gradientStep(denoiser, layout, recipe, gaussian, inParts ? PARTIAL_GRADIENT : GRADIENT),
      state,
      gradientInputs(microBatchSize, info.shape, settings.precision),
      settings.precision,
    ),
    accumulation: inParts ? await engine.compile(accumulationStep, state, { keep: [] }) : undefined,
    optimiser: await engine.compile(optimiserStep, state, { rootScale: [], offset: [] }),
  };
  const averaging = program && recipe.ema !== undefined
    ? await engine.compile(averagingStep, state, { share: [] })
    : undefined;
  const held = selectRows(
    data.validation,
    random.split("validation samples").permutation(data.validation.count).slice(0, settings.validationSamples).sort(),
  );
  const stepsPerEpoch = program ? Math.floor(data.train.count / batchSize) : 1;
  let { step, epoch, nllSum } = from ?? { step: 0, epoch: 0, nllSum: 0 };
  const learner = settings.adaptiveProposal ? new ProposalLearner(settings.proposal, from?.adaptive) : undefined;

  async function* run(): AsyncGenerator<StepRecord | EpochRecord> {
    const batches = program &&
      createBatches(program, data, info, { ...settings, microBatchSize }, random, stepsPerEpoch, learner, signal);
    const steps = settings.epochs * stepsPerEpoch;
    while (epoch < settings.epochs) {
      if (step < (epoch + 1) * stepsPerEpoch) {
        const nll = program ? await batches!.train(step + 1) : 0;
        if (nll === undefined) return;
        nllSum += nll;
        step++;
        if (recipe.ema !== undefined) {
          await averaging?.run({ share: Float32Array.of(averagingShare(recipe.ema, step)) });
        }
        if (program) yield { kind: "step", epoch: epoch + 1, step, nll };
        continue;
      }
      const validation = await unlessAborted(() => validate(meter, held, settings, random), signal);
      if (!validation) return;
      if (!Number.isFinite(validation.mean)) throw new DivergenceError(step, settings.proposal.loc, "validation NLL");
      const trainNll = program ? nllSum / stepsPerEpoch : validation.mean;
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
    samplerOf: (batch) => createSampler(engine, state, weights, denoiser, info, batch),
    run,
    async snapshot() {
      if (layout.size === 0) return { step, epoch, nllSum, model: {}, training: {} };
      const { [GRADIENT]: _, [PARTIAL_GRADIENT]: __, ...training } = await state.read();
      const model = unflatten(layout, training[evaluated].data);
      return { step, epoch, nllSum, model, training, ...(learner ? { adaptive: learner.state() } : {}) };
    },
    async dispose() {
      await program?.gradient.dispose();
      await program?.accumulation?.dispose();
      await program?.optimiser.dispose();
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
async function unlessAborted<T>(run: () => Promise<T>, signal: AbortSignal | undefined): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    if (signal?.aborted && error === signal.reason) return undefined;
    throw error;
  }
}

function initialState(
  layout: ParameterLayout,
  recipe: Recipe,
  inParts: boolean,
  params: HostTensors,
  from: TrainingSnapshot | undefined,
): Record<string, InitialEntry> {
  if (layout.size === 0) return {};
  const shape = [layout.size];
  const kept = [PARAMS, ...MOMENTS, ...(recipe.ema === undefined ? [] : [EMA])];
  const zero = [GRADIENT, ...(inParts ? [PARTIAL_GRADIENT] : [])].map((name) => [name, { shape }]);
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

/** What float16's loss scale starts from for each sample, and what it falls by at each overflow. */
const LOSS_SCALE = 16;
const LOSS_SCALE_FACTOR = 16;

/** Draws batches and takes steps on them. */
function createBatches(
  program: {
    readonly gradient: CompiledProgram;
    readonly accumulation: CompiledProgram | undefined;
    readonly optimiser: CompiledProgram;
  },
  data: Dataset,
  { shape, gaussian }: DataInfo,
  { recipe, proposal, batchSize, microBatchSize, learningRate, epochs, precision }: TrainingSettings,
  random: Random,
  stepsPerEpoch: number,
  learner: ProposalLearner | undefined,
  signal: AbortSignal | undefined,
) {
  const d = sizeOf(shape);
  const rows = data.train.count;
  const paired = recipe.estimator === "paired";
  const baseline = paired ? gaussianNll(data.train, gaussian) : new Float64Array(rows);
  const u = new Float64Array(batchSize);
  const fixed = reweightedProposal(proposal);
  const distribution = () => learner?.distribution ?? fixed;
  const inputsOf = (size: number) => ({
    x: new Float32Array(size * d),
    eps: new Float32Array(size * d),
    logsnr: new Float32Array(size),
    weight: new Float32Array(size),
  });
  const batch = inputsOf(batchSize);
  const part = program.accumulation ? inputsOf(microBatchSize) : batch;
  const [orders, noises] = [random.split("order"), random.split("noise")];
  let order: { epoch: number; rows: Uint32Array } | undefined;

  /** The gradient of the samples from `begin` on, of which the last part may have fewer than a part holds. */
  const runPart = async (begin: number) => {
    const size = Math.min(microBatchSize, batchSize - begin);
    if (program.accumulation) {
      part.x.set(batch.x.subarray(begin * d, (begin + size) * d));
      part.eps.set(batch.eps.subarray(begin * d, (begin + size) * d));
      part.logsnr.set(batch.logsnr.subarray(begin, begin + size));
      // A part's loss is a mean over the part; weighted so, the parts add up to the batch's. What is beyond has no weight.
      for (let i = 0; i < microBatchSize; i++) {
        part.weight[i] = i < size ? batch.weight[begin + i] * microBatchSize / batchSize : 0;
      }
    }
    const errors = precision === "f16" ? await runScaled(part) : await program.gradient.run(part);
    await program.accumulation?.run({ keep: Float32Array.of(begin === 0 ? 0 : 1) });
    return { size, mse: errors.mse, mseGaussian: errors.mseGaussian, finite: !(Number.isNaN(errors.overflow?.[0])) };
  };

  /** Where the gradient overflows float16, it is taken again with a smaller loss scale. */
  const runScaled = async (inputs: Readonly<Record<string, Float32Array>>) => {
    for (let scale = 2 ** Math.ceil(Math.log2(microBatchSize)) * LOSS_SCALE;; scale /= LOSS_SCALE_FACTOR) {
      const result = await program.gradient.run({ ...inputs, lossScale: Float32Array.of(scale) });
      if (result.overflow[0] === 0 || scale < 1) return result;
    }
  };

  /** Takes one step, numbered from 1, and returns the batch's NLL; nothing where the signal ended it. */
  const train = async (step: number): Promise<number | undefined> => {
    const epoch = Math.floor((step - 1) / stepsPerEpoch);
    if (order?.epoch !== epoch) order = { epoch, rows: orders.split(epoch).permutation(rows) };
    const first = (step - 1) % stepsPerEpoch * batchSize;
    const noise = noises.split(step);
    noise.fillUniform(u);
    noise.fillNormal(batch.eps);
    for (let i = 0; i < batchSize; i++) {
      const row = order.rows[first + i];
      data.train.copy(row, row + 1, batch.x, i * d);
      batch.logsnr[i] = distribution().atQuantile(u[i]);
      batch.weight[i] = distribution().weight(batch.logsnr[i]);
    }
    let sum = 0;
    for (let begin = 0; begin < batchSize; begin += microBatchSize) {
      if (begin > 0 && signal?.aborted) return undefined;
      const { size, mse, mseGaussian, finite } = await runPart(begin);
      for (let i = 0; i < size; i++) {
        const error = { logsnr: batch.logsnr[begin + i], weight: batch.weight[begin + i], mse: mse[i] };
        const nll = paired
          ? nllAgainstGaussian(error, mseGaussian[i], baseline[order.rows[first + begin + i]])
          : nllAgainstStandard(error, d);
        // The weights are still those of the last good step.
        if (!Number.isFinite(nll)) throw new DivergenceError(step, error.logsnr, "loss");
        learner?.add(error, paired ? mseGaussian[i] : 0);
        sum += nll;
      }
      if (!finite) throw new DivergenceError(step, batch.logsnr[begin], "gradient");
    }
    const schedule = adamSchedule(learningRateAt(recipe, learningRate, step, epochs * stepsPerEpoch), step);
    await program.optimiser.run({
      rootScale: Float32Array.of(schedule.rootScale),
      offset: Float32Array.of(schedule.offset),
    });
    return sum / batchSize;
  };
  return { train };
}
