import { type Gaussian, gaussianNll, gaussianOf } from "./gaussian.ts";
import type { Random } from "../random/random.ts";
import { type Samples, toFloat32 } from "../data/samples.ts";

/** A component of a mixture of Gaussians. */
export interface Component {
  readonly logWeight: number;
  readonly gaussian: Gaussian;
}

/** Samples per dimension that a component is made of at least. */
const LEAST_SAMPLES = 1.5;

/**
 * Fits a mixture of Gaussians by expectation maximisation from means that lie far apart (k-means++). Its covariances are
 * wide enough to denoise other samples well: the inverse of a covariance of n samples is too large by r = n/(n − d − 1)
 * on average, and its errors make r² of the covariance the best.
 *
 * @param samples `[n, d]`.
 * @param gaussian That of the samples.
 * @param k Components; those that come to hold too few samples for a covariance are left out.
 */
export function fitMixture(
  samples: Samples,
  gaussian: Gaussian,
  k: number,
  random: Random,
  steps: number,
): Component[] {
  const { count: n, dimension: d } = samples;
  const rows = toFloat32(samples);
  let components = meansApart(samples, rows, gaussian, k, random);
  for (let step = 0; step < steps && components.length > 0; step++) {
    const logs = components.map(({ logWeight, gaussian }) =>
      gaussianNll(samples, gaussian).map((nll) => logWeight - nll)
    );
    for (let i = 0; i < n; i++) {
      const top = logs.reduce((largest, log) => Math.max(largest, log[i]), -Infinity);
      const total = logs.reduce((sum, log) => sum + Math.exp(log[i] - top), 0);
      for (const log of logs) log[i] = Math.exp(log[i] - top) / total;
    }
    components = logs.flatMap((shares) => component(rows, d, shares));
  }
  return components;
}

/**
 * Round components around samples, each drawn in proportion to its squared distance from the others. Distances are the
 * data's own: relative to its covariance, far groups are no further apart than their samples.
 */
function meansApart(samples: Samples, rows: Float32Array, gaussian: Gaussian, k: number, random: Random): Component[] {
  const { count: n, dimension: d } = samples;
  const variance = gaussian.eigenvalues.reduce((sum, l) => sum + l / d, 0);
  const distances = new Float64Array(n).fill(Infinity), chances = new Float64Array(n).fill(1);
  return Array.from({ length: k }, () => {
    let u = random.uniform() * chances.reduce((sum, chance) => sum + chance, 0), chosen = 0;
    while (chosen < n - 1 && (u -= chances[chosen]) > 0) chosen++;
    const mean = Float64Array.from(rows.subarray(chosen * d, (chosen + 1) * d));
    for (let i = 0; i < n; i++) {
      let distance = 0;
      for (let j = 0; j < d; j++) distance += (rows[i * d + j] - mean[j]) ** 2;
      chances[i] = distances[i] = Math.min(distances[i], distance);
    }
    return { logWeight: 0, gaussian: { mean, eigenvalues: new Float64Array(d).fill(variance) } };
  });
}

/** The component of some shares of the samples, or none. */
function component(rows: Float32Array, d: number, shares: Float64Array): Component[] {
  const n = shares.reduce((sum, share) => sum + share, 0);
  if (!(n > LEAST_SAMPLES * (d + 1))) return [];
  const mean = new Float64Array(d), covariance = new Float64Array(d * d), centred = new Float64Array(d);
  shares.forEach((share, i) => {
    for (let k = 0; k < d; k++) mean[k] += share / n * rows[i * d + k];
  });
  const wider = (n / (n - d - 1)) ** 2;
  shares.forEach((share, i) => {
    if (share < 1e-6) return;
    for (let k = 0; k < d; k++) centred[k] = rows[i * d + k] - mean[k];
    for (let k = 0; k < d; k++) {
      const scaled = wider * share / n * centred[k];
      for (let l = 0; l <= k; l++) covariance[k * d + l] += scaled * centred[l];
    }
  });
  for (let k = 0; k < d; k++) for (let l = 0; l < k; l++) covariance[l * d + k] = covariance[k * d + l];
  return [{ logWeight: Math.log(n / shares.length), gaussian: gaussianOf(mean, covariance) }];
}
