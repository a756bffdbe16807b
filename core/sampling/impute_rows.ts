import { floatSamples, type Samples, toFloat32 } from "../data/samples.ts";
import { normalQuantile } from "../random/normal_quantile.ts";
import type { Random } from "../random/random.ts";
import { placesOfAtoms } from "../reference/atoms.ts";
import type { GaussianMixture } from "../reference/mixture.ts";
import { TableConditionals } from "../reference/table_conditionals.ts";
import { choose } from "../reference/table_mixture.ts";
import type { RowForm } from "./row_form.ts";

/** What is said of one unknown cell. */
export interface ImputedCell {
  /** From 0. */
  readonly row: number;
  /** Among those of a row, of a table those of its schema. */
  readonly column: number;
  /** Of a number, in its own units; of a class this and the next three are NaN. */
  readonly mean: number;
  /** The standard deviation. */
  readonly deviation: number;
  /** The quantile that 5 % lie below. */
  readonly low: number;
  /** The quantile that 5 % lie above. */
  readonly high: number;
  /** Of a column of few levels, the probability of each; else none. */
  readonly levels?: Float64Array;
}

/** Rows that are whole. */
export interface Imputation {
  /** For each unknown cell what is known of it, by rows and columns. */
  readonly cells: readonly ImputedCell[];
  /** The rows with means for unknown numbers and the likeliest levels, `[n, columns]`. */
  readonly means: Float64Array;
  /** The rows with draws of all that is unknown, together, several times. */
  readonly draws: readonly Float64Array[];
}

/**
 * How much likelier a model finds whole rows than its reference does: log p(x) − log r(x) of each, in nats, estimated.
 *
 * @param x `[n, d]`.
 */
export type LogRatio = (x: Samples) => Promise<Float64Array>;

