import * as tf from "@tensorflow/tfjs";
import { noisyChannel, squaredError } from "../diffusion/channel.ts";
import { type Engine, type Program, separable, type State, type Tensors } from "../engine/program.ts";
import { type DataInfo, type Denoiser, knownValues, referenceOf, widthOfCondition } from "../plugins/contracts.ts";
import type { Rows } from "../mpi/ranks.ts";
import { sizeOf } from "../data/tensors.ts";
import { predict } from "../plugins/predict.ts";
import type { GaussianMixture } from "../reference/mixture.ts";
import { mixturePrediction } from "../reference/mixture_prediction.ts";
import { UserError } from "../errors/user_error.ts";
import { type MeterOptions, rowProgram, rowsOfRun } from "./row_program.ts";

/** Squared errors of a denoiser and of a reference's ideal one on the same noise, one per sample. */
export interface SquaredErrors {
  readonly mse: Float32Array;
  readonly mseReference: Float32Array;
  /** The squared distance of the two denoisers' estimates from each other. */
  readonly distance: Float32Array;
}

/** Measures a denoiser's error on any number of noisy samples. Every likelihood here is made of such measurements. */
export interface ErrorMeter {
  readonly shape: readonly number[];
  /** The density that the denoiser's is compared with. */
  readonly reference: GaussianMixture;
  /**
   * @param x Samples, row by row.
   * @param eps Standard normal noise of the same size.
   * @param logsnr One log SNR per sample, in nats.
   * @param condition What is known of each; nothing is, if left out.
   */
  measure(
    x: Float32Array,
    eps: Float32Array,
    logsnr: Float32Array,
    condition?: Float32Array,
  ): Promise<SquaredErrors>;
  /** Of several ranks, which rows of a measurement of `count` this one computes: the others' samples it need not have. */
  readonly ownRows?: (count: number) => readonly Rows[];
  dispose(): Promise<void> | void;
}

/** The squared errors of a batch, as {@linkcode SquaredErrors} has them. */
export function errorProgram(
  weights: (state: Tensors) => Tensors,
  denoiser: Denoiser,
  reference: GaussianMixture,
  data: Pick<DataInfo, "shape" | "condition" | "gaps">,
): Program {
  const predictReference = mixturePrediction(reference);
  return separable((state, { x, eps, logsnr, condition }) => {
    const known = knownValues(data, condition), whole = noisyChannel(x, eps, logsnr);
    const z = known ? tf.mul(whole, known) : whole;
    const own = predict(denoiser, weights(state), z, logsnr, condition),
      other = predictReference(z, logsnr, condition);
    return {
      outputs: {
        mse: squaredError(eps, own, known),
        mseReference: squaredError(eps, other, known),
        distance: squaredError(own, other, known),
      },
    };
  });
}

/** Names and shapes of its inputs. @param condition Values of what is known of a sample, 0 where nothing ever is. */
export function errorInputs(size: number, shape: readonly number[], condition = 0): Record<string, readonly number[]> {
  return {
    ...{ x: [size, ...shape], eps: [size, ...shape], logsnr: [size] },
    ...(condition > 0 ? { condition: [size, condition] } : {}),
  };
}

/** The number of values in a row of each of these inputs, of samples of dimension `d`. */
export function errorWidths(d: number, condition: number): Record<string, number> {
  return { x: d, eps: d, logsnr: 1, ...(condition > 0 ? { condition } : {}) };
}

/** What is known of `n` rows as an input, nothing where it is left out; no input of data without a condition. */
export function givenRows(n: number, width: number, condition: Float32Array | undefined): Record<string, Float32Array> {
  return width > 0 ? { condition: condition ?? new Float32Array(n * width) } : {};
}

/** Evaluations, and values of their samples, that one call to a meter is given at most; bounds the memory. */
const MAX_EVALUATIONS = 1 << 15;
const MAX_VALUES = 1 << 22;

/**
 * The number of samples of dimension `d` that a meter is given at a time where there are many. A power of two from 2 on:
 * then noise that is drawn for each part equals noise that is drawn for all.
 */
export function evaluationsAtOnce(d: number): number {
  return 2 ** Math.floor(Math.log2(Math.max(2, Math.min(MAX_EVALUATIONS, MAX_VALUES / d))));
}

/**
 * An error meter of a denoiser whose parameters live in an engine's state, as they are at each call.
 *
 * @param weights From the state to the denoiser's parameters.
 * @param data Whose reference the denoiser is compared with.
 * @param chunk Samples per run of the program, over all ranks; memory is that of so many activations.
 */
export async function createErrorMeter(
  engine: Engine,
  state: State,
  weights: (state: Tensors) => Tensors,
  denoiser: Denoiser,
  data: DataInfo,
  chunk: number,
  options: MeterOptions = {},
): Promise<ErrorMeter> {
  const own = await createPlainMeter(engine, state, weights, denoiser, data, chunk, options);
  if (!data.gaps || data.condition) return own;
  // Where all is known, nothing has to be filled in for what is not.
  const { gaps, ...rest } = data, d = sizeOf(data.shape), may = new Uint8Array(d);
  for (const place of gaps) may[place] = 1;
  let whole: Promise<ErrorMeter> | undefined;
  return {
    ...own,
    async measure(x, eps, logsnr, condition) {
      if (condition?.some((flag) => flag === 1)) {
        const wrong = condition.findIndex((flag, i) => flag === 1 && may[i % d] === 0);
        if (wrong < 0) return await own.measure(x, eps, logsnr, condition);
        throw new UserError(
          `Coordinate ${
            wrong % d
          } (from 0) of a row is unknown, which was known in all rows of the training, and the model ` +
            "has too many numbers to leave out any of them. Score by the reference, or train with such rows.",
        );
      }
      whole ??= createPlainMeter(engine, state, weights, denoiser, rest, chunk, options);
      return await (await whole).measure(x, eps, logsnr);
    },
    async dispose() {
      await own.dispose();
      await (await whole)?.dispose();
    },
  };
}

async function createPlainMeter(
  engine: Engine,
  state: State,
  weights: (state: Tensors) => Tensors,
  denoiser: Denoiser,
  data: DataInfo,
  chunk: number,
  options: MeterOptions,
): Promise<ErrorMeter> {
  const { shape } = data, reference = referenceOf(data), known = widthOfCondition(data);
  const d = sizeOf(shape);
  const size = rowsOfRun(chunk, options.ranks);
  const inputs = errorInputs(size, shape, known);
  const program = await engine.compile(errorProgram(weights, denoiser, reference, data), state, inputs);
  const rows = rowProgram(program, errorWidths(d, known), size, options);
  return {
    shape,
    reference,
    ...((options.ranks?.size ?? 1) > 1 ? { ownRows: rows.ownRows } : {}),
    async measure(x, eps, logsnr, condition) {
      const n = logsnr.length;
      const errors = { mse: new Float32Array(n), mseReference: new Float32Array(n), distance: new Float32Array(n) };
      await rows.run(
        { x, eps, logsnr, ...givenRows(n, known, condition) },
        Object.values(errors),
        (got, { begin, end }) => {
          for (const [name, all] of Object.entries(errors)) all.set(got[name].subarray(0, end - begin), begin);
        },
      );
      return errors;
    },
    dispose: () => program.dispose(),
  };
}
