import { cholesky, inverseTranspose } from "../reference/cholesky.ts";
import { type Component, logNormaliser } from "../reference/expectation.ts";

/** The lower triangle of the covariance of the columns from `begin` up to `end`, whose joint covariance is L·Lᵀ. */
export function marginalCovariance(factor: Float64Array, d: number, begin: number, end: number): Float64Array {
  const size = end - begin, covariance = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let k = 0; k <= begin + j; k++) sum += factor[(begin + i) * d + k] * factor[(begin + j) * d + k];
      covariance[i * size + j] = sum;
    }
  }
  return covariance;
}

/** log Σ exp of `k` values with a step between them. */
function logSumExp(logs: Float64Array, first: number, step: number, k: number): number {
  let largest = -Infinity;
  for (let c = 0; c < k; c++) largest = Math.max(largest, logs[first + c * step]);
  let sum = 0;
  for (let c = 0; c < k; c++) sum += Math.exp(logs[first + c * step] - largest);
  return largest + Math.log(sum);
}

/**
 * The log density of each column from `begin` up to `end` given the others of them, under a mixture of Gaussians or Student
 * distributions. Without column c a component's squared distance is q − (P·v)²/P_cc and its determinant |Σ|·P_cc, with
 * P = Σ⁻¹ and v the distance from the mean, so that all columns take about twice the time of one density.
 *
 * @param values `[n, d]`.
 * @returns An array of the rows for each column.
 */
export function columnConditionals(
  values: Float64Array,
  d: number,
  rows: Uint32Array,
  { components, dof }: { readonly components: readonly Component[]; readonly dof: number },
  begin: number,
  end: number,
): Float64Array[] {
  const size = end - begin, total = components.reduce((sum, { count }) => sum + count, 0);
  const parts = components.map(({ count, mean, factor }) => {
    const root = cholesky(marginalCovariance(factor, d, begin, end), size)!, inverse = inverseTranspose(root, size);
    const precisions = Float64Array.from({ length: size }, (_, i) => {
      let sum = 0;
      for (let k = i; k < size; k++) sum += inverse[i * size + k] ** 2;
      return sum;
    });
    let log = Math.log(count / total);
    for (let i = 0; i < size; i++) log -= Math.log(root[i * size + i]);
    return { mean, inverse, precisions, log, halfLogs: precisions.map((precision) => Math.log(precision) / 2) };
  });
  const kernel = (square: number, size: number) =>
    dof === Infinity ? square / 2 : (dof + size) / 2 * Math.log1p(square / dof);
  const [whole, less] = [logNormaliser(size, dof), logNormaliser(size - 1, dof)];
  // Of each component: of all columns, and without each of them.
  const logs = new Float64Array(parts.length * (size + 1)), y = new Float64Array(size);
  const out = Array.from({ length: size }, () => new Float64Array(rows.length));
  rows.forEach((row, at) => {
    parts.forEach(({ mean, inverse, precisions, log, halfLogs }, c) => {
      let square = 0;
      for (let k = 0; k < size; k++) {
        let sum = 0;
        for (let i = 0; i <= k; i++) {
          sum += inverse[i * size + k] * (values[row * d + begin + i] - mean[begin + i]);
        }
        y[k] = sum;
        square += sum * sum;
      }
      const first = c * (size + 1);
      logs[first] = log + whole - kernel(square, size);
      for (let i = 0; i < size; i++) {
        let sum = 0;
        for (let k = i; k < size; k++) sum += inverse[i * size + k] * y[k];
        const rest = Math.max(0, square - sum * sum / precisions[i]);
        logs[first + 1 + i] = log + less - halfLogs[i] - kernel(rest, size - 1);
      }
    });
    const joint = logSumExp(logs, 0, size + 1, parts.length);
    for (let i = 0; i < size; i++) out[i][at] = joint - logSumExp(logs, 1 + i, size + 1, parts.length);
  });
  return out;
}
