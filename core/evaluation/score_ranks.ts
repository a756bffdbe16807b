/**
 * The share of reference rows that score as high or higher, with the row itself counted among them, so that it is a p-value
 * for a row of the same distribution: (1 + number)/(1 + n) (conformal, V. Vovk, A. Gammerman and G. Shafer, 2005).
 *
 * @param scores Higher is more anomalous.
 * @param reference Those of the reference rows, at least one.
 */
export function pValues(scores: Float64Array, reference: Float64Array): Float64Array {
  const sorted = reference.slice().sort(), n = sorted.length;
  return scores.map((score) => {
    let low = 0, high = n;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle] < score) low = middle + 1;
      else high = middle;
    }
    return (1 + n - low) / (1 + n);
  });
}

/** The place of each score, 1 for the highest; equal ones in the order of the rows. */
export function ranksFromHighest(scores: Float64Array): Uint32Array {
  const order = Uint32Array.from(scores.keys()).sort((a, b) => scores[b] - scores[a] || a - b);
  const ranks = new Uint32Array(scores.length);
  order.forEach((row, place) => ranks[row] = place + 1);
  return ranks;
}
