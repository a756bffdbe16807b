import { noisyChannel, squaredError } from "../diffusion/channel.ts";
import { type Gaussian, gaussianDenoiser } from "../diffusion/gaussian.ts";
import type { CompiledProgram, Engine, State, Tensors } from "../engine/program.ts";
import type { Denoiser } from "../plugins.ts";
import { sizeOf } from "../tensors.ts";
import { predict } from "../training/step.ts";

/** Squared errors of a denoiser and of the data's Gaussian on the same noise, one per sample. */
export interface SquaredErrors {
  readonly mse: Float32Array;
  readonly mseGaussian: Float32Array;
}

/** Measures a denoiser's error on any number of noisy samples. Every likelihood here is made of such measurements. */
export interface ErrorMeter {
  readonly shape: readonly number[];
  readonly gaussian: Gaussian;
  /**
   * @param x Samples, row by row.
   * @param eps Standard normal noise of the same size.
   * @param logsnr One log SNR per sample, in nats.
   */
  measure(x: Float32Array, eps: Float32Array, logsnr: Float32Array): Promise<SquaredErrors>;
  dispose(): Promise<void> | void;
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
 * @param chunk Samples per run of the program; memory is that of so many activations.
 * @param signal Ends a measurement between two runs, with its reason as the error.
 */
export async function createErrorMeter(
  engine: Engine,
  state: State,
  weights: (state: Tensors) => Tensors,
  denoiser: Denoiser,
  { shape, gaussian }: { shape: readonly number[]; gaussian: Gaussian },
  chunk: number,
  signal?: AbortSignal,
): Promise<ErrorMeter> {
  const d = sizeOf(shape);
  const program: CompiledProgram = await engine.compile(
    (s, { x, eps, logsnr }) => {
      const z = noisyChannel(x, eps, logsnr);
      return {
        outputs: {
          mse: squaredError(eps, predict(denoiser, weights(s), z, logsnr)),
          mseGaussian: squaredError(eps, gaussianDenoiser(z, logsnr, gaussian)),
        },
      };
    },
    state,
    { x: [chunk, ...shape], eps: [chunk, ...shape], logsnr: [chunk] },
  );
  const inputs = {
    x: new Float32Array(chunk * d),
    eps: new Float32Array(chunk * d),
    logsnr: new Float32Array(chunk),
  };
  return {
    shape,
    gaussian,
    async measure(x, eps, logsnr) {
      const n = logsnr.length;
      const errors = { mse: new Float32Array(n), mseGaussian: new Float32Array(n) };
      for (let begin = 0; begin < n; begin += chunk) {
        signal?.throwIfAborted();
        const end = Math.min(n, begin + chunk);
        // The last chunk's rest keeps the samples before it, whose errors are not used.
        inputs.x.set(x.subarray(begin * d, end * d));
        inputs.eps.set(eps.subarray(begin * d, end * d));
        inputs.logsnr.set(logsnr.subarray(begin, end));
        const { mse, mseGaussian } = await program.run(inputs);
        errors.mse.set(mse.subarray(0, end - begin), begin);
        errors.mseGaussian.set(mseGaussian.subarray(0, end - begin), begin);
      }
      return errors;
    },
    dispose: () => program.dispose(),
  };
}
