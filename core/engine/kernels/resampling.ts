import { emitOne, type Kernel } from "./kernel.ts";
import { reshape } from "./shapes.ts";

/** Nearest-neighbour upsampling of images `[n, c, h, w]` to twice the size, and its gradient. */
export const resamplings: Readonly<Record<string, Kernel>> = {
  UpsampleNchw: ({ graph, inputs: { x } }) => {
    const [n, c, h, w] = x.shape;
    const spread = emitOne(graph, "Expand", [
      reshape(graph, x, [n * c * h, 1, w, 1]),
      graph.integers([n * c * h, 2, w, 2]),
    ], [n * c * h, 2, w, 2]);
    return reshape(graph, spread, [n, c, 2 * h, 2 * w]);
  },
  UpsampleNchwGradient: ({ graph, inputs: { dy } }) => {
    const [n, c, h, w] = dy.shape;
    const shape = [n, c, h / 2, w / 2];
    const mean = emitOne(graph, "AveragePool", [dy], shape, "float32", { kernel_shape: [2, 2], strides: [2, 2] });
    return emitOne(graph, "Mul", [mean, graph.splat(4)], shape);
  },
};
