import * as tf from "@tensorflow/tfjs";

/** What is beyond an edge: zeros, or for images of at least two pixels a side what is within it, mirrored at the edge's pixel. */
export type Beyond = "zeros" | "mirrored";

/** Which pixels a new one is made of, by their places from twice or half its own on, and how much of each. */
type Taps = readonly (readonly [number, number])[];

/**
 * Half the height and width after smoothing by [1, 3, 3, 1]/8 along both sides (arXiv 1904.11486), each channel by itself.
 *
 * @param x `[batch, channels, height, width]`, of even sides.
 */
export function firDownsample(x: tf.Tensor, beyond: Beyond = "zeros"): tf.Tensor {
  const taps: Taps = [[-1, 1 / 8], [0, 3 / 8], [1, 3 / 8], [2, 1 / 8]];
  return alongBoth(x, (size) => smoothing(size, size / 2, (i) => [2 * i, taps], beyond));
}

/**
 * Twice the height and width, zeros between the pixels smoothed by twice that filter along both sides: every new pixel is
 * 3/4 of the nearest one and 1/4 of the next.
 *
 * @param x `[batch, channels, height, width]`.
 */
export function firUpsample(x: tf.Tensor, beyond: Beyond = "zeros"): tf.Tensor {
  const taps: readonly Taps[] = [[[-1, 1 / 4], [0, 3 / 4]], [[0, 3 / 4], [1, 1 / 4]]];
  return alongBoth(x, (size) => smoothing(size, 2 * size, (i) => [Math.floor(i / 2), taps[i % 2]], beyond));
}

/** A matrix along the width and one along the height: products of such sizes are quicker than convolutions of one channel. */
function alongBoth(x: tf.Tensor, matrixOf: (size: number) => tf.Tensor2D): tf.Tensor {
  const [n, c, h, w] = x.shape;
  const [down, right] = [tf.transpose(matrixOf(h)), matrixOf(w)];
  const wide = tf.matMul(tf.reshape(x, [n * c * h, w]) as tf.Tensor2D, right);
  const [height, width] = [down.shape[0], right.shape[1]];
  const rows = tf.reshape(wide, [n * c, h, width]);
  return tf.reshape(tf.matMul(tf.reshape(down, [1, height, h]), rows), [n, c, height, width]);
}

/** What becomes of a row, `[size, result]`. */
function smoothing(
  size: number,
  result: number,
  tapsOf: (i: number) => readonly [number, Taps],
  beyond: Beyond,
): tf.Tensor2D {
  const matrix = new Float32Array(size * result);
  for (let i = 0; i < result; i++) {
    const [from, taps] = tapsOf(i);
    for (const [offset, weight] of taps) {
      const place = placeOf(from + offset, size, beyond);
      if (place !== undefined) matrix[place * result + i] += weight;
    }
  }
  return tf.tensor2d(matrix, [size, result]);
}

function placeOf(place: number, size: number, beyond: Beyond): number | undefined {
  if (place >= 0 && place < size) return place;
  if (beyond === "zeros") return undefined;
  return place < 0 ? -place : 2 * (size - 1) - place;
}
