import { evenProposal, logsnrRange, logsnrWeight, type Proposal } from "../diffusion/logsnr.ts";
import { type LogsnrDistribution, reweightedProposal } from "../diffusion/reweighted_proposal.ts";
import type { Rows } from "../mpi/ranks.ts";
import type { Random } from "../random/random.ts";
import { conditionOf, type Samples, selectRows } from "../data/samples.ts";
import { type ErrorMeter, evaluationsAtOnce } from "./errors.ts";
import { mixtureNll } from "../reference/mixture.ts";
import { type NllSums, type PerSampleNll, RoundSums, type RunningEstimate, type RunningRounds } from "./round_sums.ts";
import { PARTS, Scatter } from "./scatter.ts";
import { shiftOfRound } from "./wave.ts";

/**
 * How much of the even proposal is kept whatever a pilot finds, so that no weight is large by mistake: the more, the fewer
 * measurements a part of it has, since the large ones among them are rare.
 */
const KEPT = 0.1;
const KEPT_LIKE = 16;

/**
 * Measurements of a pilot: one for each two samples, but not fewer than tell where values scatter, as far as there are
 * samples for them, and not more than are needed.
 */
const PILOT_SHARE = 1 / 2;
const MIN_PILOT = 1024, MAX_PILOT = 1 << 14, MOST_OF_ONE = 32;

/** Samples of a pilot at most. */
const PILOT_SAMPLES = 4096;

/**
 * The paired estimate of −log p(x) of every sample, round by round: the more rounds, the smaller the error. A round gives
 * every sample one log SNR with both signs of the noise. Over the samples of a round the log SNRs are stratified, and over
 * the rounds of a sample they are spread evenly. Memory is some hundred bytes a sample, whatever the rounds.
 */
export class RunningNll implements RunningRounds {
  readonly #baseline: Float64Array;
  readonly #order: Uint32Array;
  #factors: readonly number[];
  #distribution: LogsnrDistribution;
  readonly #rounds: RoundSums;

  /**
   * @param random Decides all log SNRs and noise by the round and the sample's place.
   * @param from Sums of earlier rounds of the same samples.
   */
  constructor(
    readonly meter: ErrorMeter,
    readonly samples: Samples,
    readonly proposal: Proposal,
    readonly random: Random,
    from?: NllSums,
  ) {
    this.#order = random.split("order").permutation(samples.count);
    this.#rounds = new RoundSums(samples.count, "spread", from);
    this.#factors = from?.factors ?? [1];
    this.#distribution = this.#factors.length > 1 ? this.#adapted() : reweightedProposal(proposal);
    this.#baseline = mixtureNll(samples, meter.reference);
  }

  /**
   * Measures some samples to learn where along the log SNRs the values scatter, to draw more of them there. The pilot's log
   * SNRs are even, since a proposal that is rarely where the values are large would not find them. Before the first round.
   */
  async adapt(signal?: AbortSignal): Promise<void> {
    if (this.#rounds.count > 0) throw new RangeError("The proposal adapts before the first round, not after it.");
    const { count } = this.samples;
    const measurements = Math.min(MAX_PILOT, Math.max(Math.min(MIN_PILOT, MOST_OF_ONE * count), PILOT_SHARE * count));
    const n = Math.min(count, Math.max(1, Math.floor(Math.min(PILOT_SAMPLES, measurements / 4))));
    const rounds = Math.ceil(measurements / n);
    const rows = this.random.split("pilot samples").permutation(count).slice(0, n).sort();
    const some = selectRows(this.samples, rows);
    const order = this.random.split("pilot order").permutation(n);
    const even = evenProposal(...logsnrRange(this.proposal)), plain = reweightedProposal(even);
    const scatter = new Scatter(even);
    for (let round = 0; round < rounds; round++) {
      const random = this.random.split("pilot").split(round);
      for await (const { logsnr, ...errors } of measured(this.meter, some, plain, random, order, round)) {
        signal?.throwIfAborted();
        differences(errors).forEach((difference, i) => {
          scatter.add(logsnr[i], 0.5 * logsnrWeight(logsnr[i], even) * difference);
        });
      }
    }
    // Each part is judged with its two neighbours.
    const inPart = 3 * n * rounds / PARTS;
    this.#factors = scatter.factors(KEPT + (1 - KEPT) / (1 + inPart / KEPT_LIKE));
    if (this.#factors.length > 1) this.#distribution = this.#adapted();
    this.#rounds.evaluations += 2 * n * rounds;
  }

  #adapted(): LogsnrDistribution {
    return reweightedProposal(evenProposal(...logsnrRange(this.proposal)), this.#factors);
  }

  /** Takes one more round. Yields how much of it is done; one that is left early counts for nothing. */
  async *round(): AsyncGenerator<number> {
    const n = this.samples.count;
    const values = new Float64Array(n);
    const round = this.#rounds.count;
    const random = this.random.split("round").split(round);
    for await (const block of measured(this.meter, this.samples, this.#distribution, random, this.#order, round)) {
      const { begin, logsnr } = block;
      const errors = differences(block);
      for (let i = 0; i < errors.length; i++) {
        values[begin + i] = 0.5 * this.#distribution.weight(logsnr[i]) * errors[i];
      }
      yield (begin + errors.length) / n;
    }
    this.#rounds.add(values, this.#baseline);
    this.#rounds.evaluations += 2 * n;
  }

  perSample(): PerSampleNll {
    return this.#rounds.perSample(this.#baseline);
  }

  estimate(): RunningEstimate {
    return this.#rounds.estimate(this.#baseline);
  }

  sums(): NllSums {
    return { ...this.#rounds.sums(), factors: this.#factors };
  }
}

/** Some samples at one log SNR each, with noise of both signs: all with one sign first, then all with the other. */
interface Measurement {
  /** The place of the first sample. */
  readonly begin: number;
  readonly logsnr: Float32Array;
  readonly mse: Float32Array;
  readonly mseReference: Float32Array;
}

/**
 * Measures every sample at one log SNR, block by block. The arrays are the receiver's own.
 *
 * @param order The place of each sample among the strata.
 */
async function* measured(
  meter: ErrorMeter,
  samples: Samples,
  distribution: LogsnrDistribution,
  random: Random,
  order: Uint32Array,
  round: number,
): AsyncGenerator<Measurement> {
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

/** How much larger a denoiser's squared error is than the reference's, the mean over both signs of the noise. */
function differences({ mse, mseReference }: Pick<Measurement, "mse" | "mseReference">): Float64Array {
  const size = mse.length / 2;
  return Float64Array.from(
    { length: size },
    (_, i) => (mse[i] + mse[size + i] - mseReference[i] - mseReference[size + i]) / 2,
  );
}
