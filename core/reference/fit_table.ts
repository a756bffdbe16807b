import { type Samples, toFloat32 } from "../data/samples.ts";
import type { Random } from "../random/random.ts";
import { type AtomBlock, type AtomPlace, levelsOfAtoms, nearestLevel, placesOfAtoms } from "./atoms.ts";
import { covarianceOf } from "./choose_mixture.ts";
import type { Component } from "./expectation.ts";
import {
  type CovariancePrior,
  type FitLimits,
  LEAST_COUNT,
  type Moments,
  startingComponents,
  withPrior,
} from "./fit_mixture.ts";
import { gaussianOf } from "./gaussian.ts";
import type { GaussianMixture } from "./mixture.ts";
import { logSumExp, marginals } from "./table_mixture.ts";

/** Rows of a table, by which of their numbers are known. */
export interface TableRows {
  readonly count: number;
  /** Numbers of a row. */
  readonly numbers: number;
  readonly blocks: readonly AtomPlace[];
  /** `[count, numbers]`, 0 where unknown. */
  readonly x: Float64Array;
  /** The level of each block, −1 where it is unknown, `[count, blocks]`. */
  readonly levels: Int32Array;
  /** The rows with the same numbers known. */
  readonly patterns: readonly { readonly known: readonly number[]; readonly rows: readonly number[] }[];
}

/** What keeps covariances proper, and levels that a component has not seen possible. */
export interface TablePrior extends CovariancePrior {
  /** Pseudo-rows of each component, whose levels are those of all rows: how little it takes for certain. */
  readonly pseudoRows: number;
}

/** Components of a mixture of numbers and levels that is being fitted. */
export interface TableFit {
  readonly components: readonly Component[];
  /** log p(level | component), `[k, levels]`. */
  readonly logits: Float64Array;
}

/** Samples whose last coordinates are those of blocks, as rows of a table. */
export function tableRows(samples: Samples, blocks: readonly AtomBlock[]): TableRows {
  const { count, dimension: d, gaps } = samples, numbers = d - blocks.reduce((sum, { size }) => sum + size, 0);
  const all = toFloat32(samples), flags = gaps && toFloat32(gaps), places = placesOfAtoms(blocks, numbers);
  const x = new Float64Array(count * numbers), levels = new Int32Array(count * blocks.length);
  const patterns = new Map<string, { known: number[]; rows: number[] }>();
  for (let row = 0; row < count; row++) {
    const isKnown = (place: number) => flags?.[row * d + place] !== 1;
    let key = "";
    for (let j = 0; j < numbers; j++) {
      x[row * numbers + j] = all[row * d + j];
      key += isKnown(j) ? "0" : "1";
    }
    places.forEach((block, b) => {
      levels[row * blocks.length + b] = isKnown(block.begin) ? nearestLevel(block, all, row * d + block.begin) : -1;
    });
    const found = patterns.get(key);
    if (found) found.rows.push(row);
    else {
      const known = Array.from({ length: numbers }, (_, j) => j).filter((j) => key[j] === "0");
      patterns.set(key, { known, rows: [row] });
    }
  }
  return { count, numbers, blocks: places, x, levels, patterns: [...patterns.values()] };
}

/** Probabilities below this are not summed up: thousands of them are less than rounding. */
const NEGLIGIBLE = 1e-9;

/** A component that is less likely than another by so many nats is not looked at further. */
const OUT_OF_SIGHT = 40;

/**
 * A step of expectation maximisation for a mixture of numbers that are normal in each component, and levels that are
 * independent of all else in it, with values that are missing at random left out (Z. Ghahramani and M. I. Jordan, 1994; the
 * location model of mixed data, W. J. Krzanowski, 1993).
 *
 * @param shares p(level) of all rows, `[levels]`: each component has `prior.pseudoRows` of these.
 * @returns The likelier mixture, and the mean log likelihood under the one before, in nats.
 */
