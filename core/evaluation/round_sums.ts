import type { Estimate } from "../diffusion/likelihood.ts";
import { type Spacing, WAVE, waveVariances } from "./wave.ts";

/** Rounds from which on their scatter tells the error of their mean. */
const MIN_ROUNDS = 8;

/**
 * As how many values of its own the scatter of all counts for a sample's: eight values alone are often all small by
 * chance where a few large ones make the error.
 */
const SHARED = 1;

/** What an estimate of the NLL is after some rounds, in nats. */
export interface RunningEstimate extends Estimate {
  /** That of the mean over all data of this kind: of the finite number of samples, and of the noise. */
  readonly stderr: number;
  /** The part of it that more rounds lower: the error of the mean over these very samples. */
  readonly noiseStderr: number;
  /** Log SNRs of each sample. */
  readonly rounds: number;
  /** Evaluations of the denoiser, those of a pilot among them. */
  readonly evaluations: number;
}

/** The likelihood of each sample, in the order of the data, in nats. */
export interface PerSampleNll {
  readonly nll: Float64Array;
  /** From the noise; infinite before the second round. */
  readonly stderr: Float64Array;
}

/** What an estimate is made of, to go on from. */
export interface NllSums {
  readonly rounds: number;
  readonly evaluations: number;
  /** Of each sample, over the rounds: the sum of its values in nats. */
  readonly sum: Float64Array;
  /** Of each sample: the sum over whole waves of its variance in each. */
  readonly variances: Float64Array;
  /** The values of the rounds since the last whole wave. */
  readonly wave: readonly Float64Array[];
  /** Each round's mean. */
  readonly means: readonly number[];
  /** How the even proposal over the same log SNRs is changed; one factor alone stands for the proposal as it is. */
  readonly factors: readonly number[];
  /** What is known of a round that is under way, where it counts, and what else the estimate keeps. */
  readonly unfinished?: Readonly<Record<string, Float64Array>>;
}

/** What is measured round by round: the more rounds, the smaller its error. */
export interface Rounds {
  /** Learns from some samples where along the log SNRs to measure. Before the first round. */
  adapt(signal?: AbortSignal): Promise<void>;
  /** Takes one more round. Yields how much of it is done; one that is left early counts for nothing. */
  round(): AsyncGenerator<number>;
  /** @throws {RangeError} Before the first round. */
  estimate(): Pick<RunningEstimate, "noiseStderr">;
  sums(): Pick<NllSums, "rounds" | "evaluations">;
}

/** A likelihood that is estimated round by round. */
export interface RunningRounds extends Rounds {
  perSample(): PerSampleNll;
  /** @throws {RangeError} Before the first round. */
  estimate(): RunningEstimate;
  /** The sums so far; the arrays are the estimate's own. */
  sums(): NllSums;
}

/** Times the median from which on a sample's variance says nothing of the others': it lies far out. */
const FAR = 100;

/** The variance that a sample counts with at most for those of all. */
function usualAtMost(variances: Float64Array): number {
  return FAR * variances.slice().sort()[variances.length >> 1] || Infinity;
}

/** Values of samples, added up over rounds. */
export class RoundSums {
  evaluations: number;
  readonly #sum: Float64Array;
  readonly #variances: Float64Array;
  readonly #means: number[];
  #wave: Float64Array[];

  /** @param n The number of samples. @param spacing Of each one's log SNRs. */
  constructor(n: number, readonly spacing: Spacing, from?: Omit<NllSums, "factors" | "rounds">) {
    if (from && (from.sum.length !== n || from.variances.length !== n)) {
      throw new RangeError(`Got sums of ${from.sum.length} samples to go on from; there are ${n}.`);
    }
    this.#sum = from?.sum.slice() ?? new Float64Array(n);
    this.#variances = from?.variances.slice() ?? new Float64Array(n);
    this.#means = [...from?.means ?? []];
    this.#wave = [...from?.wave ?? []];
    this.evaluations = from?.evaluations ?? 0;
  }

  /** The rounds so far. */
  get count(): number {
    return this.#means.length;
  }

  /** @param values Of a round, one per sample; kept. @param baseline What is added to each sample's mean value. */
  add(values: Float64Array, baseline: Float64Array): void {
    let mean = 0;
    for (let i = 0; i < values.length; i++) {
      this.#sum[i] += values[i];
      mean += (values[i] + baseline[i]) / values.length;
    }
    this.#means.push(mean);
    this.#wave.push(values);
    if (this.#wave.length < WAVE) return;
    waveVariances(this.#wave, this.spacing).forEach((variance, i) => this.#variances[i] += variance);
    this.#wave = [];
  }

  perSample(baseline: Float64Array): PerSampleNll {
    const rounds = this.count;
    const nll = baseline.map((b, i) => b + this.#sum[i] / rounds);
    const waves = Math.floor(rounds / WAVE);
    // A wave that is not whole tells less, and is left out where another is.
    const own = waves > 0 ? this.#variances.map((sum) => sum / waves) : waveVariances(this.#wave, this.spacing);
    const most = usualAtMost(own);
    const mean = own.reduce((sum, variance) => sum + Math.min(variance, most) / own.length, 0);
    const stderr = own.map((variance) => Math.sqrt((rounds * variance + SHARED * mean) / (rounds + SHARED) / rounds));
    return { nll, stderr };
  }

  estimate(baseline: Float64Array): RunningEstimate {
    if (this.count === 0) throw new RangeError("There is no estimate before the first round.");
    const { nll, stderr } = this.perSample(baseline);
    const n = nll.length;
    const mean = nll.reduce((sum, value) => sum + value / n, 0);
    const total = Math.sqrt(nll.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, n - 1) / n);
    return {
      mean,
      stderr: n > 1 ? total : Infinity,
      // The whole has the noise in it.
      noiseStderr: n > 1 ? Math.min(total, this.#noiseStderr(stderr)) : this.#noiseStderr(stderr),
      rounds: this.count,
      evaluations: this.evaluations,
    };
  }

  /**
   * From the scatter of each sample's values, which many numbers tell, but which of independent log SNRs leaves out what
   * their strata over the samples gain; or, where that is plainly much, from the scatter of the rounds' means, widened as
   * Student's t is for few of them. The smaller of the two would be too small by chance.
   */
  #noiseStderr(stderr: Float64Array): number {
    const [n, r] = [stderr.length, this.count];
    const pooled = Math.sqrt(stderr.reduce((sum, e) => sum + e ** 2, 0)) / n;
    if (r < MIN_ROUNDS || this.spacing === "spread") return pooled;
    const centre = this.#means.reduce((sum, m) => sum + m / r, 0);
    const variance = this.#means.reduce((sum, m) => sum + (m - centre) ** 2, 0) / (r - 1) / r;
    // A twentieth of rounds without any gain scatter less (the χ² distribution's quantile, by Wilson and Hilferty).
    const k = 2 / (9 * (r - 1));
    const plain = (1 - k - 1.645 * Math.sqrt(k)) ** 3 * pooled ** 2;
    return variance < plain ? Math.min(pooled, Math.sqrt(variance * (r - 1) / (r - 3))) : pooled;
  }

  sums(): Omit<NllSums, "factors"> {
    return {
      rounds: this.count,
      evaluations: this.evaluations,
      sum: this.#sum,
      variances: this.#variances,
      wave: [...this.#wave],
      means: [...this.#means],
    };
  }
}
