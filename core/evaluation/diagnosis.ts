import { gaussianMmse, gaussianNll } from "../reference/gaussian.ts";
import { requireGaussian } from "../reference/mixture.ts";
import { type Estimate, meanAndStderr } from "../diffusion/likelihood.ts";
import { logsnrRange, logsnrWeight, type Proposal, proposalOfSpectrum } from "../diffusion/logsnr.ts";
import { UserError } from "../errors/user_error.ts";
import type { Random } from "../random/random.ts";
import { conditionOf, type Samples, toFloat32 } from "../data/samples.ts";
import { suggestProposal } from "./curve.ts";
import { type ErrorMeter, evaluationsAtOnce } from "./errors.ts";

/** Log SNRs that are measured, where their number is left open. */
const LEVELS = 49;

/** Standard errors beyond which a gap is taken for real. */
const CLEAR = 2;

/** Per dimension: how much two errors differ by that only float32's rounding keeps apart. */
const ROUNDING = 1e-6;

/** The part of the gain, or of the variance, that its interval holds. */
const CENTRAL = 0.9;

/** A gain at an end of the range that is below this part of the largest one is none that is cut off. */
const NEGLIGIBLE = 0.01;

/** Samples that cannot be diagnosed. */
export class DiagnosisError extends UserError {}

/** An interval of log SNR in nats, the lower end first. */
export type Interval = readonly [number, number];

/** What was measured at one log SNR, and what it means for the likelihood. */
export interface LevelDiagnosis {
  /** Log SNR α in nats. */
  readonly logsnr: number;
  /** The denoiser's E‖ε − ε̂‖². */
  readonly mse: number;
  /** The MMSE of the data's Gaussian. */
  readonly gaussian: number;
  /** The denoiser's error less the Gaussian's, the mean over samples of both on the same noise with both signs. */
  readonly gap: number;
  /** The standard error of `gap`, and of `mse`. */
  readonly stderr: number;
  /** The standard deviation over samples and noise of what `gap` is the mean of. */
  readonly deviation: number;
  /** By how much the NLL falls below the Gaussian's here: nats per unit of log SNR. */
  readonly gain: number;
  /** What this adds to the variance of one draw of the paired estimator from the proposal: nats² per unit of log SNR. */
  readonly variance: number;
  /** The proposal's probability per unit of log SNR. */
  readonly density: number;
}

/** Where the data's Gaussian denoises better than the denoiser, and by how many nats the NLL falls if it is used there. */
export interface GaussianWin {
  readonly interval: Interval;
  readonly nats: Estimate;
}

/** An end of the proposal's range at which the denoiser still gains on the Gaussian. */
export interface CutOff {
  readonly end: "lower" | "upper";
  readonly logsnr: number;
  /** Nats per unit of log SNR. */
  readonly gain: Estimate;
}

/** Where a denoiser's likelihood and the error of its estimate come from along the log SNR axis. */
export interface Diagnosis {
  readonly samples: number;
  readonly dimension: number;
  readonly proposal: Proposal;
  /** In order of log SNR, evenly spaced over the proposal's range. */
  readonly levels: readonly LevelDiagnosis[];
  /** In nats, over this grid of log SNRs. */
  readonly nll: Estimate;
  /** The NLL of the data's Gaussian. */
  readonly gaussianNll: Estimate;
  /** How far the NLL lies below the Gaussian's. */
  readonly gain: Estimate;
  readonly gaussianWins: readonly GaussianWin[];
  /** The NLL if the Gaussian were used where it wins. */
  readonly clampedNll: Estimate;
  /** What holds the central 90 % of the gain, of the parts where there is any; none where there is none. */
  readonly gainInterval?: Interval;
  /** What holds the central 90 % of the estimator's variance; none where there is none. */
  readonly varianceInterval?: Interval;
  /** How many times smaller the variance is if log SNRs are drawn in proportion to the deviation; 1 where there is none. */
  readonly varianceRatio: number;
  readonly cutOff: readonly CutOff[];
  /** The proposal that the MSE curve suggests. */
  readonly suggestion?: Proposal;
  /** The proposal of the Gaussian's spectrum. */
  readonly spectrum: Proposal;
}

