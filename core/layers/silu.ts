import * as tf from "@tensorflow/tfjs";
import { operation } from "./operation.ts";

/** x·σ(x), element by element (arXiv 1702.03118). */
export function silu(x: tf.Tensor): tf.Tensor {
  return operation("Silu", { x }) ?? tf.mul(x, tf.sigmoid(x));
}
