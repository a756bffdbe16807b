import type { Estimate } from "../diffusion/likelihood.ts";
import { varianceOf } from "./scatter.ts";

/** Rounds from which on their scatter tells the error of their mean. */
const MIN_ROUNDS = 8;

/** What an estimate of the NLL is after some rounds, in nats. */
export interface RunningEstimate extends Estimate {
  /** That of the mean over all data of this kind: of the finite number of samples, and of the noise. */
  readonly stderr: number;
  /** The part of it that more rounds lower: the error of the mean over these very samples. */
  readonly noiseStderr: number;
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
  /** Of each sample, over the rounds: the sum of its values and of their squares, in nats. */
  readonly sum: Float64Array;
  readonly squares: Float64Array;
  /** Each round's mean. */
  readonly means: readonly number[];
  /** The factors of the proposal. */
  readonly factors: readonly number[];
}

/** An estimate that is made round by round: the more rounds, the smaller its error. */
export interface RunningRounds {
  /** Learns from some samples where along the log SNRs to measure. Before the first round. */
  adapt(signal?: AbortSignal): Promise<void>;
  /** Takes one more round. Yields how much of it is done; one that is left early counts for nothing. */
  round(): AsyncGenerator<number>;
  perSample(): PerSampleNll;
  /** @throws {RangeError} Before the first round. */
  estimate(): RunningEstimate;
  /** The sums so far; the arrays are the estimate's own. */
  sums(): NllSums;
}

/** Values of samples, added up over rounds. */
export class RoundSums {
  evaluations: number;
  readonly #sum: Float64Array;
  readonly #squares: Float64Array;
  readonly #means: number[];

  /** @param n The number of samples. */
  constructor(n: number, from?: Pick<NllSums, "sum" | "squares" | "means" | "evaluations">) {
    if (from && (from.sum.length !== n || from.squares.length !== n)) {
      throw new RangeError(`Got sums of ${from.sum.length} samples to go on from; there are ${n}.`);
    }
    this.#sum = from?.sum.slice() ?? new Float64Array(n);
    this.#squares = from?.squares.slice() ?? new Float64Array(n);
    this.#means = [...from?.means ?? []];
    this.evaluations = from?.evaluations ?? 0;
  }

  /** The rounds so far. */
  get count(): number {
    return this.#means.length;
  }

  /** @param values Of a round, one per sample. @param baseline What is added to each sample's mean value. */
  add(values: Float64Array, baseline: Float64Array): void {
    let mean = 0;
    for (let i = 0; i < values.length; i++) {
      this.#sum[i] += values[i];
      this.#squares[i] += values[i] ** 2;
      mean += (values[i] + baseline[i]) / values.length;
    }
    this.#means.push(mean);
  }

  perSample(baseline: Float64Array): PerSampleNll {
    const rounds = this.count;
    const nll = baseline.map((b, i) => b + this.#sum[i] / rounds);
    const stderr = this.#sum.map((sum, i) => Math.sqrt(varianceOf(rounds, sum, this.#squares[i]) / rounds));
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
   * From the scatter of each sample's values, which many numbers tell, but which leaves out what the strata gain; or, where
   * that is plainly much, from the scatter of the rounds' means, widened as Student's t is for few of them. The smaller of
   * the two would be too small by chance.
   */
  #noiseStderr(stderr: Float64Array): number {
    const [n, r] = [stderr.length, this.count];
    const pooled = Math.sqrt(stderr.reduce((sum, e) => sum + e ** 2, 0)) / n;
    if (r < MIN_ROUNDS) return pooled;
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
      squares: this.#squares,
      means: [...this.#means],
    };
  }
}
