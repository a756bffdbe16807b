import * as tf from "@tensorflow/tfjs";
import type { CompiledProgram, Engine, Program, State } from "../engine/program.ts";
import type { Samples } from "../data/samples.ts";
import { inverseTranspose } from "./cholesky.ts";

/** A component of a mixture that is being fitted. */
export interface Component {
  /** The samples that it stands for. */
  readonly count: number;
  /** `[d]`. */
  readonly mean: Float64Array;
  /** The lower triangular L of its covariance L·Lᵀ, `[d, d]`. */
  readonly factor: Float64Array;
}

/** What the samples say of each component, whose place in `counts` and the others is that in the mixture. */
export interface Expectation {
  /** Σ r over the samples, with r the component's posterior probability. */
  readonly counts: Float64Array;
  /** Σ r·u, with u = (ν + d)/(ν + yᵀ·y) the precision of a sample under a Student distribution, 1 under a Gaussian. */
  readonly precisions: Float64Array;
  /** Σ r·u·y with y = L⁻¹·(x − μ), `[k, d]`: near 0 where the component fits, so that float32 sums are exact enough. */
  readonly sums: Float64Array;
  /** Σ r·u·y·yᵀ, `[k, d, d]`. */
  readonly products: Float64Array;
  /** The mean of log p(x) under the mixture, in nats. */
  readonly logLikelihood: number;
}

/** Values of whitened samples that a run of the program holds, which bounds its memory to some tens of MB. */
const MAX_VALUES = 1 << 21;

/** Below this dimension one wide product whitens the samples for all components faster than one product for each. */
const FEW_DIMENSIONS = 8;

/** The log weight of places that no component has. */
const NOTHING = -1e30;

/** What an expectation step sums up, and how. */
export interface ExpectationOptions {
  /** ν of Student distributions, a whole number; of Gaussians, and if left out, infinite. */
  readonly dof?: number;
  /** Whether samples of about as many rows share a program, as those of many classes should. */
  readonly rounded?: boolean;
}

/**
 * The expectation step of a mixture of full Gaussians, or of Student distributions with ν degrees of freedom (D. Peel and
 * G. J. McLachlan, 2000), compiled for numbers of components as they come.
 */
export class ExpectationStep {
  readonly #state: State;
  readonly #programs = new Map<string, CompiledProgram>();
  readonly #program: Program;

  readonly #rounded: boolean;
  readonly #dof: number;

  /** @param options What is summed up, and how. */
  constructor(readonly engine: Engine, { dof = Infinity, rounded = false }: ExpectationOptions = {}) {
    this.#rounded = rounded;
    this.#dof = dof;
    this.#state = engine.createState({});
    this.#program = dof === Infinity ? expectation : studentExpectation(dof);
  }

