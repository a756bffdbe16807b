/** Values that are summed before it is looked whether a row can still be among the nearest. */
const STRIDE = 16;

/**
 * The squared distance of two points, or some number above `limit` where it is above that.
 *
 * @param a Where the first begins in `rows`, and b the second in `others`.
 */
export function squaredDistance(
  rows: Float32Array,
  a: number,
  others: Float32Array,
  b: number,
  width: number,
  limit: number,
): number {
  let sum = 0;
  for (let begin = 0; begin < width; begin += STRIDE) {
    const end = Math.min(width, begin + STRIDE);
    for (let k = begin; k < end; k++) {
      const difference = rows[a + k] - others[b + k];
      sum += difference * difference;
    }
    if (sum > limit) return sum;
  }
  return sum;
}

/**
 * Votes of the nearest neighbours: how many of the k nearest rows to learn from are of the second class, less half of k.
 *
 * @param values Row-major, `[count, width]`.
 * @param rows Those to learn from, at least k.
 * @param asked Those to score.
 */
export function neighbourScores(
  values: Float32Array,
  width: number,
  isSecond: Uint8Array,
  rows: Uint32Array,
  asked: Uint32Array,
  k: number,
): Float64Array {
  const near = new Float64Array(k), second = new Uint8Array(k);
  return Float64Array.from(asked, (i) => {
    near.fill(Infinity);
    second.fill(0);
    for (const j of rows) {
      const distance = squaredDistance(values, i * width, values, j * width, width, near[k - 1]);
      if (distance >= near[k - 1]) continue;
      let at = k - 1;
      for (; at > 0 && near[at - 1] > distance; at--) {
        near[at] = near[at - 1];
        second[at] = second[at - 1];
      }
      near[at] = distance;
      second[at] = isSecond[j];
    }
    return second.reduce((sum, one) => sum + one, 0) - k / 2;
  });
}
