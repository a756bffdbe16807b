import * as tf from "@tensorflow/tfjs";

/**
 * The directions in which a Gaussian's coordinates are independent: the columns of an orthonormal U, `[d, d]`. It is
 * given whole, or by a matrix for each axis of a sample, or, where both are left out, is the identity.
 */
export interface Eigenbasis {
  /** U, `[d, d]` row-major with eigenvectors in its columns. */
  readonly eigenvectors?: Float64Array;
  /**
   * For each axis of a sample, of size n, an orthonormal matrix `[n, n]`, row-major with basis vectors in its columns.
   * U is their Kronecker product, in the order of the axes.
   */
  readonly axisBases?: readonly Float64Array[];
}

/** Maps a vector of d values to another, in place. */
export type VectorMap = (x: Float64Array) => void;

/** The map of vectors to their coordinates, Uᵀ·x. @param d Their dimension. */
export function toCoordinates(basis: Eigenbasis, d: number): VectorMap {
  return productWith(basis, d, transposed);
}

/** The map of coordinates to their vectors, U·y. @param d Their dimension. */
export function fromCoordinates(basis: Eigenbasis, d: number): VectorMap {
  return productWith(basis, d, (matrix) => matrix);
}

/** U, `[d, d]` row-major, whatever form it has. */
export function wholeBasis(basis: Eigenbasis, d: number): Float64Array {
  if (basis.eigenvectors) return basis.eigenvectors;
  const whole = new Float64Array(d * d), toVector = fromCoordinates(basis, d);
  for (let k = 0; k < d; k++) {
    const column = new Float64Array(d);
    column[k] = 1;
    toVector(column);
    for (let i = 0; i < d; i++) whole[i * d + k] = column[i];
  }
  return whole;
}

/** How far products of columns may be from those of orthonormal ones: far more than rounding, far less than damage. */
const TOLERANCE = 1e-6;

/** Whether the columns of a matrix `[n, n]` have length 1 and are at right angles to each other. */
export function isOrthonormal(matrix: Float64Array): boolean {
  const n = Math.sqrt(matrix.length), project = toCoordinates({ eigenvectors: matrix }, n);
  for (let k = 0; k < n; k++) {
    const column = Float64Array.from({ length: n }, (_, i) => matrix[i * n + k]);
    project(column);
    if (!column.every((value, i) => Math.abs(value - Number(i === k)) < TOLERANCE)) return false;
  }
  return true;
}

/** The variance of each value of vectors whose coordinates have variances λ: Σₖ Uᵢₖ²·λₖ, `[d]`. */
export function variancesOf(basis: Eigenbasis, coordinateVariances: Float64Array): Float64Array {
  const squared = (matrix: Float64Array) => matrix.map((value) => value ** 2);
  const variances = coordinateVariances.slice();
  productWith(basis, variances.length, squared)(variances);
  return variances;
}

/** Two maps of rows `[batch, d]`, as tfjs operations. */
export interface RowMaps {
  /** Rows to their coordinates, x·U. */
  toCoordinates(rows: tf.Tensor): tf.Tensor;
  /** Coordinates to their rows, y·Uᵀ. */
  fromCoordinates(coordinates: tf.Tensor): tf.Tensor;
}

/** The maps of rows to their coordinates and back; both are of the same constants. @param d The dimension. */
export function rowMaps(basis: Eigenbasis, d: number): RowMaps {
  const matrices = matricesOf(basis).map((matrix) => {
    const n = Math.sqrt(matrix.length);
    return tf.tensor2d(Float32Array.from(matrix), [n, n]);
  });
  const product = (rows: tf.Tensor, transpose: boolean) =>
    matrices.reduceRight<tf.Tensor>((x, matrix) => rowsTurned(x, matrix, transpose, d), rows);
  return {
    toCoordinates: (rows) => product(rows, false),
    fromCoordinates: (coordinates) => product(coordinates, true),
  };
}

/** The product along the last axis, which then becomes the first: after a turn of each axis all are where they were. */
function rowsTurned(rows: tf.Tensor, matrix: tf.Tensor2D, transpose: boolean, d: number): tf.Tensor {
  const [batch] = rows.shape, [n] = matrix.shape, rest = d / n;
  const product = tf.matMul(tf.reshape(rows, [batch * rest, n]) as tf.Tensor2D, matrix, false, transpose);
  if (rest === 1) return product;
  return tf.reshape(tf.transpose(tf.reshape(product, [batch, rest, n]), [0, 2, 1]), [batch, d]);
}

function matricesOf({ eigenvectors, axisBases }: Eigenbasis): readonly Float64Array[] {
  return eigenvectors ? [eigenvectors] : axisBases ?? [];
}

/** The product with the Kronecker product of matrices that are each made of one of the basis. */
function productWith(basis: Eigenbasis, d: number, made: (matrix: Float64Array) => Float64Array): VectorMap {
  const matrices = matricesOf(basis).map(made).reverse();
  const turned = new Float64Array(d);
  return (x) => {
    for (const matrix of matrices) {
      turn(x, matrix, turned);
      x.set(turned);
    }
  };
}

/**
 * The products of a matrix `[n, n]` with each n values of x that follow each other, `[d / n, n]`, as `[n, d / n]`: the
 * last axis becomes the first. Four rows of the matrix go at a time, since each sum waits for its own last addition.
 */
function turn(x: Float64Array, matrix: Float64Array, out: Float64Array): void {
  const n = Math.sqrt(matrix.length), rest = x.length / n;
  for (let r = 0, at = 0; r < rest; r++, at += n) {
    let k = 0, row = 0;
    for (; k + 4 <= n; k += 4, row += 4 * n) {
      let s0 = 0, s1 = 0, s2 = 0, s3 = 0;
      for (let i = 0, j = row; i < n; i++, j++) {
        const value = x[at + i];
        s0 += matrix[j] * value;
        s1 += matrix[j + n] * value;
        s2 += matrix[j + 2 * n] * value;
        s3 += matrix[j + 3 * n] * value;
      }
      const to = k * rest + r;
      out[to] = s0;
      out[to + rest] = s1;
      out[to + 2 * rest] = s2;
      out[to + 3 * rest] = s3;
    }
    for (; k < n; k++, row += n) {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += matrix[row + i] * x[at + i];
      out[k * rest + r] = sum;
    }
  }
}

function transposed(matrix: Float64Array): Float64Array {
  const n = Math.sqrt(matrix.length);
  return matrix.map((_, at) => matrix[(at % n) * n + Math.floor(at / n)]);
}
