/** A float32 tensor in host memory, row-major. */
export interface HostTensor {
  /** Its dimensions. */
  readonly shape: readonly number[];
  /** Its values, row-major. */
  readonly data: Float32Array;
}

/** Named host tensors, for example the parameters of a denoiser. */
export type HostTensors = Readonly<Record<string, HostTensor>>;

/** The number of elements of a tensor of the given shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}
