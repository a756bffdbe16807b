import { deepEqual, equal, ok } from "assert";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import * as tf from "@tensorflow/tfjs";
import { fuse } from "../../../core/engine/fuse.ts";
import { type Node, reachableNodes } from "../../../core/engine/graph.ts";
import { encodeModel } from "../../../core/engine/onnx.ts";
import type { Program } from "../../../core/engine/program.ts";
import { record } from "../../../core/engine/recording.ts";
import { silu } from "../../../core/layers/silu.ts";

/** The nodes of a program of x, fused. */
function nodesOf(f: (x: tf.Tensor) => tf.Tensor[], shape: readonly number[]) {
  const program: Program = (_, { x }) => ({ outputs: Object.fromEntries(f(x).map((y, i) => [`y${i}`, y])) });
  const { graph, outputs } = record(program, {}, { x: shape });
  const ends = fuse(graph, Object.values(outputs));
  return { graph, ends, nodes: reachableNodes(ends) };
}

function isSorted(nodes: readonly Node[]): boolean {
  const before = new Set<Node>();
  return nodes.every((node) => {
    before.add(node);
    return node.inputs.every((value) => !value.node || before.has(value.node));
  });
}

Deno.test("nodes come after those that they depend on, also where one stands for another", () => {
  const { nodes, ends } = nodesOf((x) => [tf.sin(tf.mul(tf.mul(x, 2), 3)), tf.mul(x, 6)], [4]);
  deepEqual(nodes.map(({ op }) => op), ["Mul", "Sin"]);
  ok(isSorted(nodes));
  equal(ends[0].node!.inputs[0], ends[1]);
});

Deno.test("nodes that the results do not depend on are left out", () => {
  const { nodes } = nodesOf((x) => {
    tf.exp(x);
    return [tf.cos(x)];
  }, [4]);
  deepEqual(nodes.map(({ op }) => op), ["Cos"]);
});

Deno.test("the shapes that large values take are inputs with a default, so that their memory is freed", () => {
  const shapes = (n: number) => {
    const { graph, ends } = nodesOf((x) => [tf.sum(tf.reshape(silu(tf.sin(x)), [-1, 8]), 0)], [n, 4]);
    const model = readModel(encodeModel(graph.inputs, [{ name: "y", value: ends[0] }]).bytes);
    return model.inputs.filter((name) => model.initializers.includes(name)).length;
  };
  equal(shapes(1 << 14), 1);
  equal(shapes(1 << 13), 0);
});

/** The names of a model's initializers and inputs; field numbers are those of onnx.proto3. */
function readModel(bytes: Uint8Array) {
  const [graph] = fieldsOf(bytes, 7);
  const nameOf = (field: number) => (part: Uint8Array) => new TextDecoder().decode(fieldsOf(part, field)[0]);
  return { initializers: fieldsOf(graph, 5).map(nameOf(8)), inputs: fieldsOf(graph, 11).map(nameOf(1)) };
}

/** The contents of a message's fields of one number. */
function fieldsOf(bytes: Uint8Array, wanted: number): Uint8Array[] {
  const reader = new BinaryReader(bytes);
  const found: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === wanted) found.push(reader.bytes());
    else reader.skip(type);
  }
  return found;
}
