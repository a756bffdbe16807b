import type { DataType } from "../graph.ts";
import type { Kernel } from "./kernel.ts";

function like(x: number): Kernel {
  return ({ graph, inputs }) => {
    const { shape, dtype } = inputs.x;
    return graph.constant(elements(x, dtype), shape, dtype);
  };
}

function elements(x: number, dtype: DataType): Float32Array | Int32Array | Uint8Array {
  return dtype === "float32" ? Float32Array.of(x) : dtype === "bool" ? Uint8Array.of(x) : Int32Array.of(x);
}

/** Gradients make tensors of ones and zeros as large as the activations; here they are one element each. */
export const constants: Readonly<Record<string, Kernel>> = {
  Fill: ({ graph, attributes }) => {
    const dtype = (attributes.dtype ?? "float32") as DataType;
    return graph.constant(elements(Number(attributes.value), dtype), attributes.shape as number[], dtype);
  },
  OnesLike: like(1),
  ZerosLike: like(0),
};
