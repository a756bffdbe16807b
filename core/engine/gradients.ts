import * as tf from "@tensorflow/tfjs";
import type { Tensors } from "./program.ts";
import { endForward } from "./recording.ts";

/**
 * Differentiates a loss with respect to named parameters and hands out what was computed on the way.
 *
 * @param f From parameters to a scalar loss and further tensors.
 * @param params Where the gradient is taken.
 * @returns The gradients by the parameters' names, and the further tensors.
 */
export function gradients(
  f: (params: Tensors) => { loss: tf.Scalar; aux: Tensors },
  params: Tensors,
): { gradients: Tensors; aux: Tensors } {
  const names = Object.keys(params);
  let kept: Tensors = {};
  const { grads } = tf.valueAndGrads((...values: tf.Tensor[]) => {
    const { loss, aux } = f(Object.fromEntries(names.map((name, i) => [name, values[i]])));
    // tfjs frees everything but the loss at the end of this function.
    kept = Object.fromEntries(Object.entries(aux).map(([name, t]) => [name, tf.keep(t)]));
    endForward();
    return loss;
  })(names.map((name) => params[name]));
  const aux = Object.fromEntries(Object.entries(kept).map(([name, t]) => [name, t.clone()]));
  tf.dispose(kept);
  return { gradients: Object.fromEntries(names.map((name, i) => [name, grads[i]])), aux };
}
