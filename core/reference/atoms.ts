/**
 * A value of few levels, each of which is a point: a class or a number that takes few values. Samples are at one of the
 * points, so that a mixture's density of them is a probability.
 */
export interface AtomBlock {
  /** Coordinates of a point. */
  readonly size: number;
  /** The points of the levels, `[levels, size]`, all different. */
  readonly points: Float64Array;
}

/** What a mixture says of values of few levels, whose coordinates follow those of its Gaussians. */
export interface Atoms {
  /** In the order of their coordinates. */
  readonly blocks: readonly AtomBlock[];
  /** log p(level | component) of all blocks' levels, one block after another, `[k, levels]`. */
  readonly logits: Float64Array;
}

/** Where a block is. */
export interface AtomPlace extends AtomBlock {
  /** Its first coordinate among those of a sample. */
  readonly begin: number;
  /** Its first level among those of all blocks. */
  readonly level: number;
  /** Its levels. */
  readonly levels: number;
}

/** Where blocks are, after so many coordinates of Gaussians. */
export function placesOfAtoms(blocks: readonly AtomBlock[], numbers: number): AtomPlace[] {
  let begin = numbers, level = 0;
  return blocks.map((block) => {
    const levels = block.points.length / block.size, place = { ...block, begin, level, levels };
    begin += block.size;
    level += levels;
    return place;
  });
}

/** The coordinates of all blocks. */
export function sizeOfAtoms(blocks: readonly AtomBlock[]): number {
  return blocks.reduce((sum, { size }) => sum + size, 0);
}

/** The levels of all blocks. */
export function levelsOfAtoms(blocks: readonly AtomBlock[]): number {
  return blocks.reduce((sum, { size, points }) => sum + points.length / size, 0);
}

/** The level whose point is the nearest. @param x Values, of which the block's begin at `at`. */
export function nearestLevel({ size, points }: AtomBlock, x: ArrayLike<number>, at: number): number {
  let best = 0, least = Infinity;
  for (let from = 0, level = 0; from < points.length; from += size, level++) {
    let distance = 0;
    for (let j = 0; j < size; j++) distance += (x[at + j] - points[from + j]) ** 2;
    if (distance < least) [least, best] = [distance, level];
  }
  return best;
}

/** The least squared distance of two of the blocks' points: what tells levels apart. Infinite without blocks. */
export function leastDistance(blocks: readonly AtomBlock[]): number {
  let least = Infinity;
  for (const { size, points } of blocks) {
    for (let a = 0; a < points.length; a += size) {
      for (let b = 0; b < a; b += size) {
        let distance = 0;
        for (let j = 0; j < size; j++) distance += (points[a + j] - points[b + j]) ** 2;
        least = Math.min(least, distance);
      }
    }
  }
  return least;
}

/**
 * Points for classes that are all as far from each other: the corners of a regular simplex on the unit sphere, `[n, n − 1]`.
 *
 * @example
 * ```ts
 * import { ok } from "assert";
 * import { simplex } from "./atoms.ts";
 *
 * const [a, b, c] = [0, 2, 4].map((at) => simplex(3).slice(at, at + 2));
 * ok(Math.abs(Math.hypot(...a) - 1) < 1e-12);
 * ok(Math.abs(Math.hypot(a[0] - b[0], a[1] - b[1]) - Math.hypot(a[0] - c[0], a[1] - c[1])) < 1e-12);
 * ```
 */
export function simplex(n: number): Float64Array {
  const d = n - 1, points = new Float64Array(n * d);
  // Each corner is at the same angle to those before it: it shares their coordinates and closes the sphere with a new one.
  for (let j = 0; j < d; j++) {
    let used = 0;
    for (let i = 0; i < j; i++) used += points[j * d + i] ** 2;
    points[j * d + j] = Math.sqrt(Math.max(0, 1 - used));
    for (let row = j + 1; row < n; row++) {
      let product = 0;
      for (let i = 0; i < j; i++) product += points[row * d + i] * points[j * d + i];
      points[row * d + j] = (-1 / d - product) / points[j * d + j];
    }
  }
  return points;
}
