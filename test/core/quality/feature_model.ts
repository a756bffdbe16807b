import { Graph } from "../../../core/engine/graph.ts";
import { encodeModel } from "../../../core/engine/onnx.ts";

/** A network that gives sums over a filter of as many channels and pixels, `[n, 2]`, of images `[n, channels, 2, 2]`. */
export function filters(channels: number, batch: number): Uint8Array<ArrayBuffer> {
  const graph = new Graph(), image = graph.input("image", [batch, channels, 2, 2]);
  const [flat] = graph.emit("Reshape", [image, graph.integers([batch, channels * 4])], [
    { shape: [batch, channels * 4], dtype: "float32" },
  ]);
  const weights = Float32Array.from({ length: channels * 8 }, (_, i) => i % 2 === 0 ? 1 : Math.floor(i / 2));
  const [features] = graph.emit("MatMul", [flat, graph.constant(weights, [channels * 4, 2], "float32")], [
    { shape: [batch, 2], dtype: "float32" },
  ]);
  return encodeModel(graph.inputs, [{ name: "features", value: features }]).bytes;
}
