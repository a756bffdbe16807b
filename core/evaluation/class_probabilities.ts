import { type Condition, levelsOf } from "../data/condition.ts";
import type { Samples } from "../data/samples.ts";
import type { Proposal } from "../diffusion/logsnr.ts";
import type { Random } from "../random/random.ts";
import { referenceNll } from "../reference/mixture.ts";
import { givenLevel, measureClasses } from "./class_errors.ts";
import { type ClassPlan, FIRST, firstOf, pilotWork, planClasses } from "./class_pilot.ts";
import type { ErrorMeter } from "./errors.ts";
import { posterior } from "./temperature.ts";

/** How classes are told from likelihoods. */
export interface ClassifyOptions {
  /** The class variable, by its place in the condition. */
  readonly variable: number;
  /** Log SNRs per sample and class. */
  readonly rounds: number;
  /**
   * Other samples whose classes are known, which say up to which log SNR classes are asked, by which likelihoods and at
   * which temperature. Without 64 of them classes are asked at all log SNRs at a temperature of 1, and the samples
   * themselves say by which likelihoods, without their classes.
   */
  readonly labelled?: Samples;
  readonly signal?: AbortSignal;
  /** Called with the classes that are done, in parts of one, and how many there are, the pilot among them. */
  onProgress?(done: number, total: number): void;
}

/** What the likelihoods of samples say of their classes. */
export interface ClassLogs extends Omit<ClassPlan, "proposal"> {
  /** log p(c | x), `[n, classes]`, row by row in nats, −∞ for a class without training samples. */
  readonly logs: Float64Array;
  /** How many labelled samples chose; 0 where there were too few. */
  readonly chosenBy: number;
}

/** Labelled samples that choose at most: a few of them make most of a log loss. */
export const LABELLED_SAMPLES = 256;

/** Of fewer labelled samples a single one would choose. */
const MIN_LABELLED = 64;

/**
 * log p(c | x) of each sample and class by Bayes' rule from the likelihoods, log p(c) + log p(x | c) − log Σ over the
 * classes, with the training samples' shares for p(c). All classes are measured on the same noise at the same log SNRs, evenly
 * over the quantiles of a proposal that is where a pilot finds that classes differ, so that most noise falls out of their
 * differences. Other variables that are known of the samples are given throughout.
 *
 * Likelihoods are those against the conditional reference, or, where a pilot finds less noise in them, the errors
 * alone: what −log p(x | c) has besides ½ ∫ E‖ε − ε̂(z | c)‖² dα is the same for all classes, up to what tells them
 * apart beyond the range of log SNRs. Of images the reference's own errors differ by more than the network's. As
 * labelled samples are told best, classes are asked up to a log SNR alone, p(c | z) of the noisier z there, with the
 * reference's word for the rest where likelihoods are against it, and the likelihoods' logarithms are divided by a
 * temperature, by which a network that is too sure says less.
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
  { variable, rounds, labelled, signal, onProgress }: ClassifyOptions,
): Promise<ClassLogs | undefined> {
  const own = condition[variable];
  if (own.kind !== "class") throw new RangeError(`${own.name} is a number, expected a class to tell.`);
  const { levels, counts } = own, n = samples.count, k = levels.length;
  const present = [...levels.keys()].filter((level) => counts[level] > 0);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const prior = present.map((level) => Math.log(counts[level] / total));
  const toldOf = (samples: Samples) => present.map((level) => givenLevel(samples, condition, variable, level));

  const choosing = labelled && firstOf(labelled, LABELLED_SAMPLES);
  const truth = choosing && levelsOf(choosing, condition, variable)?.map((level) => present.indexOf(level));
  const known = truth?.filter((level) => level >= 0).length ?? 0, isChosen = known >= MIN_LABELLED;
  const pilot = choosing && isChosen ? choosing : firstOf(samples, FIRST.samples);
  const asked = toldOf(pilot), ended = signal ? { signal } : {};
  const [before, rest] = [pilotWork(pilot.count, rounds, isChosen), n * rounds];
  const report = (done: number) => onProgress?.(k * done / (before + rest), k);
  const plan = await planClasses(
    { meter, told: asked, proposal, random: random.split("pilot") },
    {
      ...{ rounds, prior, reference: referenceNlls(asked, meter), ...(isChosen ? { truth } : {}) },
      ...{ ...ended, onProgress: (part: number) => report(before * part) },
    },
  );
  if (!plan) return undefined;
  const told = toldOf(samples), { form } = plan;
  const nlls = form === "paired" ? referenceNlls(told, meter) : new Float64Array(n * present.length);
  const isWhole = await measureClasses(
    { meter, told, proposal: plan.proposal, random },
    { rounds, ...ended, onProgress: (part) => report(before + rest * part) },
    ({ first, values }) => values[form].forEach((value, at) => nlls[first * present.length + at] += value / rounds),
  );
  if (!isWhole) return undefined;
  const logs = new Float64Array(n * k).fill(-Infinity);
  posterior(nlls, prior, plan.temperature).forEach((log, at) =>
    logs[Math.floor(at / present.length) * k + present[at % present.length]] = log
  );
  const { proposal: _, ...chosen } = plan;
  return { ...chosen, logs, chosenBy: isChosen ? known : 0 };
}

/** −log p(x | c) of the reference, `[samples, classes]`. */
function referenceNlls(told: readonly Samples[], { reference }: ErrorMeter): Float64Array {
  const k = told.length, out = new Float64Array(told[0].count * k);
  told.forEach((samples, c) => referenceNll(samples, reference).forEach((nll, i) => out[i * k + c] = nll));
  return out;
}
