import type { Engine } from "../engine/program.ts";
import type { Random } from "../random/random.ts";
import { type Samples, toFloat32 } from "../data/samples.ts";
import { congruence } from "./cholesky.ts";
import { type Component, ExpectationStep } from "./expectation.ts";
import {
  type CovariancePrior,
  fitMixture,
  someSamples,
  splitByPlace,
  splitBySize,
  startingComponents,
} from "./fit_mixture.ts";
import { gaussianOf } from "./gaussian.ts";
import type { GaussianMixture } from "./mixture.ts";

/** Numbers of components that are tried, in this order. */
const COMPONENTS = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/**
 * Where so many are the best in few dimensions, the data may be of as many spots, and numbers near the best are tried as
 * well. Fewer differ by less than what the validation samples tell.
 */
const MANY = 100;
const BETWEEN = [0.6, 0.75];

/** Larger numbers are not tried once this many times the best has not done better. */
const PATIENCE = 4;

/** Samples that a component needs to be worth trying. */
const LEAST_SAMPLES = 16;

/** In more dimensions a mixture of full covariances is too large to be fitted in seconds. */
export const MAX_MIXTURE_DIMENSION = 256;

/**
 * Pseudo-samples per dimension for the covariances: from the one that was the best so far, and at first from the second, the
 * next weaker and stronger are tried with each number of components.
 */
const PSEUDO_SAMPLES = [0.05, 0.4, 2, 6, 20];
const FIRST_PSEUDO_SAMPLES = 1;

/** Starts that are tried with each number of components, the samples and the steps that show which is the best. */
const STARTS = 4;
const START_SAMPLES = 8192;
const START_STEPS = 6;

/** Products of two values that a step of a choice sums up at most, and all steps together; and samples at most. */
const STEP_WORK = 1e10;
const CHOICE_WORK = 1e11;
const CHOICE_SAMPLES = 1 << 15;
const CHOICE_LIMITS = { steps: 60, tolerance: 4e-4 };
const REFINED_STEPS = 6;

/** Products that the last fit, to all samples, sums up at most, and its steps. */
const FINAL_WORK = 2e11;
const FINAL_LIMITS = { steps: 100, tolerance: 1e-4 };
const LEAST_FINAL_STEPS = 4;

/** Steps that a fit has at least. */
const LEAST_STEPS = 4;

/** In so few dimensions it is the samples, and not the products, that take the time. */
const FEW_DIMENSIONS = 8;

/** Samples that a choice is made by at most. */
const VALIDATION_SAMPLES = 8192;

/** Values of an axis that its spacing and rounding are found by. */
const AXIS_SAMPLES = 4096;

/** A share of equal neighbours from which on an axis counts as rounded. */
const ROUNDED = 0.5;

/** A part of its variance that an axis's floor is at least. */
const RELATIVE_FLOOR = 1e-9;

/** One of the mixtures that were tried. */
export interface TriedMixture {
  readonly components: number;
  readonly pseudoSamples: number;
  /** The NLL of the validation samples in nats. */
  readonly nll: number;
}

/** A mixture, and what it was chosen from. */
export interface MixtureChoice {
  readonly mixture: GaussianMixture;
  readonly tried: readonly TriedMixture[];
}

