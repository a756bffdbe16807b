import { Graph } from "./graph.ts";
import { encodeModel } from "./onnx.ts";
import type { Processor } from "./processor_session.ts";

/** Channels of the image that is looked at: more than any block. */
const CHANNELS = 64;

/**
 * How many channels lie together in ONNX Runtime's blocked images on this processor, which is told by what it makes of an
 * image; nothing where it has no such images.
 */
export async function channelBlock(processor: Processor): Promise<number | undefined> {
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
    const image = Float32Array.from({ length: 2 * CHANNELS }, (_, i) => i), data = new Float32Array(image.length);
    const session = await processor.createSession(
      bytes,
      { [name]: { data: image, shape } },
      { blocks: { data, shape } },
      1,
    );
    await session.run();
    await session.dispose();
    // The second pixel of the first channel follows the first pixels of a block.
    const block = data.indexOf(1);
    return CHANNELS % block === 0 && data[1] === 2 ? block : undefined;
  } catch {
    // A processor or a release without them.
    return undefined;
  }
}
