import type { Proposal } from "../diffusion/logsnr.ts";
import type { Random } from "../random/random.ts";
import { type Samples, selectRows } from "../data/samples.ts";
import { discreteNll, type Pilot, pilot } from "./discrete.ts";
import type { DiscreteMeter } from "./discrete_errors.ts";
import { type NllSums, type PerSampleNll, RoundSums, type RunningEstimate, type RunningRounds } from "./round_sums.ts";

/** Held-out samples that the pilot measures, and the log SNRs for each. */
const PILOT_SAMPLES = 256;
const PILOT_LEVELS = 8;

/** What a {@linkcode RunningDiscreteNll} is told. */
export interface DiscreteRounds {
  readonly proposal: Proposal;
  /** Of the data's covariance. */
  readonly eigenvalues: ArrayLike<number>;
  /** Samples that the likelihood is not asked of, by which the switch to rounded errors is chosen. */
  readonly heldOut: Samples;
  readonly random: Random;
  /** Sums of earlier rounds of the same samples. */
  readonly from?: NllSums;
}

/**
 * The upper bound on −log P(x) of discrete data ({@linkcode discreteNll}) round by round, one log SNR per sample in each.
 */
export class RunningDiscreteNll implements RunningRounds {
  readonly #rounds: RoundSums;
  readonly #nothing: Float64Array;
  #pilot: Pilot | undefined;

  constructor(readonly meter: DiscreteMeter, readonly samples: Samples, readonly told: DiscreteRounds) {
    this.#rounds = new RoundSums(samples.count, "independent", told.from);
    this.#nothing = new Float64Array(samples.count);
  }

  async adapt(): Promise<void> {
    if (this.#pilot) return;
    const { heldOut, random, proposal } = this.told;
    const count = Math.min(PILOT_SAMPLES, heldOut.count);
    const rows = random.split("pilot samples").permutation(heldOut.count).slice(0, count).sort();
    const settings = { proposal, random: random.split("pilot"), levels: PILOT_LEVELS };
    this.#pilot = await pilot(this.meter, selectRows(heldOut, rows), settings);
    // What goes on from earlier rounds makes the same pilot again.
    if (!this.told.from) this.#rounds.evaluations += 2 * count * PILOT_LEVELS;
  }

  async *round(): AsyncGenerator<number> {
    await this.adapt();
    const { random, eigenvalues } = this.told;
    const values = new Float64Array(this.samples.count);
    const options = {
      ...this.#pilot!,
      eigenvalues,
      random: random.split("round").split(this.#rounds.count),
      levels: 1,
    };
    for await (const { first, nats } of discreteNll(this.meter, this.samples, options)) {
      values.set(nats, first);
      yield (first + nats.length) / values.length;
    }
    this.#rounds.add(values, this.#nothing);
    this.#rounds.evaluations += 2 * values.length;
  }

  perSample(): PerSampleNll {
    return this.#rounds.perSample(this.#nothing);
  }

  estimate(): RunningEstimate {
    return this.#rounds.estimate(this.#nothing);
  }

  sums(): NllSums {
    return { ...this.#rounds.sums(), factors: [1] };
  }
}
