import { givenNothing } from "../data/condition.ts";
import type { Samples } from "../data/samples.ts";
import { type Estimate, meanAndStderr } from "../diffusion/likelihood.ts";
import { logsnrRange, type Proposal } from "../diffusion/logsnr.ts";
import type { LogsnrDistribution } from "../diffusion/reweighted_proposal.ts";
import { type Measured, measureRound } from "../evaluation/measure_round.ts";
import { adaptedProposal, takePilot } from "../evaluation/pilot.ts";
import { type NllSums, type Rounds, RoundSums, type RunningEstimate } from "../evaluation/round_sums.ts";
import type { Random } from "../random/random.ts";
import { mixtureNll } from "../reference/mixture.ts";
import { type ErrorCurves, InformationCurves } from "./information_curves.ts";
import { InformationMaps, type SampleMaps } from "./information_map.ts";
import type { InformationErrors, InformationMeter } from "./information_meter.ts";

/** One of the two forms of an information, in nats. Of one sample the error is that of the noise alone. */
export interface InformationForm extends RunningEstimate {
  /** Of each sample, in the order of the data. */
  readonly perRow: Float64Array;
  /** The noise's error of each. */
  readonly perRowStderr: Float64Array;
}

/** I(X; C) that a model has of samples and what is known of them, in nats. */
export interface ConditionInformation {
  /**
   * E[−log p(x)] − E[−log p(x | c)] = ½ ∫ E‖ε − ε̂(z)‖² − E‖ε − ε̂(z | c)‖² dα, of which the reference's part is known in closed
   * form. Of each sample it is log p(x | c) − log p(x), of either sign.
   */
  readonly difference: InformationForm;
  /** ½ ∫ E‖ε̂(z) − ε̂(z | c)‖² dα, which is never negative. */
  readonly orthogonal: InformationForm;
  /** The first less the second, on the same samples and noise: 0 where ε̂(z | c) is the data's own. */
  readonly gap: Estimate;
  /** What the reference alone has, in closed form: the mean of log r(x | c) − log r(x). */
  readonly reference: Estimate;
  /** How many samples there were. */
  readonly samples: number;
  /** Log SNRs of each. */
  readonly rounds: number;
  /** Of the denoiser, each with c and without. */
  readonly evaluations: number;
  /** Errors over log SNR, of what was measured. */
  readonly curves: ErrorCurves;
  /** Where in a sample the orthogonal form lies, of a meter that has its squares. */
  readonly maps?: SampleMaps;
}

/**
 * The information of samples and what is known of them, round by round, by one denoiser that is told c or nothing (X. Kong
 * et al., arXiv 2310.07972). A round gives every sample one log SNR with both signs of the noise, the same with c and
 * without. Memory is some hundred bytes a sample.
 *
 * The two forms agree by the orthogonality principle where ε̂(z | c) is E[ε | z, c]: then ε − ε̂(z | c) is orthogonal to all
 * functions of z and c. Where it is not, they tell by how much.
 *
 * Beyond the proposal's log SNRs the denoiser is taken for the reference's in the first form. The second falls there as
 * e^α downwards, as both means of x are then those of all, and as e^−α upwards, so that its values at both ends are what
 * lies beyond.
 */
export class RunningInformation implements Rounds {
  readonly #order: Uint32Array;
  readonly #baseline: Float64Array;
  readonly #curves: InformationCurves;
  /** Of a meter that has squares: of the rounds, and of what lies beyond the log SNRs. */
  readonly #maps: { readonly rounds: InformationMaps; tails: InformationMaps } | undefined;
  readonly #sums: Record<"difference" | "orthogonal" | "gap", RoundSums>;
  #distribution: LogsnrDistribution;
  /** What of the orthogonal form lies beyond the log SNRs, of each sample. */
  #tails: Float64Array | undefined;

  /**
   * @param samples With what is known of each.
   * @param random Decides all log SNRs and noise by the round and the sample's place.
   * @param mapped The samples whose maps are kept, by their places; the meter must have squares.
   * @throws {RangeError} For samples of which nothing is known.
   */
  constructor(
    readonly meter: InformationMeter,
    readonly samples: Samples,
    readonly proposal: Proposal,
    readonly random: Random,
    mapped: readonly number[] = [],
  ) {
    if (!samples.condition) throw new RangeError("Nothing is known of the samples, so that there is no information.");
    const { count } = samples, sums = () => new RoundSums(count, "spread");
    this.#order = random.split("order").permutation(count);
    this.#distribution = adaptedProposal(proposal, [1]);
    const given = mixtureNll(samples, meter.reference);
    this.#baseline = mixtureNll(givenNothing(samples), meter.reference).map((nll, i) => nll - given[i]);
    this.#curves = new InformationCurves(proposal, samples.dimension);
    const empty = new InformationMaps(samples.dimension, mapped);
    this.#maps = meter.hasSquares ? { rounds: empty, tails: empty } : undefined;
    this.#sums = { difference: sums(), orthogonal: sums(), gap: sums() };
  }

  async adapt(signal?: AbortSignal): Promise<void> {
    const { difference } = this.#sums;
    if (difference.count > 0) throw new RangeError("The proposal adapts before the first round, not after it.");
    const pilot = await takePilot(
      this.meter,
      this.samples,
      this.proposal,
      this.random,
      [(block) => bothSigns(block, corrections), (block) => bothSigns(block, distances)],
      signal,
    );
    this.#distribution = adaptedProposal(this.proposal, pilot.factors);
    difference.evaluations += pilot.evaluations;
  }

