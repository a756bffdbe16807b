import { forEachBlock, type Samples, toFloat32 } from "../data/samples.ts";
import type { Random } from "../random/random.ts";
import { nearestLevel, placesOfAtoms, sizeOfAtoms } from "./atoms.ts";
import { cholesky, inverseTranspose } from "./cholesky.ts";
import { fromCoordinates, wholeBasis } from "./eigenbasis.ts";
import type { Gaussian } from "./gaussian.ts";
import type { GaussianMixture } from "./mixture.ts";

/** The covariance of a Gaussian, `[d, d]`. */
export function covarianceOfGaussian(gaussian: Gaussian): Float64Array {
  const d = gaussian.mean.length, basis = wholeBasis(gaussian, d), covariance = new Float64Array(d * d);
  for (let i = 0; i < d; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let e = 0; e < d; e++) sum += basis[i * d + e] * gaussian.eigenvalues[e] * basis[j * d + e];
      covariance[i * d + j] = covariance[j * d + i] = sum;
    }
  }
  return covariance;
}

/** The part of a Gaussian that some of its values have. */
export interface MarginalGaussian {
  /** W with Wᵀ·(x − μ) white, upper triangular, `[r, r]` of the r known values. */
  readonly whitener: Float64Array;
  /** −½·log det(2π·Σ). */
  readonly logNormaliser: number;
}

/** What each component says of some of the Gaussians' values. @param known Their places. */
export function marginals(
  covariances: readonly Float64Array[],
  n: number,
  known: readonly number[],
): MarginalGaussian[] {
  const r = known.length;
  return covariances.map((covariance) => {
    const some = new Float64Array(r * r);
    for (let a = 0; a < r; a++) for (let b = 0; b < r; b++) some[a * r + b] = covariance[known[a] * n + known[b]];
    const factor = cholesky(some, r);
    if (!factor) throw new RangeError("A component of the mixture has no proper covariance.");
    let logNormaliser = -0.5 * r * Math.log(2 * Math.PI);
    for (let a = 0; a < r; a++) logNormaliser -= Math.log(factor[a * r + a]);
    return { whitener: inverseTranspose(factor, r), logNormaliser };
  });
}

/** Sets of known values whose marginals are kept at a time. */
const MOST_PATTERNS = 4096;

/**
 * What a mixture's components say of rows of a table: log weights of each, log w_k + log p(x | k) of what is known, for
 * densities and posteriors.
 */
export class TableComponents {
  readonly #covariances: readonly Float64Array[];
  readonly #patterns = new Map<string, { readonly known: readonly number[]; readonly parts: MarginalGaussian[] }>();
  readonly #numbers: number;

  constructor(readonly mixture: GaussianMixture) {
    this.#numbers = mixture.components[0].mean.length;
    this.#covariances = mixture.components.map(covarianceOfGaussian);
  }

  /** The covariances of the components, `[n, n]` each. */
  get covariances(): readonly Float64Array[] {
    return this.#covariances;
  }

  /**
   * @param x A row's values, which begin at `at`.
   * @param gaps Its flags, at the same places; all is known where they are left out.
   * @param out Is filled with log w_k + log p(x | k), `[k]`. @returns log p(x).
   */
  logs(x: ArrayLike<number>, gaps: ArrayLike<number> | undefined, at: number, out: Float64Array): number {
    const { weights, components, atoms } = this.mixture, n = this.#numbers, k = weights.length;
    const { known, parts } = this.#pattern(gaps, at), r = known.length;
    const centred = new Float64Array(r);
    for (let i = 0; i < k; i++) {
      const { mean } = components[i], { whitener, logNormaliser } = parts[i];
      for (let a = 0; a < r; a++) centred[a] = x[at + known[a]] - mean[known[a]];
      let square = 0;
      for (let b = 0; b < r; b++) {
        let white = 0;
        for (let a = 0; a <= b; a++) white += whitener[a * r + b] * centred[a];
        square += white * white;
      }
      out[i] = Math.log(weights[i]) + logNormaliser - 0.5 * square;
    }
    if (atoms) {
      const all = atoms.logits.length / k;
      for (const block of placesOfAtoms(atoms.blocks, n)) {
        if (gaps && gaps[at + block.begin] === 1) continue;
        const level = block.level + nearestLevel(block, x, at + block.begin);
        for (let i = 0; i < k; i++) out[i] += atoms.logits[i * all + level];
      }
    }
    return logSumExp(out);
  }

