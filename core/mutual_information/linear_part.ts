import { Matrix } from "ml-matrix";
import { fitGaussian, type Gaussian, gaussianOf } from "../reference/gaussian.ts";
import { wholeBasis } from "../reference/eigenbasis.ts";
import { UserError } from "../errors/user_error.ts";
import type { Samples } from "../data/samples.ts";

/** Rows of x with the rows of y that belong to them. Every column has about mean 0 and variance 1. */
export interface Pairs {
  readonly x: Samples;
  readonly y: Samples;
}

/** Standardised columns whose least variance in some direction is below this are, in float32, functions of each other. */
const LEAST_VARIANCE = 1e-7;

/** Directions of y with less than this part of the largest variance are not regressed on. */
const RELATIVE_FLOOR = 1e-8;

/**
 * ½·log(det Σ / det Σ'), the information in nats that x and y have if they are Gaussian: Σ is the covariance of x, and Σ' that
 * of the residual of its linear regression on y.
 *
 * @throws {UserError} If the columns of x are linearly dependent, or x is a linear function of y.
 */
export function linearInformation({ x, y }: Pairs): number {
  const [dx, dy] = [x.dimension, y.dimension];
  const joint = fitGaussian(joined({ x, y }));
  const covariance = covarianceOf(joint);
  const [xs, ys] = [[0, dx - 1], [dx, dx + dy - 1]];
  const part = (rows: number[], columns: number[]) => covariance.subMatrix(rows[0], rows[1], columns[0], columns[1]);
  const marginal = gaussianOf(joint.mean.subarray(0, dx), part(xs, xs).to1DArray());
  if (Math.min(...marginal.eigenvalues) < LEAST_VARIANCE) {
    throw new UserError(
      "The columns of one side are linear functions of each other, so they have no density. Leave out those that follow " +
        "from the others.",
    );
  }
  const slope = part(xs, ys).mmul(pseudoInverse(gaussianOf(joint.mean.subarray(dx), part(ys, ys).to1DArray())));
  const left = Matrix.sub(part(xs, xs), slope.mmul(part(ys, xs)));
  const residual = gaussianOf(new Float64Array(dx), Matrix.add(left, left.transpose()).mul(0.5).to1DArray());
  if (Math.min(...residual.eigenvalues) < LEAST_VARIANCE) {
    throw new UserError(
      "A column of one side is a linear function of the other side's, so their mutual information is infinite. " +
        "Leave it out.",
    );
  }
  const logDet = ({ eigenvalues }: Gaussian) => eigenvalues.reduce((sum, value) => sum + Math.log(value), 0);
  return (logDet(marginal) - logDet(residual)) / 2;
}

/** Each row of x followed by its row of y. Nothing is copied. */
export function joined({ x, y }: Pairs): Samples {
  const [dx, d] = [x.dimension, x.dimension + y.dimension];
  return {
    count: x.count,
    dimension: d,
    copy(begin, end, out, at = 0) {
      for (let row = begin; row < end; row++, at += d) {
        x.copy(row, row + 1, out, at);
        y.copy(row, row + 1, out, at + dx);
      }
    },
  };
}

function covarianceOf(gaussian: Gaussian): Matrix {
  const d = gaussian.mean.length;
  const basis = Matrix.from1DArray(d, d, Array.from(wholeBasis(gaussian, d)));
  return basis.clone().mulRowVector(Array.from(gaussian.eigenvalues)).mmul(basis.transpose());
}

function pseudoInverse(gaussian: Gaussian): Matrix {
  const floor = RELATIVE_FLOOR * Math.max(...gaussian.eigenvalues);
  return covarianceOf({
    ...gaussian,
    eigenvalues: gaussian.eigenvalues.map((value) => value > floor ? 1 / value : 0),
  });
}
