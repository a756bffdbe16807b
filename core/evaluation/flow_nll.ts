import { conditionOf, floatSamples, type Samples } from "../data/samples.ts";
import { flowDivergence, flowVelocity, logScaleOfChannel, sharpening } from "../diffusion/probability_flow.ts";
import { logsnrRange, type Proposal, sigmoid } from "../diffusion/logsnr.ts";
import { meanAndStderr } from "../diffusion/likelihood.ts";
import type { Random } from "../random/random.ts";
import { toCoordinates } from "../reference/eigenbasis.ts";
import type { Gaussian } from "../reference/gaussian.ts";
import { blurredMixture, type GaussianMixture, mixtureNll } from "../reference/mixture.ts";
import { dormandPrince } from "./dormand_prince.ts";
import type { FlowMeter, FlowPoint, FlowValue } from "./flow_meter.ts";
import { type Asking, inLanes } from "./lanes.ts";
import { type NllSums, type PerSampleNll, RoundSums, type RunningEstimate, type RunningRounds } from "./round_sums.ts";

/**
 * The local error of a step where none is said, of each component of z and of log p per dimension: where the trace is exact,
 * and where its noise is far larger.
 */
export const TOLERANCE = 1e-6;
export const NOISY_TOLERANCE = 1e-4;

/** Probes of each sample where their number is left open: two tell how far they scatter. */
export const PROBES = 2;

/** Samples that are solved with a tolerance ten times as large once more, at most; what changes tells the solver's error. */
const CHECKED = 64;
const LOOSER = 10;

/** The first step in nats. */
const FIRST_STEP = 0.1;

/** Ends of flows whose density is computed together, and their values, at most. */
const ENDS = 256;
const END_VALUES = 1 << 14;

/** What a flow from the data to noise gives. */
interface FlowEnd {
  /** At the lowest log SNR, `[d]`. */
  readonly z: Float64Array;
  /** What log p at the start has more than at the end. */
  readonly change: number;
  /** {@linkcode sharpening} at the start. */
  readonly sharpening: number;
  /** Points that the denoiser was asked at. */
  readonly points: number;
}

/**
 * The flow of a sample from the largest log SNR to the smallest.
 *
 * @param excess What is taken off the trace at a log SNR, of mean 0.
 */
function* flowOf(
  x: Float32Array,
  [low, high]: readonly [number, number],
  tolerance: number,
  known: Pick<FlowPoint, "probe" | "condition">,
  excess: (logsnr: number) => number,
): Asking<FlowPoint, FlowValue, FlowEnd> {
  const d = x.length, start = new Float64Array(d + 1), scale = Math.sqrt(sigmoid(high));
  for (let i = 0; i < d; i++) start[i] = scale * x[i];
  const solver = dormandPrince(start, high, low, {
    firstStep: FIRST_STEP,
    errorNorm(error, before, after) {
      let sum = 0;
      for (let i = 0; i < d; i++) sum += (error[i] / (1 + Math.max(Math.abs(before[i]), Math.abs(after[i])))) ** 2;
      return Math.max(Math.sqrt(sum / d), Math.abs(error[d]) / d) / tolerance;
    },
  });
  let next = solver.next(), sharp = NaN, points = 0;
  while (!next.done) {
    const { state, time } = next.value;
    const { epsHat, trace: estimate } = yield { z: state, logsnr: time, ...known };
    const trace = estimate - excess(time);
    if (points++ === 0) sharp = sharpening(epsHat, trace, time);
    const derivative = new Float64Array(d + 1);
    flowVelocity(state, epsHat, time, derivative);
    derivative[d] = flowDivergence(trace, time, d);
    next = solver.next(derivative);
  }
  const { state } = next.value;
  return { z: state.subarray(0, d), change: state[d], sharpening: sharp, points };
}

/** What a {@linkcode RunningFlowNll} is told. */
export interface FlowRounds {
  readonly proposal: Proposal;
  /** Whose density the noisy data has at the lowest log SNR, and the data beyond the largest. */
  readonly reference: GaussianMixture;
  /** Of the data: what a probe says too much of the trace of its ideal denoiser is taken off that of the model's. */
  readonly gaussian?: Gaussian;
  /** Decides the probes, by the round and the sample's place. */
  readonly random: Random;
  /** {@linkcode TOLERANCE} or {@linkcode NOISY_TOLERANCE} if left out. */
  readonly tolerance?: number;
  /** What was measured before of the same samples. */
  readonly from?: NllSums;
}

