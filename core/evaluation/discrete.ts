import { dequantise, discreteNllOfDequantised, type Grid, leftTail, rightTail } from "../diffusion/discrete.ts";
import type { Gaussian } from "../reference/gaussian.ts";
import { bitsPerDimension, type Estimate, meanAndStderr } from "../diffusion/likelihood.ts";
import { logsnrAtQuantile, logsnrWeight, type Proposal, quantileOfLogsnr } from "../diffusion/logsnr.ts";
import { type LogsnrDistribution, reweightedProposal } from "../diffusion/reweighted_proposal.ts";
import { UserError } from "../errors/user_error.ts";
import type { Random } from "../random/random.ts";
import { conditionOf, type Samples } from "../data/samples.ts";
import { sizeOf } from "../data/tensors.ts";
import type { DiscreteMeter } from "./discrete_errors.ts";
import { type ErrorMeter, evaluationsAtOnce } from "./errors.ts";
import { nllPerSample } from "./nll.ts";

/** A denoiser whose estimates are not numbers. */
export class EstimateError extends UserError {
  override readonly exitCode = 1;
}

/** Parts of a proposal whose variance a pilot measures, and how much of the proposal it keeps whatever it finds. */
const PARTS = 32;
const KEPT = 0.2;

/** How a discrete likelihood is estimated. */
export interface DiscreteNllOptions extends Pilot {
  /** Of the data's covariance: they bound what lies below the log SNRs that are measured. */
  readonly eigenvalues: ArrayLike<number>;
  /** Decides log SNRs and noise, block by block. */
  readonly random: Random;
  /** Log SNRs per sample, one from each of as many strata of the distribution. */
  readonly levels: number;
}

/** What a pilot finds out. */
export interface Pilot {
  readonly distribution: LogsnrDistribution;
  /** The log SNR from which on the rounded errors count, `Infinity` where they do nowhere. */
  readonly roundFrom: number;
}

/** What the log SNRs beyond those that are measured add to −log P at most, in nats. */
export interface Tails {
  readonly left: number;
  readonly right: number;
}

/** An expected −log P. */
export interface DiscreteNll {
  readonly nats: Estimate;
  readonly bitsPerDimension: Estimate;
  /** −log P of each sample in nats. */
  readonly perSample: Float64Array;
}

/** Both tails. */
export function tailsOf(
  { shape, grid }: DiscreteMeter,
  { range: [low, high] }: LogsnrDistribution,
  eigenvalues: ArrayLike<number>,
): Tails {
  return { left: leftTail(low, eigenvalues), right: rightTail(high, sizeOf(shape), grid) };
}

/**
 * Finds out on other samples where rounding lowers the error, and where along the log SNRs the errors scatter, to draw
 * more of them there.
 *
 * The published bound takes the smaller of the plain and the rounded error at each log SNR by the errors of the very
 * samples that it is of, so that chance makes it too small. Chosen on other samples, the switch from the one to the
 * other is part of the denoiser: the estimate has a bound as its mean whatever was chosen.
 *
 * @param heldOut Samples that the likelihood is not asked of, for instance those of training; some hundreds are enough.
 */
export async function pilot(
  meter: DiscreteMeter,
  heldOut: Samples,
  { proposal, random, levels }: { proposal: Proposal; random: Random; levels: number },
): Promise<Pilot> {
  const plain: Weighted[] = [], rounded: Weighted[] = [];
  const distribution = reweightedProposal(proposal);
  for await (const draw of draws(meter, heldOut, distribution, random, levels, 0)) {
    draw.logsnr.forEach((logsnr, i) => {
      const half = 0.5 * distribution.weight(logsnr);
      plain.push({ logsnr, nats: half * draw.plain[i] });
      rounded.push({ logsnr, nats: half * draw.rounded[i] });
    });
  }
  const roundFrom = meter.rounding === "none" ? Infinity : bestSwitch(plain, rounded);
  const chosen = plain.map((value, i) => value.logsnr >= roundFrom ? rounded[i] : value);
  return { roundFrom, distribution: reweightedProposal(proposal, scatterFactors(chosen, proposal, meter)) };
}

/** What one log SNR of one sample adds to the estimate. */
interface Weighted {
  readonly logsnr: number;
  readonly nats: number;
}

