import type { Graph, Value } from "../graph.ts";
import { emitOne, type Kernel, type KernelCall } from "./kernel.ts";
import { matMul } from "./reductions.ts";
import { reshape, transpose } from "./shapes.ts";
import { suitsWinograd, winogradConvolution, winogradFilterGradient, winogradInputGradient } from "./winograd.ts";

/** A convolution's stride, and its padding at the top, left, bottom and right. */
export interface ConvolutionAttributes {
  readonly stride: number;
  readonly padding: readonly [number, number, number, number];
}

/** Whether a convolution suits Winograd's form. @param filter and x, their shapes. */
export function isWinograd(
  { stride, padding }: ConvolutionAttributes,
  filter: readonly number[],
  [, , h, w]: readonly number[],
) {
  const [o, c, kh, kw] = filter;
  return stride === 1 && kh === 3 && kw === 3 && padding.every((p) => p === 1) && suitsWinograd(c, o, h, w);
}

/** Whether a convolution is a product of matrices at each pixel. @param filter Its shape. */
function isPixelwise({ stride, padding }: ConvolutionAttributes, [, , kh, kw]: readonly number[]): boolean {
  return kh === 1 && kw === 1 && stride === 1 && padding.every((p) => p === 0);
}

function convolution(graph: Graph, x: Value, filter: Value, bias: Value, attributes: ConvolutionAttributes): Value {
  if (!isWinograd(attributes, filter.shape, x.shape)) return plainConvolution(graph, x, filter, bias, attributes);
  const y = winogradConvolution(graph, x, filter);
  return emitOne(graph, "Add", [y, reshape(graph, bias, [1, filter.shape[0], 1, 1])], y.shape);
}

/** A convolution as one node, whatever its shape. */
function plainConvolution(
  graph: Graph,
  x: Value,
  filter: Value,
  bias: Value,
  attributes: ConvolutionAttributes,
): Value {
  const [n, c, h, w] = x.shape;
  const [o, , kh, kw] = filter.shape;
  const { stride, padding: [top, left, bottom, right] } = attributes;
  const shape = [
    n,
    o,
    Math.floor((h + top + bottom - kh) / stride) + 1,
    Math.floor((w + left + right - kw) / stride) + 1,
  ];
  if (shape[2] < 1 || shape[3] < 1) {
    throw new RangeError(`A ${kh}x${kw} filter does not fit an image of ${h}x${w} with ${c} channels.`);
  }
  return emitOne(graph, "Conv", [x, filter, bias], shape, "float32", onnxAttributes(attributes));
}

function onnxAttributes({ stride, padding }: ConvolutionAttributes) {
  return { strides: [stride, stride], pads: padding };
}

function inputGradient(
  graph: Graph,
  dy: Value,
  filter: Value,
  shape: readonly number[],
  attributes: ConvolutionAttributes,
): Value {
  if (isWinograd(attributes, filter.shape, shape)) return winogradInputGradient(graph, dy, filter);
  if (isPixelwise(attributes, filter.shape)) {
    const [n, c, h, w] = shape, [o] = filter.shape;
    const [matrix, rows] = [reshape(graph, filter, [1, o, c]), reshape(graph, dy, [n, o, h * w])];
    return reshape(graph, matMul(graph, matrix, rows, { transposeA: true, transposeB: false }), shape);
  }
  return plainInputGradient(graph, dy, filter, shape, attributes);
}

/** The gradient with respect to the input as one node. */
function plainInputGradient(
  graph: Graph,
  dy: Value,
  filter: Value,
  shape: readonly number[],
  attributes: ConvolutionAttributes,
): Value {
  const { stride, padding: [top, left, bottom, right] } = attributes;
  const [, , kh, kw] = filter.shape;
  const [, , oh, ow] = dy.shape;
  // Rows and columns at the end that no filter reaches.
  const rest = [
    shape[2] - ((oh - 1) * stride + kh - top - bottom),
    shape[3] - ((ow - 1) * stride + kw - left - right),
  ];
  return emitOne(graph, "ConvTranspose", [dy, filter], shape, "float32", {
    ...onnxAttributes(attributes),
    output_padding: rest,
  });
}

