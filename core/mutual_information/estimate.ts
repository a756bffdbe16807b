/**
 * The mutual information of x and y from two denoisers, I(X; Y) = E[−log p(x)] − E[−log p(x | y)], each negative log
 * likelihood by the paired estimator against a Gaussian of its own:
 *
 * −log p(x) = −log N(x; μ, Σ) + ½ ∫ E‖ε − ε̂(z, α)‖² − E‖ε − ε̂_G(z, α)‖² dα, and given y the same with the Gaussian of a
 * linear regression, N(E[x] + A·(y − E[y]), Σ').
 *
 * The Gaussians' errors integrate to the difference of their own likelihoods, so this is half the integral of the
 * denoisers' error difference, ½ ∫ E‖ε − ε̂(z, α)‖² − E‖ε − ε̂(z, α | y)‖² dα, with the part that is Gaussian,
 * ½·log(det Σ / det Σ'), known in closed form over all log SNRs. What is left to measure vanishes at both ends.
 *
 * The estimate is no bound: what the first denoiser falls short of the best makes it too large, what the second does too
 * small. Its standard error is that of the rows and the noise alone.
 *
 * @module
 */
import { gaussianMmse, gaussianNll } from "../reference/gaussian.ts";
import { type Estimate, meanAndStderr } from "../diffusion/likelihood.ts";
import { logsnrRange, type Proposal } from "../diffusion/logsnr.ts";
import type { Engine } from "../engine/program.ts";
import type { DataInfo } from "../plugins/contracts.ts";
import type { Random } from "../random/random.ts";
import { autoProposal } from "../reference/choose_reference.ts";
import { type Samples, selectRows } from "../data/samples.ts";
import type { ConditionalDenoiser } from "../plugins/conditional_denoiser.ts";
import { fitLinearPart, joined, linearInformation, type LinearPart, type Pairs } from "./linear_part.ts";
import { type ConditionalData, excessOverGaussian, gapsAt, type Measured } from "./paired_errors.ts";
import { type DenoiserEpoch, type DenoiserSettings, trainDenoiser, type TrainedDenoiser } from "./train_denoiser.ts";

/** Pairs in parts: to train on, to choose the epoch by, and to measure on. */
export interface SplitPairs {
  /** The rows of `test` among all. */
  readonly testRows: Uint32Array;
  readonly train: Pairs;
  readonly validation: Pairs;
  readonly test: Pairs;
}

/** Makes denoisers of x: one that knows nothing, and one that is told y. */
export interface DenoiserPair {
  marginal(data: DataInfo): ConditionalDenoiser;
  /** @param condition The number of columns of y. */
  conditional(data: DataInfo, condition: number): ConditionalDenoiser;
}

/** How an estimate is made. */
export interface InformationSettings extends Omit<DenoiserSettings, "proposal"> {
  /** Log SNRs per held-out row. */
  readonly levels: number;
  /** Log SNRs of the error curves; none draws no curves. */
  readonly curvePoints: number;
  /** Held-out rows that the curves are measured on at most. */
  readonly curveRows: number;
}

/** Mean squared errors over log SNR: of x, of x given y, and half of whose difference's integral is the information. */
export interface ErrorCurves {
  /** In nats. */
  readonly logsnr: readonly number[];
  /** Of x. */
  readonly marginal: readonly number[];
  /** Of x given y. */
  readonly conditional: readonly number[];
  /** Of the two, with its standard error. */
  readonly difference: Estimate[];
  /** E‖ε̂(z) − ε̂(z | c)‖², of one denoiser that is told c or nothing. */
  readonly distance?: readonly number[];
}

/** The information of held-out rows, from the likelihood of x. */
export interface Information {
  readonly linear: LinearPart;
  readonly proposal: Proposal;
  /** −log p(x) + log p(x | y) of each held-out row, in nats. */
  readonly perRow: Float64Array;
  /** −log p(x | y) of each held-out row, in nats. */
  readonly conditionalPerRow: Float64Array;
  /** The Gaussian part of `perRow`, and of all other rows, which the Gaussians are fitted to. */
  readonly linearPerRow: { readonly test: Float64Array; readonly fitted: Float64Array };
  /** The coefficients of the regression. */
  readonly coefficients: number;
  /** E[−log p(x)] and E[−log p(x | y)] on the held-out rows, of the standardised values. */
  readonly nll: { readonly marginal: Estimate; readonly conditional: Estimate };
  readonly bestEpochs: readonly [marginal: number, conditional: number];
  readonly steps: number;
  readonly parameters: number;
  readonly curves?: ErrorCurves;
}

