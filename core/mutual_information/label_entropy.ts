/**
 * What an information says of a label: how much of its entropy is left, and what error of classifiers follows from that.
 *
 * @module
 */
import type { Estimate } from "../diffusion/likelihood.ts";

/** Values of a label, and rows for each of them, beyond which a column is no label. */
const MOST_LEVELS = 100, ROWS_PER_LEVEL = 10;

/** Halvings of an interval until float64 tells its ends no longer apart. */
const HALVINGS = 60;

/** A label's entropy, and what X leaves of it, in nats. */
export interface LabelInformation {
  /** Different values. */
  readonly levels: number;
  /** H(Y), of the values' shares. */
  readonly entropy: number;
  /** I(X; Y) as a part of H(Y). */
  readonly part: number;
  /** H(Y | X) = H(Y) − I(X; Y), with its standard error. */
  readonly conditional: Estimate;
  /** The error of always guessing the most frequent value. */
  readonly guessError: number;
  /** No classifier by X has a smaller error, by {@linkcode fanoBound}. */
  readonly leastError: number;
  /** The best classifier by X has no larger error, by {@linkcode bestErrorBound}. */
  readonly mostError: number;
}

/** A label that is one of the sides. */
export interface InformedLabel extends LabelInformation {
  /** The side that it is. */
  readonly side: "x" | "y";
  /** From 0. */
  readonly column: number;
}

/** A column of few values. */
export interface Label {
  /** The value of each row, by its place in `counts`. */
  readonly levels: Uint32Array;
  /** How often each value occurs. */
  readonly counts: readonly number[];
}

/**
 * The values of a column, where they are so few that it is a label.
 *
 * @returns Nothing for another column.
 */
export function labelOf(values: Float64Array | Float32Array): Label | undefined {
  const places = new Map<number, number>(), most = Math.min(MOST_LEVELS, values.length / ROWS_PER_LEVEL);
  const levels = new Uint32Array(values.length), counts: number[] = [];
  for (const [row, value] of values.entries()) {
    const place = places.get(value) ?? places.size;
    if (place === places.size) places.set(value, counts.push(0) - 1);
    if (places.size > most) return undefined;
    levels[row] = place;
    counts[place]++;
  }
  return { levels, counts };
}

/** The entropy of the shares of counts, in nats, with its standard error. */
export function entropyOf(counts: readonly number[]): Estimate {
  const n = counts.reduce((sum, count) => sum + count, 0);
  let mean = 0, square = 0;
  for (const count of counts) {
    if (count === 0) continue;
    const log = Math.log(n / count);
    mean += count / n * log;
    square += count / n * log ** 2;
  }
  return { mean, stderr: Math.sqrt(Math.max(0, square - mean ** 2) / n) };
}

/**
 * The least error that any classifier of a label has, by Fano's inequality (R. M. Fano, 1961; T. M. Cover and J. A. Thomas,
 * Elements of Information Theory, 2.10): H(Y | X) ≤ h(e) + e·log(k − 1), where h is the entropy of an event of
 * probability e.
 *
 * @param conditional H(Y | X) in nats.
 * @param levels k, the values that the label has.
 */
export function fanoBound(conditional: number, levels: number): number {
  if (levels < 2 || conditional <= 0) return 0;
  // Up to here the right side grows, to log k.
  const most = 1 - 1 / levels;
  if (conditional >= Math.log(levels)) return most;
  let [low, high] = [0, most];
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2;
    if (eventEntropy(middle) + middle * Math.log(levels - 1) < conditional) low = middle;
    else high = middle;
  }
  return low;
}

/**
 * The largest error that the best classifier of a label can have: H(Y | X)/(2 ln 2) (M. E. Hellman and J. Raviv, 1970), and
 * above one bit, where that is loose, the sharp bound that it is the first piece of (V. A. Kovalevsky, 1968; M. Feder and
 * N. Merhav, 1994): a straight line between i equally likely values, at H = log i and e = 1 − 1/i, and i + 1 of them.
 *
 * @param conditional H(Y | X) in nats.
 */
export function bestErrorBound(conditional: number): number {
  if (conditional <= 0) return 0;
  const i = Math.floor(Math.exp(conditional));
  return 1 - 1 / i + (conditional - Math.log(i)) / (i * (i + 1) * Math.log1p(1 / i));
}

/**
 * What I(X; Y) says of a label Y.
 *
 * @param counts How often each value of Y occurs.
 * @param information I(X; Y) in nats.
 *
 * @example A bit that arrives wrong one time in ten
 * ```ts
 * import { ok } from "assert";
 * import { labelInformation } from "./label_entropy.ts";
 *
 * const wrong = 0.1, left = -wrong * Math.log(wrong) - (1 - wrong) * Math.log(1 - wrong);
 * const { leastError, mostError } = labelInformation([500, 500], { mean: Math.log(2) - left, stderr: 0 });
 * ok(Math.abs(leastError - wrong) < 1e-9 && mostError > wrong);
 * ```
 */
export function labelInformation(counts: readonly number[], information: Estimate): LabelInformation {
  const { mean: entropy, stderr } = entropyOf(counts), left = entropy - information.mean;
  const levels = counts.filter((count) => count > 0).length;
  const guessError = 1 - Math.max(...counts) / counts.reduce((sum, count) => sum + count, 0);
  // An estimate may lie where no information can.
  const possible = Math.min(entropy, Math.max(0, left));
  return {
    ...{ levels, entropy, part: information.mean / entropy },
    conditional: { mean: left, stderr: Math.hypot(stderr, information.stderr) },
    guessError,
    leastError: fanoBound(possible, levels),
    mostError: Math.min(guessError, bestErrorBound(possible)),
  };
}

function eventEntropy(p: number): number {
  return p <= 0 || p >= 1 ? 0 : -p * Math.log(p) - (1 - p) * Math.log1p(-p);
}
