import { type Condition, conditionPlaces, conditionWidth } from "../data/condition.ts";
import { conditionOf, floatSamples, type Samples, toFloat32 } from "../data/samples.ts";
import { type Estimate, meanAndStderr } from "../diffusion/likelihood.ts";
import type { Proposal } from "../diffusion/logsnr.ts";
import { type LogsnrDistribution, reweightedProposal } from "../diffusion/reweighted_proposal.ts";
import type { Random } from "../random/random.ts";
import { referenceNll } from "../reference/mixture.ts";
import { type ErrorMeter, evaluationsAtOnce } from "./errors.ts";

/** How classes are told from likelihoods. */
export interface ClassifyOptions {
  /** The class variable, by its place in the condition. */
  readonly variable: number;
  /** Log SNRs per sample and class. */
  readonly rounds: number;
  readonly signal?: AbortSignal;
  /** Called with the classes that are done, in parts of one, and how many there are. */
  onProgress?(done: number, total: number): void;
}

/** What the likelihoods of samples say of their classes. */
export interface ClassLogs {
  /** log p(c | x), `[n, classes]`, row by row in nats, −∞ for a class without training samples. */
  readonly logs: Float64Array;
  /** Which likelihoods a pilot chose: those against the conditional reference, or the errors alone. */
  readonly form: "paired" | "errors";
}

/**
 * log p(c | x) of each sample and class by Bayes' rule from the likelihoods, log p(c) + log p(x | c) − log Σ over the
 * classes, with the training samples' shares for p(c). All classes are measured on the same noise at the same log SNRs, evenly
 * over the quantiles of a proposal that is where a pilot finds that classes differ, so that most noise falls out of their
 * differences. Other variables that are known of the samples are given throughout.
 *
 * Likelihoods are those against the conditional reference, or, where a pilot finds less noise in them, the errors alone: what
 * −log p(x | c) has besides ½ ∫ E‖ε − ε̂(z | c)‖² dα is the same for all classes, up to what tells them apart beyond the range
 * of log SNRs. Of images the reference's own errors differ by more than the network's.
 *
 * @param random Decides the log SNRs and the noise.
 * @returns Nothing where the signal ended it.
 */
export async function classLogProbabilities(
  meter: ErrorMeter,
  samples: Samples,
  condition: Condition,
  proposal: Proposal,
  random: Random,
  { variable, rounds, signal, onProgress }: ClassifyOptions,
): Promise<ClassLogs | undefined> {
  const own = condition[variable];
  if (own.kind !== "class") throw new RangeError(`${own.name} is a number, expected a class to tell.`);
  const { levels, counts } = own, n = samples.count, k = levels.length;
  const present = [...levels.keys()].filter((level) => counts[level] > 0);
  const told = present.map((level) => givenLevel(samples, condition, variable, level));
  const pilot = await measured(
    { meter, told, proposal: reweightedProposal({ ...proposal, even: true }), random: random.split("pilot") },
    { count: Math.min(n, PILOT_SAMPLES), rounds: PILOT_ROUNDS, ...(signal ? { signal } : {}) },
  );
  if (!pilot) return undefined;
  const form = pilot.paired.noise <= pilot.errors.noise ? "paired" : "errors", factors = pilot[form].factors();
  const forms = await measured(
    { meter, told, proposal: reweightedProposal({ ...proposal, even: true }, factors), random },
    { count: n, rounds, ...(signal ? { signal } : {}), onProgress: (part) => onProgress?.(part * k, k) },
  );
  if (!forms) return undefined;
  const total = counts.reduce((sum, count) => sum + count, 0);
  const logs = new Float64Array(n * k).fill(-Infinity);
  present.forEach((level, c) => {
    const reference = form === "paired" ? referenceNll(told[c], meter.reference) : undefined;
    for (let i = 0; i < n; i++) {
      const nll = forms[form].mean(i, c, rounds) + (reference?.[i] ?? 0);
      logs[i * k + level] = Math.log(counts[level] / total) - nll;
    }
  });
  for (let i = 0; i < n; i++) {
    const row = logs.subarray(i * k, (i + 1) * k), largest = Math.max(...row);
    const sum = largest + Math.log(row.reduce((sum, log) => sum + Math.exp(log - largest), 0));
    row.forEach((log, c) => row[c] = log - sum);
  }
  return { logs, form };
}

/** Samples and rounds of the pilot that tells where along the log SNRs classes differ, and what is drawn evenly at least. */
const PILOT_SAMPLES = 128, PILOT_ROUNDS = 16, KEPT = 0.2;

