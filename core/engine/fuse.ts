import { sizeOf } from "../data/tensors.ts";
import { type Graph, isSplat, type Node, reachableNodes, type Value } from "./graph.ts";

/**
 * Rewrites that need to know who else uses a value. ONNX Runtime fuses more when it loads the graph; these are the
 * ones that it leaves.
 *
 * @param graph Where new nodes and constants go.
 * @param outputs The values that the program ends in.
 * @returns Values that compute the same, in the order of `outputs`.
 */
export function fuse(graph: Graph, outputs: readonly Value[]): Value[] {
  const nodes = reachableNodes(outputs);
  const uses = new Map<Value, number>();
  const use = (value: Value) => uses.set(value, (uses.get(value) ?? 0) + 1);
  for (const node of nodes) node.inputs.forEach(use);
  outputs.forEach(use);

  const replaced = new Map<Value, Value>();
  const current = (value: Value) => replaced.get(value) ?? value;
  for (const node of nodes) {
    const inputs = node.inputs.map(current);
    const fused = gemmWithBias(graph, node, inputs, (i) => uses.get(node.inputs[i]) === 1) ??
      scaleOfScale(graph, node, inputs, (i) => uses.get(node.inputs[i]) === 1);
    if (fused) replaced.set(node.outputs[0], fused);
    else if (inputs.some((value, i) => value !== node.inputs[i])) {
      const rebuilt = graph.emit(node.op, inputs, node.outputs, node.attributes, node.domain, node.order);
      node.outputs.forEach((output, i) => replaced.set(output, rebuilt[i]));
    }
  }
  return outputs.map(current);
}

/** A·B + c with a bias c per column is one Gemm. */
function gemmWithBias(graph: Graph, node: Node, inputs: readonly Value[], only: (i: number) => boolean) {
  if (node.op !== "Add") return undefined;
  for (const i of [0, 1]) {
    const gemm = inputs[i].node;
    const bias = inputs[1 - i];
    if (gemm?.op !== "Gemm" || gemm.inputs.length !== 2 || !only(i)) continue;
    const columns = inputs[i].shape[1];
    if (sizeOf(bias.shape) !== columns || bias.shape[bias.shape.length - 1] !== columns) continue;
    if (node.outputs[0].shape.length !== 2) continue;
    return graph.emit("Gemm", [...gemm.inputs, bias], node.outputs, gemm.attributes, undefined, node.order)[0];
  }
  return undefined;
}

/** (x·a)·b with constants a and b is x·(ab). */
function scaleOfScale(graph: Graph, node: Node, inputs: readonly Value[], only: (i: number) => boolean) {
  if (node.op !== "Mul") return undefined;
  const i = inputs.findIndex((value) => isSplat(value) && value.shape.length === 0);
  const inner = i < 0 ? undefined : inputs[1 - i].node;
  if (inner?.op !== "Mul" || !only(1 - i)) return undefined;
  const j = inner.inputs.findIndex((value) => isSplat(value) && value.shape.length === 0);
  if (j < 0) return undefined;
  const factor = graph.splat(Number(inputs[i].elements![0]) * Number(inner.inputs[j].elements![0]));
  return graph.emit("Mul", [inner.inputs[1 - j], factor], node.outputs, {}, undefined, node.order)[0];
}
