import type { DataArray } from "./data_array.ts";

/**
 * An array whose axes are reversed: what lies with the first axis fastest, as in Fortran and MATLAB, becomes row-major.
 *
 * @param array Of the shape that the file has.
 * @returns Of the reversed shape.
 */
export function reversedAxes({ shape, data }: DataArray): DataArray {
  const reversed = [...shape].reverse(), out = data.slice();
  const strides = reversed.map((_, axis) => reversed.slice(axis + 1).reduce((product, n) => product * n, 1)).reverse();
  const index = shape.map(() => 0);
  for (let i = 0, at = 0; i < data.length; i++) {
    out[at] = data[i];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis];
      if (++index[axis] < shape[axis]) break;
      at -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return { shape: reversed, data: out };
}

/** An array whose last two axes are exchanged. */
export function imagesTransposed({ shape, data }: DataArray): DataArray {
  const [a, b] = shape.slice(-2), out = data.slice();
  for (let begin = 0; begin < data.length; begin += a * b) {
    for (let i = 0; i < a; i++) for (let k = 0; k < b; k++) out[begin + k * a + i] = data[begin + i * b + k];
  }
  return { shape: [...shape.slice(0, -2), b, a], data: out };
}
