import { gaussianNll } from "../reference/gaussian.ts";
import { logsnrWeight, type Proposal } from "../diffusion/logsnr.ts";
import { type LogsnrDistribution, reweightedProposal } from "../diffusion/reweighted_proposal.ts";
import type { Rows } from "../mpi/ranks.ts";
import type { Random } from "../random/random.ts";
import { type Samples, selectRows } from "../data/samples.ts";
import { type ErrorMeter, evaluationsAtOnce } from "./errors.ts";
import {
  centresOf,
  kernelReference,
  kernelWidths,
  MAX_CENTRES,
  MAX_KERNEL_DIMENSION,
  MIN_CENTRES,
} from "../reference/kernel.ts";
import type { Reference } from "../reference/reference.ts";
import { type NllSums, type PerSampleNll, RoundSums, type RunningEstimate, type RunningRounds } from "./round_sums.ts";
import { Scatter } from "./scatter.ts";

/** How much of a proposal is kept whatever is learned, so that no weight is large by mistake. */
const KEPT = 0.1;

/** Samples that a pilot measures at most, what part of all, and the log SNRs for each. */
const PILOT_SAMPLES = 4096;
const PILOT_SHARE = 1 / 8;
const PILOT_ROUNDS = 4;

/** Evaluations of a pilot that a reference is chosen by, at most. */
const COMPARED = 4096;

/** Kernels times samples that a round takes time for, above the fewest kernels. */
const KERNELS_PER_ROUND = 2 ** 23;

/** 1/φ: multiples of it spread evenly over [0, 1), however many there are (additive recurrence). */
const GOLDEN = (Math.sqrt(5) - 1) / 2;

/**
 * The paired estimate of −log p(x) of every sample, round by round: the more rounds, the smaller the error. A round gives
 * every sample one log SNR with both signs of the noise. Over the samples of a round the log SNRs are stratified, and over
 * the rounds of a sample they are spread evenly. Memory is some tens of
 * bytes a sample, whatever the rounds.
 */
export class RunningNll implements RunningRounds {
  readonly #pool: Samples;
  #reference: Reference | undefined;
  #width: number | undefined;
  #baseline: Float64Array;
  readonly #order: Uint32Array;
  #factors: readonly number[];
  #distribution: LogsnrDistribution;
  readonly #rounds: RoundSums;

  /**
   * @param random Decides all log SNRs and noise by the round and the sample's place.
   * @param options `from` are sums of earlier rounds of the same samples; `pool` are samples of about the same
   * distribution, such as the training data, that a reference's kernels are put around, otherwise the samples themselves.
   */
  constructor(
    readonly meter: ErrorMeter,
    readonly samples: Samples,
    readonly proposal: Proposal,
    readonly random: Random,
    { from, pool = samples }: { readonly from?: NllSums; readonly pool?: Samples } = {},
  ) {
    this.#pool = pool;
    this.#order = random.split("order").permutation(samples.count);
    this.#rounds = new RoundSums(samples.count, from);
    this.#factors = from?.factors ?? [1];
    this.#distribution = reweightedProposal(proposal, this.#factors);
    this.#width = from?.width;
    this.#reference = this.#width === undefined ? undefined : kernelReference(this.#centres(), this.#width);
    this.#baseline = this.#reference?.nll(samples) ?? gaussianNll(samples, meter.gaussian);
  }

