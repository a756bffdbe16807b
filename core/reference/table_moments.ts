import { levelsOfAtoms, placesOfAtoms, sizeOfAtoms } from "./atoms.ts";
import { type Gaussian, gaussianOf } from "./gaussian.ts";
import type { GaussianMixture } from "./mixture.ts";
import { covarianceOfGaussian } from "./table_mixture.ts";

/** A mixture's numbers as one Gaussian of their mean and covariance, and its levels as independent of all else. */
export function collapsed({ weights, components, atoms, gaps }: GaussianMixture): GaussianMixture {
  const k = weights.length, n = components[0].mean.length;
  const mean = new Float64Array(n), covariance = new Float64Array(n * n);
  for (let i = 0; i < k; i++) for (let j = 0; j < n; j++) mean[j] += weights[i] * components[i].mean[j];
  components.forEach((component, i) => {
    const own = covarianceOfGaussian(component);
    for (let a = 0; a < n; a++) {
      for (let b = 0; b < n; b++) {
        const between = (component.mean[a] - mean[a]) * (component.mean[b] - mean[b]);
        covariance[a * n + b] += weights[i] * (own[a * n + b] + between);
      }
    }
  });
  return {
    weights: Float64Array.of(1),
    components: [n > 0 ? gaussianOf(mean, covariance) : components[0]],
    ...(atoms ? { atoms: { blocks: atoms.blocks, logits: sharesOf(weights, atoms.logits).map(Math.log) } } : {}),
    ...(gaps ? { gaps } : {}),
  };
}

/** p(level) of all blocks. */
function sharesOf(weights: Float64Array, logits: Float64Array): Float64Array {
  const k = weights.length, levels = logits.length / k;
  return Float64Array.from(
    { length: levels },
    (_, c) => weights.reduce((sum, weight, i) => sum + weight * Math.exp(logits[i * levels + c]), 0),
  );
}

/** The Gaussian with the mean and covariance that rows of a mixture of numbers and levels have. */
export function gaussianOfTable({ weights, components, atoms }: GaussianMixture): Gaussian {
  const n = components[0].mean.length, blocks = placesOfAtoms(atoms?.blocks ?? [], n);
  const d = n + sizeOfAtoms(blocks), levels = levelsOfAtoms(blocks);
  const mean = new Float64Array(d), covariance = new Float64Array(d * d);
  const means = components.map((component, i) => {
    const own = new Float64Array(d);
    own.set(component.mean);
    for (const block of blocks) {
      for (let c = 0; c < block.levels; c++) {
        const share = Math.exp(atoms!.logits[i * levels + block.level + c]);
        for (let j = 0; j < block.size; j++) own[block.begin + j] += share * block.points[c * block.size + j];
      }
    }
    for (let j = 0; j < d; j++) mean[j] += weights[i] * own[j];
    return own;
  });
  components.forEach((component, i) => {
    const own = covarianceOfGaussian(component);
    for (let a = 0; a < d; a++) {
      for (let b = 0; b < d; b++) {
        const between = (means[i][a] - mean[a]) * (means[i][b] - mean[b]);
        covariance[a * d + b] += weights[i] * (between + (a < n && b < n ? own[a * n + b] : 0));
      }
    }
    for (const { begin, size, level, levels: count, points } of blocks) {
      for (let a = 0; a < size; a++) {
        for (let b = 0; b < size; b++) {
          let product = 0;
          for (let c = 0; c < count; c++) {
            product += Math.exp(atoms!.logits[i * levels + level + c]) * points[c * size + a] * points[c * size + b];
          }
          const within = product - means[i][begin + a] * means[i][begin + b];
          covariance[(begin + a) * d + begin + b] += weights[i] * within;
        }
      }
    }
  });
  return gaussianOf(mean, covariance);
}
