import type { Graph, Value } from "../graph.ts";
import { emitOne, type Kernel } from "./kernel.ts";
import { reshape } from "./shapes.ts";

export interface GroupNormAttributes {
  readonly groups: number;
  readonly epsilon: number;
}

/**
 * Group normalisation is layer normalisation of each group's values, whose scale and shift differ by channel.
 *
 * @returns The result, and each group's mean and inverse deviation, `[n, groups, 1]`.
 */
function groupNorm(graph: Graph, x: Value, scale: Value, shift: Value, { groups, epsilon }: GroupNormAttributes) {
  const [n, c, h, w] = x.shape;
  const size = c / groups * h * w;
  const perElement = (values: Value) => {
    const columns = emitOne(graph, "Expand", [reshape(graph, values, [c, 1]), graph.integers([c, h * w])], [c, h * w]);
    return reshape(graph, columns, [1, groups, size]);
  };
  const stats = { shape: [n, groups, 1], dtype: "float32" } as const;
  const [y, mean, inverse] = graph.emit(
    "LayerNormalization",
    [reshape(graph, x, [n, groups, size]), perElement(scale), perElement(shift)],
    [{ shape: [n, groups, size], dtype: "float32" }, stats, stats],
    { axis: -1, epsilon: { float: epsilon } },
  );
  return { y: reshape(graph, y, x.shape), mean, inverse };
}

/** A group's mean and inverse deviation, `[n, groups, 1]`. */
export interface GroupStatistics {
  readonly mean: Value;
  readonly inverse: Value;
}

/**
 * With x̂ the normalised input and D a group's size, dx = (γ·dy − mean(γ·dy) − x̂·mean(γ·dy·x̂))/deviation, which is
 * linear in dy and x with a coefficient per channel and two per group. Sums over space are taken once per channel.
 */
export function groupNormGradientFrom(
  graph: Graph,
  { x, scale, dy }: Readonly<Record<string, Value>>,
  { groups }: GroupNormAttributes,
  { mean, inverse }: GroupStatistics,
): Value[] {
  const [n, c, h, w] = x.shape;
  const perGroup = c / groups;
  const op = (name: string, a: Value, b: Value, shape: readonly number[]) => emitOne(graph, name, [a, b], shape);
  const channels = [n, groups, perGroup];
  const stats = [n, groups, 1];
  const sumSpace = (value: Value) =>
    reshape(
      graph,
      emitOne(graph, "ReduceSum", [value, graph.integers([2, 3])], [n, c], "float32", { keepdims: 0 }),
      channels,
    );
  const sumGroup = (value: Value) =>
    emitOne(graph, "ReduceSum", [value, graph.integers([2])], stats, "float32", { keepdims: 1 });
  const sumBatch = (value: Value) =>
    emitOne(graph, "ReduceSum", [reshape(graph, value, [n, c]), graph.integers([0])], [c], "float32", { keepdims: 0 });

  const gamma = reshape(graph, scale, [1, groups, perGroup]);
  const sum = sumSpace(dy);
  const product = sumSpace(op("Mul", dy, x, x.shape));
  const centred = op("Mul", op("Sub", product, op("Mul", sum, mean, channels), channels), inverse, channels);
  const part = graph.splat(1 / (perGroup * h * w));
  const m1 = op("Mul", sumGroup(op("Mul", sum, gamma, channels)), part, stats);
  const m2 = op("Mul", sumGroup(op("Mul", centred, gamma, channels)), part, stats);
  const slope = op("Mul", op("Mul", inverse, inverse, stats), m2, stats);
  const offset = op("Sub", op("Mul", slope, mean, stats), op("Mul", inverse, m1, stats), stats);

  const ofDy = reshape(graph, op("Mul", gamma, inverse, channels), [n, c, 1]);
  const pixels = [n, c, h * w];
  const grouped = [n, groups, perGroup * h * w];
  const first = reshape(graph, op("Mul", reshape(graph, dy, pixels), ofDy, pixels), grouped);
  const second = op("Sub", op("Mul", reshape(graph, x, grouped), slope, grouped), offset, grouped);
  const dx = op("Sub", first, second, grouped);
  return [reshape(graph, dx, x.shape), sumBatch(centred), sumBatch(sum)];
}

/** x·σ(x). */
function silu(graph: Graph, x: Value): Value {
  return graph.emit("QuickGelu", [x], [x], { alpha: { float: 1 } }, "com.microsoft")[0];
}

/** x·σ(x) again, by other nodes, so that the first need not be kept until the backward pass. */
export function recomputedSilu(graph: Graph, x: Value): { y: Value; sigmoid: Value } {
  const sigmoid = emitOne(graph, "Sigmoid", [x], x.shape);
  return { y: emitOne(graph, "Mul", [x, sigmoid], x.shape), sigmoid };
}

/** A value, or what it is computed from again where that is cheap. */
export function recomputed(graph: Graph, value: Value): Value {
  return value.node?.op === "QuickGelu" ? recomputedSilu(graph, value.node.inputs[0]).y : value;
}

/** dy·σ(x)·(1 + x − x·σ(x)). */
function siluGradient(graph: Graph, x: Value, dy: Value): Value {
  const { y, sigmoid } = recomputedSilu(graph, x);
  const op = (name: string, a: Value, b: Value) => emitOne(graph, name, [a, b], x.shape);
  const slope = op("Mul", sigmoid, op("Add", op("Sub", x, y), graph.splat(1)));
  return op("Mul", dy, slope);
}

/** Group normalisation of images `[n, c, h, w]`, SiLU, and their gradients. */
export const normalisations: Readonly<Record<string, Kernel>> = {
  GroupNormNchw: ({ graph, inputs: { x, scale, shift }, attributes }) =>
    groupNorm(graph, x, scale, shift, attributes as unknown as GroupNormAttributes).y,
  GroupNormNchwGradient: ({ graph, inputs, attributes }) => {
    const { x, scale, shift } = inputs;
    const statistics = groupNorm(graph, x, scale, shift, attributes as unknown as GroupNormAttributes);
    return groupNormGradientFrom(graph, inputs, attributes as unknown as GroupNormAttributes, statistics);
  },
  Silu: ({ graph, inputs: { x } }) => silu(graph, x),
  SiluGradient: ({ graph, inputs: { x, dy } }) => siluGradient(graph, x, dy),
};
