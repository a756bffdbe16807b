import type { Gaussian } from "../reference/gaussian.ts";
import type { GaussianMixture } from "../reference/mixture.ts";
import { logsnrRange, type Proposal } from "../diffusion/logsnr.ts";
import { UserError } from "../errors/user_error.ts";
import type { Random } from "../random/random.ts";
import { type Samples, toFloat32 } from "../data/samples.ts";
import { sizeOf } from "../data/tensors.ts";
import { type ErrorMeter, evaluationsAtOnce } from "./errors.ts";

/** Parts of the log SNR axis that can have winners of their own, where their number is left open. */
const LEVELS = 32;

/**
 * What a change of hands between two bins has to gain, in standard errors. One bin amid another's, which changes hands
 * twice, has to gain twice as much.
 */
const CHANGE = 3;

/** Models that make no ensemble. */
export class EnsembleError extends UserError {}

/** Which member of an ensemble has the smallest error in each of evenly wide bins of log SNR, and all that it is from. */
export interface Winners {
  /** The smallest and the largest log SNR of the bins, in nats. Beyond them the outermost bins' winners hold. */
  readonly range: readonly [number, number];
  readonly members: number;
  /** The winner of each bin by its index, from the lowest log SNR up; {@linkcode members} stands for the reference. */
  readonly winners: readonly number[];
  /** Of each member in each bin: the mean of its squared error less that of the first member's reference. */
  readonly gaps: readonly (readonly number[])[];
  /** The standard errors of the gaps. */
  readonly stderrs: readonly (readonly number[])[];
}

