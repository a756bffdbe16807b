import type { Proposal } from "../diffusion/logsnr.ts";
import type { LogsnrDistribution } from "../diffusion/reweighted_proposal.ts";
import type { Random } from "../random/random.ts";
import { drawn } from "../random/row_uniforms.ts";
import type { Samples } from "../data/samples.ts";
import type { ErrorMeter, SquaredErrors } from "./errors.ts";
import { referenceNll } from "../reference/mixture.ts";
import { measureRound } from "./measure_round.ts";
import { adaptedProposal, takePilot } from "./pilot.ts";
import { type NllSums, type PerSampleNll, RoundSums, type RunningEstimate, type RunningRounds } from "./round_sums.ts";

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
    this.#distribution = adaptedProposal(proposal, this.#factors);
    this.#baseline = referenceNll(samples, meter.reference);
  }

  /** Learns from some samples where along the log SNRs the values scatter, to draw more there. Before the first round. */
  async adapt(signal?: AbortSignal): Promise<void> {
    if (this.#rounds.count > 0) throw new RangeError("The proposal adapts before the first round, not after it.");
    const pilot = await takePilot(this.meter, this.samples, this.proposal, this.random, [differences], signal);
    this.#factors = pilot.factors;
    this.#distribution = adaptedProposal(this.proposal, this.#factors);
    this.#rounds.evaluations += pilot.evaluations;
  }

  /** Takes one more round. Yields how much of it is done; one that is left early counts for nothing. */
  async *round(): AsyncGenerator<number> {
    const n = this.samples.count;
    const values = new Float64Array(n);
    const round = this.#rounds.count;
    const random = this.random.split("round").split(round), samples = drawn(this.samples, random);
    if (samples !== this.samples) {
      referenceNll(samples, this.meter.reference).forEach((nll, i) => values[i] = nll - this.#baseline[i]);
    }
    for await (const block of measureRound(this.meter, samples, this.#distribution, random, this.#order, round)) {
      const { begin, logsnr } = block;
      const errors = differences(block);
      for (let i = 0; i < errors.length; i++) {
        values[begin + i] += 0.5 * this.#distribution.weight(logsnr[i]) * errors[i];
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

/** How much larger a denoiser's squared error is than the reference's, the mean over both signs of the noise. */
function differences({ mse, mseReference }: Pick<SquaredErrors, "mse" | "mseReference">): Float64Array {
  const size = mse.length / 2;
  return Float64Array.from(
    { length: size },
    (_, i) => (mse[i] + mse[size + i] - mseReference[i] - mseReference[size + i]) / 2,
  );
}