/** What the flow's likelihood is off by besides its noise, in nats. */
export interface FlowErrors {
  /** By how much a tolerance ten times as large changes the mean: more than the solver's own error. */
  readonly solver: number;
  /**
   * How far the model's density, as it sharpens at the largest log SNR, is from what the reference has beyond it, on
   * average, together with the standard error of that.
   */
  readonly range: number;
  /** What the noise of the largest log SNR adds to the reference's NLL, which is taken off. */
  readonly blur: number;
}

/**
 * −log p(x) of each sample by the model's probability flow (Y. Song et al., arXiv 2011.13456, equation 39): z goes from the
 * sample at the largest log SNR of the proposal to the smallest, where the density of noisy data is the reference's.
 * It starts from the sample without noise, which is exact of the density of data with the little noise that is left there;
 * what this noise adds to −log p is taken to be what it adds to the reference's. Each sample is solved by itself, so that
 * its value does not depend on the others.
 *
 * Where the meter's trace is exact one round has no noise. Otherwise a round takes one probe for each sample.
 */
export class RunningFlowNll implements RunningRounds {
  readonly #nothing: Float64Array;
  readonly #rounds: RoundSums;
  readonly tolerance: number;
  readonly #checked: number;
  /** What the reference lacks at the largest log SNR, which is taken off −log p of each sample. */
  readonly #blur: Float64Array;
  /** Of the round that is under way; what is not measured yet is not a number. Then that of the first round. */
  readonly #values: Float64Array;
  readonly #sharpening: Float64Array;
  /** −log p of the first samples in their order with a larger tolerance, and after the first round by how much it differs. */
  readonly #changes: Float64Array;
  readonly #order: Uint32Array;

  constructor(readonly meter: FlowMeter, readonly samples: Samples, readonly told: FlowRounds) {
    const { count } = samples, { from, reference, proposal, random } = told;
    const [, high] = logsnrRange(proposal);
    this.#nothing = new Float64Array(count);
    this.#rounds = new RoundSums(count, "independent", from);
    this.tolerance = told.tolerance ?? (meter.exact ? TOLERANCE : NOISY_TOLERANCE);
    this.#checked = Math.min(count, CHECKED);
    this.#order = random.split("order").permutation(count);
    const blurred = mixtureNll(samples, blurredMixture(reference, Math.exp(-high / 2)));
    this.#blur = mixtureNll(samples, reference).map((nll, i) => blurred[i] - nll);
    const earlier = (name: string, size: number) => {
      const kept = from?.unfinished?.[name];
      return kept?.length === size ? kept.slice() : new Float64Array(size).fill(NaN);
    };
    this.#values = earlier("values", count);
    this.#sharpening = earlier("sharpening", count);
    this.#changes = earlier("changes", this.#checked);
  }

  /** Nothing is to be learned. */
  async adapt(): Promise<void> {}

