import type { Measured } from "../evaluation/measure_round.ts";
import type { InformationErrors } from "./information_meter.ts";

/** Where in samples their information lies, in nats; each map has as many values as a sample. */
export interface SampleMaps {
  /** The mean over all samples. */
  readonly mean: Float64Array;
  /** Of the samples that were asked for, by their places. */
  readonly ofRows: ReadonlyMap<number, Float64Array>;
}

/** Sums of ½·w·(ε̂(z) − ε̂(z | c))² of each value: over all samples, and of some by themselves. */
export class InformationMaps {
  readonly #all: Float64Array;
  readonly #own: ReadonlyMap<number, Float64Array>;

  /** @param dimension Of a sample. @param rows The places of those that are kept by themselves. */
  constructor(readonly dimension: number, readonly rows: readonly number[]) {
    this.#all = new Float64Array(dimension);
    this.#own = new Map(rows.map((row) => [row, new Float64Array(dimension)]));
  }

  /** The same before anything was added. */
  empty(): InformationMaps {
    return new InformationMaps(this.dimension, this.rows);
  }

  /**
   * Adds the means over both signs of the noise.
   *
   * @param squares Of the block, as a meter gives them. @param weights ½·w of each of its samples.
   */
  add({ begin }: Measured<InformationErrors>, squares: Float32Array, weights: Float64Array): void {
    const size = weights.length, d = this.dimension;
    for (let row = 0; row < 2 * size; row++) {
      const weight = weights[row % size] / 2, own = this.#own.get(begin + row % size);
      for (let k = 0; k < d; k++) {
        const value = weight * squares[row * d + k];
        this.#all[k] += value;
        if (own) own[k] += value;
      }
    }
  }

  /** Adds what others have. */
  addAll(other: InformationMaps, factor = 1): void {
    other.#all.forEach((value, k) => this.#all[k] += factor * value);
    for (const [row, values] of other.#own) values.forEach((value, k) => this.#own.get(row)![k] += factor * value);
  }

  /** @param samples How many all are. */
  maps(samples: number): SampleMaps {
    return { mean: this.#all.map((sum) => sum / samples), ofRows: this.#own };
  }
}