export function stepTable(
  rows: TableRows,
  { components, logits }: TableFit,
  prior: TablePrior,
  shares: Float64Array,
): TableFit & { readonly logLikelihood: number } {
  const { numbers: n, blocks, x, levels, patterns, count } = rows, k = components.length, L = shares.length;
  const total = components.reduce((sum, each) => sum + each.count, 0);
  const covariances = components.map(covarianceOf);
  const counts = new Float64Array(k), sums = new Float64Array(k * n), products = new Float64Array(k * n * n);
  const seen = new Float64Array(k * L);
  let logLikelihood = 0;
  for (const { known, rows: own } of patterns) {
    const r = known.length, unknown = Array.from({ length: n }, (_, j) => j).filter((j) => !known.includes(j));
    const parts = marginals(covariances, n, known);
    const fills = components.map((_, i) =>
      unknown.length > 0 ? filling(covariances[i], n, known, unknown, parts[i].whitener) : undefined
    );
    // One row of Lᵀ⁻¹ after another, as they are read.
    const whiteners = parts.map(({ whitener }) => transposed(whitener, r));
    const logs = new Float64Array(k), centred = new Float64Array(k * n), ofPattern = new Float64Array(k);
    const some = new Float64Array(r);
    for (const row of own) {
      let most = -Infinity;
      for (let i = 0; i < k; i++) {
        const { mean } = components[i], whitener = whiteners[i], at = i * n;
        let log = Math.log(components[i].count / total) + parts[i].logNormaliser;
        for (let b = 0; b < blocks.length; b++) {
          const level = levels[row * blocks.length + b];
          if (level >= 0) log += logits[i * L + blocks[b].level + level];
        }
        for (let a = 0; a < r; a++) some[a] = centred[at + known[a]] = x[row * n + known[a]] - mean[known[a]];
        // What is left of the square only makes it less likely.
        for (let b = 0; b < r && log > most - OUT_OF_SIGHT; b++) {
          let white = 0;
          for (let a = 0, from = b * r; a <= b; a++) white += whitener[from + a] * some[a];
          log -= 0.5 * white * white;
        }
        logs[i] = log;
        if (log > most) most = log;
      }
      const whole = logSumExp(logs);
      logLikelihood += whole / count;
      for (let i = 0; i < k; i++) {
        const share = Math.exp(logs[i] - whole);
        if (!(share > NEGLIGIBLE)) continue;
        const at = i * n, fill = fills[i];
        ofPattern[i] += share;
        if (fill) {
          for (let u = 0; u < unknown.length; u++) {
            let value = 0;
            for (let a = 0; a < r; a++) value += fill.gain[u * r + a] * centred[at + known[a]];
            centred[at + unknown[u]] = value;
          }
        }
        for (let j = 0; j < n; j++) {
          const weighted = share * centred[at + j], to = (at + j) * n;
          sums[at + j] += weighted;
          for (let m = 0; m <= j; m++) products[to + m] += weighted * centred[at + m];
        }
        for (let b = 0; b < blocks.length; b++) {
          const level = levels[row * blocks.length + b];
          if (level >= 0) seen[i * L + blocks[b].level + level] += share;
        }
      }
    }
    for (let i = 0; i < k; i++) {
      counts[i] += ofPattern[i];
      const fill = fills[i], m = unknown.length;
      for (let a = 0; fill && a < m; a++) {
        for (let b = 0; b <= a; b++) {
          products[(i * n + unknown[a]) * n + unknown[b]] += ofPattern[i] * fill.rest[a * m + b];
        }
      }
    }
  }
  const moments: Moments[] = [], kept: number[] = [];
  for (let i = 0; i < k; i++) {
    if (!(counts[i] > LEAST_COUNT)) continue;
    const shift = sums.subarray(i * n, (i + 1) * n).map((sum) => sum / counts[i]);
    const covariance = new Float64Array(n * n);
    for (let a = 0; a < n; a++) {
      for (let b = 0; b <= a; b++) {
        const value = products[(i * n + a) * n + b] / counts[i] - shift[a] * shift[b];
        covariance[a * n + b] = covariance[b * n + a] = value;
      }
    }
    moments.push({ count: counts[i], mean: components[i].mean.map((value, j) => value + shift[j]), covariance });
    kept.push(i);
  }
  return { ...withLevels(moments, kept, seen, blocks, prior, shares), logLikelihood };
}

/** Components of moments, and what was seen of levels with each, both drawn to what all have together. */
function withLevels(
  moments: readonly Moments[],
  kept: readonly number[],
  seen: Float64Array,
  blocks: readonly AtomPlace[],
  prior: TablePrior,
  shares: Float64Array,
): TableFit {
  const L = shares.length, components = withPrior(moments, prior);
  // A component whose covariance is not proper would leave the levels of the others at the wrong places.
  if (components.length < moments.length) return { components: [], logits: new Float64Array() };
  const logits = new Float64Array(components.length * L), pseudo = prior.pseudoRows;
  for (let i = 0; i < components.length; i++) {
    for (const { level, levels } of blocks) {
      let sum = 0;
      for (let c = level; c < level + levels; c++) sum += seen[kept[i] * L + c];
      for (let c = level; c < level + levels; c++) {
        logits[i * L + c] = Math.log((seen[kept[i] * L + c] + pseudo * shares[c]) / (sum + pseudo));
      }
    }
  }
  return { components, logits };
}

/** A square matrix, `[r, r]`, with rows for columns. */
function transposed(matrix: Float64Array, r: number): Float64Array {
  const turned = new Float64Array(r * r);
  for (let a = 0; a < r; a++) for (let b = 0; b < r; b++) turned[b * r + a] = matrix[a * r + b];
  return turned;
}

