import { deepEqual, ok } from "assert";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import * as ort from "onnxruntime-node";
import { fuse } from "../../../core/engine/fuse.ts";
import { gradients } from "../../../core/engine/gradients.ts";
import { type Node, reachableNodes, type Value } from "../../../core/engine/graph.ts";
import { encodeModel } from "../../../core/engine/onnx.ts";
import { record } from "../../../core/engine/recording.ts";
import { recompute } from "../../../core/engine/recompute.ts";
import { sizeOf } from "../../../core/data/tensors.ts";
import { parameterShapes, unet } from "../../../denoisers/unet_pretrained/network.ts";
import { inFolder } from "../../folders.ts";
import { config } from "./small_unet.ts";

const BATCH = 16;

/** The gradient program of a small U-Net, whose convolutions suit Winograd's minimal filtering. */
function recordGradients() {
  const { graph, outputs, state } = record(
    (params, { x, timestep }) => {
      const { gradients: found, aux } = gradients((params) => {
        const y = unet(config, params, x, timestep);
        return { loss: tf.sum(tf.square(y)), aux: { y } };
      }, params);
      return { outputs: aux, state: found };
    },
    Object.fromEntries(parameterShapes(config)),
    { x: [BATCH, 3, 16, 16], timestep: [BATCH] },
  );
  const [y, ...found] = recompute(graph, fuse(graph, [outputs.y, ...Object.values(state)]));
  return { graph, y, nodes: reachableNodes([y, ...found]), ends: [y, ...found] };
}

Deno.test("the backward pass keeps none of Winograd's tiles of the forward pass", () => {
  const { y, nodes } = recordGradients();
  const forward = new Set(nodes.filter((node) => node.order <= y.node!.order));
  const used = new Set(nodes.flatMap((node) => forward.has(node) ? [] : node.inputs));
  const kept = [...forward].filter(({ outputs }) => outputs.some((value) => used.has(value)));
  ok(kept.length > 10);
  ok([...forward].filter(({ op, outputs: [{ shape }] }) => op === "MatMul" && shape[0] === 36).length > 5);
  deepEqual(kept.filter(({ outputs: [{ shape }] }) => shape.includes(36)).map(({ op }) => op), []);
});

Deno.test("ONNX Runtime computes gradients in the order of the backward pass and frees values as it goes", async () => {
  const { graph, nodes, ends } = recordGradients();
  const executed = await executionOrder(graph.inputs, ends);
  const byName = new Map(nodes.map((node) => [`${node.op}_${node.outputs[0].id}`, node]));
  const order = executed.flatMap((name) => byName.get(name) ?? []);
  deepEqual(new Set(order).size, nodes.length);
  const [recorded, run] = [peakBytes(nodes, ends), peakBytes(order, ends)];
  ok(run < 1.1 * recorded, `${run} bytes at the most, ${recorded} in the order of the recording`);
});

/** The names of a model's nodes as ONNX Runtime runs them, by its own account. */
async function executionOrder(inputs: readonly Value[], ends: readonly Value[]): Promise<string[]> {
  const model = encodeModel(inputs, ends.map((value, i) => ({ name: `end${i}`, value })));
  const events: { name: string; cat?: string }[] = [];
  await inFolder(async (folder) => {
    const session = await ort.InferenceSession.create(model.bytes, {
      graphOptimizationLevel: "disabled",
      enableProfiling: true,
      profileFilePrefix: join(folder, "profile"),
      logSeverityLevel: 3,
    });
    await session.run(Object.fromEntries(
      model.inputs.map(({ name, value: { shape } }) => [
        name,
        new ort.Tensor("float32", new Float32Array(sizeOf(shape)), shape),
      ]),
    ));
    session.endProfiling();
    await session.release();
    for await (const { name } of Deno.readDir(folder)) {
      events.push(...JSON.parse(await Deno.readTextFile(join(folder, name))));
    }
  });
  const suffix = "_kernel_time";
  return events.filter(({ cat, name }) => cat === "Node" && name.endsWith(suffix))
    .map(({ name }) => name.slice(0, -suffix.length));
}

/** The most that values take at a time when nodes run in this order and each is freed after its last use. */
function peakBytes(order: readonly Node[], ends: readonly Value[]): number {
  // A reshape shares its input's memory.
  const owner = (value: Value): Value => value.node?.op === "Reshape" ? owner(value.node.inputs[0]) : value;
  const last = new Map<Value, number>();
  order.forEach((node, i) => [...node.inputs, ...node.outputs].forEach((value) => last.set(owner(value), i)));
  for (const value of ends) last.set(owner(value), order.length);
  const freed = Map.groupBy(last.keys(), (value) => last.get(value)!);
  const bytes = (value: Value) => value.node ? 4 * sizeOf(value.shape) : 0;
  let [now, peak] = [0, 0];
  order.forEach((node, i) => {
    if (node.op !== "Reshape") { for (const value of node.outputs) now += bytes(value); }
    peak = Math.max(peak, now);
    for (const value of freed.get(i) ?? []) now -= bytes(value);
  });
  return peak;
}
