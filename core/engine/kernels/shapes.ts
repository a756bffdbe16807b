import * as tf from "@tensorflow/tfjs";
import { sizeOf } from "../../data/tensors.ts";
import type { Graph, Value } from "../graph.ts";
import { emitOne, expand, type Kernel, sameShape } from "./kernel.ts";

/** A value in another shape; reshapes in a row become one, and none where the shape stays. */
export function reshape(graph: Graph, x: Value, shape: readonly number[]): Value {
  if (sameShape(x.shape, shape)) return x;
  if (x.elements) return graph.constant(x.elements, shape, x.dtype);
  if (x.input && graph.viewsInputs) return graph.view(x.input, shape);
  const source = x.node?.op === "Reshape" ? x.node.inputs[0] : x;
  if (sameShape(source.shape, shape)) return source;
  return emitOne(graph, "Reshape", [source, graph.integers(shape)], shape, x.dtype);
}

/** A transpose; two in a row become one, and none where they cancel. */
export function transpose(graph: Graph, x: Value, perm: readonly number[]): Value {
  if (x.node?.op === "Transpose") {
    const first = x.node.attributes.perm as readonly number[];
    return transpose(graph, x.node.inputs[0], perm.map((p) => first[p]));
  }
  if (perm.every((p, i) => p === i)) return x;
  const shape = perm.map((p) => x.shape[p]);
  // Moving axes of length one keeps the order of the elements.
  const long = perm.filter((p) => x.shape[p] !== 1);
  if (long.every((p, i) => i === 0 || long[i - 1] < p)) return reshape(graph, x, shape);
  return emitOne(graph, "Transpose", [x], shape, x.dtype, { perm });
}

/** A part of a value. */
export function slice(graph: Graph, x: Value, begin: readonly number[], size: readonly number[]): Value {
  if (sameShape(x.shape, size)) return x;
  if (x.input && graph.viewsInputs && x.shape.length === 1) {
    return graph.view({ name: x.input.name, offset: x.input.offset + begin[0] }, size);
  }
  const axes = begin.map((_, axis) => axis).filter((axis) => size[axis] !== x.shape[axis]);
  const [starts, ends] = [axes.map((a) => begin[a]), axes.map((a) => begin[a] + size[a])];
  return emitOne(
    graph,
    "Slice",
    [x, graph.integers(starts), graph.integers(ends), graph.integers(axes)],
    size,
    x.dtype,
  );
}

/** Values side by side along an axis. */
export function concat(graph: Graph, values: readonly Value[], axis: number): Value {
  if (values.length === 1) return values[0];
  const shape = [...values[0].shape];
  shape[axis] = values.reduce((sum, v) => sum + v.shape[axis], 0);
  return emitOne(graph, "Concat", values, shape, values[0].dtype, { axis });
}

/** Cuts an axis into pieces of the given sizes. */
function split(graph: Graph, x: Value, axis: number, sizes: readonly number[]): Value[] {
  let begin = 0;
  return sizes.map((n) => {
    const piece = slice(
      graph,
      x,
      x.shape.map((_, i) => i === axis ? begin : 0),
      x.shape.map((m, i) => i === axis ? n : m),
    );
    begin += n;
    return piece;
  });
}

function axisOf(attribute: unknown, rank: number): number {
  const axis = Number(attribute);
  return axis < 0 ? axis + rank : axis;
}

export const shapes: Readonly<Record<string, Kernel>> = {
  BroadcastTo: ({ graph, inputs: { x }, attributes }) => expand(graph, x, attributes.shape as number[]),
  Concat: ({ graph, inputs, attributes }) => {
    const values = Object.values(inputs).filter((v) => sizeOf(v.shape) > 0);
    return concat(graph, values, axisOf(attributes.axis, values[0].shape.length));
  },
  ExpandDims: ({ graph, inputs: { input }, attributes }) => {
    const shape = [...input.shape];
    shape.splice(axisOf(attributes.dim, shape.length + 1), 0, 1);
    return reshape(graph, input, shape);
  },
  GatherV2: ({ graph, inputs: { x, indices }, attributes }) => {
    const axis = axisOf(attributes.axis, x.shape.length);
    const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
    return emitOne(graph, "Gather", [x, indices], shape, x.dtype, { axis });
  },
  Pack: ({ graph, inputs, attributes }) => {
    const values = Object.values(inputs);
    const axis = axisOf(attributes.axis, values[0].shape.length + 1);
    const shape = [...values[0].shape];
    shape.splice(axis, 0, 1);
    return concat(graph, values.map((v) => reshape(graph, v, shape)), axis);
  },
  PadV2: ({ graph, inputs: { x }, attributes }) => {
    const paddings = attributes.paddings as [number, number][];
    const shape = x.shape.map((n, i) => n + paddings[i][0] + paddings[i][1]);
    const pads = graph.integers([...paddings.map((p) => p[0]), ...paddings.map((p) => p[1])]);
    return emitOne(graph, "Pad", [x, pads, graph.splat(Number(attributes.constantValue ?? 0))], shape, x.dtype);
  },
  Reshape: ({ graph, inputs: { x }, attributes }) => {
    const shape = [...attributes.shape as number[]];
    const open = shape.indexOf(-1);
    if (open >= 0) shape[open] = sizeOf(x.shape) / shape.reduce((p, n, i) => i === open ? p : p * n, 1);
    return reshape(graph, x, shape);
  },
  Slice: ({ graph, inputs: { x }, attributes }) => {
    const { begin, size } = attributes as { begin: number | number[]; size?: number | number[] };
    const [first, count] = tf.slice_util.parseSliceParams({ shape: [...x.shape] } as tf.TensorInfo, begin, size);
    return slice(graph, x, first, count);
  },
  SplitV: ({ graph, inputs: { x }, attributes }) => {
    const axis = axisOf(attributes.axis, x.shape.length);
    const given = attributes.numOrSizeSplits as number | number[];
    const sizes = Array.isArray(given) ? [...given] : new Array<number>(given).fill(x.shape[axis] / given);
    const open = sizes.indexOf(-1);
    if (open >= 0) sizes[open] = x.shape[axis] - sizes.reduce((sum, n, i) => i === open ? sum : sum + n, 0);
    return split(graph, x, axis, sizes);
  },
  Tile: ({ graph, inputs: { x }, attributes }) => {
    const reps = attributes.reps as number[];
    const shape = x.shape.map((n, i) => n * reps[i]);
    // A tile along axes of length one, as broadcasting makes, is an expansion.
    if (x.shape.every((n, i) => n === 1 || reps[i] === 1)) return expand(graph, x, shape);
    return emitOne(graph, "Tile", [x, graph.integers(reps)], shape, x.dtype);
  },
  Transpose: ({ graph, inputs: { x }, attributes }) => transpose(graph, x, attributes.perm as number[]),
  Unpack: ({ graph, inputs: { value }, attributes }) => {
    const axis = axisOf(attributes.axis, value.shape.length);
    const shape = value.shape.filter((_, i) => i !== axis);
    return split(graph, value, axis, new Array<number>(value.shape[axis]).fill(1))
      .map((piece) => reshape(graph, piece, shape));
  },
};
