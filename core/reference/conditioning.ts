import * as tf from "@tensorflow/tfjs";
import { type Condition, conditionPlaces, conditionWidth } from "../data/condition.ts";
import { floatSamples, type Samples, toFloat32 } from "../data/samples.ts";
import { noiseScale, perSample, signalScale } from "../diffusion/channel.ts";
import { cholesky, inverseTranspose } from "./cholesky.ts";
import { wholeBasis } from "./eigenbasis.ts";
import { type Gaussian, gaussianNll, gaussianOf } from "./gaussian.ts";
import type { GaussianMixture } from "./mixture.ts";

/**
 * How a mixture's components depend on what is known of a sample: the mixture is then one of (x, c), whose conditionals are
 * known in closed form. With classes the components' weights become p(k | c), with numbers u, which are normal together
 * with x in each component, their weights, means and covariances those given u. What is not known is left out, so that the
 * mixture itself is p(x).
 */
export interface Conditioning {
  /** log p(class | component) at the classes' places in the condition's vector, `[k, width]`, 0 at all others. */
  readonly logits: Float64Array;
  /** The places of the numbers' flags in the vector, `[m]`; the standardised numbers follow them. */
  readonly numbers: Uint32Array;
  /** Of the numbers, `[k, m]`. */
  readonly means: Float64Array;
  /** Of x with the numbers, `[k, d, m]`. */
  readonly cross: Float64Array;
  /** Of the numbers, `[k, m, m]`. */
  readonly covariances: Float64Array;
}

/** The log probability of a class that a component has no sample of. */
export const NEVER = -1e6;

/** Numbers of which any may be unknown by itself; of more the mixture goes by all of them or none. */
const ANY = 3;

/** A component given that some numbers are known. */
interface Expert {
  /** Its place in the mixture. */
  readonly component: number;
  /** Given the numbers, but for the shift of its mean by them. */
  readonly gaussian: Gaussian;
  /** The shift of the mean by each number's distance from its own mean, `[d, m]`, 0 for what is not known. */
  readonly gain: Float64Array;
  /** W with Wᵀ·(u − μ) white, `[m, m]`, 0 for what is not known. */
  readonly whitener: Float64Array;
  /** The log of the normaliser of the known numbers' density. */
  readonly logNormaliser: number;
}

/** The sets of numbers that may be known, each with the components given them. */
interface Pattern {
  readonly known: readonly boolean[];
  readonly experts: readonly Expert[];
}

function patternsOf({ components }: GaussianMixture, given: Conditioning): Pattern[] {
  const m = given.numbers.length;
  const sets = m <= ANY
    ? Array.from({ length: 2 ** m }, (_, bits) => Array.from({ length: m }, (_, j) => (bits >> j) % 2 === 1))
    : [false, true].map((all) => new Array<boolean>(m).fill(all));
  return sets.map((known) => ({ known, experts: components.map((_, i) => expertOf(components, given, i, known)) }));
}

function expertOf(
  components: readonly Gaussian[],
  { cross, covariances, numbers }: Conditioning,
  component: number,
  known: readonly boolean[],
): Expert {
  const own = components[component], d = own.mean.length, m = numbers.length;
  const gain = new Float64Array(d * m), whitener = new Float64Array(m * m);
  const places = known.flatMap((isKnown, j) => isKnown ? [j] : []), r = places.length;
  if (r === 0) return { component, gaussian: own, gain, whitener, logNormaliser: 0 };
  const some = Float64Array.from({ length: r * r }, (_, at) => {
    const [a, b] = [places[Math.floor(at / r)], places[at % r]];
    return covariances[(component * m + a) * m + b];
  });
  const factor = cholesky(some, r);
  if (!factor) throw new RangeError("The numbers of a conditional mixture have no proper covariance.");
  const inverse = inverseTranspose(factor, r);
  let logNormaliser = -0.5 * r * Math.log(2 * Math.PI);
  for (let a = 0; a < r; a++) {
    logNormaliser -= Math.log(factor[a * r + a]);
    for (let b = 0; b < r; b++) whitener[places[a] * m + places[b]] = inverse[a * r + b];
  }
  // C = Cov(x, u)·W, so that C·Cᵀ is what is known of the covariance, and C·Wᵀ the gain.
  const white = new Float64Array(d * m);
  for (let i = 0; i < d; i++) {
    for (const b of places) {
      for (const a of places) white[i * m + b] += cross[(component * d + i) * m + a] * whitener[a * m + b];
    }
    for (const a of places) for (const b of places) gain[i * m + a] += white[i * m + b] * whitener[a * m + b];
  }
  const basis = wholeBasis(own, d), covariance = new Float64Array(d * d);
  for (let i = 0; i < d; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let k = 0; k < d; k++) sum += basis[i * d + k] * own.eigenvalues[k] * basis[j * d + k];
      for (const b of places) sum -= white[i * m + b] * white[j * m + b];
      covariance[i * d + j] = covariance[j * d + i] = sum;
    }
  }
  return { component, gaussian: gaussianOf(own.mean, covariance), gain, whitener, logNormaliser };
}

