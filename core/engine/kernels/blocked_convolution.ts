import type { Graph, Value } from "../graph.ts";
import { type ConvolutionAttributes, convolutionKernels, convolutions, isWinograd } from "./convolution.ts";
import { emitOne, type Kernel } from "./kernel.ts";
import { reshape, transpose } from "./shapes.ts";

/**
 * Convolutions of images whose channels lie in blocks as wide as the processor's vectors, `[n, c/b, h, w, b]`, by ONNX
 * Runtime's own operations for that layout. It takes them by itself only where filters are constants; those of a training
 * are inputs, so that images and filters are brought into blocks here. Two to six times as fast as products of matrices
 * where channels are few.
 */

const DOMAIN = "com.microsoft.nchwc";

/** Blocked images of a plain one; the shape of the value is still the plain one's. */
function blockedImages(graph: Graph, x: Value): Value {
  return graph.emit("ReorderInput", [x], [x], { channels_last: 0 }, DOMAIN)[0];
}

/** Plain images of blocked ones. */
function plainImages(graph: Graph, x: Value): Value {
  return graph.emit("ReorderOutput", [x], [x], { channels: x.shape[1], channels_last: 0 }, DOMAIN)[0];
}

/** What a filter's array is brought into blocks from. */
interface FilterAxes {
  /** `[outputs, inputs, pixels]` as places in the array, whose other axes are none. */
  readonly shape: readonly [outputs: number, inputs: number, pixels: number];
  /** Where the outputs are, 0 or 1; the inputs are at the other. */
  readonly outputs: 0 | 1;
}

/**
 * The filter of a convolution as its operation takes it: blocks of inputs and of outputs last. Few inputs, fewer than a block,
 * are taken as they are, and so are the images then.
 *
 * @param filter `[o, c, k]` or, where the outputs are the second axis, `[c, o, k]`.
 */
function blockedFilter(graph: Graph, filter: Value, { shape: [o, c, k], outputs }: FilterAxes, b: number): Value {
  const whole = c < b;
  if (outputs === 0) {
    return whole
      ? transpose(graph, reshape(graph, filter, [o / b, b, c, k]), [0, 2, 3, 1])
      : transpose(graph, reshape(graph, filter, [o / b, b, c / b, b, k]), [0, 2, 4, 3, 1]);
  }
  return whole
    ? transpose(graph, reshape(graph, filter, [c, o / b, b, k]), [1, 0, 3, 2])
    : transpose(graph, reshape(graph, filter, [c / b, b, o / b, b, k]), [2, 0, 4, 1, 3]);
}

/** A convolution of images with a filter in blocks. @param size Of the result. */
function blockedConvolution(
  graph: Graph,
  x: Value,
  filter: Value,
  bias: readonly Value[],
  size: readonly number[],
  { kernel, pads, stride = 1, dilation = 1 }: {
    readonly kernel: readonly [number, number];
    readonly pads: readonly number[];
    readonly stride?: number;
    readonly dilation?: number;
  },
  b: number,
): Value {
  const [n, o, h, w] = size, c = x.shape[1];
  const images = c < b ? x : blockedImages(graph, x);
  const [y] = graph.emit(
    "Conv",
    [images, reshape(graph, filter, [o, c, ...kernel]), ...bias],
    [{ shape: [n, o, h, w], dtype: "float32" }],
    {
      kernel_shape: kernel,
      strides: [stride, stride],
      dilations: [dilation, dilation],
      pads,
      group: 1,
    },
    DOMAIN,
  );
  return plainImages(graph, y);
}

/** Whether channels can be in blocks; as inputs they may also be too few for one. */
const fills = (channels: number, b: number) => channels % b === 0;
const canBeRead = (channels: number, b: number) => channels < b || fills(channels, b);

/** Channels from which on Winograd's form is the faster; measured. */
const WIDE = 96;

/** Whether another form is as fast: single pixels are one product, wide convolutions have Winograd's. */
function isElsewhere(attributes: ConvolutionAttributes, filter: readonly number[], x: readonly number[]): boolean {
  const [o, c, kh, kw] = filter;
  return kh === 1 && kw === 1 || Math.min(c, o) >= WIDE && isWinograd(attributes, filter, x);
}

/**
 * The gradient of a filter is a convolution too, in which samples stand for channels: of `[c, n, h, w]` with a filter
 * `[o, n, oh, ow]`, whose result has as many pixels as the filter that is learned.
 */
