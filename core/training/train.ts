import { type Gaussian, gaussianNll } from "../diffusion/gaussian.ts";
import { type Estimate, nllAgainstGaussian, nllAgainstStandard } from "../diffusion/likelihood.ts";
import { logsnrAtQuantile, logsnrWeight, type Proposal } from "../diffusion/logsnr.ts";
import { type CompiledProgram, type Engine, EngineError, type Tensors } from "../engine/program.ts";
import { UserError } from "../errors.ts";
import { createErrorMeter, type ErrorMeter } from "../evaluation/errors.ts";
import { estimateNll, estimateNllAgainstStandard } from "../evaluation/nll.ts";
import type { DataInfo, Dataset, Denoiser } from "../plugins.ts";
import type { Random } from "../random.ts";
import type { Samples } from "../samples.ts";
import { type HostTensors, sizeOf } from "../tensors.ts";
import { adamSchedule } from "./adam.ts";
import { flatten, layoutOf, type ParameterLayout, unflatten, unflattenTensor } from "./parameters.ts";
import { averagingShare, learningRateAt, type Recipe } from "./recipe.ts";
import { averagingStep, EMA, GRADIENT, gradientInputs, gradientStep, MOMENTS, optimiserStep, PARAMS } from "./step.ts";

/** What a training run is made of. */
export interface TrainingSettings {
  readonly recipe: Recipe;
  readonly proposal: Proposal;
  readonly epochs: number;
  /** Samples per step. The last partial batch of an epoch is left out. */
  readonly batchSize: number;
  readonly learningRate: number;
  /** Samples per run of the denoiser in evaluations. */
  readonly evalBatchSize: number;
  /** Log SNRs per sample in a validation by the paired estimator. */
  readonly validationLevels: number;
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

/** Everything that a run needs to go on as if it had not stopped. */
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
  /** Measures the error of a denoiser that is made of the one trained and has its weights, as they are at each call. */
  meterOf(wrap: (denoiser: Denoiser) => Denoiser, gaussian: Gaussian): Promise<ErrorMeter>;
  /**
   * Trains to the end, yielding every step and every finished epoch. May be left and called again.
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
  from?: TrainingSnapshot,
): Promise<Training> {
  const { recipe, batchSize } = settings;
  const { gaussian } = info;
  const initial = denoiser.init(random.split("init"));
  const layout = layoutOf(initial);
  const state = engine.createState(initialState(layout, recipe, initial, from));
  const evaluated = recipe.ema === undefined ? PARAMS : EMA;
  const weights = (s: Tensors) => layout.size === 0 ? {} : unflattenTensor(layout, s[evaluated]);
  const meterOf: Training["meterOf"] = (wrap, gaussian) =>
    createErrorMeter(engine, state, weights, wrap(denoiser), { shape: info.shape, gaussian }, settings.evalBatchSize);
  const meter = await meterOf((d) => d, gaussian);
  // A denoiser without parameters trains nothing; its epochs only validate.
  const program = layout.size === 0 ? undefined : {
    gradient: await engine.compile(
      gradientStep(denoiser, layout, recipe, gaussian),
      state,
      gradientInputs(batchSize, info.shape),
    ),
    optimiser: await engine.compile(optimiserStep, state, { rootScale: [], offset: [] }),
  };
  const averaging = program && recipe.ema !== undefined
    ? await engine.compile(averagingStep, state, { share: [] })
    : undefined;
  const stepsPerEpoch = program ? Math.floor(data.train.count / batchSize) : 1;
  let { step, epoch, nllSum } = from ?? { step: 0, epoch: 0, nllSum: 0 };

  async function* run(): AsyncGenerator<StepRecord | EpochRecord> {
    const batches = program && createBatches(program, data, info, settings, random, stepsPerEpoch);
    const steps = settings.epochs * stepsPerEpoch;
    while (epoch < settings.epochs) {
      if (step < (epoch + 1) * stepsPerEpoch) {
        const nll = await batches?.train(step + 1) ?? 0;
        nllSum += nll;
        step++;
        if (recipe.ema !== undefined) {
          await averaging?.run({ share: Float32Array.of(averagingShare(recipe.ema, step)) });
        }
        if (program) yield { kind: "step", epoch: epoch + 1, step, nll };
        continue;
      }
      const validation = await validate(meter, data.validation, settings, random);
      if (!Number.isFinite(validation.mean)) throw new DivergenceError(step, settings.proposal.loc, "validation NLL");
      const trainNll = program ? nllSum / stepsPerEpoch : validation.mean;
      const learningRate = learningRateAt(recipe, settings.learningRate, step, steps);
      epoch++;
      nllSum = 0;
      yield { kind: "epoch", epoch, step, trainNll, validation, learningRate };
    }
  }

  return {
    stepsPerEpoch,
    parameterCount: layout.size,
    meter,
    meterOf,
    run,
    async snapshot() {
      if (layout.size === 0) return { step, epoch, nllSum, model: {}, training: {} };
      const { [GRADIENT]: _, ...training } = await state.read();
      const model = unflatten(layout, training[evaluated].data);
      return { step, epoch, nllSum, model, training };
    },
    async dispose() {
      await program?.gradient.dispose();
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

function initialState(
  layout: ParameterLayout,
  recipe: Recipe,
  params: HostTensors,
  from: TrainingSnapshot | undefined,
): HostTensors {
  if (layout.size === 0) return {};
  const vector = (data: Float32Array) => ({ shape: [layout.size], data });
  const start = flatten(layout, params);
  const fresh: HostTensors = {
    [PARAMS]: vector(start),
    ...Object.fromEntries(MOMENTS.map((name) => [name, vector(new Float32Array(layout.size))])),
    ...(recipe.ema === undefined ? {} : { [EMA]: vector(start.slice()) }),
  };
  const gradient = { [GRADIENT]: vector(new Float32Array(layout.size)) };
  if (!from) return { ...fresh, ...gradient };
  for (const [name, { data }] of Object.entries(fresh)) {
    const got = from.training[name]?.data.length;
    if (got !== data.length) {
      throw new EngineError(
        `The checkpoint has ${got ?? "no"} values of "${name}"; this denoiser needs ${data.length}. ` +
          "Resume with the options that the run was started with.",
      );
    }
  }
  return { ...Object.fromEntries(Object.keys(fresh).map((name) => [name, from.training[name]])), ...gradient };
}

/** Draws batches and takes steps on them. */
function createBatches(
  program: { readonly gradient: CompiledProgram; readonly optimiser: CompiledProgram },
  data: Dataset,
  { shape, gaussian }: DataInfo,
  { recipe, proposal, batchSize, learningRate, epochs }: TrainingSettings,
  random: Random,
  stepsPerEpoch: number,
) {
  const d = sizeOf(shape);
  const rows = data.train.count;
  const paired = recipe.estimator === "paired";
  const baseline = paired ? gaussianNll(data.train, gaussian) : new Float64Array(rows);
  const u = new Float64Array(batchSize);
  const inputs = {
    x: new Float32Array(batchSize * d),
    eps: new Float32Array(batchSize * d),
    logsnr: new Float32Array(batchSize),
    weight: new Float32Array(batchSize),
  };
  const [orders, noises] = [random.split("order"), random.split("noise")];
  let order: { epoch: number; rows: Uint32Array } | undefined;

  /** Takes one step, numbered from 1, and returns the batch's NLL. */
  const train = async (step: number): Promise<number> => {
    const epoch = Math.floor((step - 1) / stepsPerEpoch);
    if (order?.epoch !== epoch) order = { epoch, rows: orders.split(epoch).permutation(rows) };
    const begin = (step - 1) % stepsPerEpoch * batchSize;
    const noise = noises.split(step);
    noise.fillUniform(u);
    noise.fillNormal(inputs.eps);
    for (let i = 0; i < batchSize; i++) {
      const row = order.rows[begin + i];
      data.train.copy(row, row + 1, inputs.x, i * d);
      inputs.logsnr[i] = logsnrAtQuantile(u[i], proposal);
      inputs.weight[i] = logsnrWeight(inputs.logsnr[i], proposal);
    }
    const { mse, mseGaussian } = await program.gradient.run(inputs);
    let sum = 0;
    for (let i = 0; i < batchSize; i++) {
      const error = { logsnr: inputs.logsnr[i], weight: inputs.weight[i], mse: mse[i] };
      const nll = paired
        ? nllAgainstGaussian(error, mseGaussian[i], baseline[order.rows[begin + i]])
        : nllAgainstStandard(error, d);
      // The weights are still those of the last good step.
      if (!Number.isFinite(nll)) throw new DivergenceError(step, inputs.logsnr[i], "loss");
      sum += nll;
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
