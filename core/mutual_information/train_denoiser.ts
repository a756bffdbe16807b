import { logsnrAtQuantile, logsnrWeight, type Proposal } from "../diffusion/logsnr.ts";
import { meanAndStderr } from "../diffusion/likelihood.ts";
import type { Engine, Program, Tensors } from "../engine/program.ts";
import { shapesOf } from "../data/tensors.ts";
import { UserError } from "../errors/user_error.ts";
import type { Random } from "../random/random.ts";
import { adamSchedule } from "../training/adam.ts";
import { flatten, layoutOf, type ParameterLayout, unflattenTensor } from "../training/parameters.ts";
import { averagingShare, learningRateAt, type Recipe } from "../training/recipe.ts";
import {
  averagingStep,
  EMA,
  GRADIENT,
  gradientInputs,
  gradientStep,
  MOMENTS,
  optimiserStep,
  PARAMS,
} from "../training/step.ts";
import { onlyGaussian } from "../reference/mixture.ts";
import type { ConditionalDenoiser } from "../plugins/conditional_denoiser.ts";
import {
  type ConditionalData,
  type ConditionalMeter,
  createConditionalMeter,
  excessOverGaussian,
} from "./paired_errors.ts";

/** How a denoiser is trained. */
export interface DenoiserSettings {
  readonly proposal: Proposal;
  readonly epochs: number;
  /** Rows per step. The last partial batch of an epoch is left out. */
  readonly batchSize: number;
  readonly learningRate: number;
  /** Log SNRs per row in a validation. */
  readonly validationLevels: number;
}

/** A finished epoch. */
export interface DenoiserEpoch {
  readonly epoch: number;
  /** By how much the NLL on the validation rows exceeds the Gaussian's, in nats. */
  readonly excess: number;
}

/** A denoiser as it was after the epoch whose likelihood on the validation rows was the best. */
export interface TrainedDenoiser {
  /** 0 where no epoch was better than the start, which is the Gaussian where the denoiser starts from it. */
  readonly bestEpoch: number;
  readonly steps: number;
  readonly parameterCount: number;
  readonly meter: ConditionalMeter;
  dispose(): Promise<void>;
}

const RECIPE: Recipe & { readonly ema: number } = { decay: "cosine", ema: 0.999, estimator: "paired" };

/**
 * Trains a denoiser by its likelihood with averaged weights and keeps those of the best epoch.
 *
 * @param train, validation Rows to train on, and to choose the epoch by, with one Gaussian.
 * @param onEpoch Called after every epoch.
 * @param signal Ends the training, with its reason as the error.
 * @throws {UserError} When a loss is not finite.
 */