  /** @param components At least one. Numbers of them up to the next power of two share a program. */
  async run(samples: Samples, components: readonly Component[]): Promise<Expectation> {
    const { count: n, dimension: d } = samples;
    const k = 2 ** Math.ceil(Math.log2(components.length));
    // Blocks of one size, so that the last is no smaller than the others and computes nothing in vain.
    const even = Math.ceil(n / Math.ceil(n / Math.max(64, Math.floor(MAX_VALUES / (k * d)))));
    const block = this.#rounded ? 2 ** Math.ceil(Math.log2(even)) : even;
    const program = await this.#compiled(block, k, d);
    const parts = whitening(components, k, d, this.#dof);
    const [counts, precisions, sums, products] = [k, k, k * d, k * d * d].map((size) => new Float64Array(size));
    const add = (total: Float64Array, part: Float32Array) => part.forEach((value, i) => total[i] += value);
    const x = new Float32Array(block * d), weight = new Float32Array(block);
    let logLikelihood = 0;
    for (let begin = 0; begin < n; begin += block) {
      const end = Math.min(n, begin + block);
      samples.copy(begin, end, x);
      // Rows beyond the last keep those of the block before, without weight.
      weight.fill(1, 0, end - begin).fill(0, end - begin);
      const got = await program.run({ x, weight, ...parts });
      add(counts, got.counts);
      if (got.precisions) add(precisions, got.precisions);
      add(sums, got.sums);
      add(products, got.products);
      logLikelihood += got.logLikelihood[0] / n;
    }
    return { counts, precisions: this.#dof === Infinity ? counts : precisions, sums, products, logLikelihood };
  }

  async #compiled(block: number, k: number, d: number): Promise<CompiledProgram> {
    const key = [block, k, d].join();
    const known = this.#programs.get(key);
    if (known) return known;
    const shapes = { x: [block, d], weight: [block], basis: [k, d, d], centre: [k, d], logScale: [k] };
    const made = await this.engine.compile(this.#program, this.#state, shapes);
    this.#programs.set(key, made);
    return made;
  }

  dispose(): void {
    for (const program of this.#programs.values()) program.dispose();
    this.#state.dispose();
  }
}

/** What whitens samples for each component, and the logs of the weights and normalisers. */
function whitening(components: readonly Component[], k: number, d: number, dof: number) {
  const total = components.reduce((sum, { count }) => sum + count, 0);
  const basis = new Float32Array(k * d * d), centre = new Float32Array(k * d);
  const logScale = new Float32Array(k).fill(NOTHING);
  components.forEach(({ count, mean, factor }, c) => {
    const inverse = inverseTranspose(factor, d);
    basis.set(inverse, c * d * d);
    let log = Math.log(count / total) + logNormaliser(d, dof);
    for (let i = 0; i < d; i++) {
      log -= Math.log(factor[i * d + i]);
      let sum = 0;
      for (let j = 0; j <= i; j++) sum += mean[j] * inverse[j * d + i];
      centre[c * d + i] = sum;
    }
    logScale[c] = log;
  });
  return { basis, centre, logScale };
}

/** L⁻¹·(x − μ) of each component, `[k, rows, d]`. */
function whitened(x: tf.Tensor, basis: tf.Tensor, centre: tf.Tensor): tf.Tensor3D {
  const [rows, d] = x.shape, [k] = centre.shape;
  const wide = () => {
    const all = tf.reshape(tf.transpose(basis, [1, 0, 2]), [d, k * d]) as tf.Tensor2D;
    return tf.transpose(tf.reshape(tf.matMul(x as tf.Tensor2D, all), [rows, k, d]), [1, 0, 2]);
  };
  const each = () => tf.matMul(tf.reshape(x, [1, rows, d]) as tf.Tensor3D, basis as tf.Tensor3D);
  return tf.sub(d < FEW_DIMENSIONS ? wide() : each(), tf.reshape(centre, [k, 1, d])) as tf.Tensor3D;
}

const expectation: Program = (_, { x, weight, basis, centre, logScale }) => {
  const [rows, d] = x.shape, [k] = logScale.shape;
  const y = whitened(x, basis, centre);
  const logs = tf.sub(tf.reshape(logScale, [k, 1]), tf.mul(tf.sum(tf.square(y), 2), 0.5));
  const largest = tf.max(logs, 0, true);
  const shares = tf.exp(tf.sub(logs, largest));
  const total = tf.sum(shares, 0, true);
  const weights = tf.reshape(weight, [1, rows]);
  const posterior = tf.mul(shares, tf.div(weights, total));
  const weighted = tf.mul(y, tf.reshape(posterior, [k, rows, 1])) as tf.Tensor3D;
  return {
    outputs: {
      counts: tf.sum(posterior, 1),
      sums: tf.reshape(tf.matMul(tf.reshape(posterior, [k, 1, rows]) as tf.Tensor3D, y), [k, d]),
      products: tf.matMul(weighted, y, true, false),
      logLikelihood: tf.sum(tf.mul(weights, tf.add(largest, tf.log(total)))),
    },
  };
};

function studentExpectation(dof: number): Program {
  return (_, { x, weight, basis, centre, logScale }) => {
    const [rows, d] = x.shape, [k] = logScale.shape;
    const y = whitened(x, basis, centre);
    const square = tf.sum(tf.square(y), 2);
    const logs = tf.sub(tf.reshape(logScale, [k, 1]), tf.mul(tf.log1p(tf.div(square, dof)), (dof + d) / 2));
    const largest = tf.max(logs, 0, true);
    const shares = tf.exp(tf.sub(logs, largest));
    const total = tf.sum(shares, 0, true);
    const weights = tf.reshape(weight, [1, rows]);
    const posterior = tf.mul(shares, tf.div(weights, total));
    const precise = tf.mul(posterior, tf.div(dof + d, tf.add(square, dof)));
    const weighted = tf.mul(y, tf.reshape(precise, [k, rows, 1])) as tf.Tensor3D;
    return {
      outputs: {
        counts: tf.sum(posterior, 1),
        precisions: tf.sum(precise, 1),
        sums: tf.sum(weighted, 1),
        products: tf.matMul(weighted, y, true, false),
        logLikelihood: tf.sum(tf.mul(weights, tf.add(largest, tf.log(total)))),
      },
    };
  };
}

/** The log of the density at its mean, of a Gaussian or Student distribution whose covariance or shape is the identity. */
export function logNormaliser(d: number, dof: number): number {
  if (dof === Infinity) return -0.5 * d * Math.log(2 * Math.PI);
  return logGammaOfHalf(dof + d) - logGammaOfHalf(dof) - 0.5 * d * Math.log(dof * Math.PI);
}

/** log Γ(n/2). @param n A whole number from 1 on. */
function logGammaOfHalf(n: number): number {
  let log = n % 2 === 0 ? 0 : 0.5 * Math.log(Math.PI);
  for (let k = n % 2 === 0 ? 2 : 1; k < n; k += 2) log += Math.log(k / 2);
  return log;
}