/** What is told of the work. */
export interface InformationHooks {
  onEpoch?(which: "marginal" | "conditional", epoch: DenoiserEpoch): void;
  onMeasure?(): void;
  readonly signal?: AbortSignal;
}

/**
 * Splits pairs at random.
 *
 * @param heldOut The part of the rows to measure on; a tenth of the rest chooses the epoch.
 */
export function splitPairs({ x, y }: Pairs, heldOut: number, random: Random): SplitPairs {
  const order = random.permutation(x.count);
  const test = Math.max(2, Math.round(heldOut * x.count));
  const validation = test + Math.max(2, Math.round((x.count - test) / 10));
  const part = (rows: Uint32Array): Pairs => ({ x: selectRows(x, rows), y: selectRows(y, rows) });
  return {
    testRows: order.subarray(0, test),
    train: part(order.subarray(validation)),
    validation: part(order.subarray(test, validation)),
    test: part(order.subarray(0, test)),
  };
}

/**
 * Trains two denoisers of x, without and with y, and measures the information on the rows held out.
 *
 * @throws {UserError} If the columns determine each other linearly, or a loss is not finite.
 */
export async function measureInformation(
  engine: Engine,
  { train, validation, test }: SplitPairs,
  denoisers: DenoiserPair,
  settings: InformationSettings,
  random: Random,
  hooks: InformationHooks = {},
): Promise<Information> {
  const fitted = joinPairs(train, validation);
  const linear = fitLinearPart(fitted);
  const { marginal, residual } = linear;
  const data = {
    marginal: ({ x, y }: Pairs): ConditionalData => ({ target: x, condition: y, gaussian: marginal }),
    // With the regression taken off, what the Gaussian knows of x given y is N(0, Σ'); the noise stays the same.
    conditional: (pairs: Pairs): ConditionalData => ({
      target: linear.residualsOf(pairs),
      condition: pairs.y,
      gaussian: residual,
    }),
  };
  const shape = [train.x.dimension];
  const made = {
    marginal: denoisers.marginal({ shape, gaussian: marginal }),
    conditional: denoisers.conditional({ shape, gaussian: residual }, train.y.dimension),
  };
  // Both denoisers have the same log SNRs, so that what neither resolves beyond them cancels.
  const residuals = data.conditional(train).target;
  const together = joined({ x: residuals, y: train.y });
  const proposal = widest([
    await autoProposal(engine, train.x, random.split("proposal x"), hooks.signal),
    await autoProposal(engine, residuals, random.split("proposal residual"), hooks.signal),
    // What y tells of x may be much finer than all that shows in either.
    await autoProposal(engine, together, random.split("proposal together"), hooks.signal),
  ]);
  const trained: TrainedDenoiser[] = [];
  const { signal } = hooks;
  try {
    for (const which of ["marginal", "conditional"] as const) {
      trained.push(
        await trainDenoiser(
          engine,
          made[which],
          data[which](train),
          data[which](validation),
          { ...settings, proposal },
          random.split(which),
          { onEpoch: (epoch) => hooks.onEpoch?.(which, epoch), ...(signal ? { signal } : {}) },
        ),
      );
    }
    hooks.onMeasure?.();
    const measured: readonly Measured[] = [
      { meter: trained[0].meter, data: data.marginal(test) },
      { meter: trained[1].meter, data: data.conditional(test) },
    ];
    const excess = await excessOverGaussian(measured, proposal, random.split("measure"), settings.levels);
    const gaussian = measured.map(({ data }) => gaussianNll(data.target, data.gaussian));
    const linearPerRow = {
      test: gaussian[0].map((nll, row) => nll - gaussian[1][row]),
      fitted: linearInformation(linear, fitted),
    };
    const curves = settings.curvePoints > 0
      ? { curves: await errorCurves(measured, proposal, settings, random.split("curves")) }
      : {};
    const conditionalPerRow = gaussian[1].map((nll, row) => nll + excess[1][row]);
    return {
      linear,
      proposal,
      conditionalPerRow,
      perRow: linearPerRow.test.map((value, row) => value + excess[0][row] - excess[1][row]),
      linearPerRow,
      coefficients: train.x.dimension * train.y.dimension,
      nll: {
        marginal: meanAndStderr(gaussian[0].map((nll, row) => nll + excess[0][row])),
        conditional: meanAndStderr(conditionalPerRow),
      },
      bestEpochs: [trained[0].bestEpoch, trained[1].bestEpoch],
      steps: trained[0].steps + trained[1].steps,
      parameters: trained[0].parameterCount + trained[1].parameterCount,
      ...curves,
    };
  } finally {
    for (const each of trained) await each.dispose();
  }
}