export async function trainDenoiser(
  engine: Engine,
  denoiser: ConditionalDenoiser,
  train: ConditionalData,
  validation: ConditionalData,
  settings: DenoiserSettings,
  random: Random,
  { onEpoch, signal }: { readonly onEpoch?: (epoch: DenoiserEpoch) => void; readonly signal?: AbortSignal } = {},
): Promise<TrainedDenoiser> {
  const { epochs, learningRate, proposal } = settings;
  const batchSize = Math.min(settings.batchSize, train.target.count);
  const initial = denoiser.init(random.split("init"));
  const layout = layoutOf(shapesOf(initial));
  const shape = [layout.size];
  const start = { shape, data: flatten(layout, initial) };
  const state = engine.createState({
    [PARAMS]: start,
    [EMA]: start,
    ...Object.fromEntries([...MOMENTS, GRADIENT].map((name) => [name, { shape }])),
  });
  const weights = (s: Tensors) => unflattenTensor(layout, s[EMA]);
  const meter = await createConditionalMeter(engine, state, weights, denoiser, train, signal);
  const gradient = await engine.compile(
    conditionalGradientStep(denoiser, layout, train),
    state,
    { ...gradientInputs(batchSize, [train.target.dimension]), condition: [batchSize, train.condition.dimension] },
  );
  const optimiser = await engine.compile(optimiserStep(), state, { rootScale: [], offset: [] });
  const averaging = await engine.compile(averagingStep, state, { share: [] });

  const validate = async () => {
    // The noise is that of every epoch, so that only the model moves the result.
    const noise = random.split("validation");
    const [excess] = await excessOverGaussian(
      [{ meter, data: validation }],
      proposal,
      noise,
      settings.validationLevels,
    );
    return meanAndStderr(excess).mean;
  };
  const batch = {
    x: new Float32Array(batchSize * train.target.dimension),
    condition: new Float32Array(batchSize * train.condition.dimension),
    eps: new Float32Array(batchSize * train.target.dimension),
    logsnr: new Float32Array(batchSize),
    weight: new Float32Array(batchSize),
  };
  const stepsPerEpoch = Math.floor(train.target.count / batchSize);
  const steps = epochs * stepsPerEpoch;
  const u = new Float64Array(batchSize);
  const [orders, noises] = [random.split("order"), random.split("noise")];
  const takeStep = async (step: number, rows: Uint32Array) => {
    const noise = noises.split(step);
    noise.fillUniform(u);
    noise.fillNormal(batch.eps);
    rows.forEach((row, i) => {
      train.target.copy(row, row + 1, batch.x, i * train.target.dimension);
      train.condition.copy(row, row + 1, batch.condition, i * train.condition.dimension);
      batch.logsnr[i] = logsnrAtQuantile((i + u[i]) / batchSize, proposal);
      batch.weight[i] = logsnrWeight(batch.logsnr[i], proposal);
    });
    const { mse } = await gradient.run(batch);
    const bad = mse.findIndex((error) => !Number.isFinite(error));
    if (bad >= 0) throw notFinite(step, batch.logsnr[bad]);
    const schedule = adamSchedule(learningRateAt(RECIPE, learningRate, step, steps), step);
    await optimiser.run({
      rootScale: Float32Array.of(schedule.rootScale),
      offset: Float32Array.of(schedule.offset),
    });
    await averaging.run({ share: Float32Array.of(averagingShare(RECIPE.ema, step)) });
  };

  const dispose = async () => {
    await meter.dispose();
    state.dispose();
  };
  try {
    let best = { epoch: 0, excess: await validate(), weights: start.data };
    for (let epoch = 1, step = 1; epoch <= epochs; epoch++) {
      const order = orders.split(epoch).permutation(train.target.count);
      for (let begin = 0; begin + batchSize <= order.length; begin += batchSize, step++) {
        signal?.throwIfAborted();
        await takeStep(step, order.subarray(begin, begin + batchSize));
      }
      const excess = await validate();
      if (!Number.isFinite(excess)) throw notFinite(epoch * stepsPerEpoch, proposal.loc);
      if (excess < best.excess) best = { epoch, excess, weights: (await state.read())[EMA].data.slice() };
      onEpoch?.({ epoch, excess });
    }
    state.write({ [EMA]: { shape, data: best.weights } });
    return { bestEpoch: best.epoch, steps, parameterCount: layout.size, meter, dispose };
  } catch (error) {
    await dispose();
    throw error;
  } finally {
    await gradient.dispose();
    await optimiser.dispose();
    await averaging.dispose();
  }
}

/** The gradient of the likelihood given a condition, a further input besides those of `gradientInputs`. */
function conditionalGradientStep(
  denoiser: ConditionalDenoiser,
  layout: ParameterLayout,
  { gaussian }: ConditionalData,
): Program {
  return (state, { condition, ...inputs }) =>
    gradientStep(denoiser.given(condition), layout, RECIPE, onlyGaussian(gaussian))(state, inputs);
}

function notFinite(step: number, logsnr: number): UserError {
  return new UserError(
    `The loss is not finite at step ${step}, log SNR ${logsnr.toFixed(2)}, expected a number. Lower --learning-rate.`,
  );
}
