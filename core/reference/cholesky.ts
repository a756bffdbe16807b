/** Factors of covariances, `[d, d]` row-major in double precision. */

/** The lower triangular L with L·Lᵀ = A; nothing where A is not positive definite. @param a Its lower triangle is read. */
export function cholesky(a: Float64Array, d: number): Float64Array | undefined {
  const factor = new Float64Array(d * d);
  for (let i = 0; i < d; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i * d + j];
      for (let k = 0; k < j; k++) sum -= factor[i * d + k] * factor[j * d + k];
      if (i !== j) factor[i * d + j] = sum / factor[j * d + j];
      else if (sum > 0) factor[i * d + i] = Math.sqrt(sum);
      else return undefined;
    }
  }
  return factor;
}

/** L⁻ᵀ of a lower triangular L: the upper triangular matrix whose product from the right whitens rows. */
export function inverseTranspose(factor: Float64Array, d: number): Float64Array {
  const inverse = new Float64Array(d * d);
  for (let j = 0; j < d; j++) {
    for (let i = j; i < d; i++) {
      let sum = i === j ? 1 : 0;
      for (let k = j; k < i; k++) sum -= factor[i * d + k] * inverse[j * d + k];
      inverse[j * d + i] = sum / factor[i * d + i];
    }
  }
  return inverse;
}

/** L·A·Lᵀ of a lower triangular L and a symmetric A. */
export function congruence(factor: Float64Array, a: Float64Array, d: number): Float64Array {
  const half = new Float64Array(d * d), whole = new Float64Array(d * d);
  for (let i = 0; i < d; i++) {
    for (let k = 0; k <= i; k++) {
      const value = factor[i * d + k];
      for (let j = 0; j < d; j++) half[i * d + j] += value * a[k * d + j];
    }
  }
  for (let i = 0; i < d; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let k = 0; k <= j; k++) sum += half[i * d + k] * factor[j * d + k];
      whole[i * d + j] = whole[j * d + i] = sum;
    }
  }
  return whole;
}
