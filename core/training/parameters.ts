import * as tf from "@tensorflow/tfjs";
import { type HostTensors, type ParameterShapes, sizeOf } from "../data/tensors.ts";

/**
 * Where each parameter lies in one flat vector. The optimiser works on that vector: a dozen operations instead of a
 * dozen for each parameter.
 */
export interface ParameterLayout {
  readonly size: number;
  readonly entries: readonly { readonly name: string; readonly shape: readonly number[]; readonly offset: number }[];
}

export function layoutOf(shapes: ParameterShapes): ParameterLayout {
  let offset = 0;
  const entries = Object.entries(shapes).map(([name, shape]) => {
    const entry = { name, shape, offset };
    offset += sizeOf(shape);
    return entry;
  });
  return { size: offset, entries };
}

/** The parameters as one vector. */
export function flatten(layout: ParameterLayout, params: HostTensors): Float32Array {
  const vector = new Float32Array(layout.size);
  for (const { name, offset } of layout.entries) vector.set(params[name].data, offset);
  return vector;
}

/** The parameters out of their vector, which they share memory with. */
export function unflatten(layout: ParameterLayout, vector: Float32Array): HostTensors {
  return Object.fromEntries(
    layout.entries.map(({ name, shape, offset }) => [
      name,
      { shape, data: vector.subarray(offset, offset + sizeOf(shape)) },
    ]),
  );
}

/** The parameters out of their vector, inside a program. */
export function unflattenTensor(layout: ParameterLayout, vector: tf.Tensor): Record<string, tf.Tensor> {
  return Object.fromEntries(
    layout.entries.map(({ name, shape, offset }) => [
      name,
      tf.reshape(tf.slice(vector, [offset], [sizeOf(shape)]), [...shape]),
    ]),
  );
}

/** Gradients by name as one vector, inside a program. */
export function flattenTensors(layout: ParameterLayout, tensors: Record<string, tf.Tensor>): tf.Tensor {
  return tf.concat(layout.entries.map(({ name }) => tf.reshape(tensors[name], [-1])));
}
