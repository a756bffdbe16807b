import type { Random } from "../random/random.ts";
import { type Samples, selectRows, toFloat32 } from "../data/samples.ts";
import { cholesky, congruence, inverseTranspose } from "./cholesky.ts";
import type { Component, Expectation, ExpectationStep } from "./expectation.ts";

/** What keeps covariances proper. */
export interface CovariancePrior {
  /**
   * Pseudo-samples for each dimension with the covariance that all components have together, scaled to the component's
   * size: how much a component of few samples keeps of it.
   */
  readonly pseudoSamples: number;
  /** Added to each axis's variance, `[d]`. */
  readonly floor: Float64Array;
}

/** When a fit ends. */
export interface FitLimits {
  /** Steps of expectation and maximisation at most. */
  readonly steps: number;
  /** A step that raises the mean log likelihood by less than this many nats is the last. */
  readonly tolerance: number;
}

/** A mixture as it is fitted, and the mean log likelihood of its samples before the last step, in nats. */
export interface FittedComponents {
  readonly components: readonly Component[];
  readonly logLikelihood: number;
}

/** A component that stands for fewer samples than this is left out. */
export const LEAST_COUNT = 2;

/** Steps that means move to their nearest samples' before expectation maximisation begins. */
const MEAN_STEPS = 8;

/**
 * Fits a mixture of full Gaussians, or of the step's Student distributions, to samples by expectation maximisation (A. P.
 * Dempster, N. M. Laird and D. B. Rubin, 1977), with a prior on the covariances (C. Fraley and A. E. Raftery, 2007).
 *
 * @param start Where it begins.
 */
export async function fitMixture(
  step: ExpectationStep,
  samples: Samples,
  start: readonly Component[],
  prior: CovariancePrior,
  { steps, tolerance }: FitLimits,
  signal?: AbortSignal,
): Promise<FittedComponents> {
  let components = start, logLikelihood = -Infinity;
  for (let k = 0; k < steps; k++) {
    signal?.throwIfAborted();
    const expected = await step.run(samples, components);
    const gain = expected.logLikelihood - logLikelihood;
    logLikelihood = expected.logLikelihood;
    const next = maximise(components, expected, prior);
    if (next.length === 0) break;
    components = next;
    if (!(gain > tolerance)) break;
  }
  return { components, logLikelihood };
}

/** The components that the expectations make the most likely under the prior. */
function maximise(components: readonly Component[], expected: Expectation, prior: CovariancePrior): Component[] {
  return withPrior(momentsOf(components, expected), prior);
}

/** The moments of the samples that each component stands for; of those that stand for too few, nothing. */
function momentsOf(components: readonly Component[], expected: Expectation): Moments[] {
  return components.flatMap(({ mean, factor }, c) => {
    const count = expected.counts[c], d = mean.length;
    if (!(count > LEAST_COUNT)) return [];
    const precision = expected.precisions[c], part = precision / count;
    const shift = expected.sums.subarray(c * d, (c + 1) * d).map((sum) => sum / precision);
    const whitened = expected.products.subarray(c * d * d, (c + 1) * d * d)
      .map((sum, at) => sum / count - part * shift[Math.floor(at / d)] * shift[at % d]);
    const moved = mean.slice();
    for (let i = 0; i < d; i++) for (let j = 0; j <= i; j++) moved[i] += factor[i * d + j] * shift[j];
    return [{ count, mean: moved, covariance: congruence(factor, whitened, d) }];
  });
}

/** Several mixtures, each of samples of its own, and the mean log likelihood of these before the last step, in nats. */
export interface FittedClasses {
  readonly classes: readonly (readonly Component[])[];
  readonly logLikelihood: number;
}

/**
 * Fits a mixture to the samples of each class, as {@linkcode fitMixture} does to all, with one prior: covariances of few
 * samples are drawn to the shape that the components of all classes have together, as regularised discriminant analysis
 * has it (J. H. Friedman, 1989).
 *
 * @param start Where it begins, by classes.
 */
export function fitClasses(
  step: ExpectationStep,
  classes: readonly Samples[],
  start: readonly (readonly Component[])[],
  prior: CovariancePrior,
  limits: FitLimits,
  signal?: AbortSignal,
): Promise<FittedClasses> {
  const maximised: Maximisation = (fitted, expected) => {
    const next = classesWithPrior(expected.map((each, c) => momentsOf(fitted[c], each)), prior);
    return next.some((components) => components.length === 0) ? undefined : next;
  };
  return climb(step, classes, start, maximised, limits, signal);
}

/** Pseudo-samples of each class that are as all samples: none of its weights is zero. */
const SHARED_SAMPLES = 1;

/**
 * Fits one mixture to the samples of all classes, of which each has weights of its own, as {@linkcode fitClasses} fits one to
 * each: classes that others are taken for now and then, as those of wrong labels, are parts of one another.
 *
 * @param start The same components for each class, but for their counts.
 */
