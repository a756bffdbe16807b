import * as tf from "@tensorflow/tfjs";
import type { Denoiser } from "../plugins/contracts.ts";
import type { Random } from "../random/random.ts";
import { type HostTensor, type HostTensors, type ParameterShapes, shapesOf, sizeOf } from "../data/tensors.ts";

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

/** Where a denoiser's parameters lie, and what writes them there, the same at each call. */
export interface InitialParameters {
  readonly layout: ParameterLayout;
  readonly fill: (vector: Float32Array) => void;
}

/**
 * A denoiser's initial parameters, which one that draws them one by one need never hold beside their vector.
 *
 * @param random Gives the generator that they are drawn from, from its beginning.
 */
export function initialParameters(
  { init, initEach, shapes }: Pick<Denoiser, "init" | "initEach" | "shapes">,
  random: () => Random,
): InitialParameters {
  if (!shapes || !initEach) {
    const params = init(random()), layout = layoutOf(shapesOf(params));
    return { layout, fill: (vector) => fillVector(layout, Object.entries(params), vector) };
  }
  const layout = layoutOf(shapes);
  return { layout, fill: (vector) => fillVector(layout, initEach(random()), vector) };
}

function fillVector(
  layout: ParameterLayout,
  params: Iterable<readonly [string, HostTensor]>,
  vector: Float32Array,
): void {
  const places = new Map(layout.entries.map(({ name, offset }) => [name, offset]));
  for (const [name, { data }] of params) {
    const offset = places.get(name);
    if (offset === undefined) throw new RangeError(`The parameter ${name} is drawn twice, or has no shape.`);
    places.delete(name);
    vector.set(data, offset);
  }
  if (places.size > 0) throw new RangeError(`The parameter ${places.keys().next().value} is not drawn.`);
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
