import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import type { Random } from "../random/random.ts";
import { sampleDeviation } from "./resampling.ts";
import type { Estimate } from "./significance.ts";
import type { EncodedRows } from "./table.ts";

/** Up to so many directions an error is computed too: it takes as long as eleven distances more. */
const FEW = 256;
const DRAWS = 11;

/** A pivot below this part of the largest is rounding. */
const RANK = 1e-14;

/**
 * The Fréchet distance of the Gaussians with two sets' means and covariances, |μ₁ − μ₂|² + tr(C₁ + C₂ − 2·(C₁·C₂)^½)
 * (D. C. Dowson and B. V. Landau, Journal of Multivariate Analysis 12, 1982); of Inception's features it is the FID
 * (M. Heusel et al., arXiv 1706.08500). In the units of the features, squared.
 *
 * It is biased upwards by about a constant over the number of rows (M. J. Chong and D. Forsyth, arXiv 1911.07023): two
 * numbers are comparable where they are of as many rows.
 *
 * @param first `[n, d]`, at least two rows of each; covariances are unbiased ones, as FID's are.
 * @throws {RangeError} For sets of different widths, or fewer rows.
 *
 * @example
 * ```ts
 * import { ok } from "assert";
 * import { frechetDistance } from "./frechet.ts";
 *
 * const [a, b] = [[0, 2], [3, 7]].map((values) => ({ values: Float32Array.from(values), width: 1 }));
 * ok(Math.abs(frechetDistance(a, b) - (16 + (Math.SQRT2 - Math.sqrt(8)) ** 2)) < 1e-9);
 * ```
 */
export function frechetDistance(first: EncodedRows, second: EncodedRows): number {
  const { width } = first;
  if (second.width !== width) {
    throw new RangeError(`Got features of ${width} and ${second.width} values, expected as many.`);
  }
  const [a, b] = [gaussianOf(first), gaussianOf(second)];
  const apart = a.mean.reduce((sum, x, k) => sum + (x - b.mean[k]) ** 2, 0);
  // With Cᵢ = Fᵢᵀ·Fᵢ the eigenvalues of C₁·C₂ are those of M·Mᵀ, M = F₁·F₂ᵀ.
  const product = a.factor.mmul(b.factor.transpose());
  const [rows, columns] = [product.rows, product.columns];
  const square = rows <= columns ? product.mmul(product.transpose()) : product.transpose().mmul(product);
  const roots = new EigenvalueDecomposition(square, { assumeSymmetric: true }).realEigenvalues
    .reduce((sum, value) => sum + Math.sqrt(Math.max(0, value)), 0);
  return Math.max(0, apart + a.trace + b.trace - 2 * roots);
}

/**
 * The same with its standard error, by rows drawn anew; NaN of more than 256 features and rows, where that takes long.
 *
 * @param random Draws the rows.
 */
export function frechetWithError(first: EncodedRows, second: EncodedRows, random: Random): Estimate {
  const { width } = first, rows = Math.max(first.values.length, second.values.length) / width;
  const value = frechetDistance(first, second);
  if (Math.min(width, rows) > FEW) return { value, stderr: NaN };
  const draws = Array.from({ length: DRAWS }, (_, t) => {
    const own = random.split(t);
    return frechetDistance(drawnAnew(first, own), drawnAnew(second, own));
  });
  return { value, stderr: sampleDeviation(draws) };
}

function drawnAnew({ values, width }: EncodedRows, random: Random): EncodedRows {
  const n = values.length / width, out = new Float32Array(values.length);
  for (let i = 0; i < n; i++) {
    const from = random.integer(n) * width;
    out.set(values.subarray(from, from + width), i * width);
  }
  return { values: out, width };
}

interface Moments {
  readonly mean: Float64Array;
  /** The trace of the covariance C. */
  readonly trace: number;
  /** F with C = Fᵀ·F, of as few rows as it takes. */
  readonly factor: Matrix;
}

function gaussianOf({ values, width }: EncodedRows): Moments {
  const n = values.length / width;
  if (!(n >= 2)) throw new RangeError(`Got ${n} rows, expected at least 2 for a covariance.`);
  const mean = new Float64Array(width);
  for (let i = 0; i < values.length; i++) mean[i % width] += values[i] / n;
  const centred = new Matrix(n, width), scale = 1 / Math.sqrt(n - 1);
  let trace = 0;
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < width; k++) {
      const value = (values[i * width + k] - mean[k]) * scale;
      centred.set(i, k, value);
      trace += value * value;
    }
  }
  if (n <= width) return { mean, trace, factor: centred };
  return { mean, trace, factor: factorOf(centred.transpose().mmul(centred)) };
}

/** F with Fᵀ·F the positive semidefinite matrix, by Cholesky's way with pivots; its rows are as many as the rank. */
function factorOf(covariance: Matrix): Matrix {
  const d = covariance.rows, left = covariance.clone().to1DArray(), rows: Float64Array[] = [];
  const diagonal = Float64Array.from({ length: d }, (_, k) => left[k * d + k]);
  const least = RANK * Math.max(0, ...diagonal);
  for (let r = 0; r < d; r++) {
    const pivot = diagonal.indexOf(Math.max(...diagonal));
    if (!(diagonal[pivot] > least)) break;
    const row = new Float64Array(d), root = Math.sqrt(diagonal[pivot]);
    for (let k = 0; k < d; k++) row[k] = left[pivot * d + k];
    for (const other of rows) for (let k = 0; k < d; k++) row[k] -= other[pivot] * other[k];
    for (let k = 0; k < d; k++) {
      row[k] /= root;
      diagonal[k] -= row[k] * row[k];
    }
    diagonal[pivot] = 0;
    rows.push(row);
  }
  return rows.length > 0 ? new Matrix(rows.map((row) => [...row])) : Matrix.zeros(1, d);
}
