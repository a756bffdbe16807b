import * as tf from "@tensorflow/tfjs";
import { operation } from "./operation.ts";

/** Twice the height and width by repeating every pixel. @param x `[batch, channels, height, width]`. */
export function upsample(x: tf.Tensor): tf.Tensor {
  const [n, c, h, w] = x.shape;
  return operation("UpsampleNchw", { x }) ??
    tf.reshape(tf.tile(tf.reshape(x, [n * c * h, 1, w, 1]), [1, 2, 1, 2]), [n, c, 2 * h, 2 * w]);
}
