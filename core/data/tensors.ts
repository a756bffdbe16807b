/** A float32 tensor in host memory, row-major. */
export interface HostTensor {
  /** Its dimensions. */
  readonly shape: readonly number[];
  /** Its values, row-major. */
  readonly data: Float32Array;
}

/** Named host tensors, for example the parameters of a denoiser. */
export type HostTensors = Readonly<Record<string, HostTensor>>;

/** The shapes of named tensors. */
export type ParameterShapes = Readonly<Record<string, readonly number[]>>;

/** The shapes of tensors without their values. */
export function shapesOf(tensors: HostTensors): ParameterShapes {
  return Object.fromEntries(Object.entries(tensors).map(([name, { shape }]) => [name, shape]));
}

/** The number of elements of a tensor of the given shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}