/** The log SNR from which on the sum of the rounded errors instead of the plain ones is smallest. */
function bestSwitch(plain: readonly Weighted[], rounded: readonly Weighted[]): number {
  const gains = plain.map(({ logsnr, nats }, i) => ({ logsnr, nats: nats - rounded[i].nats }));
  gains.sort((a, b) => b.logsnr - a.logsnr);
  let total = 0, best = 0, roundFrom = Infinity;
  for (const { logsnr, nats } of gains) {
    total += nats;
    if (total > best) [best, roundFrom] = [total, logsnr];
  }
  return roundFrom;
}

/**
 * Factors on equal parts of the proposal: the standard deviation in each, over itself and its neighbours. To it is
 * added that of a component that is a step wrong, with the probability at most that the noise is more than half a step:
 * such errors are large, and too rare for a pilot to meet.
 */
function scatterFactors(values: readonly Weighted[], proposal: Proposal, { shape, grid }: DiscreteMeter): number[] {
  const parts = Array.from({ length: PARTS }, (): number[] => []);
  for (const { logsnr, nats } of values) {
    const part = Math.floor(PARTS * quantileOfLogsnr(logsnr, proposal));
    parts[Math.min(PARTS - 1, Math.max(0, part))].push(nats);
  }
  const deviations = parts.map((_, k) => {
    const near = parts.slice(Math.max(0, k - 1), k + 2).flat();
    const measured = near.length > 1 ? meanAndStderr(near).stderr * Math.sqrt(near.length) : 0;
    const logsnr = logsnrAtQuantile((k + 0.5) / PARTS, proposal), step = grid.delta ** 2 * Math.exp(logsnr);
    const wrong = 0.5 * logsnrWeight(logsnr, proposal) * step * Math.sqrt(sizeOf(shape) * Math.exp(-step / 8));
    return Math.hypot(measured, wrong);
  });
  const mean = deviations.reduce((sum, s) => sum + s / PARTS, 0);
  if (!(mean > 0 && Number.isFinite(mean))) return [1];
  return deviations.map((s) => KEPT + (1 - KEPT) * s / mean);
}

/** −log P of some samples. */
export interface DiscreteNllBlock {
  /** The index of the first of them. */
  readonly first: number;
  /** One value per sample, in nats. */
  readonly nats: Float64Array;
}

/**
 * The estimate of −log P(x) for each sample of discrete data, block by block, in order, so that no more than a block is
 * in memory: ½·w·mse at `levels` log SNRs, each noise with both signs, plus the tails. Its mean over the data bounds
 * the expected −log P from above, for any denoiser, up to the estimate's error; each sample's value is −log P(x) itself
 * where the denoiser is ideal. The tails are those of the data's mean.
 *
 * A block has a stream of random numbers of its own: an estimate that goes on from a block's `first` gives the same
 * values.
 *
 * @param from The sample to start at, the `first` of a block.
 * @throws {DiscreteDataError} When a value is not on the meter's grid.
 * @throws {EstimateError} When the denoiser's error is not a number.
 */
export async function* discreteNll(
  meter: DiscreteMeter,
  samples: Samples,
  { distribution, eigenvalues, random, levels, roundFrom }: DiscreteNllOptions,
  from = 0,
): AsyncGenerator<DiscreteNllBlock> {
  const { left, right } = tailsOf(meter, distribution, eigenvalues);
  let nats = new Float64Array();
  for await (
    const { first, level, logsnr, plain, rounded } of draws(meter, samples, distribution, random, levels, from)
  ) {
    if (level === 0) nats = new Float64Array(logsnr.length).fill(left + right);
    for (let i = 0; i < logsnr.length; i++) {
      const mse = logsnr[i] >= roundFrom ? rounded[i] : plain[i];
      if (!Number.isFinite(mse)) {
        const place = `at log SNR ${logsnr[i].toFixed(2)} of sample ${first + i}`;
        throw new EstimateError(
          `The denoiser's error is ${mse} ${place}, expected a number: check its weights or lower the top log SNR.`,
        );
      }
      nats[i] += 0.5 * distribution.weight(logsnr[i]) * mse / levels;
    }
    if (level === levels - 1) yield { first, nats };
  }
}

/**
 * The expected −log P of all samples, at most, with its standard error: it covers the noise and the finite number of
 * samples.
 */
export async function estimateDiscreteNll(
  meter: DiscreteMeter,
  samples: Samples,
  options: DiscreteNllOptions,
): Promise<DiscreteNll> {
  const perSample = new Float64Array(samples.count);
  for await (const { first, nats } of discreteNll(meter, samples, options)) perSample.set(nats, first);
  return summary(perSample, samples.dimension);
}

