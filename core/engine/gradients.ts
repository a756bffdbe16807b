import * as tf from "@tensorflow/tfjs";
import type { Tensors } from "./program.ts";
import { beginForward, endForward } from "./recording.ts";

/**
 * Differentiates a loss with respect to named parameters and hands out what was computed on the way.
 *
 * @param f From parameters to a scalar loss and further tensors.
 * @param params Where the gradient is taken.
 * @returns The gradients by the parameters' names, zero where the loss does not depend on one, and the further tensors.
 * @throws When it depends on none of them.
 */
export function gradients(
  f: (params: Tensors) => { loss: tf.Scalar; aux: Tensors },
  params: Tensors,
): { gradients: Tensors; aux: Tensors } {
  const names = Object.keys(params);
  let kept: Tensors = {};
  const { grads } = tf.engine().gradients<tf.Scalar>(() => {
    beginForward();
    const { loss, aux } = f(params);
    // tfjs frees everything but the loss at the end of this function.
    kept = Object.fromEntries(Object.entries(aux).map(([name, t]) => [name, tf.keep(t)]));
    endForward();
    return loss;
  }, names.map((name) => params[name]));
  const aux = Object.fromEntries(Object.entries(kept).map(([name, t]) => [name, t.clone()]));
  tf.dispose(kept);
  // tfjs has none of what the loss does not depend on.
  const found = names.map((name, i) => [name, (grads[i] as tf.Tensor | undefined) ?? tf.zerosLike(params[name])]);
  return { gradients: Object.fromEntries(found), aux };
}
