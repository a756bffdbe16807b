import type { Component } from "./fit_mixture.ts";

/** E[x | y] of y = x + noise, for x of a mixture of Gaussians and noise of a variance. */
export function mixturePosteriorMean(
  y: Float64Array,
  variance: number,
  components: readonly Component[],
): Float64Array {
  const d = y.length;
  const means = components.map(({ logWeight, gaussian: { mean, eigenvalues, eigenvectors } }) => {
    const x = mean.slice();
    let log = logWeight;
    for (let k = 0; k < d; k++) {
      let projection = 0;
      if (!eigenvectors) projection = y[k] - mean[k];
      else for (let i = 0; i < d; i++) projection += eigenvectors[i * d + k] * (y[i] - mean[i]);
      const total = eigenvalues[k] + variance, shrunk = eigenvalues[k] / total * projection;
      log -= 0.5 * (Math.log(total) + projection ** 2 / total);
      if (!eigenvectors) x[k] += shrunk;
      else for (let i = 0; i < d; i++) x[i] += shrunk * eigenvectors[i * d + k];
    }
    return { x, log };
  });
  const largest = Math.max(...means.map(({ log }) => log));
  const weights = means.map(({ log }) => Math.exp(log - largest));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return Float64Array.from(
    { length: d },
    (_, k) => means.reduce((sum, { x }, i) => sum + weights[i] / total * x[k], 0),
  );
}