  /**
   * Measures some samples to learn what the values scatter least against, the data's Gaussian or a density of kernels
   * around samples, and where along the log SNRs they scatter, to draw more of them there. Before the first round.
   */
  async adapt(signal?: AbortSignal): Promise<void> {
    if (this.#rounds.count > 0) throw new RangeError("The proposal adapts before the first round, not after it.");
    const { count, dimension: d } = this.samples;
    const n = Math.min(PILOT_SAMPLES, count, Math.max(16, Math.ceil(count * PILOT_SHARE)));
    const rows = this.random.split("pilot samples").permutation(count).slice(0, n).sort();
    const some = selectRows(this.samples, rows);
    const order = this.random.split("pilot order").permutation(n);
    const plain = reweightedProposal(this.proposal);
    const pilot: Measurement[] = [];
    for (let round = 0; round < PILOT_ROUNDS; round++) {
      const random = this.random.split("pilot").split(round);
      for await (const block of measured(this.meter, some, plain, random, order, round)) {
        signal?.throwIfAborted();
        // Images are many values, and what they are is not needed below.
        pilot.push(d <= MAX_KERNEL_DIMENSION ? block : { ...block, x: NONE, eps: NONE });
      }
    }
    const candidates: { reference?: Reference; width?: number }[] = [{}];
    if (d <= MAX_KERNEL_DIMENSION && this.#pool.count >= MIN_CENTRES) {
      const { eigenvalues } = this.meter.gaussian;
      const scale = Math.sqrt(eigenvalues.reduce((sum, l) => sum + l / d, 0));
      const centres = this.#centres();
      for (const width of kernelWidths(scale)) candidates.push({ width, reference: kernelReference(centres, width) });
    }
    const compared = pilot.slice(
      0,
      Math.max(1, Math.ceil(COMPARED / (2 * n / Math.ceil(pilot.length / PILOT_ROUNDS)))),
    );
    // The sum of the deviations is proportional to the error of an estimate that draws in proportion to them.
    const errors = candidates.map(({ reference }) =>
      scatterAgainst(this.proposal, compared, reference).deviations().reduce((sum, s) => sum + s, 0)
    );
    const { reference, width } = candidates[errors.indexOf(Math.min(...errors))];
    if (reference) {
      this.#reference = reference;
      this.#baseline = reference.nll(this.samples);
    }
    this.#width = width;
    this.#factors = scatterAgainst(this.proposal, pilot, reference).factors(KEPT);
    this.#distribution = reweightedProposal(this.proposal, this.#factors);
    this.#rounds.evaluations += 2 * n * PILOT_ROUNDS;
  }

  #centres(): Samples {
    // Of many samples the noise is small anyway, and each kernel costs time for each of them.
    const count = Math.min(MAX_CENTRES, Math.max(MIN_CENTRES, Math.ceil(KERNELS_PER_ROUND / this.samples.count)));
    const rows = this.random.split("centres").permutation(this.#pool.count).slice(0, count).sort();
    return centresOf(this.#pool, rows);
  }

  /** Takes one more round. Yields how much of it is done; one that is left early counts for nothing. */
  async *round(): AsyncGenerator<number> {
    const n = this.samples.count;
    const values = new Float64Array(n);
    const round = this.#rounds.count;
    const random = this.random.split("round").split(round);
    for await (const block of measured(this.meter, this.samples, this.#distribution, random, this.#order, round)) {
      const { begin, logsnr } = block;
      const errors = differences(block, this.#reference);
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
    return {
      ...this.#rounds.sums(),
      factors: this.#factors,
      ...(this.#width === undefined ? {} : { width: this.#width }),
    };
  }
}

const NONE = new Float32Array();

/** Some samples at one log SNR each, with noise of both signs: all with one sign first, then all with the other. */
interface Measurement {
  /** The place of the first sample. */
  readonly begin: number;
  readonly x: Float32Array;
  readonly eps: Float32Array;
  readonly logsnr: Float32Array;
  readonly mse: Float32Array;
  readonly mseGaussian: Float32Array;
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
      const u = ((order[begin + i] + jitter[i]) / n + GOLDEN * round) % 1;
      logsnr[i] = logsnr[size + i] = distribution.atQuantile(u);
    }
    const x = new Float32Array(2 * size * d), eps = new Float32Array(2 * size * d);
    if (meter.ownRows && d > MAX_KERNEL_DIMENSION) {
      for (const rows of meter.ownRows(2 * size)) fillRows(rows, size, { samples, begin, stream, x, eps });
    } else {
      const noise = stream.fillNormal(eps.subarray(0, size * d));
      for (let i = 0; i < size * d; i++) eps[size * d + i] = -noise[i];
      samples.copy(begin, begin + size, x);
      x.copyWithin(size * d, 0, size * d);
    }
    yield { begin, x, eps, logsnr, ...await meter.measure(x, eps, logsnr) };
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
function differences(
  { x, eps, logsnr, mse, mseGaussian }: Measurement,
  reference: Reference | undefined,
): Float64Array {
  const other = reference?.squaredErrors(x, eps, logsnr) ?? mseGaussian;
  const size = logsnr.length / 2;
  return Float64Array.from({ length: size }, (_, i) => (mse[i] + mse[size + i] - other[i] - other[size + i]) / 2);
}

/** How the values of a pilot scatter against a reference. */
function scatterAgainst(proposal: Proposal, pilot: readonly Measurement[], reference: Reference | undefined): Scatter {
  const scatter = new Scatter(proposal);
  for (const block of pilot) {
    differences(block, reference).forEach((difference, i) => {
      scatter.add(block.logsnr[i], 0.5 * logsnrWeight(block.logsnr[i], proposal) * difference);
    });
  }
  return scatter;
}