export function fitShared(
  step: ExpectationStep,
  classes: readonly Samples[],
  start: readonly (readonly Component[])[],
  prior: CovariancePrior,
  limits: FitLimits,
  signal?: AbortSignal,
): Promise<FittedClasses> {
  const total = classes.reduce((sum, { count }) => sum + count, 0);
  const maximised: Maximisation = ([own], expected) => {
    const all = (of: (each: Expectation) => Float64Array) =>
      expected.map(of).reduce((sum, part) => sum.map((value, i) => value + part[i]));
    const counts = all((each) => each.counts);
    // What stands for too few samples stays out of all classes.
    const kept = own.map((_, i) => i).filter((i) => counts[i] > LEAST_COUNT);
    const pooled = maximise(own, {
      ...{ counts, precisions: all((each) => each.precisions), logLikelihood: NaN },
      ...{ sums: all((each) => each.sums), products: all((each) => each.products) },
    }, prior);
    if (pooled.length === 0 || pooled.length < kept.length) return undefined;
    return expected.map((each) =>
      pooled.map(({ mean, factor, count }, i) => ({
        ...{ mean, factor },
        count: each.counts[kept[i]] + SHARED_SAMPLES * count / total,
      }))
    );
  };
  return climb(step, classes, start, maximised, limits, signal);
}

/** The components of classes that are likelier by what was expected of them; nothing where a class has none left. */
type Maximisation = (
  fitted: readonly (readonly Component[])[],
  expected: readonly Expectation[],
) => readonly (readonly Component[])[] | undefined;

/** Takes steps of EM until they gain no more. */
async function climb(
  step: ExpectationStep,
  classes: readonly Samples[],
  start: readonly (readonly Component[])[],
  maximised: Maximisation,
  { steps, tolerance }: FitLimits,
  signal: AbortSignal | undefined,
): Promise<FittedClasses> {
  const total = classes.reduce((sum, { count }) => sum + count, 0);
  let fitted = start, logLikelihood = -Infinity;
  for (let k = 0; k < steps; k++) {
    signal?.throwIfAborted();
    const expected: Expectation[] = [];
    for (const [c, samples] of classes.entries()) expected.push(await step.run(samples, fitted[c]));
    const now = expected.reduce((sum, each, c) => sum + each.logLikelihood * classes[c].count / total, 0);
    const gain = now - logLikelihood;
    logLikelihood = now;
    const next = maximised(fitted, expected);
    if (!next) break;
    fitted = next;
    if (!(gain > tolerance)) break;
  }
  return { classes: fitted, logLikelihood };
}

/** Where fits of classes begin, each by {@linkcode startingComponents} on its own samples. */
export function startingClasses(
  classes: readonly Samples[],
  counts: readonly number[],
  prior: CovariancePrior,
  random: Random,
): Component[][] {
  return classesWithPrior(
    classes.map((samples, c) => startingMoments(samples, counts[c], random.split(c))),
    prior,
  );
}

/** Components by classes, with one prior. */
function classesWithPrior(moments: readonly (readonly Moments[])[], prior: CovariancePrior): Component[][] {
  const pooled = poolOf(moments.flat(), prior);
  return moments.map((own) => withPrior(own, prior, pooled));
}

/** The count, mean and covariance of the samples that a component stands for. */
export interface Moments {
  readonly count: number;
  readonly mean: Float64Array;
  readonly covariance: Float64Array;
}

/** The covariance that moments have together. */
function poolOf(moments: readonly Moments[], { floor }: CovariancePrior): Float64Array {
  const d = floor.length;
  const total = moments.reduce((sum, { count }) => sum + count, 0);
  const pooled = new Float64Array(d * d);
  for (const { count, covariance } of moments) {
    for (let i = 0; i < d * d; i++) pooled[i] += count / total * covariance[i];
  }
  for (let i = 0; i < d; i++) pooled[i * d + i] += floor[i];
  return pooled;
}

/** Components of moments, of which each stands for enough samples, whose covariances are drawn to a shape, that which all have together if left out. */
export function withPrior(
  moments: readonly Moments[],
  prior: CovariancePrior,
  pooled: Float64Array = poolOf(moments, prior),
): Component[] {
  const { pseudoSamples, floor } = prior, d = floor.length;
  const factor = cholesky(pooled, d);
  const whitener = factor && inverseTranspose(factor, d);
  const drawn = pseudoSamples * d;
  return moments.flatMap(({ count, mean, covariance }) => {
    const own = count / (count + drawn);
    const scale = whitener ? (1 - own) * relativeSize(covariance, whitener, d) : 0;
    const mixed = covariance.map((value, i) => own * value + scale * pooled[i]);
    for (let i = 0; i < d; i++) mixed[i * d + i] += floor[i];
    const root = cholesky(mixed, d);
    return root ? [{ count, mean, factor: root }] : [];
  });
}

/** tr(P⁻¹·A)/d of a covariance A, with P⁻¹ = W·Wᵀ. */
function relativeSize(covariance: Float64Array, whitener: Float64Array, d: number): number {
  let trace = 0;
  for (let c = 0; c < d; c++) {
    for (let i = 0; i <= c; i++) {
      let sum = 0;
      for (let j = 0; j <= c; j++) sum += covariance[i * d + j] * whitener[j * d + c];
      trace += whitener[i * d + c] * sum;
    }
  }
  return Math.max(0, trace / d);
}