/** What is measured, and on which draws. */
interface Measurement {
  readonly meter: ErrorMeter;
  /** The samples, told to be of each class. */
  readonly told: readonly Samples[];
  readonly proposal: LogsnrDistribution;
  readonly random: Random;
}

/** Both forms of the likelihoods of the first samples. @returns Nothing where the signal ended it. */
async function measured(
  { meter, told, proposal, random }: Measurement,
  { count, rounds, signal, onProgress }: {
    readonly count: number;
    readonly rounds: number;
    readonly signal?: AbortSignal;
    readonly onProgress?: (part: number) => void;
  },
): Promise<{ readonly paired: Scores; readonly errors: Scores } | undefined> {
  const [{ dimension: d }] = told,
    forms = {
      paired: new Scores(count, told.length),
      errors: new Scores(count, told.length),
    };
  const block = evaluationsAtOnce(d) / 2;
  for (let first = 0; first < count; first += block) {
    const end = Math.min(count, first + block), size = end - first;
    const stream = random.split(first);
    const x = twice(toFloat32(told[0], first, end));
    // In one place within the parts of all rounds, where a smooth integrand's errors cancel.
    const places = stream.fillUniform(new Float64Array(size));
    for (const form of Object.values(forms)) form.beginBlock();
    for (let round = 0; round < rounds; round++) {
      const { logsnr, eps } = drawOf(stream, proposal, d, places.map((place) => (round + place) / rounds));
      for (const [c, each] of told.entries()) {
        if (signal?.aborted) return undefined;
        const { mse, mseReference } = await meter.measure(x, eps, logsnr, conditionOf(each, first, end, 2));
        for (let i = 0; i < size; i++) {
          const half = 0.25 * proposal.weight(logsnr[i]);
          forms.errors.add(first + i, c, half * (mse[i] + mse[size + i]));
          const gaps = mse[i] - mseReference[i] + mse[size + i] - mseReference[size + i];
          forms.paired.add(first + i, c, half * gaps);
        }
        onProgress?.((first + size * (round + (c + 1) / told.length) / rounds) / count);
      }
      for (const form of Object.values(forms)) form.endRound(first, end, round);
    }
  }
  return forms;
}

/** Noise with both signs, and the log SNRs at quantiles of the proposal. */
function drawOf(random: Random, proposal: LogsnrDistribution, d: number, quantiles: Float64Array) {
  const values = quantiles.length * d, eps = twice(random.fillNormal(new Float32Array(values)));
  for (let i = values; i < eps.length; i++) eps[i] = -eps[i];
  return { logsnr: twice(Float32Array.from(quantiles, (u) => proposal.atQuantile(u))), eps };
}

/** Values, and once more. */
function twice(values: Float32Array): Float32Array {
  const both = new Float32Array(2 * values.length);
  both.set(values);
  both.set(values, values.length);
  return both;
}

/** Values of samples and classes, summed up round by round, and how far a round's differences lie from its neighbours'. */
class Scores {
  /** Of differences of neighbouring rounds, squares summed up. */
  noise = 0;
  readonly #sums: Float64Array;
  readonly #now: Float64Array;
  /** Of each round, the squares of the differences between classes. */
  readonly #sizes: number[] = [];
  /** Of the last rounds, the latest first. */
  #last: Float64Array[] = [];

  constructor(readonly count: number, readonly classes: number) {
    this.#sums = new Float64Array(count * classes);
    this.#now = new Float64Array(count * classes);
  }

  /** Samples follow that have no earlier rounds. */
  beginBlock(): void {
    this.#last = [];
  }

  add(i: number, c: number, value: number): void {
    this.#now[i * this.classes + c] = value;
    this.#sums[i * this.classes + c] += value;
  }

  endRound(first: number, end: number, round: number): void {
    const k = this.classes, now = this.#now.slice(first * k, end * k);
    for (let at = 0; at < now.length; at += k) {
      const row = now.subarray(at, at + k), mean = row.reduce((sum, value) => sum + value / k, 0);
      row.forEach((value, c) => row[c] = value - mean);
    }
    this.#sizes[round] = (this.#sizes[round] ?? 0) + now.reduce((sum, value) => sum + value ** 2, 0);
    const [middle, before] = this.#last;
    if (middle && before) middle.forEach((value, at) => this.noise += (value - (now[at] + before[at]) / 2) ** 2);
    this.#last = [now, ...this.#last.slice(0, 1)];
  }

