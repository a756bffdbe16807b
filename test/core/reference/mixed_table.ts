import { simplex } from "../../../core/reference/atoms.ts";
import { gaussianOf } from "../../../core/reference/gaussian.ts";
import type { GaussianMixture } from "../../../core/reference/mixture.ts";
import { Random } from "../../../core/random/random.ts";

/** A mixture of three components of four numbers, a class of three levels and a number of four. */
export function mixedTable(seed = 1): GaussianMixture & { readonly covariances: readonly Float64Array[] } {
  const random = Random.fromSeed(seed), n = 4, k = 3;
  const covariances = Array.from({ length: k }, (_, i) => {
    const a = random.split("covariance").split(i).fillNormal(new Float64Array(n * n)), out = new Float64Array(n * n);
    for (let p = 0; p < n; p++) {
      for (let q = 0; q < n; q++) {
        for (let e = 0; e < n; e++) out[p * n + q] += a[p * n + e] * a[q * n + e];
        if (p === q) out[p * n + q] += 0.1;
      }
    }
    return out;
  });
  const components = covariances.map((covariance, i) =>
    gaussianOf(random.split("mean").split(i).fillNormal(new Float64Array(n)), covariance)
  );
  const shares = [[0.1, 0.2, 0.7, 0.1, 0.2, 0.3, 0.4], [0.4, 0.2, 0.4, 0.3, 0.2, 0.3, 0.2], [
    0.7,
    0.2,
    0.1,
    0.5,
    0.2,
    0.2,
    0.1,
  ]];
  return {
    weights: Float64Array.of(0.2, 0.3, 0.5),
    components,
    atoms: {
      blocks: [{ size: 2, points: simplex(3) }, { size: 1, points: Float64Array.of(-1, 0, 0.5, 2) }],
      logits: Float64Array.from(shares.flat(), Math.log),
    },
    gaps: [0, 1, 2, 3, 4, 5, 6],
    covariances,
  };
}