/** How an ensemble is chosen. */
export interface ChooseOptions {
  /** The number of bins. */
  readonly levels?: number;
  /** Whether the reference is a member too. */
  readonly gaussian?: boolean;
  readonly signal?: AbortSignal;
  /** Told after each measurement of all members how many of all are done. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Scales at which a common proposal is cut off. */
const CLIP = 4;

/**
 * A proposal over the log SNRs of all members' proposals: that of the first where all have its range, even where all are. Members are also
 * measured where they were not trained; there the others win.
 */
export function commonProposal(proposals: readonly Proposal[]): Proposal {
  const ranges = proposals.map(logsnrRange);
  if (ranges.every(([low, high]) => low === ranges[0][0] && high === ranges[0][1])) return proposals[0];
  const low = Math.min(...ranges.map(([from]) => from)), high = Math.max(...ranges.map(([, to]) => to));
  const even = proposals.every((proposal) => proposal.even) ? { even: true } : {};
  return { loc: (low + high) / 2, scale: (high - low) / 2 / CLIP, clip: CLIP, ...even };
}

/**
 * Chooses at each log SNR the member of an ensemble with the smallest mean squared error. All are measured on the same
 * samples and noise. A difference within the noise changes no hands: the winners are those whose lag behind each bin's
 * best, in standard errors of the difference, is least with a price on every change, so that bins without a clear winner
 * go to their neighbours' and at last to the best over all.
 *
 * @param meters One per member, all of samples of the same shape.
 * @param heldOut Samples that neither the members were trained on nor the ensemble is judged by.
 * @param random Decides the log SNRs within the bins and the noise.
 * @throws {EnsembleError} When the members do not fit each other, or none has a finite error in some bin.
 */
export async function chooseWinners(
  meters: readonly ErrorMeter[],
  heldOut: Samples,
  proposal: Proposal,
  random: Random,
  { levels = LEVELS, gaussian = false, signal, onProgress }: ChooseOptions = {},
): Promise<Winners> {
  requireSameShape(meters);
  const { count: n, dimension: d } = heldOut;
  if (n < 2) throw new EnsembleError(`Got ${n} held-out samples to choose an ensemble by, expected two. Give more.`);
  const [low, high] = logsnrRange(proposal), width = (high - low) / levels;
  const block = evaluationsAtOnce(d), blocks = Math.ceil(n / block);
  const bins = Array.from({ length: levels }, () => new BinErrors(meters.length));
  for (let part = 0; part < blocks; part++) {
    const x = toFloat32(heldOut, part * block, Math.min(n, (part + 1) * block));
    for (const [bin, errors] of bins.entries()) {
      signal?.throwIfAborted();
      const stream = random.split(bin).split(part);
      const eps = stream.fillNormal(new Float32Array(x.length));
      const within = stream.fillUniform(new Float64Array(x.length / d));
      const logsnr = Float32Array.from(within, (u) => low + (bin + u) * width);
      const measured = [];
      for (const meter of meters) measured.push(await meter.measure(x, eps, logsnr));
      errors.add(measured.map(({ mse }) => mse), measured[0].mseReference);
      onProgress?.(part * levels + bin + 1, blocks * levels);
    }
  }
  const members = meters.map((_, member) => member);
  const candidates = gaussian ? [...members, meters.length] : members;
  const total = (member: number) => {
    const sum = bins.reduce((total, bin) => total + bin.gap(member), 0);
    return Number.isFinite(sum) ? sum : Infinity;
  };
  // Of equals the first counts.
  const inOrder = candidates.toSorted((a, b) => total(a) - total(b) || a - b);
  return {
    range: [low, high],
    members: meters.length,
    winners: leastCostly(bins.map((bin, k) => bin.lags(inOrder, low + (k + 0.5) * width))).map((at) => inOrder[at]),
    gaps: members.map((member) => bins.map((bin) => bin.gap(member))),
    stderrs: members.map((member) => bins.map((bin) => bin.stderr(member, meters.length))),
  };
}

/** The log SNR in the middle of each bin, in nats. */
export function binCentres({ range: [low, high], winners }: Winners): number[] {
  return winners.map((_, k) => low + (k + 0.5) * (high - low) / winners.length);
}

/**
 * How many nats the NLL lies below the Gaussian's by the errors that the winners were chosen by: half of each member's
 * gap over the axis, and half of the winners'. The latter is a little too good, since the best of several is chosen by it.
 */
export function gainsOf({ range: [low, high], winners, gaps, members }: Winners): {
  readonly members: readonly number[];
  readonly ensemble: number;
} {
  const half = 0.5 * (high - low) / winners.length;
  return {
    members: gaps.map((row) => row.reduce((sum, gap) => sum - half * gap, 0)),
    ensemble: winners.reduce((sum, winner, k) => sum - (winner === members ? 0 : half * gaps[winner][k]), 0),
  };
}

/**
 * An error meter that gives each sample to the winner of its log SNR: a denoiser as good as the best member everywhere.
 * Each member is called at most once a measurement, with the samples that it wins.
 *
 * The reference is the first member's. Where the others' differ from it, or it wins bins itself, the first member is
 * evaluated for its sake.
 *
 * @param meters The members in the order in which the winners were chosen; they are disposed of with the ensemble.
 * @throws {EnsembleError} When there are not as many members as the winners are of, or they do not fit each other.
 */
export function ensembleMeter(meters: readonly ErrorMeter[], { range, winners, members }: Winners): ErrorMeter {
  requireSameShape(meters);
  if (meters.length !== members) {
    throw new EnsembleError(
      `Got ${meters.length} models, but the ensemble was chosen of ${members}. Give the same ones in the same order.`,
    );
  }
  const [first] = meters, d = sizeOf(first.shape);
  const shared = meters.every(({ reference }) => sameReference(reference, first.reference));
  const winnerAt = (logsnr: number) => {
    const bin = Math.floor(winners.length * (logsnr - range[0]) / (range[1] - range[0]));
    return winners[Math.min(winners.length - 1, Math.max(0, bin))];
  };
  return {
    shape: first.shape,
    reference: first.reference,
    async measure(x, eps, logsnr) {
      const n = logsnr.length;
      const owners = Array.from(logsnr, winnerAt);
      const errors = { mse: new Float32Array(n), mseReference: new Float32Array(n), distance: new Float32Array(n) };
      for (const [member, meter] of meters.entries()) {
        const ofReference = member === 0 && !shared;
        const rows: number[] = [];
        owners.forEach((owner, row) => {
          if (owner === member || member === 0 && (ofReference || owner === members)) rows.push(row);
        });
        if (rows.length === 0) continue;
        const all = rows.length === n;
        const got = all ? await meter.measure(x, eps, logsnr) : await meter.measure(
          rowsOf(x, rows, d),
          rowsOf(eps, rows, d),
          Float32Array.from(rows, (row) => logsnr[row]),
        );
        rows.forEach((row, i) => {
          if (member === 0 || shared) errors.mseReference[row] = got.mseReference[i];
          if (owners[row] === member) [errors.mse[row], errors.distance[row]] = [got.mse[i], got.distance[i]];
          else if (owners[row] === members) errors.mse[row] = got.mseReference[i];
        });
      }
      return errors;
    },
    async dispose() {
      for (const meter of meters) await meter.dispose();
    },
  };
}

/** Sums over the errors of all members in one bin. The reference counts as one more, with no gap to itself. */
class BinErrors {
  #count = 0;
  readonly #sums: Float64Array;
  /** Of each pair of members: the sum of the squares of their differences. */
  readonly #squares: Float64Array;

