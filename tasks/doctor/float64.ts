import { type HostTensor, sizeOf } from "../../core/data/tensors.ts";

/** Named values in double precision, row-major. */
export type Values = Record<string, Float64Array>;

/**
 * A multilayer perceptron of one hidden layer, y = relu(x·W₁ᵀ + b₁)·W₂ᵀ + b₂, and the gradients of ½‖y − t‖².
 *
 * @param x `[n, a]`.
 * @param target t, `[n, c]`.
 * @param params `1.weight` `[b, a]`, `1.bias` `[b]`, `2.weight` `[c, b]` and `2.bias` `[c]`.
 * @returns y, and the gradients by the parameters' names.
 */
export function perceptron(x: HostTensor, target: HostTensor, params: Readonly<Record<string, HostTensor>>): Values {
  const [w1, b1, w2, b2] = ["1.weight", "1.bias", "2.weight", "2.bias"].map((name) => params[name]);
  const [n, a] = x.shape;
  const [c, b] = w2.shape;
  const result: Values = {
    y: new Float64Array(n * c),
    ...Object.fromEntries(Object.entries(params).map(([name, { shape }]) => [name, new Float64Array(sizeOf(shape))])),
  };
  for (let row = 0; row < n; row++) {
    const hidden = Float64Array.from({ length: b }, (_, j) => {
      let sum = b1.data[j];
      for (let i = 0; i < a; i++) sum += x.data[row * a + i] * w1.data[j * a + i];
      return Math.max(0, sum);
    });
    const hiddenGradient = new Float64Array(b);
    for (let k = 0; k < c; k++) {
      let y = b2.data[k];
      for (let j = 0; j < b; j++) y += hidden[j] * w2.data[k * b + j];
      result.y[row * c + k] = y;
      const gradient = y - target.data[row * c + k];
      result["2.bias"][k] += gradient;
      for (let j = 0; j < b; j++) {
        result["2.weight"][k * b + j] += gradient * hidden[j];
        hiddenGradient[j] += gradient * w2.data[k * b + j];
      }
    }
    for (let j = 0; j < b; j++) {
      if (hidden[j] === 0) continue;
      result["1.bias"][j] += hiddenGradient[j];
      for (let i = 0; i < a; i++) result["1.weight"][j * a + i] += hiddenGradient[j] * x.data[row * a + i];
    }
  }
  return result;
}

/**
 * A 3 x 3 convolution of images padded by one all around, and its gradients.
 *
 * @param x `[n, c, h, w]`.
 * @param filter `[o, c, 3, 3]`.
 * @param bias `[o]`.
 * @param dy The gradient of y, `[n, o, h, w]`.
 * @returns y, and the gradients of x, filter and bias by their names.
 */
export function convolution(x: HostTensor, filter: HostTensor, bias: HostTensor, dy: HostTensor): Values {
  const [n, channels, h, w] = x.shape;
  const [outputs] = filter.shape;
  const result = {
    y: new Float64Array(dy.data.length),
    x: new Float64Array(x.data.length),
    filter: new Float64Array(filter.data.length),
    bias: new Float64Array(outputs),
  };
  for (let image = 0, at = 0; image < n; image++) {
    for (let output = 0; output < outputs; output++) {
      for (let row = 0; row < h; row++) {
        for (let column = 0; column < w; column++, at++) {
          const gradient = dy.data[at];
          let sum = bias.data[output];
          result.bias[output] += gradient;
          for (let channel = 0; channel < channels; channel++) {
            const plane = (image * channels + channel) * h;
            const kernel = (output * channels + channel) * 9;
            for (let i = Math.max(0, 1 - row); i < Math.min(3, h + 1 - row); i++) {
              for (let j = Math.max(0, 1 - column); j < Math.min(3, w + 1 - column); j++) {
                const from = (plane + row + i - 1) * w + column + j - 1;
                const weight = kernel + 3 * i + j;
                sum += x.data[from] * filter.data[weight];
                result.x[from] += gradient * filter.data[weight];
                result.filter[weight] += gradient * x.data[from];
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