/** How a mixture is chosen. */
export interface MixtureOptions {
  /** The number of components; by the validation samples if left out. */
  readonly components?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Fits mixtures of full Gaussians with 1 to 128 components and several strengths of the prior on their covariances, takes
 * the one under which the validation samples are the most likely, and fits it to all samples. The samples that a choice
 * is made by and the steps are bounded, so that a million samples take seconds.
 *
 * @param train In at most {@linkcode MAX_MIXTURE_DIMENSION} dimensions.
 */
export async function chooseMixture(
  engine: Engine,
  train: Samples,
  validation: Samples,
  random: Random,
  { components: asked, signal }: MixtureOptions = {},
): Promise<MixtureChoice> {
  const d = train.dimension;
  const chosen = someSamples(train, d <= FEW_DIMENSIONS ? CHOICE_SAMPLES : Infinity, random.split("choice"));
  const few = someSamples(chosen, START_SAMPLES, random.split("starts"));
  const judges = someSamples(validation, VALIDATION_SAMPLES, random.split("validation"));
  const floor = variancesFloor(few);
  const step = new ExpectationStep(engine);
  const tried: TriedMixture[] = [];
  let best: Candidate | undefined;
  const consider = async (components: readonly Component[], pseudoSamples: number) => {
    if (components.length === 0) return false;
    const nll = -(await step.run(judges, components)).logLikelihood;
    tried.push({ components: components.length, pseudoSamples, nll });
    const isBetter = Number.isFinite(nll) && !(best && nll >= best.nll);
    if (isBetter) best = { components, pseudoSamples, nll };
    return isBetter;
  };
  try {
    const attempt = async (k: number, last: readonly Component[]) => {
      const stream = random.split("components").split(k);
      const pseudoSamples = best?.pseudoSamples ?? PSEUDO_SAMPLES[FIRST_PSEUDO_SAMPLES];
      const prior = { pseudoSamples, floor };
      const work = k * d ** 2;
      const some = someSamples(chosen, Math.max(START_SAMPLES, Math.floor(STEP_WORK / work)), stream.split("samples"));
      const steps = Math.max(LEAST_STEPS, Math.min(CHOICE_LIMITS.steps, Math.floor(CHOICE_WORK / work / some.count)));
      const start = await bestStart(step, few, k, last, prior, stream, signal);
      if (start.length === 0) return [];
      const fitted = (await fitMixture(step, some, start, prior, { ...CHOICE_LIMITS, steps }, signal)).components;
      await consider(fitted, pseudoSamples);
      // One component has nothing to be drawn to but itself.
      const place = PSEUDO_SAMPLES.indexOf(pseudoSamples);
      for (const direction of k === 1 ? [] : [-1, 1]) {
        let components = fitted;
        for (let at = place + direction; at in PSEUDO_SAMPLES; at += direction) {
          const other = { pseudoSamples: PSEUDO_SAMPLES[at], floor };
          const limits = { ...CHOICE_LIMITS, steps: Math.min(steps, REFINED_STEPS) };
          ({ components } = await fitMixture(step, some, components, other, limits, signal));
          if (!await consider(components, other.pseudoSamples)) break;
        }
      }
      return fitted;
    };
    let last: readonly Component[] = [];
    for (const k of asked === undefined ? COMPONENTS : [asked]) {
      if (best && (k >= PATIENCE * best.components.length || k * LEAST_SAMPLES > train.count)) break;
      last = await attempt(k, last);
    }
    if (asked === undefined && best && best.components.length >= MANY && d <= FEW_DIMENSIONS) {
      const { length } = best.components;
      for (const times of BETWEEN) await attempt(Math.round(times * length), []);
    }
    if (!best) throw new RangeError("No mixture fits: the samples are not finite.");
    const { components, pseudoSamples } = best;
    const prior = { pseudoSamples, floor };
    const work = components.length * d ** 2;
    const rows = Math.floor(FINAL_WORK / work / LEAST_FINAL_STEPS);
    const all = someSamples(train, rows, random.split("final"));
    const steps = Math.min(FINAL_LIMITS.steps, Math.floor(FINAL_WORK / work / all.count));
    const final = await fitMixture(step, all, components, prior, { ...FINAL_LIMITS, steps }, signal);
    return { mixture: mixtureOf(final.components.length > 0 ? final.components : components), tried };
  } finally {
    step.dispose();
  }
}

/** A mixture that may be chosen. */
interface Candidate {
  readonly components: readonly Component[];
  readonly pseudoSamples: number;
  readonly nll: number;
}

/** The start after which a few steps find the samples the most likely: means far apart, or the last mixture split up. */
export async function bestStart(
  step: ExpectationStep,
  samples: Samples,
  k: number,
  last: readonly Component[],
  prior: CovariancePrior,
  random: Random,
  signal: AbortSignal | undefined,
): Promise<readonly Component[]> {
  const starts = Array.from(
    { length: k === 1 ? 1 : STARTS },
    (_, start) => () => startingComponents(samples, k, prior, random.split(start)),
  );
  if (k > 1 && 2 * last.length === k) starts.push(() => splitBySize(last), () => splitByPlace(last));
  const fitted = [];
  for (const start of starts) {
    const components = start();
    if (components.length === 0) continue;
    fitted.push(await fitMixture(step, samples, components, prior, { steps: START_STEPS, tolerance: 0 }, signal));
  }
  const none = { components: [], logLikelihood: -Infinity };
  return fitted.reduce((a, b) => b.logLikelihood > a.logLikelihood ? b : a, none).components;
}

/**
 * What each axis's variance is at least: the square of the typical distance of neighbouring values, below which a
 * component describes single samples, or that of a uniform error of rounding where most values have equals.
 *
 * @returns `[d]`.
 */
export function variancesFloor(samples: Samples): Float64Array {
  const { dimension: d } = samples;
  const rows = toFloat32(samples, 0, Math.min(samples.count, AXIS_SAMPLES));
  const n = rows.length / d;
  return Float64Array.from(
    { length: d },
    (_, axis) => axisFloor(Float64Array.from({ length: n }, (_, i) => rows[i * d + axis])),
  );
}

/** That of an axis with the given values. */
export function axisFloor(given: Float64Array): number {
  const values = given.slice().sort(), n = values.length;
  const gaps = values.subarray(1).map((value, i) => value - values[i]).filter((gap) => gap > 0).sort();
  const mean = values.reduce((sum, value) => sum + value / n, 0);
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2 / n, 0);
  const least = Math.max(RELATIVE_FLOOR * variance, 1e-12 * (1 + mean ** 2));
  if (gaps.length === 0) return least;
  const isRounded = gaps.length < (1 - ROUNDED) * (n - 1);
  return Math.max(least, isRounded ? gaps[0] ** 2 / 12 : gaps[gaps.length >> 1] ** 2);
}

function mixtureOf(components: readonly Component[]): GaussianMixture {
  const total = components.reduce((sum, { count }) => sum + count, 0);
  return {
    weights: Float64Array.from(components, ({ count }) => count / total),
    components: components.map((component) => gaussianOf(component.mean, covarianceOf(component))),
  };
}

/** L·Lᵀ of a component. */
export function covarianceOf({ mean, factor }: Pick<Component, "mean" | "factor">): Float64Array {
  const d = mean.length;
  const identity = Float64Array.from({ length: d * d }, (_, at) => Number(at % (d + 1) === 0));
  return congruence(factor, identity, d);
}
