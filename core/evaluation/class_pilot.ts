import { meanAndStderr } from "../diffusion/likelihood.ts";
import { type LogsnrDistribution, lowerPart, reweightedProposal } from "../diffusion/reweighted_proposal.ts";
import { type Samples, selectRows } from "../data/samples.ts";
import type { Proposal } from "../diffusion/logsnr.ts";
import { type ClassDraws, type Form, FORMS, measureClasses } from "./class_errors.ts";
import { fitTemperature, posterior } from "./temperature.ts";

/** How classes are to be measured, by what a pilot finds. */
export interface ClassPlan {
  /** Which likelihoods: those against the conditional reference, or the errors alone. */
  readonly form: Form;
  readonly proposal: LogsnrDistribution;
  /** What log likelihoods are divided by, 1 or more: how much too sure they are. */
  readonly temperature: number;
  /** The largest log SNR that classes are asked at, where that is not the range's. */
  readonly logsnrUpTo?: number;
}

/** What a pilot measures first, evenly over the log SNRs. */
export const FIRST = { samples: 64, rounds: 16 };

/** Rounds of all its samples, at least, of which each has a part of the log SNRs that could be the last. */
const MIN_ROUNDS = 8;

/** What is drawn evenly at least. */
const KEPT = 0.2;

/** The pilot's samples and what is known of them. */
export interface PilotOptions {
  /** Those of what is planned, with as much noise. */
  readonly rounds: number;
  /** log p(c). */
  readonly prior: readonly number[];
  /** −log p(x | c) of the conditional reference, `[samples, classes]` in nats. */
  readonly reference: Float64Array;
  /** The place of each sample's class, −1 where it is not known; left out, classes are asked at all log SNRs. */
  readonly truth?: readonly number[] | undefined;
  readonly signal?: AbortSignal;
  /** Called with the part of all that is done. */
  readonly onProgress?: (part: number) => void;
}

/** Sample rounds that a plan takes. */
export function pilotWork(samples: number, rounds: number, isLabelled: boolean): number {
  const first = Math.min(samples, FIRST.samples) * FIRST.rounds;
  return first + (isLabelled ? samples * Math.max(MIN_ROUNDS, rounds) : 0);
}

/**
 * Finds on a few samples where along the log SNRs classes differ and which likelihoods have less noise, and then, where
 * their classes are given, up to which log SNR they are told as well as can be, and at which temperature.
 *
 * −log p(z | c) of the noisier image z is the same integral from the lowest log SNR up to its own. Above it a network was
 * hardly ever told that an image is of another class than its own, and what it says of one is chance, of which it is too
 * sure.
 *
 * @returns Nothing where the signal ended it.
 */
export async function planClasses(
  draws: Omit<ClassDraws, "proposal"> & { readonly proposal: Proposal },
  { prior, reference, truth, signal, onProgress, ...asked }: PilotOptions,
): Promise<ClassPlan | undefined> {
  const even = { ...draws.proposal, even: true }, k = prior.length, [{ count }] = draws.told;
  const rounds = Math.max(MIN_ROUNDS, asked.rounds), ended = signal ? { signal } : {};
  const work = pilotWork(count, asked.rounds, truth !== undefined), few = Math.min(count, FIRST.samples);
  const first = await partsOf(
    {
      ...draws,
      told: draws.told.map((samples) => firstOf(samples, few)),
      ...{ proposal: reweightedProposal(even), random: draws.random.split("first") },
    },
    { rounds: FIRST.rounds, ...ended, onProgress: (part) => onProgress?.(few * FIRST.rounds * part / work) },
  );
  if (!first) return undefined;
  const form = noise(first.paired, k) <= noise(first.errors, k) ? "paired" : "errors";
  const proposal = reweightedProposal(even, factors(first[form], k));
  if (!truth) return { form, proposal, temperature: 1 };
  const all = await partsOf(
    { ...draws, proposal },
    { rounds, ...ended, onProgress: (part) => onProgress?.(1 - count * rounds * (1 - part) / work) },
  );
  if (!all) return undefined;
  const { count: parts, temperature } = fewest(all[form], form === "paired" ? reference : undefined, prior, truth);
  if (parts === rounds) return { form, proposal, temperature };
  const lower = lowerPart(proposal, parts / rounds);
  return { form, proposal: lower, temperature, logsnrUpTo: lower.range[1] };
}

