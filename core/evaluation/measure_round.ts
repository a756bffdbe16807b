import type { LogsnrDistribution } from "../diffusion/reweighted_proposal.ts";
import { conditionOf, type Samples } from "../data/samples.ts";
import type { Rows } from "../mpi/ranks.ts";
import type { Random } from "../random/random.ts";
import { evaluationsAtOnce } from "./errors.ts";
import { shiftOfRound } from "./wave.ts";

/** What measures noisy samples: `E` has arrays of some numbers of each. */
export interface SampleMeter<E> {
  /**
   * @param x Samples, row by row.
   * @param eps Standard normal noise of the same size.
   * @param logsnr One log SNR per sample, in nats.
   * @param condition What is known of each; nothing is, if left out.
   */
  measure(x: Float32Array, eps: Float32Array, logsnr: Float32Array, condition?: Float32Array): Promise<E>;
  /** Of several ranks, which rows of a measurement of `count` this one computes: the others' samples it need not have. */
  readonly ownRows?: (count: number) => readonly Rows[];
}

/** Some samples at one log SNR each, with noise of both signs: all with one sign first, then all with the other. */
export type Measured<E> = E & {
  /** The place of the first sample. */
  readonly begin: number;
  readonly logsnr: Float32Array;
};

/**
 * Measures every sample at one log SNR, block by block. The arrays are the receiver's own.
 *
 * @param order The place of each sample among the strata.
 */
export async function* measureRound<E extends object>(
  meter: SampleMeter<E>,
  samples: Samples,
  distribution: LogsnrDistribution,
  random: Random,
  order: Uint32Array,
  round: number,
): AsyncGenerator<Measured<E>> {
  const { count: n, dimension: d } = samples;
  const block = evaluationsAtOnce(d) / 2;
  for (let begin = 0; begin < n; begin += block) {
    const size = Math.min(n, begin + block) - begin;
    // A stream of its own for every block, so that noise does not depend on what was measured before.
    const stream = random.split(begin / block);
    const jitter = stream.fillUniform(new Float64Array(size));
    const logsnr = new Float32Array(2 * size);
    for (let i = 0; i < size; i++) {
      const u = ((order[begin + i] + jitter[i]) / n + shiftOfRound(round)) % 1;
      logsnr[i] = logsnr[size + i] = distribution.atQuantile(u);
    }
    const x = new Float32Array(2 * size * d), eps = new Float32Array(2 * size * d);
    if (meter.ownRows) {
      for (const rows of meter.ownRows(2 * size)) fillRows(rows, size, { samples, begin, stream, x, eps });
    } else {
      const noise = stream.fillNormal(eps.subarray(0, size * d));
      for (let i = 0; i < size * d; i++) eps[size * d + i] = -noise[i];
      samples.copy(begin, begin + size, x);
      x.copyWithin(size * d, 0, size * d);
    }
    const condition = conditionOf(samples, begin, begin + size, 2);
    yield { begin, logsnr, ...await meter.measure(x, eps, logsnr, condition) };
  }
}

/**
 * Some rows of a block of `2·size`, as they would be if all were filled: the samples with their noise first, and then the
 * samples with its opposite. Of many ranks that each draw all of it, drawing would take more time than the denoiser.
 */
function fillRows(
  rows: Rows,
  size: number,
  { samples, begin, stream, x, eps }: {
    readonly samples: Samples;
    readonly begin: number;
    readonly stream: Random;
    readonly x: Float32Array;
    readonly eps: Float32Array;
  },
): void {
  const d = samples.dimension;
  for (const [half, sign] of [1, -1].entries()) {
    const from = Math.max(rows.begin, half * size), to = Math.min(rows.end, (half + 1) * size);
    if (from >= to) continue;
    const first = from - half * size;
    samples.copy(begin + first, begin + first + to - from, x, from * d);
    const noise = stream.fillNormalPart(size, first * d, eps.subarray(from * d, to * d));
    if (sign < 0) { for (let i = 0; i < noise.length; i++) noise[i] = -noise[i]; }
  }
}
