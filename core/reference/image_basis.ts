import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { forEachBlock, type Samples, selectRows } from "../data/samples.ts";

/** Values of the images that variances are fitted to, at most, unless they are fewer images than these. */
const IMAGE_VALUES = 1 << 25;
const LEAST_IMAGES = 1024;

/**
 * The axes along which images are nearly uncorrelated: the principal axes of the colours of all pixels, and cosines
 * over the rows and over the columns. Of a stationary Markov chain of high correlation the cosines are almost the
 * principal axes (N. Ahmed, T. Natarajan and K. R. Rao, Discrete cosine transform, 1974).
 *
 * @param images Row by row, `[channels, height, width]` each.
 * @param mean Of the images, `[d]`.
 * @returns The matrices `[channels, channels]`, `[height, height]` and `[width, width]` with the axes in their columns.
 */
export function imageBases(
  images: Samples,
  mean: Float64Array,
  [channels, height, width]: readonly number[],
): Float64Array[] {
  return [principalColours(images, mean, channels), cosines(height), cosines(width)];
}

/**
 * The basis of the orthonormal DCT-II: column k is cos(π·k·(i + ½)/n), scaled to length 1.
 *
 * @returns `[n, n]`, row-major.
 */
export function cosines(n: number): Float64Array {
  return Float64Array.from({ length: n * n }, (_, at) => {
    const i = Math.floor(at / n), k = at % n;
    return Math.sqrt((k === 0 ? 1 : 2) / n) * Math.cos(Math.PI * k * (i + 0.5) / n);
  });
}

/**
 * Evenly spaced images, as many as good variances take: those of n images cost 1/(2n) nats a dimension against the true
 * ones where images are Gaussian and a few times that where they are not, while all of a large set would take minutes.
 */
export function evenlySpaced(images: Samples): Samples {
  const n = Math.max(LEAST_IMAGES, Math.floor(IMAGE_VALUES / images.dimension)), step = images.count / n;
  return step <= 1 ? images : selectRows(images, Uint32Array.from({ length: n }, (_, k) => Math.floor(k * step)));
}

/** The eigenvectors of the covariance of colours, of all pixels alike, in the columns of `[channels, channels]`. */
function principalColours(images: Samples, mean: Float64Array, channels: number): Float64Array {
  const d = images.dimension, pixels = d / channels;
  const covariance = Matrix.zeros(channels, channels);
  const centred = new Float64Array(d);
  forEachBlock(images, (x) => {
    for (let row = 0; row < x.length; row += d) {
      for (let i = 0; i < d; i++) centred[i] = x[row + i] - mean[i];
      for (let a = 0; a < channels; a++) {
        for (let b = 0; b <= a; b++) {
          let sum = 0;
          for (let i = 0; i < pixels; i++) sum += centred[a * pixels + i] * centred[b * pixels + i];
          covariance.set(a, b, covariance.get(a, b) + sum / images.count);
        }
      }
    }
  });
  for (let a = 0; a < channels; a++) for (let b = 0; b < a; b++) covariance.set(b, a, covariance.get(a, b));
  const { eigenvectorMatrix } = new EigenvalueDecomposition(covariance, { assumeSymmetric: true });
  return Float64Array.from(eigenvectorMatrix.to1DArray());
}