function filterGradient(
  graph: Graph,
  x: Value,
  dy: Value,
  [o, c, kh, kw]: readonly number[],
  { stride, padding }: ConvolutionAttributes,
  b: number,
): Value | undefined {
  const [n, , h, w] = x.shape, [, , oh, ow] = dy.shape, [top, left, bottom, right] = padding;
  if (!fills(n, b)) return undefined;
  // The more channels are filters, the more of them are summed for each value that is read.
  const [isFilterOfX, isFilterOfDy] = [stride === 1 && fills(c, b), fills(o, b)];
  if (!isFilterOfX && !isFilterOfDy) return undefined;
  if (isFilterOfDy && (!isFilterOfX || o >= c)) {
    // Rows and columns at the end that no filter reaches are cut off by a negative padding.
    const rest = [(oh - 1) * stride + kh - h - top, (ow - 1) * stride + kw - w - left];
    const images = padded(graph, transpose(graph, x, [1, 0, 2, 3]), [top, left, rest[0], rest[1]]);
    const filter = samplesAsInputs(graph, dy, b);
    const y = blockedConvolution(graph, images, filter, [], [c, o, kh, kw], {
      ...{ kernel: [oh, ow], pads: [0, 0, 0, 0], dilation: stride },
    }, b);
    return transpose(graph, y, [1, 0, 2, 3]);
  }
  const images = padded(
    graph,
    transpose(graph, dy, [1, 0, 2, 3]),
    [kh - 1 - top, kw - 1 - left, kh - 1 - bottom, kw - 1 - right],
  );
  const filter = samplesAsInputs(graph, x, b);
  const y = blockedConvolution(graph, images, filter, [], [o, c, kh, kw], { kernel: [h, w], pads: [0, 0, 0, 0] }, b);
  // Here the learned filter's pixels come from the last to the first.
  return reversed(graph, y);
}

/** Images `[n, c, h, w]` as a filter in blocks, of n inputs and c outputs. */
function samplesAsInputs(graph: Graph, x: Value, b: number): Value {
  const [n, c, h, w] = x.shape;
  // Where channels are in blocks, whole blocks move.
  const blocks = reshape(graph, blockedImages(graph, x), [n / b, b, c / b, h * w, b]);
  return transpose(graph, blocks, [2, 0, 3, 1, 4]);
}

function padded(graph: Graph, x: Value, [top, left, bottom, right]: readonly number[]): Value {
  if ([top, left, bottom, right].every((p) => p === 0)) return x;
  const [n, c, h, w] = x.shape;
  const pads = graph.integers([0, 0, top, left, 0, 0, bottom, right]);
  return emitOne(graph, "Pad", [x, pads], [n, c, h + top + bottom, w + left + right]);
}

/** A filter whose pixels are in reverse. */
function reversed(graph: Graph, filter: Value): Value {
  const [o, c, kh, kw] = filter.shape, pixels = reshape(graph, filter, [o, c, kh * kw]);
  const turned = emitOne(graph, "Slice", [
    pixels,
    graph.integers([-1]),
    graph.integers([-kh * kw - 1]),
    graph.integers([2]),
    graph.integers([-1]),
  ], pixels.shape);
  return reshape(graph, turned, filter.shape);
}

/** Convolutions and their gradients in blocks of so many channels, where that is faster. */
export function blockedConvolutions(b: number): Readonly<Record<string, Kernel>> {
  const [forward, inputGradient, filterGradientOf] = [
    convolutions.ConvolutionNchw,
    convolutions.ConvolutionNchwInputGradient,
    convolutions.ConvolutionNchwFilterGradient,
  ];
  return convolutionKernels(
    (graph, x, filter, bias, attributes) => {
      const [o, c, kh, kw] = filter.shape;
      if (isElsewhere(attributes, filter.shape, x.shape) || !fills(o, b) || !canBeRead(c, b)) {
        return forward({ graph, inputs: { x, filter, bias }, attributes: { ...attributes } }) as Value;
      }
      const [n, , h, w] = x.shape, { stride, padding: [top, left, bottom, right] } = attributes;
      const size = [
        n,
        o,
        Math.floor((h + top + bottom - kh) / stride) + 1,
        Math.floor((w + left + right - kw) / stride) + 1,
      ];
      const axes = { shape: [o, c, kh * kw], outputs: 0 } as const;
      return blockedConvolution(graph, x, blockedFilter(graph, filter, axes, b), [bias], size, {
        ...{ kernel: [kh, kw], pads: attributes.padding, stride },
      }, b);
    },
    (graph, dy, filter, shape, attributes) => {
      const [o, c, kh, kw] = filter.shape, { stride, padding: [top, left, bottom, right] } = attributes;
      const pads = [kh - 1 - top, kw - 1 - left, kh - 1 - bottom, kw - 1 - right];
      if (
        stride !== 1 || pads.some((p) => p < 0) || isElsewhere(attributes, filter.shape, shape) ||
        !fills(c, b) || !canBeRead(o, b)
      ) {
        return inputGradient({ graph, inputs: { dy, filter }, attributes: { ...attributes, shape } }) as Value;
      }
      const axes = { shape: [c, o, kh * kw], outputs: 1 } as const;
      const turned = blockedFilter(graph, reversed(graph, filter), axes, b);
      return blockedConvolution(graph, dy, turned, [], shape, { kernel: [kh, kw], pads }, b);
    },
    (graph, x, dy, shape, attributes) => {
      const blocked = isElsewhere(attributes, shape, x.shape)
        ? undefined
        : filterGradient(graph, x, dy, shape, attributes, b);
      return blocked ??
        filterGradientOf({ graph, inputs: { x, dy }, attributes: { ...attributes, shape } }) as Value;
    },
  );
}