  #pattern(gaps: ArrayLike<number> | undefined, at: number) {
    const n = this.#numbers;
    let key = "";
    if (gaps) { for (let j = 0; j < n; j++) key += gaps[at + j] === 1 ? "1" : "0"; }
    const found = this.#patterns.get(key);
    if (found) return found;
    const known = Array.from({ length: n }, (_, j) => j).filter((j) => !gaps || gaps[at + j] !== 1);
    const made = { known, parts: marginals(this.#covariances, n, known) };
    if (this.#patterns.size >= MOST_PATTERNS) this.#patterns.clear();
    this.#patterns.set(key, made);
    return made;
  }
}

/** −log p of what is known of each row of a table, in nats: of levels their probability, of other values their density. */
export function tableNll(samples: Samples, mixture: GaussianMixture): Float64Array {
  const components = new TableComponents(mixture), d = samples.dimension, { gaps } = samples;
  const nll = new Float64Array(samples.count), logs = new Float64Array(mixture.weights.length);
  forEachBlock(samples, (x, first) => {
    const flags = gaps && toFloat32(gaps, first, first + x.length / d);
    for (let at = 0, row = first; at < x.length; at += d, row++) nll[row] = -components.logs(x, flags, at, logs);
  });
  return nll;
}

/** Draws rows of a table, `[count, d]`. */
export function sampleTable(
  { weights, components, atoms }: GaussianMixture,
  random: Random,
  count: number,
): Float32Array<ArrayBuffer> {
  const n = components[0].mean.length, blocks = placesOfAtoms(atoms?.blocks ?? [], n);
  const d = n + sizeOfAtoms(blocks), all = atoms ? atoms.logits.length / weights.length : 0;
  const [choices, normals, levels] = ["component", "normal", "levels"].map((label) => random.split(label));
  const toVector = components.map((gaussian) => fromCoordinates(gaussian, n));
  const out = new Float32Array(count * d), normal = new Float64Array(n);
  for (let row = 0, at = 0; row < count; row++, at += d) {
    const chosen = choose(weights, choices.uniform()), { mean, eigenvalues } = components[chosen];
    normals.fillNormal(normal);
    for (let j = 0; j < n; j++) normal[j] *= Math.sqrt(eigenvalues[j]);
    toVector[chosen](normal);
    for (let j = 0; j < n; j++) out[at + j] = mean[j] + normal[j];
    for (const { begin, size, points, level, levels: own } of blocks) {
      const from = chosen * all + level;
      const drawn = choose(atoms!.logits.subarray(from, from + own).map(Math.exp), levels.uniform());
      out.set(points.subarray(drawn * size, (drawn + 1) * size), at + begin);
    }
  }
  return out;
}

/** The place of a number between 0 and 1 among probabilities. */
export function choose(probabilities: ArrayLike<number>, u: number): number {
  let chosen = 0, left = u;
  while (chosen < probabilities.length - 1 && (left -= probabilities[chosen]) > 0) chosen++;
  return chosen;
}

/** log Σ exp of values. */
export function logSumExp(values: ArrayLike<number>): number {
  let largest = -Infinity, sum = 0;
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, values[i]);
  if (largest === -Infinity) return largest;
  for (let i = 0; i < values.length; i++) sum += Math.exp(values[i] - largest);
  return largest + Math.log(sum);
}
