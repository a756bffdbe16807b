import { conditionalNll, type Conditioning } from "./conditioning.ts";
import { fromCoordinates } from "./eigenbasis.ts";
import { nllOfOthers, samplesWithin, type Subspace } from "./subspace.ts";
import { blurredGaussian, type Gaussian, gaussianNll, gaussianOf } from "./gaussian.ts";
import { UserError } from "../errors/user_error.ts";
import type { Random } from "../random/random.ts";
import type { Samples } from "../data/samples.ts";
import { type Atoms, sizeOfAtoms } from "./atoms.ts";
import { sampleTable, tableNll } from "./table_mixture.ts";

/**
 * A mixture of Gaussians of one dimension: the reference densities are all of this form. Of one component it is a
 * Gaussian, of round ones of one width around samples a kernel density.
 */
export interface GaussianMixture {
  /** Positive, and 1 in all. */
  readonly weights: Float64Array;
  /** As many as there are weights. */
  readonly components: readonly Gaussian[];
  /** Of data of many dimensions the coordinates that the components are of; left out where they are of all values. */
  readonly within?: Subspace;
  /** Of a conditional density what its components say of what is known of a sample. */
  readonly given?: Conditioning;
  /** Of data with values of few levels what the components say of these, whose coordinates follow those of the Gaussians. */
  readonly atoms?: Atoms;
  /**
   * Which values may be unknown, by their places in a sample. What is known of a sample then ends with a flag for each of its
   * values, 1 where that is unknown.
   */
  readonly gaps?: readonly number[];
}

/** A Gaussian as a mixture of one. */
export function onlyGaussian(gaussian: Gaussian): GaussianMixture {
  return { weights: Float64Array.of(1), components: [gaussian] };
}

/** The Gaussian that a mixture of one is. @throws {RangeError} For a mixture of more. */
export function requireGaussian({ components }: GaussianMixture): Gaussian {
  if (components.length === 1) return components[0];
  throw new RangeError(
    `Got a mixture of ${components.length} Gaussians, expected one: its errors are known in closed form.`,
  );
}

/** What to call a mixture in a sentence. */
export function mixtureName(mixture: GaussianMixture): string {
  const { components: { length }, within, given, atoms } = mixture;
  if (atoms && atoms.blocks.length > 0) {
    return length === 1 ? "one Gaussian and independent levels" : `a mixture of ${length} Gaussians with levels`;
  }
  const where = within ? ` along ${within.axes.length} of ${dimensionOf(mixture)} axes` : "";
  if (length === 1) return given ? "one conditional Gaussian" : "one Gaussian";
  return `a ${given ? "conditional " : ""}mixture of ${length} Gaussians${where}`;
}

/** The dimension of the data that a mixture is of. */
export function dimensionOf({ components, within, atoms }: GaussianMixture): number {
  return (within?.gaussian ?? components[0]).mean.length + sizeOfAtoms(atoms?.blocks ?? []);
}

/** The mixture's distribution seen through noise. @param deviation Of the noise. */
export function blurredMixture(
  { weights, components, within, given, ...rest }: GaussianMixture,
  deviation: number,
): GaussianMixture {
  const blurred = (gaussian: Gaussian) => blurredGaussian(gaussian, deviation);
  return {
    weights,
    components: components.map(blurred),
    ...(within ? { within: { ...within, gaussian: blurred(within.gaussian) } } : {}),
    ...(given ? { given } : {}),
    ...rest,
  };
}

/** What is no mixture of Gaussians. */
export class MixtureError extends UserError {}

/** How far weights may be from 1 in all, and a covariance from its transpose relative to its size: float32 files round. */
const TOLERANCE = 1e-4;

/** A covariance whose smallest eigenvalue is below this part of its largest is as good as singular. */
const LEAST_EIGENVALUE = 1e-8;

/**
 * A mixture by its weights `[k]`, means `[k, d]` and covariances `[k, d, d]`, row-major.
 *
 * @param source What to call it in messages.
 * @throws {MixtureError} Unless the sizes fit, the weights are positive and 1 in all, and the covariances are symmetric
 * and positive definite.
 *
 * @example
 * ```ts
 * import { ok } from "assert";
 * import { floatSamples } from "../data/samples.ts";
 * import { gaussianMixture, mixtureNll } from "./mixture.ts";
 *
 * const two = gaussianMixture({ weights: [0.5, 0.5], means: [-9, 9], covariances: [1, 1] });
 * const [nll] = mixtureNll(floatSamples(Float32Array.of(9), 1), two);
 * ok(Math.abs(nll - (Math.log(2) + 0.5 * Math.log(2 * Math.PI))) < 1e-6);
 * ```
 */
