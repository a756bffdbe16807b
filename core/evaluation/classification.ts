import { type Estimate, meanAndStderr } from "../diffusion/likelihood.ts";

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
