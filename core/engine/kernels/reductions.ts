import * as tf from "@tensorflow/tfjs";
import type { Graph, Value } from "../graph.ts";
import { emitOne, type Kernel, type KernelCall } from "./kernel.ts";
import { reshape } from "./shapes.ts";

/** tfjs's max names its axes differently from the other reductions. */
function axesOf(x: Value, attributes: KernelCall["attributes"]): number[] {
  return tf.util.parseAxisParam((attributes.axis ?? attributes.reductionIndices) as number | number[], [...x.shape]);
}

function reduce(op: string): Kernel {
  return ({ graph, inputs: { x }, attributes }) => {
    const axes = axesOf(x, attributes);
    const keepDims = Boolean(attributes.keepDims);
    const shape = x.shape.map((n, i) => axes.includes(i) ? 1 : n);
    const kept = keepDims ? shape : shape.filter((_, i) => !axes.includes(i));
    if (axes.every((axis) => x.shape[axis] === 1)) return reshape(graph, x, kept);
    return emitOne(graph, op, [x, graph.integers(axes)], kept, x.dtype, { keepdims: keepDims ? 1 : 0 });
  };
}

/** Columns of a matrix, as the gradient of a bias adds them, are added fastest by a product with a row of ones. */
function sum(call: KernelCall): Value | readonly Value[] {
  const { graph, inputs: { x }, attributes } = call;
  const [rows, columns] = x.shape;
  const axes = axesOf(x, attributes);
  if (x.shape.length !== 2 || x.dtype !== "float32" || axes.join() !== "0" || rows === 1 || columns < 16) {
    return reduce("ReduceSum")(call);
  }
  const row = emitOne(graph, "Gemm", [graph.splat(1, [1, rows]), x], [1, columns], "float32", { transA: 0, transB: 0 });
  return attributes.keepDims ? row : reshape(graph, row, [columns]);
}

/** A product of matrices, or of stacks of them, where one may have a single matrix for all of the other's. */
export function matMul(
  graph: Graph,
  a: Value,
  b: Value,
  { transposeA, transposeB }: { transposeA: boolean; transposeB: boolean },
): Value {
  const rank = a.shape.length;
  const m = a.shape[rank - (transposeA ? 1 : 2)];
  const n = b.shape[rank - (transposeB ? 2 : 1)];
  const batch = a.shape.slice(0, -2).map((size, i) => Math.max(size, b.shape[i]));
  const shape = [...batch, m, n];
  if (batch.every((size) => size === 1)) {
    const [left, transA] = operand(graph, a, transposeA);
    const [right, transB] = operand(graph, b, transposeB);
    return reshape(graph, emitOne(graph, "Gemm", [left, right], [m, n], "float32", { transA, transB }), shape);
  }
  if (!transposeA && !transposeB) return emitOne(graph, "MatMul", [a, b], shape);
  const attributes = { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0 };
  return graph.emit("FusedMatMul", [a, b], [{ shape, dtype: "float32" }], attributes, "com.microsoft")[0];
}

/** A matrix and whether Gemm shall read it transposed; a transpose in the graph becomes that flag. */
function operand(graph: Graph, x: Value, transposed: boolean): [Value, number] {
  const matrix = reshape(graph, x, x.shape.slice(-2));
  if (matrix.node?.op === "Transpose") return [matrix.node.inputs[0], transposed ? 0 : 1];
  return [matrix, transposed ? 1 : 0];
}

export const reductions: Readonly<Record<string, Kernel>> = {
  BatchMatMul: ({ graph, inputs: { a, b }, attributes }) =>
    matMul(graph, a, b, attributes as { transposeA: boolean; transposeB: boolean }),
  Max: reduce("ReduceMax"),
  Mean: reduce("ReduceMean"),
  Min: reduce("ReduceMin"),
  Prod: reduce("ReduceProd"),
  Softmax: ({ graph, inputs: { logits } }) =>
    emitOne(graph, "Softmax", [logits], logits.shape, "float32", { axis: -1 }),
  Sum: sum,
};
