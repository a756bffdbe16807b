import { clampTo, type Grid, gridValue, hardRound, softRound } from "../diffusion/discrete.ts";
import { type Condition, conditionWidth } from "../data/condition.ts";
import { noisyChannel } from "../diffusion/channel.ts";
import { type Engine, separable, type State, type Tensors } from "../engine/program.ts";
import type { Denoiser } from "../plugins/contracts.ts";
import { sizeOf } from "../data/tensors.ts";
import { predict } from "../plugins/predict.ts";
import { errorInputs, errorWidths, givenRows } from "./errors.ts";
import { type MeterOptions, rowProgram, rowsOfRun } from "./row_program.ts";

/** How the denoised estimate x̂ is rounded to the grid: softly, by the grid's values near it, hard, or not at all. */
export const ROUNDINGS = ["soft", "hard", "none"] as const;

export type Rounding = typeof ROUNDINGS[number];

/** Squared errors of ε for discrete data, e^α·‖x − x̂‖², one per sample. */
export interface DiscreteErrors {
  /** With x̂ moved into the data's range. */
  readonly plain: Float64Array;
  /** With x̂ rounded to the grid, and then moved into the range. */
  readonly rounded: Float64Array;
}

/** Measures a denoiser's error on noisy samples of discrete data, with and without rounding its estimates. */
export interface DiscreteMeter {
  readonly shape: readonly number[];
  readonly grid: Grid;
  readonly rounding: Rounding;
  /**
   * @param x Samples on the grid, row by row.
   * @param eps Standard normal noise of the same size.
   * @param logsnr One log SNR per sample, in nats.
   * @param condition What is known of each; nothing is, if left out.
   * @throws {DiscreteDataError} When a value is not on the grid.
   */
  measure(
    x: Float32Array,
    eps: Float32Array,
    logsnr: Float32Array,
    condition?: Float32Array,
  ): Promise<DiscreteErrors>;
  dispose(): void;
}

/**
 * A meter of a denoiser whose parameters live in an engine's state, as they are at each call. The engine gives ε̂; the
 * rounding is done here in float64, which is exact, needs no memory for the grid's 256 values of every component, and
 * takes little beside the denoiser.
 *
 * @param weights From the state to the denoiser's parameters.
 * @param chunk Samples per run of the program, over all ranks; memory is that of so many activations.
 */
export async function createDiscreteMeter(
  engine: Engine,
  state: State,
  weights: (state: Tensors) => Tensors,
  denoiser: Denoiser,
  { shape, grid, rounding, condition }: {
    readonly shape: readonly number[];
    readonly grid: Grid;
    readonly rounding: Rounding;
    readonly condition?: Condition;
  },
  chunk: number,
  options: MeterOptions = {},
): Promise<DiscreteMeter> {
  const d = sizeOf(shape), width = condition ? conditionWidth(condition) : 0;
  const size = rowsOfRun(chunk, options.ranks);
  const program = await engine.compile(
    separable((s, { x, eps, logsnr, condition }) => ({
      outputs: { epsHat: predict(denoiser, weights(s), noisyChannel(x, eps, logsnr), logsnr, condition) },
    })),
    state,
    errorInputs(size, shape, width),
  );
  const rows = rowProgram(program, errorWidths(d, width), size, options);
  return {
    shape,
    grid,
    rounding,
    async measure(x, eps, logsnr, condition) {
      const n = logsnr.length, given = givenRows(n, width, condition);
      const errors = { plain: new Float64Array(n), rounded: new Float64Array(n) };
      await rows.run(
        { x, eps, logsnr, ...given },
        [errors.plain, errors.rounded],
        ({ epsHat }, { begin, end }, inputs) => {
          for (let i = 0; i < end - begin; i++) {
            const row = { x: inputs.x, eps: inputs.eps, epsHat, begin: i * d, end: (i + 1) * d };
            const [plain, rounded] = errorsOfRow(row, inputs.logsnr[i], grid, rounding);
            errors.plain[begin + i] = plain;
            errors.rounded[begin + i] = rounded;
          }
        },
      );
      return errors;
    },
    dispose: () => program.dispose(),
  };
}

/** Values of a row within those of a chunk. */
interface Row {
  readonly x: Float32Array;
  readonly eps: Float32Array;
  readonly epsHat: Float32Array;
  readonly begin: number;
  readonly end: number;
}

/** The squared error of ε of one sample, plain and rounded; not numbers where the denoiser's estimate is none. */
function errorsOfRow(
  { x, eps, epsHat, begin, end }: Row,
  logsnr: number,
  grid: Grid,
  rounding: Rounding,
): [number, number] {
  const snr = Math.exp(logsnr), noise = Math.exp(-logsnr / 2);
  let plain = 0, rounded = 0;
  for (let k = begin; k < end; k++) {
    const value = gridValue(x[k], grid);
    // The same as √(1 + e^−α)·z − e^(−α/2)·ε̂, without the difference of large numbers.
    const estimate = value + noise * (eps[k] - epsHat[k]);
    // Within the range even what is infinite would look like an estimate.
    if (!Number.isFinite(estimate)) return [NaN, NaN];
    plain += (value - clampTo(estimate, grid)) ** 2;
    if (rounding === "none") continue;
    const onGrid = rounding === "soft" ? softRound(estimate, 1 + snr, grid) : clampTo(hardRound(estimate, grid), grid);
    rounded += (value - onGrid) ** 2;
  }
  return [snr * plain, snr * (rounding === "none" ? plain : rounded)];
}
