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

/** Which axis of a filter `[…, …, kh, kw]` its outputs are, and which its inputs. */
type OutputAxis = 0 | 1;

/**
 * A filter as the convolution of blocks takes it, `[o/b, c/b, kh·kw, b, b]` with the block of outputs last; inputs fewer than
 * a block lie as they are, `[o/b, c, kh·kw, b]`, as those of the images then do. The outputs' block is made as that of an image's
 * channels, so that the rest moves whole blocks.
 */
function blockedFilter(graph: Graph, filter: Value, outputs: OutputAxis, b: number): Value {
  const [o, c] = outputs === 0 ? filter.shape : [filter.shape[1], filter.shape[0]], [, , kh, kw] = filter.shape;
  const k = kh * kw, inner = c < b ? 1 : b;
  if (outputs === 0) {
    const blocks = blockedImages(graph, reshape(graph, filter, [o / b, b, 1, c * k]));
    return transpose(graph, reshape(graph, blocks, [o / b, c / inner, inner, k, b]), [0, 1, 3, 2, 4]);
  }
  const blocks = blockedImages(graph, reshape(graph, filter, [c, o, 1, k]));
  return transpose(graph, reshape(graph, blocks, [c / inner, inner, o / b, k, b]), [2, 0, 3, 1, 4]);
}

/**
 * A convolution of images and a filter that are in blocks already, as its result is.
 *
 * @param size Of the result.
 * @param bias One per output; none where it is left out.
 */
function blockedConvolution(
  graph: Graph,
  x: Value,
  filter: Value,
  size: readonly number[],
  { kernel, pads, stride = 1, dilation = 1 }: {
    readonly kernel: readonly [number, number];
    readonly pads: readonly number[];
    readonly stride?: number;
    readonly dilation?: number;
  },
  bias?: Value,
): Value {
  const filters = reshape(graph, filter, [size[1], x.shape[1], ...kernel]);
  return graph.emit(
    "Conv",
    [x, filters, ...(bias ? [bias] : [])],
    [{ shape: size, dtype: "float32" }],
    { kernel_shape: kernel, strides: [stride, stride], dilations: [dilation, dilation], pads, group: 1 },
    DOMAIN,
  )[0];
}

/** The same of plain images, with a plain result. */
function inBlocks(
  graph: Graph,
  x: Value,
  filter: Value,
  size: readonly number[],
  settings: Parameters<typeof blockedConvolution>[4],
  b: number,
  bias?: Value,
): Value {
  // Images of fewer channels than a block are taken as they are.
  const images = x.shape[1] < b ? x : blockedImages(graph, x);
  return plainImages(graph, blockedConvolution(graph, images, filter, size, settings, bias));
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
    const pads = [top, left, (oh - 1) * stride + kh - h - top, (ow - 1) * stride + kw - w - left];
    return transpose(
      graph,
      convolutionOfSamples(graph, x, dy, [c, o, kh, kw], { pads, dilation: stride }, b),
      [1, 0, 2, 3],
    );
  }
  const pads = [kh - 1 - top, kw - 1 - left, kh - 1 - bottom, kw - 1 - right];
  // Here the learned filter's pixels come from the last to the first.
  return reversed(graph, convolutionOfSamples(graph, dy, x, [o, c, kh, kw], { pads, dilation: 1 }, b));
}

/** Bytes of a filter for one block of inputs that stay near the processor while all pixels are gone through. */
const MAX_FILTER_BYTES = 1 << 20;

/** Blocks of outputs that are computed at once. */
const OUTPUT_BLOCKS = 4;

/**
 * A convolution whose filter is as large as images are, of `[n, k, …]` with a filter `[n, f, h, w]`, so that n is summed over. A
 * filter too large to stay near the processor is taken some rows at a time.
 *
 * @param size Of the result, `[k, f, …]`.
 * @param pads Of the images.
 */
function convolutionOfSamples(
  graph: Graph,
  images: Value,
  filter: Value,
  size: readonly number[],
  { pads: [top, left, bottom, right], dilation }: { readonly pads: readonly number[]; readonly dilation: number },
  b: number,
): Value {
  const [n, f, h, w] = filter.shape, [, k, rows, columns] = images.shape, together = Math.min(OUTPUT_BLOCKS, f / b);
  // A single block waits for its own sums, not for memory.
  const parts = together === 1 ? 1 : divisorFrom(h, 4 * b * b * together * h * w / MAX_FILTER_BYTES);
  // To the operation that makes blocks, samples are channels of an image that has all channels' pixels.
  const pixels = k * rows * columns, blocks = blockedImages(graph, reshape(graph, images, [n / b, b, 1, pixels]));
  const samples = transpose(graph, reshape(graph, blocks, [n / b, k, pixels / k, b]), [1, 0, 2, 3]);
  const lines = reshape(graph, samples, [k * n / b, rows, columns * b]);
  const extent = [parts === 1 ? rows + top + bottom : (h / parts - 1) * dilation + size[2], columns + left + right];
  const sums = samplesAsInputs(graph, filter, parts, b).map((part, i) => {
    // Rows of other parts, and what no filter reaches at the end, are cut off by a negative padding.
    const above = top - i * h / parts * dilation, below = extent[0] - rows - above;
    const piece = padded(graph, lines, [0, above, left * b, 0, below, right * b]);
    return blockedConvolution(graph, reshape(graph, piece, [k, n, ...extent]), part, size, {
      ...{ kernel: [h / parts, w], pads: [0, 0, 0, 0], dilation },
    });
  });
  return plainImages(graph, sums.reduce((sum, part) => emitOne(graph, "Add", [sum, part], size)));
}

/** The smallest divisor of a whole number that is at least so large; the number itself where none is. */
function divisorFrom(n: number, least: number): number {
  for (let divisor = Math.max(1, Math.ceil(least)); divisor < n; divisor++) if (n % divisor === 0) return divisor;
  return n;
}

/** Images `[n, c, h, w]` as a filter in blocks, of n inputs and c outputs, in so many parts of their rows. */
function samplesAsInputs(graph: Graph, x: Value, parts: number, b: number): readonly Value[] {
  const [n, c, h, w] = x.shape;
  // Where channels are in blocks, whole blocks move.
  const blocks = reshape(graph, blockedImages(graph, x), [n / b, b, c / b, parts, h * w / parts, b]);
  const filter = transpose(graph, blocks, [3, 2, 0, 4, 1, 5]);
  if (parts === 1) return [filter];
  const part = { shape: [1, ...filter.shape.slice(1)], dtype: "float32" } as const;
  const each = graph.integers(Array(parts).fill(1));
  return graph.emit("Split", [filter, each], Array(parts).fill(part), { axis: 0 });
}

/** @param pads At the beginnings of all axes, and at their ends. */
function padded(graph: Graph, x: Value, pads: readonly number[]): Value {
  if (pads.every((p) => p === 0)) return x;
  const axes = x.shape.length;
  return emitOne(graph, "Pad", [x, graph.integers(pads)], x.shape.map((size, i) => pads[i] + size + pads[axes + i]));
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
      return inBlocks(
        graph,
        x,
        blockedFilter(graph, filter, 0, b),
        size,
        {
          ...{ kernel: [kh, kw], pads: attributes.padding, stride },
        },
        b,
        bias,
      );
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
      const turned = blockedFilter(graph, reversed(graph, filter), 1, b);
      return inBlocks(graph, dy, turned, shape, { kernel: [kh, kw], pads }, b);
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