/**
 * The components of a conditional mixture, and where they are given numbers once more as they are given all of them, with
 * half of the weight each: what resolves the data's structure whatever is known.
 */
export function structureOf(mixture: GaussianMixture): GaussianMixture {
  const { given, weights, components, ...rest } = mixture;
  if (!given || given.numbers.length === 0) return mixture;
  const patterns = patternsOf(mixture, given), { experts } = patterns[patterns.length - 1];
  return {
    ...rest,
    weights: Float64Array.from({ length: 2 * weights.length }, (_, i) => weights[i % weights.length] / 2),
    components: [...components, ...experts.map(({ gaussian }) => gaussian)],
  };
}

/**
 * −log p(x | c) of each sample in nats, one value per sample, under a mixture of the coordinates that the samples have.
 *
 * @param vectors What is known of each, as many rows.
 */
export function conditionalNll(
  samples: Samples,
  vectors: Samples,
  mixture: GaussianMixture,
  given: Conditioning,
): Float64Array {
  const { weights } = mixture, { logits, numbers, means } = given;
  const n = samples.count, k = weights.length, d = samples.dimension, m = numbers.length, width = vectors.dimension;
  const c = toFloat32(vectors), patterns = patternsOf(mixture, given);
  const patternOf = (row: number) => {
    const flags = Array.from(numbers, (place) => c[row * width + place] === 1);
    const own = patterns.findIndex(({ known }) => known.every((isKnown, j) => isKnown === flags[j]));
    return Math.max(0, own);
  };
  const rowsOf = patterns.map((): number[] => []);
  for (let row = 0; row < n; row++) rowsOf[patternOf(row)].push(row);
  const result = new Float64Array(n);
  patterns.forEach(({ experts }, p) => {
    const rows = rowsOf[p], count = rows.length;
    if (count === 0) return;
    const x = new Float32Array(count * d), shifted = new Float32Array(count * d), u = new Float64Array(m);
    rows.forEach((row, i) => samples.copy(row, row + 1, x, i * d));
    const logs = new Float64Array(count * k), priors = new Float64Array(count * k);
    experts.forEach(({ component, gaussian, gain, whitener, logNormaliser }) => {
      for (let i = 0; i < count; i++) {
        const at = rows[i] * width;
        let prior = Math.log(weights[component]) + logNormaliser;
        for (let j = 0; j < width; j++) prior += c[at + j] * logits[component * width + j];
        for (let j = 0; j < m; j++) u[j] = c[at + numbers[j] + 1] - means[component * m + j];
        for (let b = 0; b < m; b++) {
          let white = 0;
          for (let a = 0; a < m; a++) white += whitener[a * m + b] * u[a];
          prior -= 0.5 * white ** 2;
        }
        for (let row = 0; row < d; row++) {
          let shift = 0;
          for (let j = 0; j < m; j++) shift += gain[row * m + j] * u[j];
          shifted[i * d + row] = x[i * d + row] - shift;
        }
        priors[i * k + component] = prior;
      }
      const nll = gaussianNll(floatSamples(shifted, d), gaussian);
      for (let i = 0; i < count; i++) logs[i * k + component] = priors[i * k + component] - nll[i];
    });
    rows.forEach((row, i) => {
      const part = (of: Float64Array) => logSumExp(of.subarray(i * k, (i + 1) * k));
      result[row] = part(priors) - part(logs);
    });
  });
  return result;
}

function logSumExp(values: Float64Array): number {
  let largest = -Infinity, sum = 0;
  for (const value of values) largest = Math.max(largest, value);
  for (const value of values) sum += Math.exp(value - largest);
  return largest + Math.log(sum);
}

/**
 * The ideal denoiser of data of a mixture's distribution given what is known of each sample, as
 * {@linkcode mixturePrediction} is without it.
 *
 * @returns ε̂ of the shape of z, `[batch, ...]`, at log SNRs `[batch]`, given vectors `[batch, width]`.
 */
