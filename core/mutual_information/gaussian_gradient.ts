import { cholesky, inverseTranspose } from "../reference/cholesky.ts";

/** Added to the variances, so that two numbers that are the same one have finite information. */
export const RIDGE = 1e-3;

/** Maps that grew beyond all numbers while they were learned. */
export class DivergedMaps extends RangeError {}

/** The information of Gaussian rows, and the gradient of its negative. */
export interface GaussianGradient {
  /** In nats. */
  readonly information: number;
  /** `[rows, size]`. */
  readonly du: Float32Array;
  /** `[rows, size]`. */
  readonly dv: Float32Array;
}

/**
 * The information that rows of u and v have if they are jointly Gaussian, ½·log(det Cᵤ·det Cᵥ / det C), and the gradient of its
 * negative: ∂(½·log det C)/∂J = J·C⁻¹/n with J the centred rows.
 *
 * @param u, v `[rows, size]`; they are centred in place.
 * @throws {DivergedMaps} Where a number is not finite.
 */
export function gaussianInformationGradient(
  u: Float32Array,
  v: Float32Array,
  size: number,
): GaussianGradient {
  const d = 2 * size, n = u.length / size;
  const [du, dv] = [new Float32Array(u.length), new Float32Array(v.length)];
  centre(u, size);
  centre(v, size);
  const covariance = new Float64Array(d * d);
  for (let row = 0; row < n; row++) {
    for (let i = 0; i < d; i++) {
      const left = i < size ? u[row * size + i] : v[row * size + i - size];
      for (let j = 0; j <= i; j++) {
        covariance[i * d + j] += left * (j < size ? u[row * size + j] : v[row * size + j - size]) / n;
      }
    }
  }
  for (let i = 0; i < d; i++) covariance[i * d + i] += RIDGE;
  const part = (begin: number) => {
    const own = new Float64Array(size * size);
    for (let i = 0; i < size; i++) {
      for (let j = 0; j <= i; j++) own[i * size + j] = covariance[(begin + i) * d + begin + j];
    }
    return inverseOf(own, size);
  };
  const [all, ofU, ofV] = [inverseOf(covariance, d), part(0), part(size)];
  // J·(C⁻¹ − C₀⁻¹)/n, where C₀ has no covariance between the sides.
  const slope = all.inverse;
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      slope[i * d + j] -= ofU.inverse[i * size + j];
      slope[(size + i) * d + size + j] -= ofV.inverse[i * size + j];
    }
  }
  for (let row = 0; row < n; row++) {
    for (let j = 0; j < size; j++) {
      let [left, right] = [0, 0];
      for (let i = 0; i < size; i++) {
        const [a, b] = [u[row * size + i], v[row * size + i]];
        left += a * slope[i * d + j] + b * slope[(size + i) * d + j];
        right += a * slope[i * d + size + j] + b * slope[(size + i) * d + size + j];
      }
      du[row * size + j] = left / n;
      dv[row * size + j] = right / n;
    }
  }
  return { information: (ofU.logDet + ofV.logDet - all.logDet) / 2, du, dv };
}

function inverseOf(a: Float64Array, d: number): { inverse: Float64Array; logDet: number } {
  const factor = cholesky(a, d);
  if (!factor) throw new DivergedMaps("The images of the maps are not finite.");
  const root = inverseTranspose(factor, d), inverse = new Float64Array(d * d);
  let logDet = 0;
  for (let i = 0; i < d; i++) {
    logDet += 2 * Math.log(factor[i * d + i]);
    for (let j = 0; j < d; j++) {
      for (let k = Math.max(i, j); k < d; k++) inverse[i * d + j] += root[i * d + k] * root[j * d + k];
    }
  }
  return { inverse, logDet };
}

function centre(rows: Float32Array, size: number): void {
  const n = rows.length / size;
  for (let k = 0; k < size; k++) {
    let sum = 0;
    for (let row = 0; row < n; row++) sum += rows[row * size + k];
    for (let row = 0; row < n; row++) rows[row * size + k] -= sum / n;
  }
}
