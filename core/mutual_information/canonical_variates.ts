import { CholeskyDecomposition, inverse, Matrix, SingularValueDecomposition } from "ml-matrix";
import { RIDGE } from "./gaussian_gradient.ts";

/** Numbers that each side is mapped to, of all rows. */
export interface MappedSides {
  /** Numbers of each side. */
  readonly size: number;
  /** `[rows, size]`. */
  readonly x: Float32Array;
  /** `[rows, size]`. */
  readonly y: Float32Array;
}

/**
 * The linear maps of both sides whose numbers have variance 1, are uncorrelated, and are each correlated with the number of
 * the other side in the same place alone, the first the most (H. Hotelling 1936).
 *
 * @param rows Those that variances and correlations are of.
 */
export function canonicalVariates({ size, x, y }: MappedSides, rows: Uint32Array): MappedSides {
  const [ofX, ofY] = [whitening(x, size, rows), whitening(y, size, rows)];
  const correlations = ofX.white.transpose().mmul(ofY.white);
  const { leftSingularVectors, rightSingularVectors } = new SingularValueDecomposition(correlations);
  return { size, x: mapped(x, ofX, leftSingularVectors), y: mapped(y, ofY, rightSingularVectors) };
}

interface Whitening {
  readonly mean: number[];
  /** What centred rows are multiplied by, from the right. */
  readonly root: Matrix;
  readonly white: Matrix;
}

function whitening(values: Float32Array, size: number, rows: Uint32Array): Whitening {
  const own = Matrix.zeros(rows.length, size);
  rows.forEach((row, i) => {
    for (let k = 0; k < size; k++) own.set(i, k, values[row * size + k]);
  });
  const mean = own.mean("column"), centred = own.subRowVector(mean);
  const covariance = Matrix.add(centred.transpose().mmul(centred).div(rows.length), Matrix.eye(size).mul(RIDGE));
  const root = inverse(new CholeskyDecomposition(covariance).lowerTriangularMatrix).transpose();
  return { mean, root, white: centred.mmul(root) };
}

function mapped(values: Float32Array, { mean, root }: Whitening, rotation: Matrix): Float32Array {
  const size = mean.length, map = root.mmul(rotation), out = new Float32Array(values.length);
  for (let at = 0; at < values.length; at += size) {
    for (let k = 0; k < size; k++) {
      for (let i = 0; i < size; i++) out[at + k] += (values[at + i] - mean[i]) * map.get(i, k);
    }
  }
  return out;
}
