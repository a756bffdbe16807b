import { deepEqual, equal, ok, rejects } from "assert";
import * as ort from "onnxruntime-node";
import { packageFolder } from "../../../core/engine/onnxruntime_api.ts";
import { loadOnnxRuntime } from "../../../core/engine/onnxruntime_library.ts";
import { Graph } from "../../../core/engine/graph.ts";
import { emitOne } from "../../../core/engine/kernels/kernel.ts";
import { encodeModel } from "../../../core/engine/onnx.ts";
import {
  libraryProcessor,
  openProcessor,
  packageProcessor,
  type Places,
} from "../../../core/engine/processor_session.ts";
import { BackendError } from "../../../core/engine/program.ts";

const PROCESSORS = {
  library: libraryProcessor(loadOnnxRuntime(packageFolder())),
  package: packageProcessor(ort),
};

/** A model of y = x + 1, and its input's name. */
function incremented(n: number) {
  const graph = new Graph(), x = graph.input("x", [n]);
  const { bytes, inputs: [{ name }] } = encodeModel(graph.inputs, [
    { name: "y", value: emitOne(graph, "Add", [x, graph.splat(1)], [n]) },
  ]);
  return { bytes, name };
}

for (const [kind, processor] of Object.entries(PROCESSORS)) {
  Deno.test(`ONNX Runtime by its ${kind}: a model reads its inputs and writes its outputs where they lie`, async () => {
    const { bytes, name } = incremented(3);
    // Parts of one memory, of which the output is the next input.
    const memory = new Float32Array(9), [x, y] = [memory.subarray(2, 5), memory.subarray(5, 8)];
    const places: [Places, Places] = [{ [name]: { data: x, shape: [3] } }, { y: { data: y, shape: [3] } }];
    const session = await processor.createSession(bytes, ...places, 1);
    x.set([1, 2, 3]);
    await session.run();
    deepEqual([...memory], [0, 0, 1, 2, 3, 2, 3, 4, 0]);
    x.set(y);
    await session.run();
    deepEqual([...memory], [0, 0, 2, 3, 4, 3, 4, 5, 0]);
    await session.dispose();
  });

  Deno.test(`ONNX Runtime by its ${kind}: what it refuses is an error of the backend`, async () => {
    await rejects(() => processor.createSession(Uint8Array.of(1, 2, 3), {}, {}, 1), (error) => {
      ok(error instanceof BackendError && error.message.startsWith("The backend onnx-cpu does not start: "));
      return true;
    });
    const { bytes, name } = incremented(3);
    await rejects(async () => {
      const [x, y] = [new Float32Array(4), new Float32Array(3)];
      const session = await processor.createSession(
        bytes,
        { [name]: { data: x, shape: [4] } },
        { y: { data: y, shape: [3] } },
        1,
      );
      await session.run();
    }, BackendError);
  });
}

Deno.test("both have the version of the package, and the library comes first", async () => {
  equal(PROCESSORS.library.version, PROCESSORS.package.version);
  equal((await openProcessor()).version, PROCESSORS.library.version);
});

Deno.test("what sessions have in common may be of more bytes than an int counts", async () => {
  // Of which none is touched but what values lie in.
  for (const arenaBytes of [1e9, 1.5e9, 2.5e9, 5e9]) {
    const { bytes, name } = incremented(3), x = Float32Array.of(1, 2, 3), y = new Float32Array(3);
    const places: [Places, Places] = [{ [name]: { data: x, shape: [3] } }, { y: { data: y, shape: [3] } }];
    const session = await PROCESSORS.library.createSession(bytes, ...places, 1, arenaBytes);
    await session.run();
    deepEqual([...y], [2, 3, 4], `${arenaBytes} bytes`);
    await session.dispose();
  }
});

Deno.test("sessions that end leave no memory behind", async () => {
  const n = 1 << 18, { bytes, name } = incremented(n);
  const [x, y] = [new Float32Array(n), new Float32Array(n)];
  const open = () =>
    PROCESSORS.library.createSession(bytes, { [name]: { data: x, shape: [n] } }, { y: { data: y, shape: [n] } }, 1);
  const sessions = async (count: number) => {
    for (let i = 0; i < count; i++) {
      const session = await open();
      await session.run();
      await session.dispose();
    }
    return Deno.memoryUsage().rss;
  };
  const before = await sessions(20), after = await sessions(200);
  // A megabyte each would be two hundred.
  ok(after - before < 50e6, `${after - before} bytes more`);
  const session = await open();
  await session.dispose();
  await session.dispose();
});
