import * as ort from "onnxruntime-node";
import { Graph } from "./graph.ts";
import { encodeModel } from "./onnx.ts";

/** Channels of the image that is looked at: more than any block. */
const CHANNELS = 64;

/**
 * How many channels lie together in ONNX Runtime's blocked images on this processor, which is told by what it makes of an
 * image; nothing where it has no such images.
 */
export async function channelBlock(): Promise<number | undefined> {
  const graph = new Graph(), shape = [1, CHANNELS, 1, 2];
  const [value] = graph.emit(
    "ReorderInput",
    [graph.input("x", shape)],
    [{ shape, dtype: "float32" }],
    { channels_last: 0 },
    "com.microsoft.nchwc",
  );
  const { bytes, inputs: [{ name }] } = encodeModel(graph.inputs, [{ name: "blocks", value }]);
  try {
    const session = await ort.InferenceSession.create(bytes, { executionProviders: ["cpu"], logSeverityLevel: 4 });
    const image = Float32Array.from({ length: 2 * CHANNELS }, (_, i) => i);
    const { blocks } = await session.run({ [name]: new ort.Tensor("float32", image, shape) });
    const data = blocks.data as Float32Array;
    await session.release();
    // The second pixel of the first channel follows the first pixels of a block.
    const block = data.indexOf(1);
    return CHANNELS % block === 0 && data[1] === 2 ? block : undefined;
  } catch {
    // A processor or a release without them.
    return undefined;
  }
}
