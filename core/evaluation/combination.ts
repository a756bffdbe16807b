import { BLEND_NODES, nodesAt } from "../reference/blend.ts";

/**
 * What was measured of several estimates of the same noise ε: the inner products ⟨ε − ε̂_a, ε − ε̂_b⟩ of their errors, one
 * row a measurement and in it `[members, members]` row-major.
 */
export interface ErrorProducts {
  readonly logsnr: ArrayLike<number>;
  readonly products: Float64Array;
}

/**
 * Weights of members at nodes over the log SNRs, `[BLEND_NODES][members]`: each at least 0 and each node's 1 in all, linear
 * between the nodes.
 */
export type Weights = readonly (readonly number[])[];

/** Steps of the descent over all nodes, and within a node. */
const SWEEPS = 100, STEPS = 20;

/** The squared error ‖ε − Σ_a λ_a(α)·ε̂_a‖² is quadratic in the weights: its sum over measurements, by nodes. */
export class ErrorForm {
  /** Of each node with itself and with the next. */
  readonly #own: Float64Array[];
  readonly #next: Float64Array[];

  /** @param range Of the nodes, in nats. */
  constructor(readonly members: number, readonly range: readonly [number, number]) {
    const matrices = () => Array.from({ length: BLEND_NODES }, () => new Float64Array(members ** 2));
    [this.#own, this.#next] = [matrices(), matrices()];
  }

  add({ logsnr, products }: ErrorProducts): void {
    const size = this.members ** 2;
    for (let i = 0; i < logsnr.length; i++) {
      const { node, share } = nodesAt(logsnr[i], this.range);
      const parts = [
        [this.#own[node], (1 - share) ** 2],
        [this.#own[node + 1], share ** 2],
        [this.#next[node], share * (1 - share)],
      ] as const;
      for (const [matrix, factor] of parts) {
        for (let k = 0; k < size; k++) matrix[k] += factor * products[i * size + k];
      }
    }
  }

  /** The sum of the squared errors under weights. */
  error(weights: Weights): number {
    return weights.reduce((sum, own, k) => {
      const next = k + 1 < BLEND_NODES ? 2 * product(own, this.#next[k], weights[k + 1]) : 0;
      return sum + product(own, this.#own[k], own) + next;
    }, 0);
  }

  /** The weights with the least error among those that are the same at all nodes. */
  leastConstant(): Weights {
    const all = this.#own.map((matrix, k) => matrix.map((value, i) => value + 2 * this.#next[k][i]))
      .reduce((sum, matrix) => sum.map((value, i) => value + matrix[i]));
    const even = new Array<number>(this.members).fill(1 / this.members);
    const weights = leastOnSimplex(all, new Float64Array(this.members), even, SWEEPS * STEPS);
    return this.#own.map(() => weights);
  }

  /** The weights with the least error. @param from To begin with. */
  least(from: Weights): Weights {
    const weights = from.map((own) => [...own]);
    for (let sweep = 0; sweep < SWEEPS; sweep++) {
      for (let k = 0; k < BLEND_NODES; k++) {
        const pull = new Float64Array(this.members);
        if (k > 0) addProduct(pull, this.#next[k - 1], weights[k - 1]);
        if (k + 1 < BLEND_NODES) addProduct(pull, this.#next[k], weights[k + 1]);
        weights[k] = leastOnSimplex(this.#own[k], pull, weights[k], STEPS);
      }
    }
    return weights;
  }
}

/** xᵀ·A·y. */
function product(x: readonly number[], matrix: Float64Array, y: readonly number[]): number {
  const n = x.length;
  let sum = 0;
  for (let a = 0; a < n; a++) for (let b = 0; b < n; b++) sum += x[a] * matrix[a * n + b] * y[b];
  return sum;
}

/** Adds A·x. */
function addProduct(to: Float64Array, matrix: Float64Array, x: readonly number[]): void {
  const n = x.length;
  for (let a = 0; a < n; a++) for (let b = 0; b < n; b++) to[a] += matrix[a * n + b] * x[b];
}

/**
 * The x ≥ 0 with Σx = 1 that makes xᵀ·A·x + 2·bᵀ·x the least, by projected gradient descent.
 *
 * @param matrix Symmetric and positive semidefinite.
 */
function leastOnSimplex(matrix: Float64Array, pull: Float64Array, from: readonly number[], steps: number): number[] {
  const n = from.length;
  // Gershgorin's bound on the largest eigenvalue.
  let bound = 0;
  for (let a = 0; a < n; a++) {
    bound = Math.max(bound, matrix.subarray(a * n, (a + 1) * n).reduce((sum, value) => sum + Math.abs(value), 0));
  }
  let x = [...from];
  if (!(bound > 0)) return x;
  for (let step = 0; step < steps; step++) {
    const gradient = pull.slice();
    addProduct(gradient, matrix, x);
    x = ontoSimplex(x.map((value, a) => value - gradient[a] / bound));
  }
  return x;
}

/** The nearest point with values of at least 0 that are 1 in all (Duchi et al., ICML 2008). */
function ontoSimplex(values: readonly number[]): number[] {
  const descending = values.toSorted((a, b) => b - a);
  let sum = 0, shift = 0;
  descending.forEach((value, k) => {
    sum += value;
    const candidate = (sum - 1) / (k + 1);
    if (value > candidate) shift = candidate;
  });
  return values.map((value) => Math.max(0, value - shift));
}
