import type { Graph, Value } from "../graph.ts";
import { emitOne, type Kernel } from "./kernel.ts";
import { reshape } from "./shapes.ts";

/** Nearest-neighbour upsampling of images `[n, c, h, w]` to twice the size, its gradient, and means of two by two pixels. */
export const resamplings: Readonly<Record<string, Kernel>> = {
  AveragePoolNchw: ({ graph, inputs: { x } }) => averagePool(graph, x),
  UpsampleNchw: ({ graph, inputs: { x } }) => {
    const [n, c, h, w] = x.shape;
    const spread = emitOne(graph, "Expand", [
      reshape(graph, x, [n * c * h, 1, w, 1]),
      graph.integers([n * c * h, 2, w, 2]),
    ], [n * c * h, 2, w, 2]);
    return reshape(graph, spread, [n, c, 2 * h, 2 * w]);
  },
  UpsampleNchwGradient: ({ graph, inputs: { dy } }) => {
    const mean = averagePool(graph, dy);
    return emitOne(graph, "Mul", [mean, graph.splat(4)], mean.shape);
  },
};

function averagePool(graph: Graph, x: Value): Value {
  const [n, c, h, w] = x.shape;
  const attributes = { kernel_shape: [2, 2], strides: [2, 2] };
  return emitOne(graph, "AveragePool", [x], [n, c, h / 2, w / 2], "float32", attributes);
}