/** How rows are filled. */
export interface ImputeOptions {
  /** Draws of all that is unknown of a row. */
  readonly draws: number;
  /** Of a model that is not its reference: it weighs candidates of the reference's. */
  readonly logRatio?: LogRatio | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Quantiles of a component that stand for it where its mixture is summed up. */
const POINTS = 64;

/** A component whose probability is below this is left out of the sums. */
const NEGLIGIBLE = 1e-4;

/** Candidates of a row's unknown values that a model weighs, and rows that are weighed at a time. */
const CANDIDATES = 48, BLOCK_ROWS = 256;

/** The part of a distribution that the quantiles of a cell leave out on each side. */
const TAIL = 0.05;

/** What probabilities that are summed up may lack of their sum. */
const ROUNDING = 1e-12;

/** Values and their probabilities, not normalised. */
interface Weighted {
  readonly values: Float64Array;
  readonly weights: Float64Array;
}

/**
 * Fills what is unknown of rows by what is known of them: from the conditional of the reference, a mixture, which is known in
 * closed form. Of a model that says more than its reference, candidates are drawn from that conditional and weighed by how
 * much likelier the model finds the whole row (sampling importance resampling, D. B. Rubin, 1987), exact for many candidates.
 * What is said of a cell is then the reference's own conditional, and what the weights change of the candidates'.
 *
 * @param cells `[n, columns]`, NaN where unknown.
 * @param samples The same as the model sees them.
 */
export async function imputeRows(
  form: RowForm,
  reference: GaussianMixture,
  cells: Float64Array,
  samples: Samples,
  random: Random,
  { draws, logRatio, signal }: ImputeOptions,
): Promise<Imputation> {
  const { numbers, levels, columns: width } = form, d = samples.dimension;
  const conditionals = new TableConditionals(reference);
  const blocks = placesOfAtoms(levels.map(({ block }) => block), numbers.length);
  const x = toFloat32(samples), flags = toFloat32(samples.gaps!);
  const means = cells.slice(), drawnCells = Array.from({ length: draws }, () => cells.slice()), all: ImputedCell[] = [];
  const open: number[] = [];
  for (let row = 0; row < samples.count; row++) {
    if (flags.subarray(row * d, (row + 1) * d).includes(1)) open.push(row);
  }
  for (let begin = 0; begin < open.length; begin += BLOCK_ROWS) {
    signal?.throwIfAborted();
    const rows = open.slice(begin, begin + BLOCK_ROWS);
    const given = rows.map((row) => conditionals.given(x, flags, row * d));
    const candidates = logRatio && drawnRows(given, rows, x, d, random, CANDIDATES);
    const ratios = candidates && await logRatio(floatSamples(candidates, d));
    rows.forEach((row, i) => {
      const own = given[i], stream = random.split("rows").split(row);
      const shares = ratios && normalised(ratios.subarray(i * CANDIDATES, (i + 1) * CANDIDATES));
      const candidateAt = (m: number) => (i * CANDIDATES + m) * d;
      const drawnRow = new Float32Array(d);
      for (const draw of drawnCells) {
        drawnRow.set(x.subarray(row * d, (row + 1) * d));
        if (shares) {
          const from = candidateAt(choose(shares, stream.uniform()));
          drawnRow.set(candidates!.subarray(from, from + d));
        } else own.draw(stream, drawnRow, 0);
        fill(draw, row, form.cellsOf(drawnRow));
      }
      own.numbers.forEach((place, b) => {
        const { column } = numbers[place];
        const exact = ofMixture(
          own.posterior,
          own.means,
          own.deviations,
          b,
          own.numbers.length,
          (y) => form.ownValue(place, y),
        );
        const cell = summary(shares ? changed(exact, ofCandidates(place), shares) : exact);
        all.push({ row, column, ...cell });
        means[row * width + column] = cell.mean;
        function ofCandidates(place: number): Float64Array {
          return Float64Array.from(
            { length: CANDIDATES },
            (_, m) => form.ownValue(place, candidates![candidateAt(m) + place]),
          );
        }
      });
      own.blocks.forEach((b, at) => {
        const { column, line } = levels[b], block = blocks[b];
        const probabilities = shares ? changedLevels(own.levels[at], ...ofCandidates()) : own.levels[at];
        const likeliest = probabilities.indexOf(Math.max(...probabilities));
        const values = line ? Float64Array.from(line.values) : undefined;
        const cell = values
          ? summary({ values, weights: probabilities })
          : { mean: NaN, deviation: NaN, low: NaN, high: NaN };
        all.push({ row, column, ...cell, levels: probabilities });
        means[row * width + column] = values ? cell.mean : likeliest;
        function ofCandidates(): [sum: Float64Array, counts: Float64Array] {
          const sum = new Float64Array(block.levels), counts = new Float64Array(block.levels);
          shares!.forEach((share, m) => {
            const from = candidateAt(m) + block.begin;
            for (let c = 0; c < block.levels; c++) {
              const isIt = block.points.subarray(c * block.size, (c + 1) * block.size)
                .every((value, j) => Math.fround(value) === candidates![from + j]);
              if (!isIt) continue;
              sum[c] += share;
              counts[c]++;
            }
          });
          return [sum, counts];
        }
      });
    });
  }
  all.sort((a, b) => a.row - b.row || a.column - b.column);
  return { cells: all, means, draws: drawnCells };

  /** Puts what is unknown of a row in its place. */
  function fill(into: Float64Array, row: number, drawn: Float64Array) {
    for (let k = 0; k < width; k++) if (Number.isNaN(cells[row * width + k])) into[row * width + k] = drawn[k];
  }
}

function drawnRows(
  given: readonly ReturnType<TableConditionals["given"]>[],
  rows: readonly number[],
  x: Float32Array,
  d: number,
  random: Random,
  count: number,
): Float32Array {
  const out = new Float32Array(rows.length * count * d);
  rows.forEach((row, i) => {
    const stream = random.split("candidates").split(row);
    for (let m = 0; m < count; m++) {
      const at = (i * count + m) * d;
      out.set(x.subarray(row * d, (row + 1) * d), at);
      given[i].draw(stream, out, at);
    }
  });
  return out;
}

/** Probabilities of logs. */
function normalised(logs: Float64Array): Float64Array {
  const largest = logs.reduce((a, b) => Math.max(a, b), -Infinity), shares = logs.map((log) => Math.exp(log - largest));
  const total = shares.reduce((sum, share) => sum + share, 0);
  return shares.map((share) => share / total);
}

/** Quantiles of each component, mapped to a number's own units. */
function ofMixture(
  posterior: Float64Array,
  means: Float64Array,
  deviations: Float64Array,
  at: number,
  width: number,
  valueOf: (y: number) => number,
): Weighted {
  const values: number[] = [], weights: number[] = [];
  posterior.forEach((share, i) => {
    if (share < NEGLIGIBLE) return;
    for (let q = 0; q < POINTS; q++) {
      values.push(valueOf(means[i * width + at] + deviations[i * width + at] * QUANTILES[q]));
      weights.push(share);
    }
  });
  return { values: Float64Array.from(values), weights: Float64Array.from(weights) };
}

/**
 * A distribution that is known, and what weights change of draws from it: the draws' own noise is in both and falls out (a
 * control variate), so that equal weights leave what is known. Weights may be below 0.
 */
function changed({ values, weights }: Weighted, draws: Float64Array, shares: Float64Array): Weighted {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return {
    values: Float64Array.of(...values, ...draws),
    weights: Float64Array.of(
      ...weights.map((weight) => weight / total),
      ...shares.map((share) => share - 1 / shares.length),
    ),
  };
}

/**
 * The same of levels: each is as much likelier as its draws are, of which there is one more that is as likely as all are, for
 * levels of few draws or none.
 */
function changedLevels(known: Float64Array, sum: Float64Array, counts: Float64Array): Float64Array {
  const draws = counts.reduce((all, count) => all + count, 0);
  const changed = known.map((p, c) => p * (draws * sum[c] + 1) / (counts[c] + 1));
  const total = changed.reduce((all, p) => all + p, 0);
  return changed.map((p) => p / total);
}

/** Of N(0, 1), scaled so that their variance is 1. */
const QUANTILES = (() => {
  const own = Float64Array.from({ length: POINTS }, (_, q) => normalQuantile((q + 0.5) / POINTS));
  const size = Math.sqrt(own.reduce((sum, value) => sum + value ** 2 / POINTS, 0));
  return own.map((value) => value / size);
})();

function summary({ values, weights }: Weighted): Pick<ImputedCell, "mean" | "deviation" | "low" | "high"> {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const mean = values.reduce((sum, value, i) => sum + weights[i] * value, 0) / total;
  const variance = values.reduce((sum, value, i) => sum + weights[i] * (value - mean) ** 2, 0) / total;
  const order = Uint32Array.from(values.keys()).sort((a, b) => values[a] - values[b]);
  const quantile = (share: number) => {
    let passed = 0;
    for (const i of order) if ((passed += weights[i] / total) >= share - ROUNDING) return values[i];
    return values[order[order.length - 1]];
  };
  return { mean, deviation: Math.sqrt(Math.max(0, variance)), low: quantile(TAIL), high: quantile(1 - TAIL) };
}
