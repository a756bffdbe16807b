import type { Graph, Value } from "../graph.ts";
import { emitOne } from "./kernel.ts";
import { concat, reshape, slice, transpose } from "./shapes.ts";

/**
 * 3x3 convolutions by Winograd's minimal filtering F(4x4, 3x3) (A. Lavin, S. Gray, arXiv 1509.09308): a quarter of the
 * multiplications, as 36 matrix products over channels between transforms of 6x6 tiles. The transforms and their
 * adjoints are convolutions with constant filters, so the gradients are the same three steps run backwards.
 */

/** Side of an output tile, of a filter and of an input tile. */
const TILE = 4;
const FILTER = 3;
const INPUT_TILE = TILE + FILTER - 1;
const PRODUCTS = INPUT_TILE ** 2;

/**
 * Where the polynomials are evaluated, besides infinity. Reciprocal pairs keep float32's error to a few parts in 10⁶,
 * a third of that with the integers 0, ±1, ±2 (B. Barabasz et al., arXiv 1803.10986).
 */
const POINTS = [0, 3 / 4, -3 / 4, 4 / 3, -4 / 3];

/** Smaller images, and fewer channels for their size, do not pay for the transforms; measured. */
const MIN_PIXELS = 64;
const MIN_CHANNELS = 64;
const MIN_CHANNELS_TIMES_SIDE = 1024;

/** The most that transforms of one image or gradient take at once. */
const MAX_TRANSFORM_BYTES = 10e6;

/** Whether a 3x3 convolution with stride 1 and one row of padding on each side is faster this way. */
export function suitsWinograd(inputs: number, outputs: number, height: number, width: number): boolean {
  const channels = Math.min(inputs, outputs);
  return height % TILE === 0 && width % TILE === 0 && height * width >= MIN_PIXELS && channels >= MIN_CHANNELS &&
    channels * Math.sqrt(height * width) >= MIN_CHANNELS_TIMES_SIDE;
}

/** y = x ∗ w. @param x `[n, c, h, w]`. @param filter `[o, c, 3, 3]`. @returns `[n, o, h, w]`, without a bias. */
export function winogradConvolution(graph: Graph, x: Value, filter: Value): Value {
  const [o] = filter.shape;
  const parts = inParts(graph, [x], filter, ([x]) => {
    const [n, , h, w] = x.shape;
    const product = emitOne(graph, "MatMul", [filterTransform(graph, filter, 1), inputTransform(graph, x, 1)], [
      PRODUCTS,
      o,
      tiles(x),
    ]);
    return gather(graph, product, [n, o, h, w], TRANSFORMS.output, 0);
  });
  return concat(graph, parts, 0);
}

/** The gradient of the convolution with respect to its input. @param dy `[n, o, h, w]`. @returns `[n, c, h, w]`. */
export function winogradInputGradient(graph: Graph, dy: Value, filter: Value): Value {
  const channels = filter.shape[1];
  const parts = inParts(graph, [dy], filter, ([dy]) => {
    const [n, , h, w] = dy.shape;
    // Twice the forward pass's transform, halved at the end: another value, so that the forward pass's is not kept.
    const product = graph.emit(
      "FusedMatMul",
      [filterTransform(graph, filter, 2), outputAdjoint(graph, dy)],
      [{ shape: [PRODUCTS, channels, tiles(dy)], dtype: "float32" }],
      { transA: 1 },
      "com.microsoft",
    )[0];
    return gather(graph, product, [n, channels, h, w], TRANSFORMS.input.map((b) => b / 2), 1);
  });
  return concat(graph, parts, 0);
}

/** The gradient of the convolution with respect to its filter. @returns `[o, c, 3, 3]`. */
export function winogradFilterGradient(graph: Graph, x: Value, dy: Value): Value {
  const [o, c] = [dy.shape[1], x.shape[1]];
  const products = inParts(graph, [x, dy], { shape: [o, c] }, ([x, dy]) =>
    // Here too.
    graph.emit(
      "FusedMatMul",
      [outputAdjoint(graph, dy), inputTransform(graph, x, 2)],
      [{ shape: [PRODUCTS, o, c], dtype: "float32" }],
      { transB: 1 },
      "com.microsoft",
    )[0]);
  const product = products.reduce((sum, part) => emitOne(graph, "Add", [sum, part], sum.shape));
  const half = constant(graph, TRANSFORMS.filter.map((g) => g / 2), [PRODUCTS, FILTER ** 2]);
  const rows = reshape(graph, product, [PRODUCTS, o * c]);
  const gradient = emitOne(graph, "Gemm", [rows, half], [o * c, FILTER ** 2], "float32", { transA: 1, transB: 0 });
  return reshape(graph, gradient, [o, c, FILTER, FILTER]);
}

/**
 * What a function makes of a few samples at a time, so many that their transforms take no more than
 * {@linkcode MAX_TRANSFORM_BYTES}: of all samples of a batch they take twice the memory of a layer's other values.
 */
function inParts(
  graph: Graph,
  images: readonly Value[],
  filter: { readonly shape: readonly number[] },
  part: (images: readonly Value[]) => Value,
): Value[] {
  const { shape: [n] } = images[0], [o, c] = filter.shape;
  const bytes = 4 * PRODUCTS * Math.max(o, c) * tiles(images[0]);
  const count = Math.min(n, Math.ceil(bytes / MAX_TRANSFORM_BYTES)), size = Math.ceil(n / count);
  const begins = Array.from({ length: Math.ceil(n / size) }, (_, i) => i * size);
  return begins.map((begin) =>
    part(images.map((x) => slice(graph, x, [begin, 0, 0, 0], [Math.min(size, n - begin), ...x.shape.slice(1)])))
  );
}