/**
 * The mutual information in nats, of one direction or of several on the same rows, whose mean is taken.
 *
 * The Gaussian part is known for all rows and not only for the held-out ones, and serves as a control variate: the
 * estimate is mean(i − b·g) over the held-out rows + b·mean(g) over all, with b = cov(i, g)/var(g). In the rows that it was
 * fitted to, g is too large by one part of their number for each coefficient (Akaike), which is taken off.
 */
export function combinedInformation(directions: readonly Information[]): Estimate {
  const [{ linearPerRow: { test, fitted }, coefficients }] = directions;
  const perRow = test.map((_, row) => directions.reduce((sum, { perRow }) => sum + perRow[row] / directions.length, 0));
  const n = test.length + fitted.length;
  const [i, g] = [meanAndStderr(perRow).mean, meanAndStderr(test).mean];
  let [covariance, variance] = [0, 0];
  test.forEach((value, row) => {
    covariance += (value - g) * (perRow[row] - i);
    variance += (value - g) ** 2;
  });
  const b = variance > 0 ? covariance / variance : 0;
  const all = (g * test.length + meanAndStderr(fitted).mean * fitted.length - coefficients) / n;
  const rest = meanAndStderr(perRow.map((value, row) => value - b * test[row]));
  const spread = meanAndStderr(test).stderr ** 2 * test.length;
  return { mean: rest.mean + b * all, stderr: Math.sqrt(rest.stderr ** 2 + b ** 2 * spread / n) };
}

async function errorCurves(
  measured: readonly Measured[],
  proposal: Proposal,
  { curvePoints, curveRows }: InformationSettings,
  random: Random,
): Promise<ErrorCurves> {
  const count = Math.min(curveRows, measured[0].data.target.count);
  const rows = Uint32Array.from({ length: count }, (_, row) => row);
  const some = measured.map(({ meter, data }) => ({
    meter,
    data: { ...data, target: selectRows(data.target, rows), condition: selectRows(data.condition, rows) },
  }));
  const [low, high] = logsnrRange(proposal);
  const logsnr = Array.from({ length: curvePoints }, (_, k) => low + (high - low) * k / (curvePoints - 1));
  const gaps = await gapsAt(some, logsnr, random);
  const gaussian = measured.map(({ data }) => logsnr.map((alpha) => gaussianMmse(alpha, data.gaussian.eigenvalues)));
  const [marginal, conditional] = gaps.map((levels, k) =>
    levels.map((values, level) => gaussian[k][level] + meanAndStderr(values).mean)
  );
  const difference = logsnr.map((_, level) => ({
    mean: marginal[level] - conditional[level],
    stderr: meanAndStderr(gaps[0][level].map((gap, row) => gap - gaps[1][level][row])).stderr,
  }));
  return { logsnr, marginal, conditional, difference };
}

/** The proposal whose log SNRs are those of all. */
function widest(proposals: readonly Proposal[]): Proposal {
  const ranges = proposals.map(logsnrRange);
  const [low, high] = [Math.min(...ranges.map(([low]) => low)), Math.max(...ranges.map(([, high]) => high))];
  return { loc: (low + high) / 2, scale: (high - low) / 8 };
}

function joinPairs(a: Pairs, b: Pairs): Pairs {
  const join = (first: Samples, second: Samples): Samples => ({
    count: first.count + second.count,
    dimension: first.dimension,
    copy(begin, end, out, at = 0) {
      const middle = Math.min(end, Math.max(begin, first.count));
      first.copy(begin, middle, out, at);
      if (end > middle) {
        second.copy(middle - first.count, end - first.count, out, at + (middle - begin) * first.dimension);
      }
    },
  });
  return { x: join(a.x, b.x), y: join(a.y, b.y) };
}