/** The first samples. */
export function firstOf(samples: Samples, count: number): Samples {
  return samples.count <= count ? samples : selectRows(samples, Uint32Array.from({ length: count }, (_, i) => i));
}

/** What each round finds, which is a part of the log SNRs, from the lowest up. @returns Nothing where the signal ended it. */
async function partsOf(draws: ClassDraws, options: Parameters<typeof measureClasses>[1]) {
  const [{ count }] = draws.told, k = draws.told.length;
  const each = () => Array.from({ length: options.rounds }, () => new Float64Array(count * k));
  const found: Record<Form, Float64Array[]> = { paired: each(), errors: each() };
  const isWhole = await measureClasses(
    draws,
    options,
    ({ first, round, values }) => FORMS.forEach((form) => found[form][round].set(values[form], first * k)),
  );
  return isWhole ? found : undefined;
}

/**
 * The fewest of the parts, from the lowest up, whose log loss is larger than the smallest by no more than the standard error
 * of the difference (the rule of L. Breiman et al., Classification and Regression Trees, 1984): of fewer parts each is
 * measured with less noise. Each number of them has its own best temperature, as a few samples of which a network is wrongly
 * sure would decide alone otherwise.
 */
function fewest(
  parts: readonly Float64Array[],
  reference: Float64Array | undefined,
  prior: readonly number[],
  truth: readonly number[],
): { readonly count: number; readonly temperature: number } {
  const nlls = reference?.slice() ?? new Float64Array(truth.length * prior.length);
  const tried = parts.map((part, i) => {
    part.forEach((value, at) => nlls[at] += value / parts.length);
    const temperature = fitTemperature(nlls, prior, truth),
      losses = lossesOf(posterior(nlls, prior, temperature), truth);
    return { count: i + 1, temperature, losses, mean: meanAndStderr(losses).mean };
  });
  const best = tried.reduce((best, each) => each.mean < best.mean ? each : best);
  return tried.find(({ losses }) => {
    const { mean, stderr } = meanAndStderr(losses.map((loss, i) => loss - best.losses[i]));
    return mean <= stderr;
  }) ?? best;
}

/** −log p(c | x) of each sample's own class, where it is known, in nats. */
function lossesOf(logs: Float64Array, truth: readonly number[]): Float64Array {
  const k = logs.length / truth.length;
  return Float64Array.from(truth.flatMap((own, i) => own < 0 ? [] : [-logs[i * k + own]]));
}

/** What classes differ by: each sample's values less their mean. */
function differences(values: Float64Array, k: number): Float64Array {
  const out = values.slice();
  for (let at = 0; at < out.length; at += k) {
    const row = out.subarray(at, at + k), mean = row.reduce((sum, value) => sum + value / k, 0);
    row.forEach((value, c) => row[c] = value - mean);
  }
  return out;
}

/** How far a part's differences lie from the mean of its neighbours', squared and summed up. */
function noise(parts: readonly Float64Array[], k: number): number {
  const each = parts.map((values) => differences(values, k));
  return each.slice(2).reduce(
    (sum, after, i) =>
      sum + each[i + 1].reduce((sum, value, at) => sum + (value - (after[at] + each[i][at]) / 2) ** 2, 0),
    0,
  );
}

/** How much oftener than evenly each part of the log SNRs is worth measuring: where classes differ. */
function factors(parts: readonly Float64Array[], k: number): number[] {
  const roots = parts.map((values) => Math.sqrt(differences(values, k).reduce((sum, value) => sum + value ** 2, 0)));
  const mean = roots.reduce((sum, root) => sum + root / roots.length, 0);
  return roots.map((root) => mean > 0 && Number.isFinite(mean) ? KEPT + (1 - KEPT) * root / mean : 1);
}
