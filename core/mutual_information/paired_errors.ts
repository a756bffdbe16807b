import { noisyChannel, squaredError } from "../diffusion/channel.ts";
import { type Gaussian, gaussianDenoiser } from "../reference/gaussian.ts";
import { logsnrAtQuantile, logsnrWeight, type Proposal } from "../diffusion/logsnr.ts";
import type { Engine, State, Tensors } from "../engine/program.ts";
import { evaluationsAtOnce, type SquaredErrors as AllErrors } from "../evaluation/errors.ts";
import type { Random } from "../random/random.ts";
import { type Samples, toFloat32 } from "../data/samples.ts";
import { predict } from "../plugins/predict.ts";
import { rowProgram } from "../evaluation/row_program.ts";
import type { ConditionalDenoiser } from "../plugins/conditional_denoiser.ts";

/** Samples, what is known of each, and the Gaussian that their likelihood is compared with. */
export interface ConditionalData {
  readonly target: Samples;
  readonly condition: Samples;
  readonly gaussian: Gaussian;
}

type SquaredErrors = Omit<AllErrors, "distance">;

/** Measures the error of a denoiser that is told something, and that of a Gaussian on the same noise. */
export interface ConditionalMeter {
  /**
   * @param target, condition Rows, row by row.
   * @param eps Standard normal noise of the size of `target`.
   * @param logsnr One log SNR per row, in nats.
   */
  measure(
    target: Float32Array,
    condition: Float32Array,
    eps: Float32Array,
    logsnr: Float32Array,
  ): Promise<SquaredErrors>;
  dispose(): Promise<void> | void;
}

/** Rows per run of the program. */
const CHUNK = 1024;

/**
 * A meter of a denoiser whose parameters live in an engine's state, as they are at each call.
 *
 * @param weights From the state to the denoiser's parameters.
 * @param signal Ends a measurement between two runs, with its reason as the error.
 */
export async function createConditionalMeter(
  engine: Engine,
  state: State,
  weights: (state: Tensors) => Tensors,
  denoiser: ConditionalDenoiser,
  { target, condition, gaussian }: ConditionalData,
  signal?: AbortSignal,
): Promise<ConditionalMeter> {
  const [d, dy] = [target.dimension, condition.dimension];
  const program = await engine.compile(
    (s, { x, y, eps, logsnr }) => {
      const z = noisyChannel(x, eps, logsnr);
      return {
        outputs: {
          mse: squaredError(eps, predict(denoiser.given(y), weights(s), z, logsnr)),
          mseReference: squaredError(eps, gaussianDenoiser(z, logsnr, gaussian)),
        },
      };
    },
    state,
    { x: [CHUNK, d], y: [CHUNK, dy], eps: [CHUNK, d], logsnr: [CHUNK] },
  );
  const rows = rowProgram(program, { x: d, y: dy, eps: d, logsnr: 1 }, CHUNK, signal ? { signal } : {});
  return {
    async measure(x, y, eps, logsnr) {
      const n = logsnr.length;
      const errors = { mse: new Float32Array(n), mseReference: new Float32Array(n) };
      await rows.run({ x, y, eps, logsnr }, [errors.mse, errors.mseReference], (got, { begin, end }) => {
        errors.mse.set(got.mse.subarray(0, end - begin), begin);
        errors.mseReference.set(got.mseReference.subarray(0, end - begin), begin);
      });
      return errors;
    },
    dispose: () => program.dispose(),
  };
}

/** A meter with the rows that it is to measure. */
export interface Measured {
  readonly meter: ConditionalMeter;
  readonly data: ConditionalData;
}

/**
 * By how much each row's −log p(x | y) exceeds that of the Gaussian in nats, ½·∫ ‖ε − ε̂‖² − ‖ε − ε̂_G‖² dα, for several
 * denoisers of rows of one dimension on the very same noise and log SNRs.
 *
 * Each row gets `levels` log SNRs, one from each of as many strata of the proposal, which the rows share out among
 * themselves within a stratum. Every noise is used with both signs.
 *
 * @returns For each denoiser one value per row.
 */
export async function excessOverGaussian(
  measured: readonly Measured[],
  proposal: Proposal,
  random: Random,
  levels: number,
): Promise<Float64Array[]> {
  const { count: n, dimension: d } = measured[0].data.target;
  const excess = measured.map(() => new Float64Array(n));
  const block = evaluationsAtOnce(d) / 2;
  for (let level = 0; level < levels; level++) {
    const order = random.permutation(n);
    for (let begin = 0; begin < n; begin += block) {
      const size = Math.min(n, begin + block) - begin;
      const quantiles = random.fillUniform(new Float64Array(size));
      const logsnr = Float32Array.from({ length: 2 * size }, (_, i) => {
        const u = (level + (order[begin + i % size] + quantiles[i % size]) / n) / levels;
        return logsnrAtQuantile(u, proposal);
      });
      const eps = new Float32Array(2 * size * d);
      random.fillNormal(eps.subarray(0, size * d));
      for (let i = 0; i < size * d; i++) eps[size * d + i] = -eps[i];
      for (const [k, { meter, data: { target, condition } }] of measured.entries()) {
        const { mse, mseReference } = await meter.measure(
          twice(target, begin, begin + size),
          twice(condition, begin, begin + size),
          eps,
          logsnr,
        );
        for (let i = 0; i < size; i++) {
          const gap = (mse[i] - mseReference[i] + mse[size + i] - mseReference[size + i]) / 2;
          excess[k][begin + i] += 0.5 * logsnrWeight(logsnr[i], proposal) * gap / levels;
        }
      }
    }
  }
  return excess;
}

/**
 * The mean of `mse − mseReference` of several denoisers at each log SNR, on the same noise at all of them.
 *
 * @returns For each denoiser the values of each row at each log SNR.
 */
export async function gapsAt(
  measured: readonly Measured[],
  logsnr: readonly number[],
  random: Random,
): Promise<Float64Array[][]> {
  const { count: n, dimension: d } = measured[0].data.target;
  const gaps = measured.map(() => logsnr.map(() => new Float64Array(n)));
  const block = evaluationsAtOnce(d);
  for (let begin = 0; begin < n; begin += block) {
    const end = Math.min(n, begin + block);
    const eps = random.fillNormal(new Float32Array((end - begin) * d));
    for (const [k, { meter, data: { target, condition } }] of measured.entries()) {
      const [x, y] = [toFloat32(target, begin, end), toFloat32(condition, begin, end)];
      for (const [level, alpha] of logsnr.entries()) {
        const { mse, mseReference } = await meter.measure(x, y, eps, new Float32Array(end - begin).fill(alpha));
        for (let i = 0; i < mse.length; i++) gaps[k][level][begin + i] = mse[i] - mseReference[i];
      }
    }
  }
  return gaps;
}

/** Rows followed by the same rows. */
function twice(samples: Samples, begin: number, end: number): Float32Array {
  const size = (end - begin) * samples.dimension;
  const rows = new Float32Array(2 * size);
  samples.copy(begin, end, rows);
  return rows.copyWithin(size, 0, size);
}
