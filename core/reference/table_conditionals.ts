import type { Random } from "../random/random.ts";
import { type AtomPlace, nearestLevel, placesOfAtoms } from "./atoms.ts";
import { cholesky, inverseTranspose } from "./cholesky.ts";
import type { GaussianMixture } from "./mixture.ts";
import { choose, covarianceOfGaussian, logSumExp } from "./table_mixture.ts";

/** What a component says of a row's unknown numbers by its known ones. */
interface Filling {
  /** W with Wᵀ·(x − μ) white, of the known numbers, `[r, r]`. */
  readonly whitener: Float64Array;
  /** −½·log det(2π·Σ) of the known numbers. */
  readonly logNormaliser: number;
  /** How the unknown numbers follow, `[u, r]`. */
  readonly gain: Float64Array;
  /** The lower triangular factor of the covariance that is left, `[u, u]`. */
  readonly factor: Float64Array;
}

/** The components given the same known numbers. */
interface Pattern {
  readonly known: readonly number[];
  readonly unknown: readonly number[];
  readonly parts: readonly Filling[];
}

/** What a mixture says of what is unknown of a row by what is known of it. */
export interface RowConditional {
  /** The places of the unknown numbers. */
  readonly numbers: readonly number[];
  /** p(component | what is known), `[k]`. */
  readonly posterior: Float64Array;
  /** Of the unknown numbers in each component, `[k, numbers]`. */
  readonly means: Float64Array;
  /** Their standard deviations there, `[k, numbers]`. */
  readonly deviations: Float64Array;
  /** The blocks whose level is unknown, by their places. */
  readonly blocks: readonly number[];
  /** p(level | what is known) of each of these. */
  readonly levels: readonly Float64Array[];
  /** Draws values for all that is unknown, which go to a row at a place. */
  draw(random: Random, out: Float32Array | Float64Array, at: number): void;
}

/** Sets of known values whose fillings are kept at a time. */
const MOST_PATTERNS = 2048;

/** The conditional distributions of rows of a table under a mixture of numbers and levels, in closed form. */
export class TableConditionals {
  readonly #mixture: GaussianMixture;
  readonly #covariances: readonly Float64Array[];
  readonly #patterns = new Map<string, Pattern>();
  readonly #numbers: number;
  readonly #blocks: readonly AtomPlace[];
  /** Levels of all blocks. */
  readonly #levels: number;

  constructor(mixture: GaussianMixture) {
    this.#mixture = mixture;
    this.#numbers = mixture.components[0].mean.length;
    this.#covariances = mixture.components.map(covarianceOfGaussian);
    this.#blocks = placesOfAtoms(mixture.atoms?.blocks ?? [], this.#numbers);
    this.#levels = mixture.atoms ? mixture.atoms.logits.length / mixture.weights.length : 0;
  }