/**
 * Components to begin with: means by k-means++ (D. Arthur and S. Vassilvitskii, 2007) and a few of Lloyd's steps, and the
 * covariances of the samples that are nearest to each.
 *
 * @param samples As many as are worth `k` passes over them.
 */
export function startingComponents(samples: Samples, k: number, prior: CovariancePrior, random: Random): Component[] {
  return withPrior(startingMoments(samples, k, random), prior);
}

function startingMoments(samples: Samples, k: number, random: Random): Moments[] {
  const { count: n, dimension: d } = samples;
  const rows = toFloat32(samples);
  const owner = new Uint32Array(n), nearest = new Float64Array(n).fill(Infinity);
  const means = new Float64Array(k * d);
  const assign = (first: number, last: number) => {
    for (let i = 0, at = 0; i < n; i++, at += d) {
      for (let c = first; c < last; c++) {
        let distance = 0;
        for (let j = 0, from = c * d; j < d; j++) distance += (rows[at + j] - means[from + j]) ** 2;
        if (distance < nearest[i]) [nearest[i], owner[i]] = [distance, c];
      }
    }
  };
  for (let c = 0; c < k; c++) {
    let u = random.uniform() * (c === 0 ? n : nearest.reduce((sum, distance) => sum + distance, 0));
    let chosen = 0;
    while (chosen < n - 1 && (u -= c === 0 ? 1 : nearest[chosen]) > 0) chosen++;
    means.set(rows.subarray(chosen * d, (chosen + 1) * d), c * d);
    assign(c, c + 1);
  }
  const counts = new Float64Array(k);
  const move = () => {
    const sums = new Float64Array(k * d);
    counts.fill(0);
    for (let i = 0; i < n; i++) {
      counts[owner[i]]++;
      for (let j = 0; j < d; j++) sums[owner[i] * d + j] += rows[i * d + j];
    }
    for (let c = 0; c < k; c++) {
      if (counts[c] > 0) { for (let j = 0; j < d; j++) means[c * d + j] = sums[c * d + j] / counts[c]; }
    }
  };
  for (let round = 0; round < MEAN_STEPS; round++) {
    move();
    nearest.fill(Infinity);
    assign(0, k);
  }
  move();
  const covariances = new Float64Array(k * d * d), centred = new Float64Array(d);
  for (let i = 0; i < n; i++) {
    const c = owner[i];
    for (let j = 0; j < d; j++) centred[j] = rows[i * d + j] - means[c * d + j];
    for (let a = 0; a < d; a++) {
      for (let b = 0; b < d; b++) covariances[(c * d + a) * d + b] += centred[a] * centred[b] / counts[c];
    }
  }
  const moments = Array.from({ length: k }, (_, c) => ({
    count: counts[c],
    mean: means.slice(c * d, (c + 1) * d),
    covariance: covariances.slice(c * d * d, (c + 1) * d * d),
  }));
  return moments.filter(({ count }) => count >= LEAST_COUNT);
}

/**
 * Twice as many components to begin with: of each one that is half as large and one that is twice as large. Data of mixed
 * scales, flat and rough parts of pictures, is told apart by size, which means by distance do not see.
 */
export function splitBySize(components: readonly Component[]): Component[] {
  return components.flatMap(({ count, mean, factor }) =>
    [Math.SQRT1_2, Math.SQRT2].map((size) => ({ count: count / 2, mean, factor: factor.map((value) => size * value) }))
  );
}

/** Twice as many components to begin with: of each two halves, apart along the direction of its largest variance. */
export function splitByPlace(components: readonly Component[]): Component[] {
  return components.flatMap(({ count, mean, factor }) => {
    const d = mean.length, axis = principalAxis(factor, d);
    return [-1, 1].map((side) => ({
      count: count / 2,
      mean: mean.map((value, i) => value + side * APART * axis[i]),
      factor,
    }));
  });
}

/** How far halves lie from the middle, in standard deviations. */
const APART = 0.8;

/** Steps of the power method: the direction need not be exact. */
const POWER_STEPS = 12;

/** The direction of the largest variance, of that standard deviation's length. */
function principalAxis(factor: Float64Array, d: number): Float64Array {
  let axis = new Float64Array(d).fill(1);
  for (let step = 0; step < POWER_STEPS; step++) {
    const inner = new Float64Array(d), next = new Float64Array(d);
    for (let i = 0; i < d; i++) for (let j = 0; j <= i; j++) inner[j] += factor[i * d + j] * axis[i];
    for (let i = 0; i < d; i++) for (let j = 0; j <= i; j++) next[i] += factor[i * d + j] * inner[j];
    const square = next.reduce((sum, value) => sum + value ** 2, 0);
    // With axis of the length √λ, L·Lᵀ·axis has the length λ·√λ.
    axis = next.map((value) => value / square ** (1 / 3));
  }
  return axis;
}

/** Some of the samples, drawn at random, or all where there are no more. */
export function someSamples(samples: Samples, most: number, random: Random): Samples {
  if (samples.count <= most) return samples;
  return selectRows(samples, random.permutation(samples.count).slice(0, most).sort());
}
