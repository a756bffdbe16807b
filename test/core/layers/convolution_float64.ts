import { type HostTensor, sizeOf } from "../../../core/data/tensors.ts";
import type { Padding } from "../../../core/layers/conv2d.ts";

/** A convolution's result and gradients. */
export interface Convolution {
  readonly shape: readonly [number, number, number, number];
  readonly y: Float64Array;
  readonly x: Float64Array;
  readonly filter: Float64Array;
  readonly bias: Float64Array;
}

/** The shape of a convolution's result. */
export function convolutionShape(
  [n, , h, w]: readonly number[],
  [o, , kh, kw]: readonly number[],
  [top, left, bottom, right]: Padding,
  stride: number,
): readonly [number, number, number, number] {
  const along = (size: number, kernel: number) => Math.floor((size - kernel) / stride) + 1;
  return [n, o, along(h + top + bottom, kh), along(w + left + right, kw)];
}

/** A convolution straight from its definition in double precision, and its gradients for the gradient `dy`. */
export function convolutionInFloat64(
  x: HostTensor,
  filter: HostTensor,
  bias: HostTensor,
  dy: HostTensor,
  padding: Padding,
  stride: number,
): Convolution {
  const [n, c, h, w] = x.shape;
  const [o, , kh, kw] = filter.shape;
  const [top, left] = padding;
  const shape = convolutionShape(x.shape, filter.shape, padding, stride);
  const [, , oh, ow] = shape;
  const result = {
    shape,
    y: new Float64Array(sizeOf(shape)),
    x: new Float64Array(x.data.length),
    filter: new Float64Array(filter.data.length),
    bias: new Float64Array(o),
  };
  for (let image = 0, at = 0; image < n; image++) {
    for (let out = 0; out < o; out++) {
      for (let row = 0; row < oh; row++) {
        for (let column = 0; column < ow; column++, at++) {
          const g = dy.data[at];
          let sum = bias.data[out];
          result.bias[out] += g;
          for (let channel = 0; channel < c; channel++) {
            for (let i = 0; i < kh; i++) {
              const sourceRow = row * stride + i - top;
              if (sourceRow < 0 || sourceRow >= h) continue;
              for (let j = 0; j < kw; j++) {
                const sourceColumn = column * stride + j - left;
                if (sourceColumn < 0 || sourceColumn >= w) continue;
                const source = ((image * c + channel) * h + sourceRow) * w + sourceColumn;
                const weight = ((out * c + channel) * kh + i) * kw + j;
                sum += x.data[source] * filter.data[weight];
                result.x[source] += g * filter.data[weight];
                result.filter[weight] += g * x.data[source];
              }
            }
          }
          result.y[at] = sum;
        }
      }
    }
  }
  return result;
}