export function gaussianMixture(
  { weights, means, covariances }: {
    readonly weights: ArrayLike<number>;
    readonly means: ArrayLike<number>;
    readonly covariances: ArrayLike<number>;
  },
  source = "The mixture",
): GaussianMixture {
  const k = weights.length, d = means.length / k;
  if (k === 0 || !Number.isInteger(d) || d === 0 || covariances.length !== k * d * d) {
    throw new MixtureError(
      `${source} has ${k} weights, ${means.length} values of means and ${covariances.length} of covariances, expected ` +
        "k, k·d and k·d·d. Give weights [k], means [k, d] and covariances [k, d, d].",
    );
  }
  for (const [name, values] of Object.entries({ weights, means, covariances })) {
    const bad = Array.prototype.findIndex.call(values, (value: number) => !Number.isFinite(Math.fround(value)));
    if (bad >= 0) {
      throw new MixtureError(
        `${source} has ${values[bad]} in ${name}, expected finite float32 values. Correct value ${bad} (from 0).`,
      );
    }
  }
  let total = 0;
  for (let i = 0; i < k; i++) {
    if (!(weights[i] > 0)) {
      throw new MixtureError(
        `${source} has the weight ${
          weights[i]
        } for component ${i} (from 0), expected above 0. Leave the component out.`,
      );
    }
    total += weights[i];
  }
  if (Math.abs(total - 1) > TOLERANCE) {
    throw new MixtureError(`${source} has weights that are ${total} in all, expected 1. Divide them by their sum.`);
  }
  return {
    weights: Float64Array.from(weights, (weight) => weight / total),
    components: Array.from({ length: k }, (_, i) =>
      component(
        Float64Array.from({ length: d }, (_, j) => means[i * d + j]),
        Float64Array.from({ length: d * d }, (_, j) => covariances[i * d * d + j]),
        `${source} has a covariance of component ${i} (from 0) that`,
      )),
  };
}

function component(mean: Float64Array, covariance: Float64Array, what: string): Gaussian {
  const d = mean.length;
  const size = covariance.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  for (let i = 0; i < d; i++) {
    for (let j = 0; j < i; j++) {
      if (Math.abs(covariance[i * d + j] - covariance[j * d + i]) > TOLERANCE * size) {
        throw new MixtureError(
          `${what} is ${covariance[i * d + j]} at (${i}, ${j}) and ${
            covariance[j * d + i]
          } at (${j}, ${i}), expected ` +
            "a symmetric one. Correct the two.",
        );
      }
      covariance[i * d + j] = covariance[j * d + i] = (covariance[i * d + j] + covariance[j * d + i]) / 2;
    }
  }
  const gaussian = gaussianOf(mean, covariance);
  const [least, largest] = [Math.min(...gaussian.eigenvalues), Math.max(...gaussian.eigenvalues)];
  if (!(covariance[0] > 0 && least > LEAST_EIGENVALUE * largest)) {
    throw new MixtureError(
      `${what} is not positive definite, expected eigenvalues above ${LEAST_EIGENVALUE} of the largest. ` +
        "Add to its diagonal.",
    );
  }
  return gaussian;
}

/**
 * −log p(x) of each sample in nats, one value per sample; of samples with a condition, under a mixture that goes by it,
 * −log p(x | c).
 */
export function mixtureNll(
  samples: Samples,
  mixture: GaussianMixture,
): Float64Array {
  const { weights, components, within, given } = mixture;
  if (mixture.atoms || samples.gaps) return tableNll(samples, mixture);
  if (within) {
    const own = mixtureNll(samplesWithin(samples, within), { weights, components, ...(given ? { given } : {}) });
    return nllOfOthers(samples, within).map((nll, i) => nll + own[i]);
  }
  if (given && samples.condition) return conditionalNll(samples, samples.condition, { weights, components }, given);
  const parts = components.map((gaussian) => gaussianNll(samples, gaussian));
  return Float64Array.from({ length: samples.count }, (_, row) => {
    const logs = parts.map((nll, i) => Math.log(weights[i]) - nll[row]);
    const largest = Math.max(...logs);
    return -(largest + Math.log(logs.reduce((sum, log) => sum + Math.exp(log - largest), 0)));
  });
}

/**
 * The same of the rows before their values were made of them, as `Samples.change` has it: in the units of a table's numbers, and
 * of rounded ones and levels a probability.
 */
export function referenceNll(samples: Samples, mixture: GaussianMixture): Float64Array {
  const nll = mixtureNll(samples, mixture), { change } = samples;
  return change ? nll.map((value, row) => value + change(row)) : nll;
}

/** Draws `count` samples, row by row, `[count, d]`. */
export function sampleMixture(
  mixture: GaussianMixture,
  random: Random,
  count: number,
): Float32Array<ArrayBuffer> {
  const { weights, components, within } = mixture;
  if (mixture.atoms) return sampleTable(mixture, random, count);
  if (within) {
    const { gaussian, axes } = within, d = gaussian.mean.length, r = axes.length;
    const own = sampleMixture({ weights, components }, random, count), others = random.split("others");
    const out = new Float32Array(count * d), vector = new Float64Array(d), toVector = fromCoordinates(gaussian, d);
    for (let row = 0; row < count; row++) {
      others.fillNormal(vector).forEach((e, k) => vector[k] = e * Math.sqrt(gaussian.eigenvalues[k]));
      axes.forEach((axis, k) => vector[axis] = own[row * r + k]);
      toVector(vector);
      for (let i = 0; i < d; i++) out[row * d + i] = gaussian.mean[i] + vector[i];
    }
    return out;
  }
  const d = components[0].mean.length;
  const [choices, normals] = [random.split("component"), random.split("normal")];
  const toVector = components.map((gaussian) => fromCoordinates(gaussian, d));
  const out = new Float32Array(count * d), normal = new Float64Array(d);
  for (let row = 0; row < count; row++) {
    let u = choices.uniform(), chosen = 0;
    while (chosen < weights.length - 1 && (u -= weights[chosen]) > 0) chosen++;
    const { mean, eigenvalues } = components[chosen];
    normals.fillNormal(normal);
    for (let j = 0; j < d; j++) normal[j] *= Math.sqrt(eigenvalues[j]);
    toVector[chosen](normal);
    for (let i = 0; i < d; i++) out[row * d + i] = mean[i] + normal[i];
  }
  return out;
}
