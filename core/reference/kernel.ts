import { sigmoid } from "../diffusion/logsnr.ts";
import { floatSamples, type Samples, toFloat32 } from "../data/samples.ts";
import type { Reference } from "./reference.ts";

/** Kernels that are further off than this many nats below the nearest add nothing in float32. */
const NEGLIGIBLE = 20;

/**
 * A kernel density: the mean of Gaussians of one width around points.
 *
 * @param centres The points.
 * @param width The standard deviation of each, positive.
 */
export function kernelReference(centres: Samples, width: number): Reference {
  const { count: m, dimension: d } = centres;
  const c = Float64Array.from(toFloat32(centres));
  const distances = new Float64Array(m);
  const mean = new Float64Array(d);

  /** Fills in the squared distances of `y` from the centres times `scale`; returns the smallest. */
  const measure = (y: Float64Array, scale: number) => {
    let nearest = Infinity;
    for (let j = 0, at = 0; j < m; j++, at += d) {
      let distance = 0;
      for (let k = 0; k < d; k++) distance += (y[k] - scale * c[at + k]) ** 2;
      distances[j] = distance;
      if (distance < nearest) nearest = distance;
    }
    return nearest;
  };
  const y = new Float64Array(d);
  return {
    nll(samples) {
      const rows = new Float32Array(d);
      const constant = 0.5 * d * Math.log(2 * Math.PI * width ** 2) + Math.log(m);
      return Float64Array.from({ length: samples.count }, (_, i) => {
        samples.copy(i, i + 1, rows);
        y.set(rows);
        const nearest = measure(y, 1);
        let sum = 0;
        for (let j = 0; j < m; j++) sum += Math.exp((nearest - distances[j]) / (2 * width ** 2));
        return constant + nearest / (2 * width ** 2) - Math.log(sum);
      });
    },
    squaredErrors(x, eps, logsnr) {
      return Float32Array.from(logsnr, (alpha, i) => {
        const [signal, noise] = [Math.sqrt(sigmoid(alpha)), Math.sqrt(sigmoid(-alpha))];
        const variance = (signal * width) ** 2 + noise ** 2;
        for (let k = 0; k < d; k++) y[k] = signal * x[i * d + k] + noise * eps[i * d + k];
        const far = measure(y, signal) + 2 * variance * NEGLIGIBLE;
        const nearest = far - 2 * variance * NEGLIGIBLE;
        let total = 0;
        mean.fill(0);
        for (let j = 0; j < m; j++) {
          if (distances[j] > far) continue;
          const weight = Math.exp((nearest - distances[j]) / (2 * variance));
          total += weight;
          for (let k = 0, at = j * d; k < d; k++) mean[k] += weight * c[at + k];
        }
        let error = 0;
        for (let k = 0; k < d; k++) {
          error += (eps[i * d + k] - noise * (y[k] - signal * mean[k] / total) / variance) ** 2;
        }
        return error;
      });
    },
  };
}

/** The centres that a reference has at most, and the samples that there have to be for one. */
export const MAX_CENTRES = 4096;
export const MIN_CENTRES = 128;

/** Above this dimension kernels around so many points are no density that a model is near to. */
export const MAX_KERNEL_DIMENSION = 6;

/** Widths that are tried, relative to the data's scale: from a tenth of it down, by powers of √2. */
export function kernelWidths(scale: number): number[] {
  return Array.from({ length: 12 }, (_, k) => 0.25 * scale * Math.SQRT1_2 ** k);
}

/** Some of the samples as centres. */
export function centresOf(samples: Samples, rows: Uint32Array): Samples {
  const d = samples.dimension;
  const chosen = new Float32Array(rows.length * d);
  rows.forEach((row, i) => samples.copy(row, row + 1, chosen, i * d));
  return floatSamples(chosen, d);
}
