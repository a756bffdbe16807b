import type { Random } from "../random/random.ts";
import { type Comparison, distances, ordered } from "./resampling.ts";
import type { EncodedRows } from "./table.ts";

/** Directions that a distance is the mean of. */
export const DIRECTIONS = 100;

/** Directions that are drawn evenly from the sphere, `[count, width]`. */
export function drawDirections(width: number, random: Random, count = DIRECTIONS): Float32Array {
  const all = random.fillNormal(new Float32Array(count * width));
  for (let k = 0; k < count; k++) {
    const one = all.subarray(k * width, (k + 1) * width);
    const length = Math.sqrt(one.reduce((sum, x) => sum + x * x, 0)) || 1;
    one.forEach((x, i) => one[i] = x / length);
  }
  return all;
}

/**
 * The sliced Wasserstein distance of two sets of rows: the root of the mean square, over directions, of the 2-Wasserstein
 * distance of the rows' shadows on them (N. Bonneel et al., Journal of Mathematical Imaging and Vision 51, 2015). Of rows
 * with deviations of 1, it is in those; in d dimensions a set that is moved by m in one of them is at m/√d.
 *
 * @param directions Of unit length, `[count, width]`, the same for all that is to be compared.
 * @returns One number.
 *
 * @example
 * ```ts
 * import { ok } from "assert";
 * import { slicedWasserstein } from "./sliced_wasserstein.ts";
 *
 * const [a, b] = [Float32Array.of(0, 0, 1, 0), Float32Array.of(3, 0, 4, 0)].map((values) => ({ values, width: 2 }));
 * ok(slicedWasserstein(a, b, Float32Array.of(1, 0, 0, 1))()[0] === Math.sqrt((9 + 0) / 2));
 * ```
 */
export function slicedWasserstein(first: EncodedRows, second: EncodedRows, directions: Float32Array): Comparison {
  const { width } = first, count = directions.length / width;
  const shadows = Array.from({ length: count }, (_, k) => {
    const direction = directions.subarray(k * width, (k + 1) * width);
    return [ordered(shadow(first, direction)), ordered(shadow(second, direction))] as const;
  });
  return (weightsA, weightsB) => {
    const squares = shadows.map(([a, b]) => distances(a, b, weightsA, weightsB).wasserstein2 ** 2);
    return Float64Array.of(Math.sqrt(squares.reduce((sum, x) => sum + x, 0) / count));
  };
}

function shadow({ values, width }: EncodedRows, direction: Float32Array): Float64Array {
  const out = new Float64Array(values.length / width);
  for (let i = 0; i < out.length; i++) {
    for (let k = 0; k < width; k++) out[i] += values[i * width + k] * direction[k];
  }
  return out;
}
