import { type Graph, reachableNodes, type Value } from "./graph.ts";
import { ONNX_TYPE } from "./kernels/elementwise.ts";
import { emitOne } from "./kernels/kernel.ts";

/** Operations that a GPU does several times faster with float16 factors. */
const HALF = new Set(["Conv", "ConvTranspose", "Gemm", "MatMul"]);

/** Operations that stay in float16 where all that they are given is: they move values, or lose no more than it has. */
const FOLLOWING = new Set([
  "Add",
  "AveragePool",
  "Concat",
  "Expand",
  "Neg",
  "Pad",
  "QuickGelu",
  "Relu",
  "Reshape",
  "Slice",
  "Sub",
  "Transpose",
]);

/**
 * The same graph with matrix products and convolutions in float16, as automatic mixed precision does it: sums over many
 * values, normalisations, exponentials and the loss stay in float32, as do all that the program starts from and ends in.
 *
 * @param graph Where new nodes go.
 * @param outputs The values that the program ends in.
 * @returns Values that compute the same, to float16's precision, in the order of `outputs`.
 */
export function mixedPrecision(graph: Graph, outputs: readonly Value[]): Value[] {
  const replaced = new Map<Value, Value>();
  const current = (value: Value) => replaced.get(value) ?? value;
  const cast = (value: Value, dtype: "float16" | "float32") => {
    if (value.dtype !== "float16" && value.dtype !== "float32" || value.dtype === dtype) return value;
    return emitOne(graph, "Cast", [value], value.shape, dtype, { to: ONNX_TYPE[dtype] });
  };
  for (const node of reachableNodes(outputs)) {
    const inputs = node.inputs.map(current);
    const tensors = inputs.filter((value) => isFloat(value) && !value.elements);
    // A product with a constant adds values up.
    const half = isFloat(node.outputs[0]) && (HALF.has(node.op) && tensors.length === inputs.length ||
      FOLLOWING.has(node.op) && tensors.length > 0 && tensors.every(({ dtype }) => dtype === "float16"));
    const dtype = half ? "float16" : "float32";
    const taken = inputs.map((value) => cast(value, dtype));
    const types = node.outputs.map((output) => isFloat(output) ? { shape: output.shape, dtype } as const : output);
    const made = graph.emit(node.op, taken, types, node.attributes, node.domain, node.order);
    node.outputs.forEach((output, i) => replaced.set(output, made[i]));
  }
  return outputs.map((value) => cast(current(value), "float32"));
}

function isFloat({ dtype }: Value): boolean {
  return dtype === "float32" || dtype === "float16";
}
