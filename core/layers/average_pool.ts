import * as tf from "@tensorflow/tfjs";
import { operation } from "./operation.ts";

/** Half the height and width, each pixel the mean of four. @param x `[batch, channels, height, width]`, of even sides. */
export function averagePool(x: tf.Tensor): tf.Tensor {
  const [n, c, h, w] = x.shape;
  return operation("AveragePoolNchw", { x }) ??
    tf.reshape(tf.mean(tf.reshape(x, [n * c * h / 2, 2, w / 2, 2]), [1, 3]), [n, c, h / 2, w / 2]);
}