  /** Goes on with a round that was left early: what it has measured counts. */
  async *round(): AsyncGenerator<number> {
    const n = this.samples.count, d = this.samples.dimension, round = this.#rounds.count;
    const random = this.told.random.split("round").split(round);
    const isFirst = round === 0, [low, high] = logsnrRange(this.told.proposal);
    // Those that are solved twice come first, and again after all others.
    const jobs = [
      ...Array.from(this.#order, (sample) => ({ sample, check: -1 })),
      ...Array.from(this.#order.subarray(0, isFirst ? this.#checked : 0), (sample, check) => ({ sample, check })),
    ].filter(({ sample, check }) => Number.isNaN(check < 0 ? this.#values[sample] : this.#changes[check]));
    const total = n + (isFirst ? this.#checked : 0);
    const together = Math.max(1, Math.min(ENDS, Math.floor(END_VALUES / d)));
    const ended: { readonly sample: number; readonly check: number; readonly end: FlowEnd }[] = [];
    let done = total - jobs.length;
    try {
      for await (
        const { results, questions } of inLanes(this.#flows(jobs, random), this.meter.lanes, this.meter.evaluate)
      ) {
        for (const { place, result } of results) {
          ended.push({ ...jobs[place], end: result });
          this.#rounds.evaluations += result.points * this.meter.perPoint;
        }
        done += results.length;
        if (ended.length >= together) this.#take(ended.splice(0), isFirst);
        yield (done + questions.reduce((sum, { logsnr }) => sum + (high - logsnr) / (high - low), 0)) / total;
      }
    } finally {
      this.#take(ended, isFirst);
    }
    if (isFirst) this.#changes.forEach((nll, k) => this.#changes[k] = nll - this.#values[this.#order[k]]);
    this.#rounds.add(this.#values.slice(), this.#nothing);
    this.#values.fill(NaN);
  }

  *#flows(jobs: readonly { readonly sample: number; readonly check: number }[], random: Random) {
    const { samples, meter, told: { proposal, gaussian } } = this, d = samples.dimension, range = logsnrRange(proposal);
    for (const { sample, check } of jobs) {
      const x = new Float32Array(d);
      samples.copy(sample, sample + 1, x);
      const condition = conditionOf(samples, sample, sample + 1);
      const probe = meter.exact ? undefined : signs(random.split(sample), d);
      const known = { ...(condition ? { condition } : {}), ...(probe ? { probe } : {}) };
      const excess = probe && gaussian ? excessOf(probe, gaussian) : () => 0;
      yield flowOf(x, range, this.tolerance * (check < 0 ? 1 : LOOSER), known, excess);
    }
  }

  /** Puts what flows have come to in its places. */
  #take(
    ended: readonly { readonly sample: number; readonly check: number; readonly end: FlowEnd }[],
    isFirst: boolean,
  ): void {
    if (ended.length === 0) return;
    const { samples, told: { proposal, reference } } = this, d = samples.dimension, [low, high] = logsnrRange(proposal);
    const ends = new Float32Array(ended.length * d), scale = Math.sqrt(sigmoid(low));
    ended.forEach(({ end: { z } }, row) => {
      for (let i = 0; i < d; i++) ends[row * d + i] = z[i] / scale;
    });
    const rows = floatSamples(ends, d), condition = samples.condition && selected(samples.condition, ended);
    const last = mixtureNll(
      { ...rows, ...(condition ? { condition } : {}) },
      blurredMixture(reference, Math.exp(-low / 2)),
    );
    const scales = logScaleOfChannel(high, d) - logScaleOfChannel(low, d);
    ended.forEach(({ sample, check, end }, row) => {
      const nll = last[row] + scales - end.change - this.#blur[sample];
      if (check >= 0) {
        this.#changes[check] = nll;
        return;
      }
      this.#values[sample] = nll;
      if (isFirst) this.#sharpening[sample] = end.sharpening;
    });
  }

  /** The error has that of the solver in it. */
  perSample(): PerSampleNll {
    const { nll, stderr } = this.#rounds.perSample(this.#nothing), changes = this.#changes;
    const solver = changes.reduce((sum, change) => sum + change ** 2 / changes.length, 0);
    return { nll, stderr: stderr.map((noise) => Math.sqrt((this.meter.exact ? 0 : noise ** 2) + solver)) };
  }

  estimate(): RunningEstimate {
    const estimate = this.#rounds.estimate(this.#nothing);
    return this.meter.exact ? { ...estimate, noiseStderr: 0 } : estimate;
  }

  /** After the first round. */
  errors(): FlowErrors {
    const { mean: change } = meanAndStderr(this.#changes);
    const { mean, stderr } = meanAndStderr(this.#sharpening.map((sharpening, i) => sharpening - this.#blur[i]));
    return {
      solver: Math.abs(change),
      range: Math.hypot(mean, Number.isFinite(stderr) ? stderr : 0),
      blur: meanAndStderr(this.#blur).mean,
    };
  }

  sums(): NllSums {
    const unfinished = { values: this.#values, sharpening: this.#sharpening, changes: this.#changes };
    return { ...this.#rounds.sums(), factors: [1], unfinished };
  }
}

/** Independent signs, `[d]`. */
function signs(random: Random, d: number): Float32Array {
  return random.fillUniform(new Float32Array(d)).map((u) => u < 0.5 ? -1 : 1);
}

/**
 * By how much a probe's estimate of the trace is too large for the ideal denoiser of a Gaussian, whose Jacobian at a log SNR
 * α is √σ(−α)·(σ(α)Σ + σ(−α)I)⁻¹.
 */
function excessOf(probe: Float32Array, gaussian: Gaussian): (logsnr: number) => number {
  const { eigenvalues } = gaussian, along = Float64Array.from(probe);
  toCoordinates(gaussian, probe.length)(along);
  return (logsnr) => {
    const signal = sigmoid(logsnr), noise = sigmoid(-logsnr);
    let excess = 0;
    for (let k = 0; k < along.length; k++) excess += (along[k] ** 2 - 1) / (signal * eigenvalues[k] + noise);
    return Math.sqrt(noise) * excess;
  };
}

/** The rows of the samples that flows are of. */
function selected(rows: Samples, ended: readonly { readonly sample: number }[]): Samples {
  const values = new Float32Array(ended.length * rows.dimension);
  ended.forEach(({ sample }, row) => rows.copy(sample, sample + 1, values, row * rows.dimension));
  return floatSamples(values, rows.dimension);
}