  async *round(): AsyncGenerator<number> {
    const n = this.samples.count, { difference, orthogonal, gap } = this.#sums, round = difference.count;
    this.#tails ??= await this.#measureTails();
    const values = { difference: new Float64Array(n), orthogonal: new Float64Array(n), gap: new Float64Array(n) };
    const curves = new InformationCurves(this.proposal, this.samples.dimension), maps = this.#maps?.rounds.empty();
    const random = this.random.split("round").split(round), { meter, samples } = this;
    for await (const block of measureRound(meter, samples, this.#distribution, random, this.#order, round)) {
      const { begin, logsnr } = block, changes = bothSigns(block, corrections);
      const [mse, mseGiven, distance, noise] = (["mse", "mseGiven", "distance", "noise"] as const).map((of) =>
        bothSigns(block, (errors, i) => errors[of][i])
      );
      const weights = changes.map((_, i) => 0.5 * this.#distribution.weight(logsnr[i]));
      changes.forEach((change, i) => {
        values.difference[begin + i] = weights[i] * change;
        values.orthogonal[begin + i] = weights[i] * distance[i];
        values.gap[begin + i] = weights[i] * (change - distance[i]);
        curves.add({ logsnr: logsnr[i], mse: mse[i], mseGiven: mseGiven[i], distance: distance[i], noise: noise[i] });
      });
      if (block.squares) maps?.add(block, block.squares, weights);
      yield (begin + changes.length) / n;
    }
    difference.add(values.difference, this.#baseline);
    orthogonal.add(values.orthogonal, this.#tails);
    gap.add(values.gap, this.#gapBaseline(this.#tails));
    difference.evaluations += 2 * n;
    this.#curves.addAll(curves);
    if (maps) this.#maps?.rounds.addAll(maps);
  }

  estimate(): RunningEstimate {
    return this.#sums.difference.estimate(this.#baseline);
  }

  sums(): Pick<NllSums, "rounds" | "evaluations"> {
    const { count: rounds, evaluations } = this.#sums.difference;
    return { rounds, evaluations };
  }

  /** @throws {RangeError} Before the first round. */
  information(): ConditionInformation {
    const tails = this.#tails;
    if (!tails) throw new RangeError("There is no estimate before the first round.");
    const { difference, orthogonal, gap } = this.#sums, { rounds, evaluations } = this.sums();
    const isOne = this.samples.count === 1;
    const estimateOf = (sums: RoundSums, baseline: Float64Array): RunningEstimate => {
      const estimate = sums.estimate(baseline);
      // Of one sample nothing is known of how samples scatter.
      return isOne ? { ...estimate, stderr: estimate.noiseStderr } : estimate;
    };
    const formOf = (sums: RoundSums, baseline: Float64Array): InformationForm => {
      const { nll: perRow, stderr: perRowStderr } = sums.perSample(baseline);
      return { ...estimateOf(sums, baseline), perRow, perRowStderr };
    };
    const { mean, stderr } = estimateOf(gap, this.#gapBaseline(tails));
    return {
      difference: formOf(difference, this.#baseline),
      orthogonal: { ...formOf(orthogonal, tails), evaluations },
      gap: { mean, stderr },
      reference: isOne ? { mean: this.#baseline[0], stderr: 0 } : meanAndStderr(this.#baseline),
      ...{ samples: this.samples.count, rounds, evaluations, curves: this.#curves.curves() },
      ...(this.#maps ? { maps: this.#mapsAfter(rounds, this.#maps) } : {}),
    };
  }

  #gapBaseline(tails: Float64Array): Float64Array {
    return this.#baseline.map((value, i) => value - tails[i]);
  }

  #mapsAfter(rounds: number, { rounds: sums, tails }: { rounds: InformationMaps; tails: InformationMaps }): SampleMaps {
    const all = tails.empty();
    all.addAll(sums, 1 / rounds);
    all.addAll(tails);
    return all.maps(this.samples.count);
  }

  /** ½·‖ε̂(z) − ε̂(z | c)‖² at both ends of the log SNRs, of each sample: ∫ e^(α − end) dα is 1. */
  async #measureTails(): Promise<Float64Array> {
    const { samples, meter, proposal } = this, tails = new Float64Array(samples.count);
    const maps = this.#maps?.tails.empty();
    for (const [k, end] of logsnrRange(proposal).entries()) {
      const only = { range: [end, end], atQuantile: () => end, weight: () => 1 } as const;
      const random = this.random.split("tails").split(k);
      for await (const block of measureRound(meter, samples, only, random, this.#order, 0)) {
        const half = bothSigns(block, ({ distance }, i) => distance[i] / 2);
        half.forEach((value, i) => tails[block.begin + i] += value);
        if (block.squares) maps?.add(block, block.squares, new Float64Array(half.length).fill(0.5));
      }
    }
    if (this.#maps && maps) this.#maps.tails = maps;
    this.#sums.difference.evaluations += 4 * samples.count;
    return tails;
  }
}

/** By how much more being told c lowers the denoiser's error than the reference's. */
function corrections({ mse, mseGiven, mseReference, mseReferenceGiven }: InformationErrors, i: number): number {
  return mse[i] - mseGiven[i] - (mseReference[i] - mseReferenceGiven[i]);
}

function distances({ distance }: InformationErrors, i: number): number {
  return distance[i];
}

/** The mean of a value of each sample over both signs of the noise. */
function bothSigns(
  block: Measured<InformationErrors>,
  valueOf: (errors: InformationErrors, i: number) => number,
): Float64Array {
  const size = block.logsnr.length / 2;
  return Float64Array.from({ length: size }, (_, i) => (valueOf(block, i) + valueOf(block, size + i)) / 2);
}