/** How unknown values follow from known ones in a component, `[unknown, known]`, and the covariance that is left. */
function filling(
  covariance: Float64Array,
  n: number,
  known: readonly number[],
  unknown: readonly number[],
  whitener: Float64Array,
) {
  const r = known.length, m = unknown.length, white = new Float64Array(m * r);
  for (let u = 0; u < m; u++) {
    for (let b = 0; b < r; b++) {
      for (let a = 0; a <= b; a++) white[u * r + b] += covariance[unknown[u] * n + known[a]] * whitener[a * r + b];
    }
  }
  const gain = new Float64Array(m * r), rest = new Float64Array(m * m);
  for (let u = 0; u < m; u++) {
    for (let a = 0; a < r; a++) {
      for (let b = a; b < r; b++) gain[u * r + a] += white[u * r + b] * whitener[a * r + b];
    }
    for (let v = 0; v < m; v++) {
      let sum = covariance[unknown[u] * n + unknown[v]];
      for (let b = 0; b < r; b++) sum -= white[u * r + b] * white[v * r + b];
      rest[u * m + v] = sum;
    }
  }
  return { gain, rest };
}

/** p(level) among rows that say it, with half a row more of each, `[levels]`. */
export function levelShares({ levels, blocks, count }: TableRows): Float64Array {
  const shares = new Float64Array(levelsOfAtoms(blocks)).fill(0.5), width = blocks.length;
  for (let row = 0; row < count; row++) {
    blocks.forEach(({ level }, b) => {
      const own = levels[row * width + b];
      if (own >= 0) shares[level + own]++;
    });
  }
  for (const { level, levels: own } of blocks) {
    const part = shares.subarray(level, level + own), sum = part.reduce((all, value) => all + value, 0);
    for (let c = 0; c < own; c++) part[c] /= sum;
  }
  return shares;
}

/**
 * Where a fit begins: means by k-means++ of the rows with the mean for what is unknown, and the levels of the rows that are
 * the nearest.
 *
 * @param samples With their mean for what is unknown.
 */
export function startingTable(
  samples: Samples,
  rows: TableRows,
  k: number,
  prior: TablePrior,
  shares: Float64Array,
  random: Random,
): TableFit {
  const d = samples.dimension, { numbers: n, blocks } = rows;
  const floor = new Float64Array(d).fill(1e-6);
  floor.set(prior.floor);
  const started = startingComponents(samples, k, { ...prior, floor }, random);
  const x = toFloat32(samples), seen = new Float64Array(started.length * shares.length);
  for (let row = 0; row < rows.count && blocks.length > 0; row++) {
    let best = 0, least = Infinity;
    started.forEach(({ mean }, i) => {
      let distance = 0;
      for (let j = 0; j < d; j++) distance += (x[row * d + j] - mean[j]) ** 2;
      if (distance < least) [least, best] = [distance, i];
    });
    blocks.forEach(({ level }, b) => {
      const own = rows.levels[row * blocks.length + b];
      if (own >= 0) seen[best * shares.length + level + own]++;
    });
  }
  const moments = started.map(({ count, mean, factor }) => {
    const whole = covarianceOf({ mean, factor }), covariance = new Float64Array(n * n);
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) covariance[i * n + j] = whole[i * d + j];
    return { count, mean: mean.slice(0, n), covariance };
  });
  return withLevels(moments, started.map((_, i) => i), seen, blocks, prior, shares);
}

/** Takes steps until they gain no more. @returns Nothing where no component is left. */
export function fitTable(
  rows: TableRows,
  start: TableFit,
  prior: TablePrior,
  shares: Float64Array,
  { steps, tolerance }: FitLimits,
  signal?: AbortSignal,
): (TableFit & { readonly logLikelihood: number }) | undefined {
  let fitted = start, logLikelihood = -Infinity;
  if (start.components.length === 0) return undefined;
  for (let step = 0; step < steps; step++) {
    signal?.throwIfAborted();
    const next = stepTable(rows, fitted, prior, shares), gain = next.logLikelihood - logLikelihood;
    logLikelihood = next.logLikelihood;
    if (next.components.length === 0) return step === 0 ? undefined : { ...fitted, logLikelihood };
    fitted = next;
    if (!(gain > tolerance)) break;
  }
  return { ...fitted, logLikelihood };
}

/** A fit as a mixture. @param gaps Which values may be unknown; none may, if left out. */
export function mixtureOfTable(
  { components, logits }: TableFit,
  blocks: readonly AtomBlock[],
  gaps?: readonly number[],
): GaussianMixture {
  const total = components.reduce((sum, { count }) => sum + count, 0);
  return {
    weights: Float64Array.from(components, ({ count }) => count / total),
    components: components.map((each) =>
      each.mean.length > 0
        ? gaussianOf(each.mean, covarianceOf(each))
        : { mean: new Float64Array(), eigenvalues: new Float64Array(), eigenvectors: new Float64Array() }
    ),
    atoms: { blocks, logits },
    ...(gaps ? { gaps } : {}),
  };
}