function filterGradient(
  graph: Graph,
  x: Value,
  dy: Value,
  shape: readonly number[],
  attributes: ConvolutionAttributes,
): Value {
  if (isWinograd(attributes, shape, x.shape)) return winogradFilterGradient(graph, x, dy);
  const [o, c] = shape, [n, , h, w] = x.shape;
  // The images' products, where there is less of them to be summed than there is of images to be turned.
  if (isPixelwise(attributes, shape) && 2 * o * c <= (o + c) * h * w) {
    const [left, right] = [reshape(graph, dy, [n, o, h * w]), reshape(graph, x, [n, c, h * w])];
    const products = matMul(graph, left, right, { transposeA: false, transposeB: true });
    const sum = emitOne(graph, "ReduceSum", [products, graph.integers([0])], [o, c], "float32", { keepdims: 0 });
    return reshape(graph, sum, shape);
  }
  return plainFilterGradient(graph, x, dy, shape, attributes);
}

/** One product over batch and space: each of the filter's elements sees a shifted copy of the input. */
function plainFilterGradient(
  graph: Graph,
  x: Value,
  dy: Value,
  shape: readonly number[],
  attributes: ConvolutionAttributes,
): Value {
  const [o, c, kh, kw] = shape;
  const [n, , oh, ow] = dy.shape;
  const { stride, padding: [top, left, bottom, right] } = attributes;
  const channelsFirst = transpose(graph, x, [1, 0, 2, 3]);
  const pads = graph.integers([0, 0, top, left, 0, 0, bottom, right]);
  const padded = attributes.padding.every((p) => p === 0)
    ? channelsFirst
    : emitOne(graph, "Pad", [channelsFirst, pads], [c, n, x.shape[2] + top + bottom, x.shape[3] + left + right]);
  const shifted: Value[] = [];
  for (let row = 0; row < kh; row++) {
    for (let column = 0; column < kw; column++) {
      const piece = emitOne(graph, "Slice", [
        padded,
        graph.integers([row, column]),
        graph.integers([row + (oh - 1) * stride + 1, column + (ow - 1) * stride + 1]),
        graph.integers([2, 3]),
        graph.integers([stride, stride]),
      ], [c, n, oh, ow]);
      shifted.push(reshape(graph, piece, [c, 1, n * oh * ow]));
    }
  }
  const columns = shifted.length === 1
    ? shifted[0]
    : emitOne(graph, "Concat", shifted, [c, kh * kw, n * oh * ow], "float32", { axis: 1 });
  const product = emitOne(
    graph,
    "Gemm",
    [
      reshape(graph, transpose(graph, dy, [1, 0, 2, 3]), [o, n * oh * ow]),
      reshape(graph, columns, [c * kh * kw, n * oh * ow]),
    ],
    [o, c * kh * kw],
    "float32",
    { transA: 0, transB: 1 },
  );
  return reshape(graph, product, shape);
}

/** A convolution and its gradients under the names that `core/layers/conv2d.ts` calls. */
export function convolutionKernels(
  forward: typeof convolution,
  inputGradient: typeof plainInputGradient,
  filterGradient: typeof plainFilterGradient,
): Readonly<Record<string, Kernel>> {
  const settings = (attributes: KernelCall["attributes"]) => attributes as unknown as ConvolutionAttributes;
  return {
    ConvolutionNchw: ({ graph, inputs: { x, filter, bias }, attributes }) =>
      forward(graph, x, filter, bias, settings(attributes)),
    ConvolutionNchwInputGradient: ({ graph, inputs: { dy, filter }, attributes }) =>
      inputGradient(graph, dy, filter, attributes.shape as number[], settings(attributes)),
    ConvolutionNchwFilterGradient: ({ graph, inputs: { x, dy }, attributes }) =>
      filterGradient(graph, x, dy, attributes.shape as number[], settings(attributes)),
  };
}

/** Convolutions in PyTorch's layout and their gradients: images `[n, c, h, w]`, filters `[o, c, kh, kw]`. */
export const convolutions = convolutionKernels(convolution, inputGradient, filterGradient);

/** The same, each in its usual form whatever its shape. */
export const plainConvolutions = convolutionKernels(plainConvolution, plainInputGradient, plainFilterGradient);
