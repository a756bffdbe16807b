import { sizeOf } from "../../data/tensors.ts";
import type { Graph, Value } from "../graph.ts";
import { emitOne, expand, type Kernel, type KernelCall } from "./kernel.ts";
import { reshape } from "./shapes.ts";

export interface GroupNormAttributes {
  readonly groups: number;
  readonly epsilon: number;
}

/**
 * How rows are multiplied and shifted, each by its own numbers.
 *
 * @param slope and offset, as many as there are rows in `x`.
 */
export type Affine = (graph: Graph, x: Value, slope: Value, offset: Value) => Value;

/** A product and a sum. */
export const affine: Affine = (graph, x, slope, offset) => {
  const rows = sizeOf(slope.shape), shape = [rows, sizeOf(x.shape) / rows];
  const scaled = emitOne(graph, "Mul", [reshape(graph, x, shape), reshape(graph, slope, [rows, 1])], shape);
  return reshape(graph, emitOne(graph, "Add", [scaled, reshape(graph, offset, [rows, 1])], shape), x.shape);
};

/** The same numbers in one pass, which a single thread makes: a batch normalisation of mean 0 and variance 1. */
export const affineOnOneThread: Affine = (graph, x, slope, offset) => {
  const rows = sizeOf(slope.shape), shape = [1, rows, sizeOf(x.shape) / rows];
  const [scale, shift] = [slope, offset].map((value) => reshape(graph, value, [rows]));
  const y = emitOne(
    graph,
    "BatchNormalization",
    [reshape(graph, x, shape), scale, shift, graph.splat(0, [rows]), graph.splat(1, [rows])],
    shape,
    "float32",
    { epsilon: { float: 0 } },
  );
  return reshape(graph, y, x.shape);
};

/** The mean and the inverse deviation of each group's values, `[n, groups, 1]`. */
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

/** Groups normalised by an operation that a single thread makes, which keeps no statistics, and then the channels' affine. */
export function groupNormOnOneThread(
  graph: Graph,
  { x, scale, shift }: Readonly<Record<string, Value>>,
  attributes: GroupNormAttributes,
): Value {
  const { groups, epsilon } = attributes, [n, c] = x.shape, rows = n * groups;
  const normalised = emitOne(
    graph,
    "InstanceNormalization",
    [reshape(graph, x, [1, rows, sizeOf(x.shape) / rows]), graph.splat(1, [rows]), graph.splat(0, [rows])],
    [1, rows, sizeOf(x.shape) / rows],
    "float32",
    { epsilon: { float: epsilon } },
  );
  const ofAll = (perChannel: Value) => expand(graph, reshape(graph, perChannel, [1, c]), [n, c]);
  return affineOnOneThread(graph, reshape(graph, normalised, x.shape), ofAll(scale), ofAll(shift));
}

/** A slope and an offset per channel of each image. */
function groupNorm(
  graph: Graph,
  { x, scale, shift }: Readonly<Record<string, Value>>,
  attributes: GroupNormAttributes,
  affine: Affine,
): Value {
  const { groups } = attributes, perGroup = x.shape[1] / groups;
  const { mean, inverse } = groupStatistics(graph, x, attributes);
  const channels = [x.shape[0], groups, perGroup];
  const op = (name: string, a: Value, b: Value) => emitOne(graph, name, [a, b], channels);
  const slope = op("Mul", reshape(graph, scale, [1, groups, perGroup]), inverse);
  const offset = op("Sub", reshape(graph, shift, [1, groups, perGroup]), op("Mul", slope, mean));
  return affine(graph, x, slope, offset);
}

/**
 * With x̂ the normalised input and D a group's size, dx = (γ·dy − mean(γ·dy) − x̂·mean(γ·dy·x̂))/deviation, which is
 * linear in dy and x with a coefficient per channel and two per group. Sums over space are taken once per channel.
 */
function groupNormGradient(
  graph: Graph,
  { x, scale, dy }: Readonly<Record<string, Value>>,
  attributes: GroupNormAttributes,
  affine: Affine,
): Value[] {
  const [n, c, h, w] = x.shape, { groups } = attributes;
  const perGroup = c / groups;
  const { mean, inverse } = groupStatistics(graph, x, attributes);
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
  const offset = op("Sub", op("Mul", inverse, m1, stats), op("Mul", slope, mean, stats), stats);

  const ofDy = reshape(graph, op("Mul", gamma, inverse, channels), [n, c, 1, 1]);
  const dx = op("Sub", op("Mul", dy, ofDy, x.shape), affine(graph, x, slope, offset), x.shape);
  return [dx, sumBatch(centred), sumBatch(sum)];
}

/** x·σ(x). */
function silu(graph: Graph, x: Value): Value {
  return graph.emit("QuickGelu", [x], [x], { alpha: { float: 1 } }, "com.microsoft")[0];
}

/** The same by standard operations. */
export function portableSilu(graph: Graph, x: Value): Value {
  return emitOne(graph, "Mul", [x, emitOne(graph, "Sigmoid", [x], x.shape)], x.shape);
}

/** σ(x)·(1 + x − x·σ(x)). */
function siluSlope(graph: Graph, x: Value, y: Value): Value {
  const op = (name: string, a: Value, b: Value) => emitOne(graph, name, [a, b], x.shape);
  return op("Mul", emitOne(graph, "Sigmoid", [x], x.shape), op("Add", op("Sub", x, y), graph.splat(1)));
}

/**
 * Group normalisation of images `[n, c, h, w]` and its gradient.
 *
 * @param evaluated How one is recorded of which no gradient is taken; as the others where this is left out.
 */
export function groupNormalisations(
  affine: Affine,
  evaluated?: typeof groupNormOnOneThread,
): Readonly<Record<string, Kernel>> {
  const settings = (attributes: KernelCall["attributes"]) => attributes as unknown as GroupNormAttributes;
  return {
    GroupNormNchw: ({ graph, inputs, attributes }) =>
      evaluated && !graph.isDifferentiated
        ? evaluated(graph, inputs, settings(attributes))
        : groupNorm(graph, inputs, settings(attributes), affine),
    GroupNormNchwGradient: ({ graph, inputs, attributes }) =>
      groupNormGradient(graph, inputs, settings(attributes), affine),
  };
}

/** SiLU and its gradient. */
export function activations(silu: (graph: Graph, x: Value) => Value): Readonly<Record<string, Kernel>> {
  return {
    Silu: ({ graph, inputs: { x } }) => {
      const y = silu(graph, x);
      // Now, while both are near the processor.
      if (graph.isDifferentiated) siluSlope(graph, x, y);
      return y;
    },
    SiluGradient: ({ graph, inputs: { x, dy } }) =>
      emitOne(graph, "Mul", [dy, siluSlope(graph, x, silu(graph, x))], x.shape),
  };
}

/** Both, where an operation has several threads. */
export const normalisations: Readonly<Record<string, Kernel>> = {
  ...groupNormalisations(affine),
  ...activations(silu),
};