/** The filter, transformed, times `factor`: `[36, o, c]`. */
function filterTransform(graph: Graph, filter: Value, factor: number): Value {
  const [o, c] = filter.shape;
  // No part of the parameters' input, whose shape would be known: ONNX Runtime would keep the result's memory for others.
  const rows = emitOne(graph, "Reshape", [filter, graph.integers([o * c, FILTER ** 2])], [o * c, FILTER ** 2]);
  const g = constant(graph, TRANSFORMS.filter.map((g) => g * factor), [PRODUCTS, FILTER ** 2]);
  const transformed = emitOne(graph, "Gemm", [g, rows], [PRODUCTS, o * c], "float32", { transA: 0, transB: 1 });
  return reshape(graph, transformed, [PRODUCTS, o, c]);
}

/** Overlapping 6x6 tiles of the input, transformed, times `factor`: `[36, c, n·tiles]`. */
function inputTransform(graph: Graph, x: Value, factor: number): Value {
  return scatter(graph, x, TRANSFORMS.input.map((b) => b * factor), INPUT_TILE, 1);
}

/** The adjoint of the output transform on the 4x4 tiles of the gradient: `[36, o, n·tiles]`. */
function outputAdjoint(graph: Graph, dy: Value): Value {
  return scatter(graph, dy, TRANSFORMS.output, TILE, 0);
}

/** Applies 36 filters to the tiles of every channel: `[n, c, h, w]` to `[36, c, n·tiles]`. */
function scatter(graph: Graph, x: Value, filters: readonly number[], side: number, padding: number): Value {
  const [n, c, h, w] = x.shape;
  const [rows, columns] = [h / TILE, w / TILE];
  const images = reshape(graph, x, [n * c, 1, h, w]);
  const kernel = constant(graph, filters, [PRODUCTS, 1, side, side]);
  const tiles = emitOne(graph, "Conv", [images, kernel], [n * c, PRODUCTS, rows, columns], "float32", {
    strides: [TILE, TILE],
    pads: new Array(4).fill(padding),
  });
  const order = transpose(graph, reshape(graph, tiles, [n, c, PRODUCTS, rows * columns]), [2, 1, 0, 3]);
  return reshape(graph, order, [PRODUCTS, c, n * rows * columns]);
}

/** The adjoint of `scatter`: `[36, c, n·tiles]` to `[n, c, h, w]`. */
function gather(
  graph: Graph,
  tiles: Value,
  [n, c, h, w]: readonly number[],
  filters: readonly number[],
  padding: number,
): Value {
  const [rows, columns] = [h / TILE, w / TILE];
  const side = TILE + 2 * padding;
  const order = transpose(graph, reshape(graph, tiles, [PRODUCTS, c, n, rows * columns]), [2, 1, 0, 3]);
  const images = reshape(graph, order, [n * c, PRODUCTS, rows, columns]);
  const kernel = constant(graph, filters, [PRODUCTS, 1, side, side]);
  const whole = emitOne(graph, "ConvTranspose", [images, kernel], [n * c, 1, h, w], "float32", {
    strides: [TILE, TILE],
    pads: new Array(4).fill(padding),
  });
  return reshape(graph, whole, [n, c, h, w]);
}

function tiles({ shape: [n, , h, w] }: Value): number {
  return n * (h / TILE) * (w / TILE);
}

function constant(graph: Graph, values: readonly number[], shape: readonly number[]): Value {
  return graph.constant(Float32Array.from(values), shape, "float32");
}

/** The two-dimensional transforms, row-major with 36 rows: of inputs (36), filters (9) and outputs (16 columns). */
const TRANSFORMS = transforms(POINTS);

/**
 * The matrices of the Toom–Cook algorithm: y = Aᵀ[(G·g) ⊙ (Bᵀ·d)] filters six inputs d with three weights g to four
 * outputs y.
 */
function transforms(points: readonly number[]) {
  const finite = points.map((a, j) => {
    const others = points.filter((_, k) => k !== j);
    const scale = others.reduce((product, b) => product * (a - b), 1);
    return {
      input: [...polynomial(others), 0],
      filter: Array.from({ length: FILTER }, (_, i) => a ** i / scale),
      output: Array.from({ length: TILE }, (_, i) => a ** i),
    };
  });
  const unit = (n: number) => Array.from({ length: n }, (_, i) => i === n - 1 ? 1 : 0);
  const rows = [...finite, { input: polynomial(points), filter: unit(FILTER), output: unit(TILE) }];
  const squared = (key: "input" | "filter" | "output") =>
    rows.flatMap((a) => rows.flatMap((b) => a[key].flatMap((x) => b[key].map((y) => x * y))));
  return { input: squared("input"), filter: squared("filter"), output: squared("output") };
}

/** The coefficients of ∏ (x − root), from the constant one up. */
function polynomial(roots: readonly number[]): number[] {
  return roots.reduce<number[]>(
    (c, root) => Array.from({ length: c.length + 1 }, (_, i) => (c[i - 1] ?? 0) - root * (c[i] ?? 0)),
    [1],
  );
}
