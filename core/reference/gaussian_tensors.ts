import { wholeBasis } from "./eigenbasis.ts";
import type { Conditioning } from "./conditioning.ts";
import type { Gaussian } from "./gaussian.ts";
import type { GaussianMixture } from "./mixture.ts";

/** The name of the basis of an axis of a sample, which is counted from 0. */
export function axisBasisName(axis: number): string {
  return `axisBases.${axis}`;
}

/** A float64 tensor in host memory, row-major. */
export interface DoubleTensor {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/**
 * A Gaussian as named tensors: `mean` and `eigenvalues`, `[d]`, and its basis, if it is not the identity, as
 * `eigenvectors`, `[d, d]`, or as `axisBases.0` and so on, `[n, n]`, for each axis of a sample.
 */
export function gaussianTensors(
  { mean, eigenvalues, eigenvectors, axisBases = [] }: Gaussian,
): Record<string, DoubleTensor> {
  const d = mean.length;
  const square = (data: Float64Array) => ({ shape: [Math.sqrt(data.length), Math.sqrt(data.length)], data });
  return {
    mean: { shape: [d], data: mean },
    eigenvalues: { shape: [d], data: eigenvalues },
    ...(eigenvectors ? { eigenvectors: square(eigenvectors) } : {}),
    ...Object.fromEntries(axisBases.map((basis, axis) => [axisBasisName(axis), square(basis)])),
  };
}

/**
 * A reference as named tensors: `reference.weights`, `[k]`, and of its components, which all have eigenvectors or none,
 * `reference.means` and `reference.eigenvalues`, `[k, d]`, and `reference.eigenvectors`, `[k, d, d]`. Of components along some
 * coordinates of the data's Gaussian, which are d of them, `reference.axes` says which. Of values of few levels
 * `reference.levels` has log p(level | component), `[k, levels]`.
 */
export function mixtureTensors(
  { weights, components, within, given, atoms }: GaussianMixture,
): Record<string, DoubleTensor> {
  const k = components.length, d = components[0].mean.length;
  const all = (size: number, of: (component: Gaussian) => Float64Array) => {
    const data = new Float64Array(k * size);
    components.forEach((component, i) => data.set(of(component), i * size));
    return data;
  };
  return {
    "reference.weights": { shape: [k], data: weights },
    "reference.means": { shape: [k, d], data: all(d, ({ mean }) => mean) },
    "reference.eigenvalues": { shape: [k, d], data: all(d, ({ eigenvalues }) => eigenvalues) },
    ...(components[0].eigenvectors || components[0].axisBases
      ? { "reference.eigenvectors": { shape: [k, d, d], data: all(d * d, (component) => wholeBasis(component, d)) } }
      : {}),
    ...(within ? { "reference.axes": { shape: [d], data: Float64Array.from(within.axes) } } : {}),
    ...(given ? conditioningTensors(given, k, d) : {}),
    ...(atoms ? { "reference.levels": { shape: [k, atoms.logits.length / k], data: atoms.logits } } : {}),
  };
}

/** Of what is known of a sample `reference.logits`, and `reference.numbers.…` of what is normal together with its values. */
function conditioningTensors({ logits, means, cross, covariances }: Conditioning, k: number, d: number) {
  const m = means.length / k;
  return {
    "reference.logits": { shape: [k, logits.length / k], data: logits },
    ...(m > 0
      ? {
        "reference.numbers.means": { shape: [k, m], data: means },
        "reference.numbers.cross": { shape: [k, d, m], data: cross },
        "reference.numbers.covariances": { shape: [k, m, m], data: covariances },
      }
      : {}),
  };
}
