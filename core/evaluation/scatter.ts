import { type Proposal, quantileOfLogsnr } from "../diffusion/logsnr.ts";

/** Equally likely parts of a proposal, from the lowest log SNR up. */
export const PARTS = 32;

/** The sums of the values in each part. */
export interface ScatterSums {
  readonly count: readonly number[];
  readonly sum: readonly number[];
  readonly squares: readonly number[];
}

/** How values scatter in each part of a proposal: what tells where more log SNRs lower the error of their mean. */
export class Scatter {
  readonly #count: Float64Array;
  readonly #sum: Float64Array;
  readonly #squares: Float64Array;

  constructor(readonly proposal: Proposal, from?: ScatterSums) {
    this.#count = Float64Array.from(from?.count ?? new Float64Array(PARTS));
    this.#sum = Float64Array.from(from?.sum ?? new Float64Array(PARTS));
    this.#squares = Float64Array.from(from?.squares ?? new Float64Array(PARTS));
  }

  /** @param value What the integral is the mean of, drawn by the proposal itself. @param weight Its share, 1 if left out. */
  add(logsnr: number, value: number, weight = 1): void {
    const k = Math.min(PARTS - 1, Math.max(0, Math.floor(PARTS * quantileOfLogsnr(logsnr, this.proposal))));
    this.#count[k] += weight;
    this.#sum[k] += weight * value;
    this.#squares[k] += weight * value ** 2;
  }

  /** Lets what was added so far count for less. */
  fade(factor: number): void {
    for (const sums of [this.#count, this.#sum, this.#squares]) sums.forEach((value, k) => sums[k] = value * factor);
  }

  /** The standard deviation in each part, over it and its neighbours: of few values it is itself uncertain. */
  deviations(): number[] {
    return Array.from({ length: PARTS }, (_, k) => {
      const near = [k - 1, k, k + 1].filter((j) => j >= 0 && j < PARTS && this.#count[j] > 1);
      const variances = near.map((j) => varianceOf(this.#count[j], this.#sum[j], this.#squares[j]));
      return Math.sqrt(variances.reduce((sum, v) => sum + v, 0) / Math.max(1, near.length));
    });
  }

  /**
   * Factors for a proposal that draws in proportion to the deviations.
   *
   * @param kept How much of the proposal is kept whatever was measured, so that no weight is large by mistake.
   */
  factors(kept: number): number[] {
    const deviations = this.deviations();
    const mean = deviations.reduce((sum, s) => sum + s / PARTS, 0);
    if (!(mean > 0) || !Number.isFinite(mean)) return [1];
    return deviations.map((s) => kept + (1 - kept) * s / mean);
  }

  sums(): ScatterSums {
    return { count: [...this.#count], sum: [...this.#sum], squares: [...this.#squares] };
  }
}

/** The variance of `count` values from their sums; infinite for one. */
export function varianceOf(count: number, sum: number, squares: number): number {
  return count < 2 ? Infinity : Math.max(0, squares - sum ** 2 / count) / (count - 1);
}