/** How a denoiser is diagnosed. */
export interface DiagnoseOptions {
  /** The number of log SNRs, at least 3. */
  readonly levels?: number;
  readonly signal?: AbortSignal;
  /** Told after each measurement how many of all are done. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Measures a denoiser beside the data's Gaussian over the proposal's range, with both signs of the noise as the paired
 * estimator does. Each level has noise of its own, so that the sums over levels are far more exact than each of them.
 * Memory is eight bytes per sample and level.
 *
 * @param meter Compares with one Gaussian.
 * @param samples At least two; 2·levels evaluations each.
 * @param random Decides the noise.
 * @throws {DiagnosisError} For fewer than two samples, or when an error comes out as no finite number.
 */
export async function diagnose(
  meter: ErrorMeter,
  samples: Samples,
  proposal: Proposal,
  random: Random,
  { levels: count = LEVELS, signal, onProgress }: DiagnoseOptions = {},
): Promise<Diagnosis> {
  const { count: n, dimension: d } = samples;
  if (n < 2) throw new DiagnosisError(`Got ${n} samples to diagnose with, expected at least two. Give more.`);
  if (!(count >= 3)) throw new RangeError(`Got ${count} log SNRs to measure at, expected at least 3.`);
  const own = requireGaussian(meter.reference);
  const [low, high] = logsnrRange(proposal), step = (high - low) / (count - 1);
  const grid = Array.from({ length: count }, (_, k) => low + k * step);
  const gaps = await pairedGaps(meter, samples, grid, random, signal, onProgress);
  const levels = grid.map((logsnr, k): LevelDiagnosis => {
    const { mean: gap, stderr } = meanAndStderr(gaps[k]);
    if (!Number.isFinite(gap)) {
      throw new DiagnosisError(
        `The error at log SNR ${logsnr.toFixed(2)} came out as no finite number: the model has diverged, or the data ` +
          "is not its own. Diagnose an earlier checkpoint, or the run's own data.",
      );
    }
    const gaussian = gaussianMmse(logsnr, own.eigenvalues), weight = logsnrWeight(logsnr, proposal);
    const deviation = stderr * Math.sqrt(n);
    return {
      ...{ logsnr, mse: gaussian + gap, gaussian, gap, stderr, deviation, gain: -gap / 2 },
      ...{ variance: weight * deviation ** 2 / 4, density: 1 / weight },
    };
  });

  // The trapezoidal rule: each level stands for what is nearer to it than to another.
  const cells = grid.map((logsnr): Interval => [Math.max(low, logsnr - step / 2), Math.min(high, logsnr + step / 2)]);
  const widths = cells.map(([from, to]) => to - from);
  /** The samples' halves of the integrals over some levels, whose error counts that all levels share the samples. */
  const halves = (chosen: (k: number) => boolean) => {
    const sums = new Float64Array(n);
    gaps.forEach((row, k) => {
      if (chosen(k)) { for (let i = 0; i < n; i++) sums[i] += 0.5 * widths[k] * row[i]; }
    });
    return sums;
  };
  const baseline = gaussianNll(samples, own);
  const rounding = ROUNDING * d;
  const won = (k: number) => levels[k].gap > Math.max(CLEAR * levels[k].stderr, rounding);
  const total = halves(() => true), kept = halves((k) => !won(k));
  const gainInterval = centralInterval(levels.map(({ gap, gain }) => -gap > rounding ? gain : 0), cells);
  const scatter = levels.map(({ variance, deviation }) => deviation > rounding ? variance : 0);
  const varianceInterval = centralInterval(scatter, cells);
  const suggestion = suggestProposal(
    {
      logsnr: grid,
      mse: levels.map(({ mse }) => mse),
      stderr: levels.map(({ stderr }) => stderr),
      gaussian: levels.map(({ gaussian }) => gaussian),
    },
    d,
  );
  return {
    samples: n,
    dimension: d,
    proposal,
    levels,
    nll: meanAndStderr(baseline.map((nll, i) => nll + total[i])),
    gaussianNll: meanAndStderr(baseline),
    gain: meanAndStderr(total.map((half) => -half)),
    gaussianWins: runsOf(count, won).map(([first, last]) => ({
      interval: [cells[first][0], cells[last][1]],
      nats: meanAndStderr(halves((k) => k >= first && k <= last)),
    })),
    clampedNll: meanAndStderr(baseline.map((nll, i) => nll + kept[i])),
    ...(gainInterval ? { gainInterval } : {}),
    ...(varianceInterval ? { varianceInterval } : {}),
    varianceRatio: varianceRatio(levels, widths),
    cutOff: cutOffs(levels, rounding),
    ...(suggestion ? { suggestion } : {}),
    spectrum: proposalOfSpectrum(own.eigenvalues),
  };
}

/** The denoiser's squared error less the Gaussian's, by level and sample: the mean over both signs of the same noise. */
async function pairedGaps(
  meter: ErrorMeter,
  samples: Samples,
  grid: readonly number[],
  random: Random,
  signal: AbortSignal | undefined,
  onProgress: DiagnoseOptions["onProgress"],
): Promise<Float64Array[]> {
  const { count: n, dimension: d } = samples;
  const gaps = grid.map(() => new Float64Array(n));
  const block = evaluationsAtOnce(d) / 2, blocks = Math.ceil(n / block);
  for (let part = 0; part < blocks; part++) {
    const begin = part * block, one = toFloat32(samples, begin, Math.min(n, begin + block));
    const size = one.length / d, condition = conditionOf(samples, begin, begin + size, 2);
    const x = new Float32Array(2 * one.length), eps = new Float32Array(2 * one.length);
    x.set(one);
    x.set(one, one.length);
    for (const [k, logsnr] of grid.entries()) {
      signal?.throwIfAborted();
      const noise = random.split(part).split(k).fillNormal(eps.subarray(0, one.length));
      eps.set(noise.map((value) => -value), one.length);
      const { mse, mseReference } = await meter.measure(x, eps, new Float32Array(2 * size).fill(logsnr), condition);
      for (let i = 0; i < size; i++) {
        gaps[k][begin + i] = (mse[i] - mseReference[i] + mse[size + i] - mseReference[size + i]) / 2;
      }
      onProgress?.(part * grid.length + k + 1, blocks * grid.length);
    }
  }
  return gaps;
}

/** The first and last of each run of levels for which something holds. */
function runsOf(count: number, holds: (k: number) => boolean): [number, number][] {
  const runs: [number, number][] = [];
  for (let k = 0; k < count; k++) {
    if (!holds(k)) continue;
    if (k > 0 && holds(k - 1)) runs[runs.length - 1][1] = k;
    else runs.push([k, k]);
  }
  return runs;
}

/** What holds the central 90 % of a density, of whose negative parts nothing counts. */
function centralInterval(density: readonly number[], cells: readonly Interval[]): Interval | undefined {
  const masses = density.map((value, k) => Math.max(0, value) * (cells[k][1] - cells[k][0]));
  const total = masses.reduce((sum, mass) => sum + mass, 0);
  if (!(total > 0)) return undefined;
  const quantile = (q: number) => {
    let left = q * total, k = 0;
    while (k < masses.length - 1 && left > masses[k]) left -= masses[k++];
    const [from, to] = cells[k];
    return from + (to - from) * Math.min(1, left / masses[k]);
  };
  return [quantile((1 - CENTRAL) / 2), quantile((1 + CENTRAL) / 2)];
}

/** The variance of draws from the proposal over the least there is, of draws in proportion to the deviation. */
function varianceRatio(levels: readonly LevelDiagnosis[], widths: readonly number[]): number {
  const variance = levels.reduce((sum, { variance }, k) => sum + widths[k] * variance, 0);
  const least = levels.reduce((sum, { deviation }, k) => sum + widths[k] * deviation / 2, 0) ** 2;
  return least > 0 ? Math.max(1, variance / least) : 1;
}

function cutOffs(levels: readonly LevelDiagnosis[], rounding: number): CutOff[] {
  const largest = levels.reduce((most, { gain }) => Math.max(most, gain), rounding / (2 * NEGLIGIBLE));
  const ends = [["lower", levels[0]], ["upper", levels[levels.length - 1]]] as const;
  return ends.filter(([, { gap, stderr, gain }]) => -gap > CLEAR * stderr && gain > NEGLIGIBLE * largest)
    .map(([end, { logsnr, gain, stderr }]) => ({ end, logsnr, gain: { mean: gain, stderr: stderr / 2 } }));
}

/** A diagnosis in a few lines of text. */
export function diagnosisLines(diagnosis: Diagnosis): string[] {
  const { samples, dimension, levels, nll, gaussianNll, gain, gaussianWins, clampedNll, cutOff } = diagnosis;
  const { gainInterval, varianceInterval, varianceRatio, proposal, suggestion, spectrum } = diagnosis;
  const [low, high] = logsnrRange(proposal);
  const peak = levels.reduce((a, b) => b.gain > a.gain ? b : a);
  const locScale = ({ loc, scale }: Proposal) => `loc ${loc.toFixed(2)}, scale ${scale.toFixed(2)}`;
  return [
    `${samples} samples in ${dimension} dimension${dimension === 1 ? "" : "s"}, ${levels.length} log SNRs from ` +
    between([low, high]),
    `NLL            ${estimate(nll)} nats, ${estimate({ ...gain, mean: Math.abs(gain.mean) })} ` +
    `${gain.mean < 0 ? "above" : "below"} the Gaussian's ${gaussianNll.mean.toFixed(3)}`,
    gainInterval
      ? `Gain           90 % from ${between(gainInterval)}; most, ${peak.gain.toPrecision(2)} nats per unit, at ` +
        one(peak.logsnr)
      : "Gain           none: the denoiser is nowhere better than the data's Gaussian",
    varianceInterval
      ? `Variance       90 % from ${between(varianceInterval)}; ` +
        `the best proposal would make it ${varianceRatio.toFixed(1)} times smaller`
      : "Variance       none: the denoiser is the data's Gaussian",
    gaussianWins.length === 0
      ? "Gaussian wins  nowhere beyond two standard errors"
      : `Gaussian wins  ${winsText(gaussianWins)}; used there, the NLL is ${estimate(clampedNll)}`,
    `Proposal       ${locScale(proposal)}; the MSE curve suggests ` +
    `${suggestion ? locScale(suggestion) : "none, since it does not pass half of the dimension"}; ` +
    `the spectrum ${locScale(spectrum)}`,
    cutOff.length === 0
      ? "Range          holds the gain: there is none at its ends"
      : `Range          cuts off gain: ${cutOff.map(cutOffText).join("; ")}`,
  ];
}

/** Of several the most costly first, as many as fit on a line. */
function winsText(wins: readonly GaussianWin[]): string {
  const shown = wins.toSorted((a, b) => b.nats.mean - a.nats.mean).slice(0, 3);
  const parts = shown.map(({ interval, nats }) => `${between(interval)} (${estimate(nats)} nats)`);
  return parts.join(", ") + (wins.length > shown.length ? `, and ${wins.length - shown.length} more` : "");
}

function cutOffText({ end, logsnr, gain }: CutOff): string {
  const move = end === "upper" ? "a larger --logsnr-loc" : "a smaller --logsnr-loc";
  return `${estimate(gain)} nats per unit at its ${end} end, ${one(logsnr)}; take ${move} or a larger --logsnr-scale`;
}

function one(logsnr: number): string {
  return logsnr.toFixed(1);
}

function between([from, to]: Interval): string {
  return `${one(from)} to ${one(to)}`;
}

/** A mean to the second digit of its error. */
function estimate({ mean, stderr }: Estimate): string {
  const digits = stderr > 0 ? Math.min(6, Math.max(0, 1 - Math.floor(Math.log10(stderr)))) : 3;
  return `${mean.toFixed(digits)} ± ${stderr.toFixed(digits)}`;
}