export function conditionalPrediction(
  mixture: GaussianMixture,
  given: Conditioning,
): (z: tf.Tensor, logsnr: tf.Tensor, condition: tf.Tensor) => tf.Tensor {
  const { weights, components } = mixture, { logits, numbers, means } = given;
  const patterns = patternsOf(mixture, given), experts = patterns.flatMap((pattern) => pattern.experts);
  const d = components[0].mean.length, m = numbers.length, k = experts.length, width = logits.length / weights.length;
  const axes = new Float32Array(d * k * d), centres = new Float32Array(k * d), variances = new Float32Array(k * d);
  // How the centres move with the numbers, and what whitens these: columns as the centres' and by expert and number.
  const gains = new Float32Array(m * k * d),
    whiteners = new Float32Array(m * k * m),
    whiteCentres = new Float32Array(k * m);
  const table = new Float32Array(width * k), constants = new Float32Array(k);
  experts.forEach(({ component, gaussian, gain, whitener, logNormaliser }, e) => {
    const { mean, eigenvalues } = gaussian, basis = wholeBasis(gaussian, d), own = means.subarray(component * m);
    variances.set(eigenvalues, e * d);
    constants[e] = Math.log(weights[component]) + logNormaliser;
    for (let j = 0; j < width; j++) table[j * k + e] = logits[component * width + j];
    for (let axis = 0; axis < d; axis++) {
      let centre = 0;
      for (let row = 0; row < d; row++) {
        const value = basis[row * d + axis];
        axes[row * k * d + e * d + axis] = value;
        centre += value * mean[row];
      }
      for (let j = 0; j < m; j++) {
        let moved = 0;
        for (let row = 0; row < d; row++) moved += basis[row * d + axis] * gain[row * m + j];
        gains[j * k * d + e * d + axis] = moved;
        centre -= moved * own[j];
      }
      centres[e * d + axis] = centre;
    }
    for (let b = 0; b < m; b++) {
      for (let a = 0; a < m; a++) {
        whiteners[a * k * m + e * m + b] = whitener[a * m + b];
        whiteCentres[e * m + b] += whitener[a * m + b] * own[a];
      }
    }
  });

  return (z, logsnr, condition) => {
    const batch = z.shape[0], alpha = perSample(logsnr, 3);
    const column = (place: number) => tf.slice(condition, [0, place], [batch, 1]);
    let logWeights: tf.Tensor = tf.add(
      tf.matMul(condition as tf.Tensor2D, tf.tensor2d(table, [width, k])),
      tf.tensor2d(constants, [1, k]),
    );
    let centre: tf.Tensor = tf.tensor(centres, [1, k, d]);
    if (m > 0) {
      const flags = Array.from(numbers, column);
      const u = tf.concat(Array.from(numbers, (place) => column(place + 1)), 1) as tf.Tensor2D;
      const moved = tf.reshape(tf.matMul(u, tf.tensor2d(gains, [m, k * d])), [batch, k, d]);
      centre = tf.add(centre, moved);
      const white = tf.sub(
        tf.reshape(tf.matMul(u, tf.tensor2d(whiteners, [m, k * m])), [batch, k, m]),
        tf.tensor(whiteCentres, [1, k, m]),
      );
      const isOf = patterns.map(({ known }) => product(known.map((is, j) => is ? flags[j] : tf.sub(1, flags[j]))));
      if (m > ANY) isOf[0] = tf.sub(1, isOf[1]);
      const mask = isOf.map((is) => tf.tile(tf.mul(tf.sub(1, is), NEVER), [1, weights.length]));
      logWeights = tf.add(tf.sub(logWeights, tf.mul(tf.sum(tf.square(white), 2), 0.5)), tf.concat(mask, 1));
    }
    const basis = tf.tensor2d(axes, [d, k * d]);
    const projected = tf.reshape(tf.matMul(tf.reshape(z, [batch, d]) as tf.Tensor2D, basis), [batch, k, d]);
    const centred = tf.sub(projected, tf.mul(signalScale(alpha), centre));
    const variance = tf.add(
      tf.mul(tf.sigmoid(alpha), tf.tensor(variances, [1, k, d])),
      tf.sigmoid(tf.neg(alpha)),
    );
    const whitened = tf.div(centred, variance);
    const exponent = tf.sum(tf.add(tf.mul(centred, whitened), tf.log(variance)), 2);
    const posterior = tf.softmax(tf.sub(logWeights, tf.mul(exponent, 0.5)));
    const mean = tf.mul(tf.reshape(posterior, [batch, k, 1]), tf.mul(noiseScale(alpha), whitened));
    const epsHat = tf.matMul(tf.reshape(mean, [batch, k * d]) as tf.Tensor2D, basis, false, true);
    return tf.reshape(epsHat, z.shape);
  };
}

function product(factors: readonly tf.Tensor[]): tf.Tensor {
  return factors.reduce((all, factor) => tf.mul(all, factor));
}

/** The places of a condition's numbers, as {@linkcode Conditioning.numbers} has them. */
export function numberPlaces(condition: Condition): Uint32Array {
  const places = conditionPlaces(condition);
  return Uint32Array.from(condition.flatMap(({ kind }, k) => kind === "number" ? [places[k]] : []));
}

/** Whether a conditioning is of a mixture and a condition: the sizes of its arrays. */
export function sizesOf(k: number, d: number, condition: Condition) {
  const m = numberPlaces(condition).length;
  return { logits: [k, conditionWidth(condition)], means: [k, m], cross: [k, d, m], covariances: [k, m, m] } as const;
}
