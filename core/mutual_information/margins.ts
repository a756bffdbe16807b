import { logNormaliser } from "../reference/expectation.ts";
import type { StudentMixture } from "./copula_fits.ts";
import { logStudentDensity, rankQuantiles, studentProbability } from "./student.ts";

/** Points of each component's margin that are interpolated between: of few components more. */
const POINTS = 2048, LEAST_POINTS = 48;

/** The scores that the ranks of columns become, and the log density of each. */
export interface Margins {
  /** By rank, of each column. */
  readonly scores: readonly Float64Array[];
  /** See `scores`. */
  readonly logs: readonly Float64Array[];
}

/** Student's quantiles, for all columns the same. @param n Rows. @param d Columns. */
export function studentMargins(n: number, d: number, dof: number): Margins {
  const scores = rankQuantiles(n, dof), logs = scores.map((score) => logStudentDensity(score, dof));
  return { scores: new Array<Float64Array>(d).fill(scores), logs: new Array<Float64Array>(d).fill(logs) };
}

/**
 * The quantiles of a mixture's own margins. Scores by these are the columns that the mixture is of, whatever monotone maps
 * of them the data shows: a copula of a mixture (A. Tewari, M. J. Giering and A. Raghunathan, 2011).
 *
 * @param probabilities Of less than each rank, by column; see {@linkcode rankProbabilities}.
 */
export function mixtureMargins(probabilities: readonly Float64Array[], { components, dof }: StudentMixture): Margins {
  const d = probabilities.length;
  const total = components.reduce((sum, { count }) => sum + count, 0);
  const columns = Array.from({ length: d }, (_, k) => {
    const parts = components.map(({ count, mean, factor }) => {
      let variance = 0;
      for (let j = 0; j <= k; j++) variance += factor[k * d + j] ** 2;
      return { share: count / total, mean: mean[k], size: Math.sqrt(variance) };
    });
    const scores = quantilesOf(parts, probabilities[k], dof), log = logNormaliser(1, dof);
    return { scores, logs: scores.map((score) => Math.log(densityAt(parts, score, dof)) + log) };
  });
  return { scores: columns.map(({ scores }) => scores), logs: columns.map(({ logs }) => logs) };
}

/**
 * The share of some rows that are below each rank of all rows, for each column: of rows that are kept, so that scores by it
 * have the margins of a mixture that is fitted to them.
 *
 * @param ranks `[rows, d]`.
 */
export function rankProbabilities(ranks: Uint32Array, d: number, rows: Uint32Array): Float64Array[] {
  const least = 0.25 / rows.length;
  return Array.from({ length: d }, (_, k) => {
    const own = new Uint8Array(ranks.length / d);
    for (const row of rows) own[ranks[row * d + k]] = 1;
    let below = 0;
    return Float64Array.from(own, (one) => {
      below += one;
      return Math.min(1 - least, Math.max(least, (below - one / 2) / rows.length));
    });
  });
}

/** A component's margin. */
interface Part {
  readonly share: number;
  readonly mean: number;
  readonly size: number;
}

/** Without the normaliser that all components have. */
function densityAt(parts: readonly Part[], x: number, dof: number): number {
  let sum = 0;
  for (const { share, mean, size } of parts) {
    const square = ((x - mean) / size) ** 2;
    sum += share / size * Math.exp(dof === Infinity ? -square / 2 : -(dof + 1) / 2 * Math.log1p(square / dof));
  }
  return sum;
}

/** The quantiles of ascending probabilities, interpolated between points that are dense where the mass is. */
function quantilesOf(parts: readonly Part[], of: Float64Array, dof: number): Float64Array {
  const n = of.length, count = Math.min(n, Math.max(LEAST_POINTS, Math.ceil(POINTS / parts.length)));
  // The outermost lie beyond the outermost rank.
  const inner = rankQuantiles(count, dof), ends = rankQuantiles(4 * n, dof);
  const own = [ends[0], rankQuantiles(n, dof)[0], ...inner, rankQuantiles(n, dof)[n - 1], ends[4 * n - 1]];
  const points = Float64Array.from(parts.flatMap(({ mean, size }) => own.map((score) => mean + size * score))).sort();
  const probabilities = points.map((x) =>
    parts.reduce((sum, { share, mean, size }) => sum + share * studentProbability((x - mean) / size, dof), 0)
  );
  let at = 1;
  return of.map((probability) => {
    while (at < points.length - 1 && probabilities[at] < probability) at++;
    const [low, high] = [probabilities[at - 1], probabilities[at]];
    const part = high > low ? Math.min(1, Math.max(0, (probability - low) / (high - low))) : 0.5;
    return points[at - 1] + part * (points[at] - points[at - 1]);
  });
}
