import { meanAndStderr } from "../diffusion/likelihood.ts";
import { type LogsnrDistribution, lowerPart, reweightedProposal } from "../diffusion/reweighted_proposal.ts";
import type { Proposal } from "../diffusion/logsnr.ts";
import { type ClassDraws, type Form, FORMS, measureClasses } from "./class_errors.ts";

/** How classes are to be measured, by what a pilot finds. */
export interface ClassPlan {
  /** Which likelihoods: those against the conditional reference, or the errors alone. */
  readonly form: Form;
  readonly proposal: LogsnrDistribution;
  /** The largest log SNR that classes are asked at, where that is not the range's. */
  readonly logsnrUpTo?: number;
}

/** Rounds of the pilot. */
export const ROUNDS = 16;

/** What is drawn evenly at least. */
const KEPT = 0.2;

/**
 * Finds on a few samples where along the log SNRs classes differ, which likelihoods have less noise, and, where their
 * classes are given, up to which log SNR the network tells them.
 *
 * Those that a lower log SNR tells better, by more than the standard error of the difference of the log losses, are asked up to
 * that alone: −log p(z | c) of the noisier image z is the same integral from the lowest log SNR up to its own. Above it a
 * network was hardly ever told that an image is of another class than its own.
 *
 * @param prior log p(c).
 * @param reference −log p(x | c) of the conditional reference, `[samples, classes]` in nats.
 * @param truth The place of each sample's class, −1 where it is not known; left out, classes are asked at all log SNRs.
 * @returns Nothing where the signal ended it.
 */
export async function planClasses(
  draws: Omit<ClassDraws, "proposal"> & { readonly proposal: Proposal },
  prior: readonly number[],
  reference: Float64Array,
  { truth, signal, onProgress }: {
    readonly truth?: readonly number[] | undefined;
    readonly signal?: AbortSignal;
    readonly onProgress?: (part: number) => void;
  },
): Promise<ClassPlan | undefined> {
  const even = { ...draws.proposal, even: true }, [{ count }] = draws.told, k = prior.length;
  const found = Array.from({ length: ROUNDS }, () => ({
    paired: new Float64Array(count * k),
    errors: new Float64Array(count * k),
  }));
  const isWhole = await measureClasses(
    { ...draws, proposal: reweightedProposal(even) },
    { rounds: ROUNDS, onProgress, ...(signal ? { signal } : {}) },
    ({ first, round, values }) => FORMS.forEach((form) => found[round][form].set(values[form], first * k)),
  );
  if (!isWhole) return undefined;
  const partsOf = (form: Form) => found.map((values) => values[form]);
  const { form, parts } = truth
    ? choice((form, parts) =>
      losses(partsOf(form).slice(0, parts), form === "paired" ? reference : undefined, prior, truth)
    )
    : {
      form: noise(partsOf("paired"), k) <= noise(partsOf("errors"), k) ? "paired" as const : "errors" as const,
      parts: ROUNDS,
    };
  const proposal = lowerPart(even, factors(partsOf(form), k), parts);
  return { form, proposal, ...(parts < ROUNDS ? { logsnrUpTo: proposal.range[1] } : {}) };
}

/** The likelihoods and the parts of the log SNRs that tell classes best: all, where fewer are not better by more than chance. */
function choice(
  lossesOf: (form: Form, parts: number) => Float64Array,
): { readonly form: Form; readonly parts: number } {
  const tried = FORMS.flatMap((form) =>
    Array.from({ length: ROUNDS }, (_, i) => {
      const losses = lossesOf(form, i + 1);
      return { form, parts: i + 1, losses, mean: meanAndStderr(losses).mean };
    })
  );
  const best = (some: typeof tried) => some.reduce((best, each) => each.mean < best.mean ? each : best);
  const whole = best(tried.filter(({ parts }) => parts === ROUNDS)), lower = best(tried);
  const gain = meanAndStderr(whole.losses.map((loss, i) => loss - lower.losses[i]));
  return gain.mean > gain.stderr ? lower : whole;
}

/** −log p(c | x) of each sample's own class, in nats. */
function losses(
  parts: readonly Float64Array[],
  reference: Float64Array | undefined,
  prior: readonly number[],
  truth: readonly number[],
): Float64Array {
  const nlls = reference?.slice() ?? new Float64Array(truth.length * prior.length);
  for (const part of parts) part.forEach((value, at) => nlls[at] += value / ROUNDS);
  const logs = posterior(nlls, prior);
  return Float64Array.from(truth.flatMap((level, i) => level < 0 ? [] : [-logs[i * prior.length + level]]));
}

/** log p(c | x) by Bayes' rule. @param nlls −log p(x | c), `[samples, classes]`. @param prior log p(c). */
export function posterior(nlls: Float64Array, prior: readonly number[]): Float64Array {
  const k = prior.length, logs = nlls.map((nll, at) => prior[at % k] - nll);
  for (let at = 0; at < logs.length; at += k) {
    const row = logs.subarray(at, at + k), largest = Math.max(...row);
    const sum = largest + Math.log(row.reduce((sum, log) => sum + Math.exp(log - largest), 0));
    row.forEach((log, c) => row[c] = log - sum);
  }
  return logs;
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