  /** How much oftener than evenly each part of the log SNRs, one a round, is worth measuring: where classes differ. */
  factors(): number[] {
    const roots = this.#sizes.map(Math.sqrt), mean = roots.reduce((sum, root) => sum + root / roots.length, 0);
    return mean > 0 && Number.isFinite(mean) ? roots.map((root) => KEPT + (1 - KEPT) * root / mean) : [1];
  }

  mean(i: number, c: number, rounds: number): number {
    return this.#sums[i * this.classes + c] / rounds;
  }
}

/** Samples that are told to be of a class, with what else is known of them. */
function givenLevel(samples: Samples, condition: Condition, variable: number, level: number): Samples {
  const width = conditionWidth(condition), place = conditionPlaces(condition)[variable];
  const own = condition[variable], size = own.kind === "class" ? own.levels.length : 1;
  const vectors = samples.condition ? toFloat32(samples.condition) : new Float32Array(samples.count * width);
  for (let at = place; at < vectors.length; at += width) {
    vectors[at] = 1;
    vectors.fill(0, at + 1, at + 1 + size);
    vectors[at + 1 + level] = 1;
  }
  return { ...samples, condition: floatSamples(vectors, width) };
}

/** How good predicted probabilities of classes are. */
export interface Classification {
  /** The share of the samples whose likeliest class is their own. */
  readonly accuracy: Estimate;
  /** E[−log p(c | x)] of their own classes, in nats. */
  readonly logLoss: Estimate;
  /** H(C) of these samples' classes, in nats. */
  readonly entropy: number;
  /**
   * H(C) − log loss in nats: what the samples say of their class, I(X; C), is at least as much, whatever the model (D. Barber
   * and F. Agakov, 2003).
   */
  readonly information: Estimate;
  /** How far the share of right answers is from the probability that was given to them, the mean over all samples. */
  readonly calibrationError: number;
  /** Samples by the probability of their likeliest class, in bins that are not empty. */
  readonly bins: readonly CalibrationBin[];
}

/** Samples whose likeliest class has about the same probability. */
export interface CalibrationBin {
  readonly count: number;
  /** The mean probability of the likeliest class. */
  readonly confidence: number;
  /** The share of the samples whose likeliest class is their own. */
  readonly accuracy: number;
}

/** Bins of the probability from 0 to 1. */
const BINS = 10;

/**
 * Scores predictions (C. Guo et al., arXiv 1706.04599, equations 2 and 3).
 *
 * @param logs `[n, classes]`.
 * @param truth The place of each sample's class.
 *
 * @example
 * ```ts
 * import { equal } from "assert";
 * import { scoreClasses } from "./classification.ts";
 *
 * const { accuracy, logLoss } = scoreClasses(Float64Array.of(0.75, 0.25, 0.5, 0.5).map(Math.log), [0, 1]);
 * equal(accuracy.mean, 0.5);
 * equal(logLoss.mean.toFixed(4), ((Math.log(4 / 3) + Math.log(2)) / 2).toFixed(4));
 * ```
 */
export function scoreClasses(logs: Float64Array, truth: readonly number[]): Classification {
  const n = truth.length, classes = logs.length / n;
  const sums = Array.from({ length: BINS }, () => ({ count: 0, confidence: 0, accuracy: 0 }));
  const right = new Float64Array(n), loss = new Float64Array(n), counts = new Float64Array(classes);
  for (const own of truth) counts[own]++;
  const surprise = counts.map((count) => -Math.log(count / n));
  truth.forEach((own, i) => {
    const row = logs.subarray(i * classes, (i + 1) * classes), best = likeliest(row), confidence = Math.exp(row[best]);
    right[i] = best === own ? 1 : 0;
    loss[i] = -row[own];
    const bin = sums[Math.min(BINS - 1, Math.floor(confidence * BINS))];
    bin.count++;
    bin.confidence += confidence;
    bin.accuracy += right[i];
  });
  const bins = sums.filter(({ count }) => count > 0).map(({ count, confidence, accuracy }) => ({
    ...{ count, confidence: confidence / count, accuracy: accuracy / count },
  }));
  return {
    accuracy: meanAndStderr(right),
    logLoss: meanAndStderr(loss),
    entropy: counts.reduce((sum, count, k) => count > 0 ? sum + count / n * surprise[k] : sum, 0),
    information: meanAndStderr(loss.map((nats, i) => surprise[truth[i]] - nats)),
    calibrationError: bins.reduce((sum, bin) => sum + bin.count / n * Math.abs(bin.accuracy - bin.confidence), 0),
    bins,
  };
}

/** The place of the largest value. */
export function likeliest(row: Float64Array): number {
  return row.reduce((best, value, k) => value > row[best] ? k : best, 0);
}
