import * as tf from "@tensorflow/tfjs";

/** Runs a layer as one operation where the backend has it; elsewhere the layer is composed of tfjs operations. */
export function operation(
  name: string,
  inputs: tf.NamedTensorMap,
  attributes: Readonly<Record<string, unknown>> = {},
): tf.Tensor | undefined {
  if (!tf.getKernel(name, tf.getBackend())) return undefined;
  return tf.engine().runKernel(name, inputs, attributes as unknown as tf.NamedAttrMap) as tf.Tensor;
}