  constructor(readonly members: number) {
    this.#sums = new Float64Array(members + 1);
    this.#squares = new Float64Array((members + 1) ** 2);
  }

  add(mse: readonly Float32Array[], mseReference: Float32Array): void {
    const all = this.members + 1;
    const gaps = new Float64Array(all);
    for (let row = 0; row < mseReference.length; row++) {
      for (let a = 0; a < this.members; a++) gaps[a] = mse[a][row] - mseReference[row];
      for (let a = 0; a < all; a++) {
        this.#sums[a] += gaps[a];
        for (let b = 0; b < all; b++) this.#squares[a * all + b] += (gaps[a] - gaps[b]) ** 2;
      }
    }
    this.#count += mseReference.length;
  }

  gap(member: number): number {
    return this.#sums[member] / this.#count;
  }

  /** The standard error of the difference of two members' means. */
  stderr(a: number, b: number): number {
    const n = this.#count, difference = this.gap(a) - this.gap(b);
    const squares = this.#squares[a * (this.members + 1) + b] - n * difference ** 2;
    return Math.sqrt(Math.max(0, squares) / (n - 1) / n);
  }

  /** By how many standard errors of the difference each candidate is worse than the best of them. */
  lags(candidates: readonly number[], logsnr: number): number[] {
    const finite = candidates.filter((member) => Number.isFinite(this.gap(member)));
    if (finite.length === 0) {
      throw new EnsembleError(
        `No member of the ensemble has a finite error at log SNR ${
          logsnr.toFixed(2)
        }: they have diverged, or the data ` +
          "is not their own. Leave out what has diverged.",
      );
    }
    const best = finite.reduce((a, b) => this.gap(b) < this.gap(a) ? b : a);
    return candidates.map((member) => {
      const difference = this.gap(member) - this.gap(best);
      if (!Number.isFinite(difference)) return Infinity;
      return difference === 0 ? 0 : difference / this.stderr(member, best);
    });
  }
}

/**
 * The sequence of candidates with the least cost in all (Viterbi's algorithm), of equals that with the first candidates.
 *
 * @param costs Of each candidate in each bin; a change between two bins costs {@linkcode CHANGE} in addition.
 */
function leastCostly(costs: readonly (readonly number[])[]): number[] {
  const first = (values: readonly number[]) => values.indexOf(values.reduce((a, b) => b < a ? b : a));
  let totals: readonly number[] = costs[0];
  const from: number[][] = [];
  for (const bin of costs.slice(1)) {
    const best = first(totals), before = totals;
    // Staying goes before changing where both cost the same.
    const previous = bin.map((_, k) => before[k] <= before[best] + CHANGE ? k : best);
    from.push(previous);
    totals = bin.map((cost, k) => cost + before[previous[k]] + (previous[k] === k ? 0 : CHANGE));
  }
  const path = [first(totals)];
  for (const previous of from.toReversed()) path.unshift(previous[path[0]]);
  return path;
}

function requireSameShape(meters: readonly ErrorMeter[]): void {
  if (meters.length === 0) throw new EnsembleError("Got no models for the ensemble, expected at least one. Name some.");
  const [{ shape }] = meters;
  for (const [k, meter] of meters.entries()) {
    if (String(meter.shape) === String(shape)) continue;
    throw new EnsembleError(
      `Model ${k + 1} of the ensemble is of samples of shape [${meter.shape}], but the first is of [${shape}]. ` +
        "Give models of the same data.",
    );
  }
}

function sameReference(a: GaussianMixture, b: GaussianMixture): boolean {
  return a === b || a.components.length === b.components.length &&
      a.components.every((component, i) => sameGaussian(component, b.components[i]) && a.weights[i] === b.weights[i]);
}

function sameGaussian(a: Gaussian, b: Gaussian): boolean {
  const same = (left: Float64Array | undefined, right: Float64Array | undefined) =>
    left?.length === right?.length && (left?.every((value, i) => value === right![i]) ?? true);
  return a === b ||
    same(a.mean, b.mean) && same(a.eigenvalues, b.eigenvalues) && same(a.eigenvectors, b.eigenvectors) &&
      a.axisBases?.length === b.axisBases?.length &&
      (a.axisBases?.every((basis, axis) => same(basis, b.axisBases![axis])) ?? true);
}

function rowsOf(values: Float32Array, rows: readonly number[], d: number): Float32Array {
  const out = new Float32Array(rows.length * d);
  rows.forEach((row, i) => out.set(values.subarray(row * d, (row + 1) * d), i * d));
  return out;
}