/**
 * The Gaussian of dequantised data: δ²/12, the variance of the dequantisation, is added to each of the data's. It is
 * what {@linkcode dequantisedNll}'s meter has to compare with, above all where components are constant.
 */
export function dequantisedGaussian({ eigenvalues, ...rest }: Gaussian, { delta }: Grid): Gaussian {
  return { ...rest, eigenvalues: eigenvalues.map((l) => l + delta ** 2 / 12) };
}

/** The likelihood of dequantised data. */
export interface DequantisedNll extends DiscreteNll {
  /** −log p of the dequantised data, a density, in nats. */
  readonly density: Estimate;
}

/**
 * The expected −log P by uniform dequantisation, at most: the continuous likelihood of x + δ·(U − ½), a noise a sample,
 * less d·log δ. Larger than the discrete bound where the density varies within a step, or the denoiser never saw data
 * off the grid.
 *
 * @param meter Of the same denoiser; its Gaussian that of {@linkcode dequantisedGaussian}.
 * @param proposal Must reach to log SNRs at which a step is resolved, well above −2·log δ.
 * @param levels Log SNRs per sample.
 */
export async function dequantisedNll(
  meter: ErrorMeter,
  samples: Samples,
  grid: Grid,
  { proposal, random, levels }: { proposal: Proposal; random: Random; levels: number },
): Promise<DequantisedNll> {
  const { dimension: d } = samples;
  const density = await nllPerSample(meter, dequantise(samples, grid, random), proposal, random, levels);
  const discrete = density.map((nats) => discreteNllOfDequantised(nats, d, grid));
  return { ...summary(discrete, d), density: meanAndStderr(density) };
}

function summary(perSample: Float64Array, d: number): DiscreteNll {
  const nats = meanAndStderr(perSample);
  const bits = { mean: bitsPerDimension(nats.mean, d), stderr: bitsPerDimension(nats.stderr, d) };
  return { nats, bitsPerDimension: bits, perSample };
}

/** The errors of a block of samples at one log SNR each, the mean of both signs of the noise. */
interface Draw {
  readonly first: number;
  readonly level: number;
  readonly logsnr: Float32Array;
  readonly plain: Float64Array;
  readonly rounded: Float64Array;
}

/** For every block of samples its errors at one log SNR of every stratum; within a stratum the samples share it out. */
async function* draws(
  meter: DiscreteMeter,
  samples: Samples,
  distribution: LogsnrDistribution,
  random: Random,
  levels: number,
  from: number,
): AsyncGenerator<Draw> {
  const { count: n, dimension: d } = samples;
  const block = evaluationsAtOnce(d) / 2;
  if (from % block !== 0) {
    throw new RangeError(`Got sample ${from} to start at; blocks begin at multiples of ${block}.`);
  }
  if (!(Number.isInteger(levels) && levels > 0)) {
    throw new RangeError(`Got ${levels} log SNRs per sample, expected one or more.`);
  }
  for (let first = from; first < n; first += block) {
    const size = Math.min(n, first + block) - first;
    const stream = random.split(first);
    const x = new Float32Array(2 * size * d), eps = new Float32Array(2 * size * d), logsnr = new Float32Array(2 * size);
    samples.copy(first, first + size, x);
    x.copyWithin(size * d, 0, size * d);
    const condition = conditionOf(samples, first, first + size, 2);
    for (let level = 0; level < levels; level++) {
      const order = stream.permutation(size);
      const jitter = stream.fillUniform(new Float64Array(size));
      for (let i = 0; i < size; i++) {
        const u = (level + (order[i] + jitter[i]) / size) / levels;
        logsnr[i] = logsnr[size + i] = distribution.atQuantile(u);
      }
      stream.fillNormal(eps.subarray(0, size * d));
      for (let i = 0; i < size * d; i++) eps[size * d + i] = -eps[i];
      const errors = await meter.measure(x, eps, logsnr, condition);
      const bothSigns = (values: Float64Array) =>
        Float64Array.from({ length: size }, (_, i) => (values[i] + values[size + i]) / 2);
      yield {
        first,
        level,
        logsnr: logsnr.slice(0, size),
        plain: bothSigns(errors.plain),
        rounded: bothSigns(errors.rounded),
      };
    }
  }
}
