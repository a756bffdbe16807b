import * as tf from "@tensorflow/tfjs";
import { conv2d } from "./conv2d.ts";

/** Samples of the filter along a side; they add up to 8. */
const KERNEL = [1, 3, 3, 1];

/** What the pixels before, at and after it give to the two that one becomes, in quarters. */
const PHASES = [[1, 3, 0], [0, 3, 1]];

/** What is beyond an edge: zeros, or for images of at least two pixels a side what is within it, mirrored at the edge's pixel. */
export type Beyond = "zeros" | "mirrored";

/**
 * Half the height and width after smoothing by [1, 3, 3, 1] along both sides (arXiv 1904.11486), each channel by itself.
 *
 * @param x `[batch, channels, height, width]`, of even sides.
 */
export function firDownsample(x: tf.Tensor, beyond: Beyond = "zeros"): tf.Tensor {
  const [n, c, h, w] = x.shape;
  const filter = KERNEL.flatMap((a) => KERNEL.map((b) => a * b / 64));
  const y = filtered(tf.reshape(x, [n * c, 1, h, w]), tf.tensor(filter, [1, 1, 4, 4]), 2, beyond);
  return tf.reshape(y, [n, c, h / 2, w / 2]);
}

/**
 * Twice the height and width, zeros between the pixels smoothed by four times that filter: every new pixel is 3/4 of the
 * nearest one and 1/4 of the next along both sides.
 *
 * @param x `[batch, channels, height, width]`.
 */
export function firUpsample(x: tf.Tensor, beyond: Beyond = "zeros"): tf.Tensor {
  const [n, c, h, w] = x.shape;
  // A filter for each of the four pixels that one becomes.
  const filter = PHASES.flatMap((down) => PHASES.flatMap((right) => down.flatMap((a) => right.map((b) => a * b / 16))));
  const y = filtered(tf.reshape(x, [n * c, 1, h, w]), tf.tensor(filter, [4, 1, 3, 3]), 1, beyond);
  const spread = tf.transpose(tf.reshape(y, [n * c, 2, 2, h, w]), [0, 3, 1, 4, 2]);
  return tf.reshape(spread, [n, c, 2 * h, 2 * w]);
}

function filtered(x: tf.Tensor, weight: tf.Tensor, stride: number, beyond: Beyond): tf.Tensor {
  const params = { "fir.weight": weight, "fir.bias": tf.zeros([weight.shape[0]]) };
  if (beyond === "zeros") return conv2d(params, "fir", x, [1, 1, 1, 1], stride);
  return conv2d(params, "fir", mirrored(mirrored(x, 2), 3), [0, 0, 0, 0], stride);
}

/** A pixel more at both ends of an axis. */
function mirrored(x: tf.Tensor, axis: number): tf.Tensor {
  const at = (place: number) =>
    tf.slice(x, x.shape.map((_, i) => i === axis ? place : 0), x.shape.map((n, i) => i === axis ? 1 : n));
  return tf.concat([at(1), x, at(x.shape[axis] - 2)], axis);
}
