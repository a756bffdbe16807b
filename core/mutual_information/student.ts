/** Student's distributions of whole degrees of freedom, the normal among them as the infinite one. */
import { logNormaliser } from "../reference/expectation.ts";
import { normalQuantile } from "../random/normal_quantile.ts";

/** Halvings of an interval of angles until float64 tells its ends no longer apart. */
const HALVINGS = 60;

/**
 * The quantiles of (k − ½)/n for k from 1 to n, ascending: the scores of ranks.
 *
 * @param dof ν, a whole number from 1 on, or infinite for the normal distribution.
 */
export function rankQuantiles(n: number, dof: number): Float64Array {
  return Float64Array.from({ length: n }, (_, k) => studentQuantile((k + 0.5) / n, dof));
}

/** The quantile of a probability between 0 and 1. */
export function studentQuantile(probability: number, dof: number): number {
  if (dof === Infinity) return normalQuantile(probability);
  if (probability > 0.5) return -studentQuantile(1 - probability, dof);
  let [low, high] = [-Math.PI / 2, 0];
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2;
    if (probabilityBelow(middle, dof) < probability) low = middle;
    else high = middle;
  }
  return Math.sqrt(dof) * Math.tan((low + high) / 2);
}

/** The probability of less than `x`. */
export function studentProbability(x: number, dof: number): number {
  return dof === Infinity ? normalProbability(x) : probabilityBelow(Math.atan(x / Math.sqrt(dof)), dof);
}

/** Of a standard normal, to a relative error of 1.2e-7 (W. H. Press et al., Numerical Recipes, erfc). */
function normalProbability(x: number): number {
  const z = Math.abs(x) * Math.SQRT1_2, t = 1 / (1 + z / 2);
  const beyond = t * Math.exp(-z * z + ERFC.reduce((sum, coefficient) => sum * t + coefficient, 0)) / 2;
  return x < 0 ? beyond : 1 - beyond;
}

/** From the highest power of t on. */
const ERFC = [
  0.17087277,
  -0.82215223,
  1.48851587,
  -1.13520398,
  0.27886807,
  -0.18628806,
  0.09678418,
  0.37409196,
  1.00002368,
  -1.26551223,
];

/** The probability of less than √ν·tan θ, by a finite series (M. Abramowitz and I. A. Stegun, 26.7.3 and 26.7.4). */
function probabilityBelow(angle: number, dof: number): number {
  const [sine, cosine] = [Math.sin(angle), Math.cos(angle)];
  const isOdd = dof % 2 === 1;
  let term = isOdd ? cosine : 1, sum = dof === 1 ? 0 : term;
  for (let k = isOdd ? 3 : 2; k < dof; k += 2) {
    term *= cosine ** 2 * (k - 1) / k;
    sum += term;
  }
  const within = isOdd ? 2 / Math.PI * (angle + sine * sum) : sine * sum;
  return (1 + within) / 2;
}

/** The log density of one variable, in nats. */
export function logStudentDensity(x: number, dof: number): number {
  const square = dof === Infinity ? x * x / 2 : (dof + 1) / 2 * Math.log1p(x * x / dof);
  return logNormaliser(1, dof) - square;
}
