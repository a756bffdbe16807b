import type { Graph, Value } from "../graph.ts";
import { plainConvolutions } from "./convolution.ts";
import { emitOne, type Kernel } from "./kernel.ts";
import { kernels } from "./mod.ts";
import { activations, type GroupNormAttributes, portableSilu } from "./normalisation.ts";
import { expandedUpsample } from "./resampling.ts";
import { reshape, transpose } from "./shapes.ts";

/** The matrices of a stack, transposed. */
function transposed(graph: Graph, x: Value): Value {
  const rank = x.shape.length;
  return transpose(graph, x, x.shape.map((_, i) => i < rank - 2 ? i : 2 * rank - 3 - i));
}

function isStack({ shape }: Value): boolean {
  return shape.slice(0, -2).some((size) => size !== 1);
}

/** Instance normalisation of the groups and then a scale and shift per channel, as PyTorch exports it. */
function groupNorm(graph: Graph, x: Value, scale: Value, shift: Value, { groups, epsilon }: GroupNormAttributes) {
  const [n, c, h, w] = x.shape;
  const grouped = reshape(graph, x, [n, groups, c / groups * h * w]);
  const normal = emitOne(
    graph,
    "InstanceNormalization",
    [grouped, graph.splat(1, [groups]), graph.splat(0, [groups])],
    grouped.shape,
    "float32",
    { epsilon: { float: epsilon } },
  );
  const scaled = emitOne(graph, "Mul", [reshape(graph, normal, x.shape), reshape(graph, scale, [c, 1, 1])], x.shape);
  return emitOne(graph, "Add", [scaled, reshape(graph, shift, [c, 1, 1])], x.shape);
}

/**
 * How kernels are recorded for a model that other programs shall run: by standard ONNX operations alone, each layer in
 * its usual form, where what runs here has forms that are faster in ONNX Runtime.
 */
export const portableKernels: Readonly<Record<string, Kernel>> = {
  ...kernels,
  BatchMatMul: ({ graph, inputs: { a, b }, attributes }) => {
    const { transposeA, transposeB } = attributes;
    // Gemm, which multiplies single matrices, transposes them itself.
    if (!isStack(a) && !isStack(b)) return kernels.BatchMatMul({ graph, inputs: { a, b }, attributes });
    const [left, right] = [transposeA ? transposed(graph, a) : a, transposeB ? transposed(graph, b) : b];
    return kernels.BatchMatMul({ graph, inputs: { a: left, b: right }, attributes: {} });
  },
  ...plainConvolutions,
  UpsampleNchw: expandedUpsample,
  GroupNormNchw: ({ graph, inputs: { x, scale, shift }, attributes }) =>
    groupNorm(graph, x, scale, shift, attributes as unknown as GroupNormAttributes),
  ...activations(portableSilu),
};