  /** @param x Values of rows, of which one begins at `at`. @param gaps Flags at the same places, 1 for what is unknown. */
  given(x: ArrayLike<number>, gaps: ArrayLike<number>, at: number): RowConditional {
    const { weights, components, atoms } = this.#mixture, k = weights.length, blocks = this.#blocks;
    const { known, unknown, parts } = this.#pattern(gaps, at), r = known.length, u = unknown.length;
    const logs = new Float64Array(k), means = new Float64Array(k * u), deviations = new Float64Array(k * u);
    const centred = new Float64Array(r);
    parts.forEach(({ whitener, logNormaliser, gain, factor }, i) => {
      const { mean } = components[i];
      for (let a = 0; a < r; a++) centred[a] = x[at + known[a]] - mean[known[a]];
      logs[i] = Math.log(weights[i]) + logNormaliser - 0.5 * squareOf(whitener, centred);
      for (let b = 0; b < u; b++) {
        let value = mean[unknown[b]], variance = 0;
        for (let a = 0; a < r; a++) value += gain[b * r + a] * centred[a];
        for (let a = 0; a <= b; a++) variance += factor[b * u + a] ** 2;
        means[i * u + b] = value;
        deviations[i * u + b] = Math.sqrt(variance);
      }
    });
    const open: number[] = [];
    blocks.forEach((block, b) => {
      if (gaps[at + block.begin] === 1) open.push(b);
      else {
        const level = block.level + nearestLevel(block, x, at + block.begin);
        for (let i = 0; i < k; i++) logs[i] += atoms!.logits[i * this.#levels + level];
      }
    });
    const whole = logSumExp(logs), posterior = logs.map((log) => Math.exp(log - whole));
    const ofLevels = (i: number, { level, levels }: AtomPlace) =>
      atoms!.logits.subarray(i * this.#levels + level, i * this.#levels + level + levels).map(Math.exp);
    return {
      ...{ numbers: unknown, posterior, means, deviations, blocks: open },
      levels: open.map((b) => {
        const sum = new Float64Array(blocks[b].levels);
        posterior.forEach((share, i) => ofLevels(i, blocks[b]).forEach((p, c) => sum[c] += share * p));
        return sum;
      }),
      draw(random, out, to) {
        const i = choose(posterior, random.uniform()), { factor } = parts[i];
        const normal = random.fillNormal(new Float64Array(u));
        for (let b = 0; b < u; b++) {
          let value = means[i * u + b];
          for (let a = 0; a <= b; a++) value += factor[b * u + a] * normal[a];
          out[to + unknown[b]] = value;
        }
        for (const b of open) {
          const { begin, size, points } = blocks[b], level = choose(ofLevels(i, blocks[b]), random.uniform());
          for (let j = 0; j < size; j++) out[to + begin + j] = points[level * size + j];
        }
      },
    };
  }

  /**
   * −log p(value | the other known values) of each value of a row, in nats: what is left unexplained of it.
   *
   * @param out Of the numbers first and then the blocks, not a number where the value is unknown.
   * @returns −log p of all that is known.
   */
  surprises(x: ArrayLike<number>, gaps: ArrayLike<number>, at: number, out: Float64Array): number {
    const { weights, components, atoms } = this.#mixture, k = weights.length, n = this.#numbers, blocks = this.#blocks;
    const { known, parts } = this.#pattern(gaps, at), r = known.length;
    const logs = new Float64Array(k), centred = new Float64Array(r), white = new Float64Array(r);
    /** log p(value | others, component), which is taken off where a value is left out. */
    const own = new Float64Array(k * (n + blocks.length));
    parts.forEach(({ whitener, logNormaliser }, i) => {
      const { mean } = components[i];
      for (let a = 0; a < r; a++) centred[a] = x[at + known[a]] - mean[known[a]];
      let square = 0;
      for (let b = 0; b < r; b++) {
        white[b] = 0;
        for (let a = 0; a <= b; a++) white[b] += whitener[a * r + b] * centred[a];
        square += white[b] ** 2;
      }
      logs[i] = Math.log(weights[i]) + logNormaliser - 0.5 * square;
      for (let a = 0; a < r; a++) {
        // With P = W·Wᵀ the inverse covariance, a value given the others has the variance 1 / P_aa around −(P·c)_a / P_aa.
        let precision = 0, product = 0;
        for (let b = a; b < r; b++) {
          precision += whitener[a * r + b] ** 2;
          product += whitener[a * r + b] * white[b];
        }
        own[i * (n + blocks.length) + known[a]] = 0.5 * Math.log(precision / (2 * Math.PI)) -
          0.5 * product ** 2 / precision;
      }
    });
    out.fill(NaN);
    blocks.forEach((block, b) => {
      if (gaps[at + block.begin] === 1) return;
      const level = block.level + nearestLevel(block, x, at + block.begin);
      for (let i = 0; i < k; i++) {
        const log = atoms!.logits[i * this.#levels + level];
        logs[i] += log;
        own[i * (n + blocks.length) + n + b] = log;
      }
      out[n + b] = 0;
    });
    for (const place of known) out[place] = 0;
    const whole = logSumExp(logs), without = new Float64Array(k);
    for (let place = 0; place < out.length; place++) {
      if (Number.isNaN(out[place])) continue;
      for (let i = 0; i < k; i++) without[i] = logs[i] - own[i * (n + blocks.length) + place];
      out[place] = logSumExp(without) - whole;
    }
    return -whole;
  }

  #pattern(gaps: ArrayLike<number>, at: number): Pattern {
    const n = this.#numbers;
    let key = "";
    for (let j = 0; j < n; j++) key += gaps[at + j] === 1 ? "1" : "0";
    const found = this.#patterns.get(key);
    if (found) return found;
    const known: number[] = [], unknown: number[] = [];
    for (let j = 0; j < n; j++) (gaps[at + j] === 1 ? unknown : known).push(j);
    const made = { known, unknown, parts: this.#covariances.map((each) => fillingOf(each, n, known, unknown)) };
    if (this.#patterns.size >= MOST_PATTERNS) this.#patterns.clear();
    this.#patterns.set(key, made);
    return made;
  }
}

/** The squared length of Wᵀ·c. */
function squareOf(whitener: Float64Array, centred: Float64Array): number {
  const r = centred.length;
  let square = 0;
  for (let b = 0; b < r; b++) {
    let white = 0;
    for (let a = 0; a <= b; a++) white += whitener[a * r + b] * centred[a];
    square += white ** 2;
  }
  return square;
}

function fillingOf(
  covariance: Float64Array,
  n: number,
  known: readonly number[],
  unknown: readonly number[],
): Filling {
  const r = known.length, u = unknown.length, some = new Float64Array(r * r);
  for (let a = 0; a < r; a++) for (let b = 0; b < r; b++) some[a * r + b] = covariance[known[a] * n + known[b]];
  const root = cholesky(some, r);
  if (!root) throw new RangeError("A component of the mixture has no proper covariance.");
  const whitener = inverseTranspose(root, r), white = new Float64Array(u * r);
  let logNormaliser = -0.5 * r * Math.log(2 * Math.PI);
  for (let a = 0; a < r; a++) logNormaliser -= Math.log(root[a * r + a]);
  for (let v = 0; v < u; v++) {
    for (let b = 0; b < r; b++) {
      for (let a = 0; a <= b; a++) white[v * r + b] += covariance[unknown[v] * n + known[a]] * whitener[a * r + b];
    }
  }
  const gain = new Float64Array(u * r), rest = new Float64Array(u * u);
  for (let v = 0; v < u; v++) {
    for (let a = 0; a < r; a++) for (let b = a; b < r; b++) gain[v * r + a] += white[v * r + b] * whitener[a * r + b];
    for (let w = 0; w < u; w++) {
      let sum = covariance[unknown[v] * n + unknown[w]];
      for (let b = 0; b < r; b++) sum -= white[v * r + b] * white[w * r + b];
      rest[v * u + w] = sum;
    }
  }
  const factor = cholesky(rest, u);
  if (!factor) throw new RangeError("A component of the mixture has no proper covariance.");
  return { whitener, logNormaliser, gain, factor };
}
