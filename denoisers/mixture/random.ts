import type { Random } from "../../core/random/random.ts";
import { type GaussianMixture, gaussianMixture } from "../../core/reference/mixture.ts";

/**
 * A mixture to try things on: weights that differ by a factor of three at most, means with a standard deviation of 2, and
 * covariances whose eigenvalues go from about 4 down to 0.02.
 *
 * @param k Components.
 * @param d Dimensions.
 */
export function randomMixture(random: Random, k: number, d: number): GaussianMixture {
  const shares = random.fillUniform(new Float64Array(k)).map((u) => 0.5 + u);
  const total = shares.reduce((sum, share) => sum + share, 0);
  const covariances = Array.from({ length: k }, () => {
    const root = random.fillNormal(new Float64Array(d * d));
    return Array.from({ length: d * d }, (_, at) => {
      const [i, j] = [Math.floor(at / d), at % d];
      let sum = i === j ? 0.02 : 0;
      for (let l = 0; l < d; l++) sum += root[i * d + l] * root[j * d + l] / d;
      return sum;
    });
  });
  return gaussianMixture({
    weights: shares.map((share) => share / total),
    means: random.fillNormal(new Float64Array(k * d)).map((mean) => 2 * mean),
    covariances: covariances.flat(),
  });
}
