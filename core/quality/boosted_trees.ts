import type { Random } from "../random/random.ts";

/** Features in bins, a byte each. */
export interface BinnedRows {
  readonly count: number;
  readonly width: number;
  /** `[width, count]`: feature by feature. */
  readonly bins: Uint8Array;
}

/** Bins of a feature; the first is for values that are no numbers. */
const BINS = 64;

/** Trees, splits on the way to a leaf, and by how much a tree moves the score. */
const TREES = 80, DEPTH = 4, RATE = 0.12;

/** Features that a tree looks at, drawn anew for each. */
const FEATURES = 48;

/** Added to a leaf's curvature, and the least that a leaf may have: of rows of probability ½, 4 each. */
const RIDGE = 1, LEAST = 2;

/**
 * Brings features to bins of about as many rows each, by the quantiles of all rows.
 *
 * @param values Row-major, `[count, width]`; NaN where unknown.
 */
export function binRows(values: Float32Array, width: number): BinnedRows {
  const count = values.length / width, bins = new Uint8Array(values.length), column = new Float32Array(count);
  for (let k = 0; k < width; k++) {
    for (let i = 0; i < count; i++) column[i] = values[i * width + k];
    const edges = edgesOf(column.filter((x) => !Number.isNaN(x)).sort());
    for (let i = 0; i < count; i++) bins[k * count + i] = Number.isNaN(column[i]) ? 0 : 1 + placeIn(edges, column[i]);
  }
  return { count, width, bins };
}

/** The values from which on a next bin begins, ascending and different. */
function edgesOf(ascending: Float32Array): number[] {
  const edges: number[] = [], n = ascending.length;
  for (let b = 1; b < BINS - 1; b++) {
    const at = Math.floor(b * n / (BINS - 1));
    if (at > 0 && at < n && ascending[at] > ascending[0] && ascending[at] !== edges.at(-1)) edges.push(ascending[at]);
  }
  return edges;
}

function placeIn(edges: readonly number[], x: number): number {
  let [low, high] = [0, edges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (edges[middle] <= x) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Scores of some rows by trees that were boosted on others: log odds of the second class (J. H. Friedman, Annals of
 * Statistics 29, 2001, with Newton's step in the leaves, as XGBoost has it, arXiv 1603.02754).
 *
 * @param isSecond The class of each row: 1 of the second, 0 of the first. That of `asked` is not read.
 * @param rows Those to learn from.
 * @param asked Those to score.
 * @param random Draws the features that each tree looks at.
 */
export function boostedScores(
  data: BinnedRows,
  isSecond: Uint8Array,
  rows: Uint32Array,
  asked: Uint32Array,
  random: Random,
): Float64Array {
  const { width } = data, scores = new Float64Array(data.count);
  const gradient = new Float64Array(data.count), curvature = new Float64Array(data.count);
  for (let t = 0; t < TREES; t++) {
    for (const i of rows) {
      const p = 1 / (1 + Math.exp(-scores[i]));
      gradient[i] = isSecond[i] - p;
      curvature[i] = p * (1 - p);
    }
    const features = random.permutation(width).subarray(0, FEATURES);
    grow(data, features, { gradient, curvature, scores }, rows, asked, DEPTH);
  }
  return Float64Array.from(asked, (i) => scores[i]);
}

interface Fields {
  readonly gradient: Float64Array;
  readonly curvature: Float64Array;
  readonly scores: Float64Array;
}

/** Splits rows where it gains the most, and moves the scores of what comes to each leaf. */
function grow(
  data: BinnedRows,
  features: Uint32Array,
  fields: Fields,
  rows: Uint32Array,
  asked: Uint32Array,
  depth: number,
): void {
  const split = depth > 0 ? bestSplit(data, features, fields, rows) : undefined;
  if (!split) {
    let slope = 0, curve = RIDGE;
    for (const i of rows) {
      slope += fields.gradient[i];
      curve += fields.curvature[i];
    }
    const move = RATE * slope / curve;
    for (const i of rows) fields.scores[i] += move;
    for (const i of asked) fields.scores[i] += move;
    return;
  }
  const column = data.bins.subarray(split.feature * data.count, (split.feature + 1) * data.count);
  for (const isLow of [true, false]) {
    const part = (all: Uint32Array) => all.filter((i) => column[i] <= split.bin === isLow);
    grow(data, features, fields, part(rows), part(asked), depth - 1);
  }
}

function bestSplit(
  { bins, count }: BinnedRows,
  features: Uint32Array,
  { gradient, curvature }: Fields,
  rows: Uint32Array,
): { readonly feature: number; readonly bin: number } | undefined {
  const slopes = new Float64Array(BINS), curves = new Float64Array(BINS);
  let best: { readonly feature: number; readonly bin: number } | undefined, most = 1e-6;
  for (const feature of features) {
    slopes.fill(0);
    curves.fill(0);
    const at = feature * count;
    for (let k = 0; k < rows.length; k++) {
      const i = rows[k], bin = bins[at + i];
      slopes[bin] += gradient[i];
      curves[bin] += curvature[i];
    }
    let slope = 0, curve = 0;
    for (let bin = 0; bin < BINS; bin++) {
      slope += slopes[bin];
      curve += curves[bin];
    }
    const whole = slope * slope / (curve + RIDGE);
    let left = 0, leftCurve = 0;
    for (let bin = 0; bin < BINS - 1; bin++) {
      left += slopes[bin];
      leftCurve += curves[bin];
      if (leftCurve < LEAST) continue;
      if (curve - leftCurve < LEAST) break;
      const gain = left * left / (leftCurve + RIDGE) + (slope - left) ** 2 / (curve - leftCurve + RIDGE) - whole;
      if (gain > most) {
        most = gain;
        best = { feature, bin };
      }
    }
  }
  return best;
}
