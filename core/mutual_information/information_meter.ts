import * as tf from "@tensorflow/tfjs";
import { sizeOf } from "../data/tensors.ts";
import { noisyChannel, squaredError } from "../diffusion/channel.ts";
import { type Engine, type Program, separable, type State, type Tensors } from "../engine/program.ts";
import { errorInputs } from "../evaluation/errors.ts";
import type { SampleMeter } from "../evaluation/measure_round.ts";
import { rowProgram } from "../evaluation/row_program.ts";
import { type DataInfo, type Denoiser, referenceOf, widthOfCondition } from "../plugins/contracts.ts";
import { predict } from "../plugins/predict.ts";
import type { GaussianMixture } from "../reference/mixture.ts";
import { mixturePrediction } from "../reference/mixture_prediction.ts";

/** What a denoiser's errors are with and without what is known of a sample, on the same noise; one number per sample. */
export interface InformationErrors {
  /** ‖ε − ε̂(z)‖². */
  readonly mse: Float32Array;
  /** ‖ε − ε̂(z | c)‖². */
  readonly mseGiven: Float32Array;
  /** ‖ε − ε̂_r(z)‖² of the reference. */
  readonly mseReference: Float32Array;
  /** ‖ε − ε̂_r(z | c)‖² of the reference. */
  readonly mseReferenceGiven: Float32Array;
  /** ‖ε̂(z) − ε̂(z | c)‖². */
  readonly distance: Float32Array;
  /** ‖ε‖², whose mean is known: it steadies those of the errors. */
  readonly noise: Float32Array;
  /** (ε̂(z) − ε̂(z | c))² of each value of a sample, sample by sample, where the meter has them. */
  readonly squares?: Float32Array;
}

/** Measures what it changes for a denoiser to be told c. */
export interface InformationMeter extends SampleMeter<InformationErrors> {
  readonly shape: readonly number[];
  /** The density that the denoiser's is compared with, given c and without it. */
  readonly reference: GaussianMixture;
  /** Whether it gives {@linkcode InformationErrors.squares}. */
  readonly hasSquares: boolean;
  dispose(): Promise<void> | void;
}

/** How an information meter measures. */
export interface InformationMeterOptions {
  /** Whether it gives `squares`, which are as many numbers as a sample has; it does not if left out. */
  readonly squares?: boolean;
  /** Ends a measurement between two runs of the program, with its reason as the error. */
  readonly signal?: AbortSignal;
}

/** The errors of a batch, as {@linkcode InformationErrors} has them. */
function informationProgram(
  weights: (state: Tensors) => Tensors,
  denoiser: Denoiser,
  reference: GaussianMixture,
  squares: boolean,
): Program {
  const predictReference = mixturePrediction(reference);
  return (state, { x, eps, logsnr, condition }) => {
    const z = noisyChannel(x, eps, logsnr), params = weights(state);
    const plain = predict(denoiser, params, z, logsnr), given = predict(denoiser, params, z, logsnr, condition);
    return {
      outputs: {
        mse: squaredError(eps, plain),
        mseGiven: squaredError(eps, given),
        mseReference: squaredError(eps, predictReference(z, logsnr)),
        mseReferenceGiven: squaredError(eps, predictReference(z, logsnr, condition)),
        distance: squaredError(plain, given),
        noise: squaredError(eps, tf.zerosLike(eps)),
        ...(squares ? { squares: tf.square(tf.sub(plain, given)) } : {}),
      },
    };
  };
}

/**
 * A meter of one denoiser that knows p(x) and p(x | c), whose parameters live in an engine's state, as they are at each
 * call.
 *
 * @param weights From the state to the denoiser's parameters.
 * @param data Whose reference the denoiser is compared with, and what may be known of a sample.
 * @param chunk Samples per run of the program; memory is that of so many activations.
 * @throws {RangeError} For data without a condition.
 */
export async function createInformationMeter(
  engine: Engine,
  state: State,
  weights: (state: Tensors) => Tensors,
  denoiser: Denoiser,
  data: DataInfo,
  chunk: number,
  { squares = false, signal }: InformationMeterOptions = {},
): Promise<InformationMeter> {
  const { shape } = data, reference = referenceOf(data), known = widthOfCondition(data), d = sizeOf(shape);
  if (known === 0) throw new RangeError("The data has no condition, so that there is nothing to have information of.");
  const program = await engine.compile(
    separable(informationProgram(weights, denoiser, reference, squares)),
    state,
    errorInputs(chunk, shape, known),
  );
  const rows = rowProgram(program, { x: d, eps: d, logsnr: 1, condition: known }, chunk, signal ? { signal } : {});
  return {
    shape,
    reference,
    hasSquares: squares,
    async measure(x, eps, logsnr, condition = new Float32Array(logsnr.length * known)) {
      const n = logsnr.length, of = () => new Float32Array(n);
      const errors = {
        mse: of(),
        mseGiven: of(),
        mseReference: of(),
        mseReferenceGiven: of(),
        distance: of(),
        noise: of(),
      };
      const all = squares ? { squares: new Float32Array(n * d) } : {};
      await rows.run({ x, eps, logsnr, condition }, Object.values(errors), (got, { begin, end }) => {
        for (const [name, values] of Object.entries(errors)) values.set(got[name].subarray(0, end - begin), begin);
        all.squares?.set(got.squares.subarray(0, (end - begin) * d), begin * d);
      });
      return { ...errors, ...all };
    },
    dispose: () => program.dispose(),
  };
}
