import type { DataType, Graph, Value } from "../graph.ts";
import { isSplat } from "../graph.ts";

/** One call of a tfjs kernel: its tensors by name and its attributes, as tfjs passes them. */
export interface KernelCall {
  readonly graph: Graph;
  readonly inputs: Readonly<Record<string, Value>>;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** Records a tfjs kernel as ONNX nodes. */
export type Kernel = (call: KernelCall) => Value | readonly Value[];

/** The NumPy broadcast of shapes. */
export function broadcastShapes(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const m = a[a.length - rank + i] ?? 1;
    const n = b[b.length - rank + i] ?? 1;
    if (m !== n && m !== 1 && n !== 1) throw new RangeError(`Shapes [${a}] and [${b}] do not broadcast together.`);
    return m === 1 ? n : m;
  });
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i]);
}

/**
 * The smallest value that stands for an operand of an elementwise operation: where the other operand already has the
 * result's shape, an operand need not be expanded to it.
 */
export function unexpanded(graph: Graph, operand: Value, other: readonly number[], out: readonly number[]): Value {
  if (!sameShape(other, out)) return operand;
  if (operand.elements?.length === 1 && operand.shape.length > 0) {
    return graph.constant(operand.elements, [], operand.dtype);
  }
  return operand.node?.op === "Expand" ? operand.node.inputs[0] : operand;
}

/** A node with one output. */
export function emitOne(
  graph: Graph,
  op: string,
  inputs: readonly Value[],
  shape: readonly number[],
  dtype: DataType = "float32",
  attributes: Parameters<Graph["emit"]>[3] = {},
): Value {
  return graph.emit(op, inputs, [{ shape, dtype }], attributes)[0];
}

/** A value expanded to a larger shape. */
export function expand(graph: Graph, value: Value, shape: readonly number[]): Value {
  if (sameShape(value.shape, shape)) return value;
  if (value.elements?.length === 1) return graph.constant(value.elements, shape, value.dtype);
  return emitOne(graph, "Expand", [value, graph.integers(shape)], shape, value.dtype);
}

export { isSplat };
