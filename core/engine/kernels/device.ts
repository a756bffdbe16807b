import type { Graph, Value } from "../graph.ts";
import { emitOne, type Kernel } from "./kernel.ts";
import { type GroupNormAttributes, groupNormGradientFrom } from "./normalisation.ts";
import { portableKernels } from "./portable.ts";
import { reshape } from "./shapes.ts";
import { preciseTrigonometry } from "./trigonometry.ts";

/** The mean and inverse deviation of each group's values, `[n, groups, 1]`. */
function groupStatistics(graph: Graph, x: Value, { groups, epsilon }: GroupNormAttributes) {
  const [n, c, h, w] = x.shape;
  const stats = [n, groups, 1];
  const meanOf = (value: Value) =>
    emitOne(graph, "ReduceMean", [value, graph.integers([2])], stats, "float32", { keepdims: 1 });
  const grouped = reshape(graph, x, [n, groups, c / groups * h * w]);
  const mean = meanOf(grouped);
  const centred = emitOne(graph, "Sub", [grouped, mean], grouped.shape);
  const variance = meanOf(emitOne(graph, "Mul", [centred, centred], grouped.shape));
  const root = emitOne(graph, "Sqrt", [emitOne(graph, "Add", [variance, graph.splat(epsilon)], stats)], stats);
  return { mean, inverse: emitOne(graph, "Reciprocal", [root], stats) };
}

/** A slope and an offset per channel of each image. */
function groupNorm(graph: Graph, x: Value, scale: Value, shift: Value, attributes: GroupNormAttributes): Value {
  const { groups } = attributes;
  const { mean, inverse } = groupStatistics(graph, x, attributes);
  const [n, c] = x.shape;
  const channels = [n, groups, c / groups];
  const op = (name: string, a: Value, b: Value, shape: readonly number[]) => emitOne(graph, name, [a, b], shape);
  const slope = op("Mul", reshape(graph, scale, [1, groups, c / groups]), inverse, channels);
  const offset = op("Sub", reshape(graph, shift, [1, groups, c / groups]), op("Mul", slope, mean, channels), channels);
  const scaled = op("Mul", x, reshape(graph, slope, [n, c, 1, 1]), x.shape);
  return op("Add", scaled, reshape(graph, offset, [n, c, 1, 1]), x.shape);
}

/**
 * How kernels are recorded for a GPU: by operations that ONNX Runtime's GPU providers have. What saves multiplications
 * on a processor, as Winograd's convolution, costs a GPU more in memory traffic.
 */
export const deviceKernels: Readonly<Record<string, Kernel>> = {
  ...portableKernels,
  GroupNormNchw: ({ graph, inputs: { x, scale, shift }, attributes }) =>
    groupNorm(graph, x, scale, shift, attributes as unknown as GroupNormAttributes),
  GroupNormNchwGradient: ({ graph, inputs, attributes }) =>
    groupNormGradientFrom(
      graph,
      inputs,
      attributes as unknown as GroupNormAttributes,
      groupStatistics(graph, inputs.x, attributes as unknown as GroupNormAttributes),
    ),
};

/** WebGPU's sine and cosine are not precise enough for embeddings. */
export const webgpuKernels: Readonly<Record<string, Kernel>> = { ...deviceKernels, ...preciseTrigonometry };
