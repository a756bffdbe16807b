import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { sizeOf } from "../data/tensors.ts";
import { type Attribute, type Elements, type Node, reachableNodes, type Value } from "./graph.ts";
import { ONNX_TYPE } from "./kernels/elementwise.ts";

/** Field numbers of onnx.proto3, IR version 8, and the wire format's two kinds of field that it uses here. */
export const VARINT = 0;
export const BYTES = 2;
const FLOAT = 5;
export const IR_VERSION = 8;
export const OPSET = 18;
const MICROSOFT_OPSET = 1;

/** Attribute types of onnx.proto3. */
const ATTRIBUTE = { float: 1, int: 2, string: 3, tensor: 4, ints: 7 };

/** Uniform constants up to this size are written out; larger ones are made when the model loads. */
const MAX_WRITTEN = 4096;

/** Smaller values may keep their memory. */
const MIN_FREED_BYTES = 1 << 18;

/** A graph's input or output by name. */
export interface NamedValue {
  readonly name: string;
  readonly value: Value;
}

/**
 * An ONNX model that computes the given outputs.
 *
 * @param inputs The graph's inputs. One that no output depends on is left out.
 * @param outputs The outputs by name.
 * @param openSize The name of a size of inputs and outputs that is left open, for a size that stands for one.
 * @param opensInputs Of which inputs all sizes are left open, for a program whose memory counts: see
 * {@linkcode openShapes}.
 * @returns The bytes of the model, and the inputs that it has, by name.
 */
export function encodeModel(
  inputs: readonly Value[],
  outputs: readonly NamedValue[],
  openSize?: (n: number) => string | undefined,
  opensInputs?: (value: Value) => boolean,
): { bytes: Uint8Array<ArrayBuffer>; inputs: NamedValue[] } {
  const nodes = reachableNodes(outputs.map((o) => o.value));
  const used = new Set<Value>([...nodes.flatMap((n) => n.inputs), ...outputs.map((o) => o.value)]);
  // A value that a node computes takes the name of the first output that it is.
  const outputNames = new Map<Value, string>();
  for (const { name, value } of outputs) if (value.node && !outputNames.has(value)) outputNames.set(value, name);
  const nameOf = (value: Value) => outputNames.get(value) ?? `${value.input?.name ?? ""}v${value.id}`;

  const graph = new BinaryWriter();
  for (const value of used) {
    if (value.elements && isLarge(value)) message(graph, 1, (w) => constantOfShape(w, value, nameOf(value)));
  }
  // One value may be several outputs, or an input or a constant.
  const copies = outputs.filter(({ name, value }) => nameOf(value) !== name);
  const inner = new Set(nodes.flatMap((n) => n.inputs.flatMap((value) => value.node ?? [])));
  for (const node of nodes) if (inner.has(node)) message(graph, 1, (w) => encodeNode(w, node, nameOf));
  // ONNX Runtime runs what an end of the graph depends on just before that end, the last end first. With the ends in
  // reverse, gradients are computed in the order of the backward pass, and what they need is freed as it goes.
  const ends = [
    ...nodes.filter((n) => !inner.has(n)).map((node) => ({
      order: node.order,
      encode: (w: BinaryWriter) => encodeNode(w, node, nameOf),
    })),
    ...copies.map(({ name, value }) => ({
      order: value.node?.order ?? 0,
      encode: (w: BinaryWriter) => encodeIdentity(w, nameOf(value), name),
    })),
  ];
  for (const { encode } of ends.sort((a, b) => b.order - a.order)) message(graph, 1, encode);
  text(graph, 2, "program");
  for (const value of used) {
    if (value.elements && !isLarge(value)) {
      message(graph, 5, (w) => tensor(w, nameOf(value), value.shape, value.elements!, value));
    } else if (value.elements) {
      message(graph, 5, (w) => integers(w, `${nameOf(value)}.shape`, value.shape));
    }
  }
  const present = inputs.filter((value) => used.has(value));
  for (const value of present) {
    const sizeName = opensInputs?.(value) ? (_: number, axis: number) => `${nameOf(value)}_${axis}` : openSize;
    message(graph, 11, (w) => valueInfo(w, nameOf(value), value, sizeName));
  }
  for (const value of openShapes(nodes)) message(graph, 11, (w) => valueInfo(w, nameOf(value), value));
  for (const { name, value } of outputs) message(graph, 12, (w) => valueInfo(w, name, value, openSize));

  const model = new BinaryWriter();
  model.tag(1, VARINT).int64(IR_VERSION);
  text(model, 2, "itdiffusion");
  message(model, 7, (w) => w.raw(graph.finish()));
  const domains = new Set(["", "com.microsoft", ...nodes.map(({ domain }) => domain ?? "")]);
  for (const [domain, version] of [...domains].map((name) => [name, name === "" ? OPSET : MICROSOFT_OPSET] as const)) {
    message(model, 8, (w) => {
      text(w, 1, domain);
      w.tag(2, VARINT).int64(version);
    });
  }
  return { bytes: new Uint8Array(model.finish()), inputs: present.map((value) => ({ name: nameOf(value), value })) };
}

/**
 * The shapes that large values are reshaped to. As inputs with a default they are not known when the model loads, so
 * that ONNX Runtime frees each large value after its last use. Where it knows shapes it keeps a value's memory for
 * later ones of the same shape, for the rest of the program: twice the memory of a U-Net's step. Sums with an input of
 * known shape have that shape too, and so on, so that an input that all else
 * follows from has to be left open as well.
 */
function openShapes(nodes: readonly Node[]): Set<Value> {
  const large = nodes.filter((n) => n.op === "Reshape" && 4 * sizeOf(n.outputs[0].shape) >= MIN_FREED_BYTES);
  return new Set(large.map((n) => n.inputs[1]));
}

export function message(writer: BinaryWriter, field: number, body: (w: BinaryWriter) => void): void {
  writer.tag(field, BYTES).fork();
  body(writer);
  writer.join();
}

export function text(writer: BinaryWriter, field: number, value: string): void {
  writer.tag(field, BYTES).string(value);
}

export function encodeNode(writer: BinaryWriter, node: Node, nameOf: (value: Value) => string): void {
  for (const input of node.inputs) text(writer, 1, nameOf(input));
  for (const output of node.outputs) text(writer, 2, nameOf(output));
  text(writer, 3, `${node.op}_${node.outputs[0].id}`);
  text(writer, 4, node.op);
  for (const [name, attribute] of Object.entries(node.attributes)) {
    message(writer, 5, (w) => encodeAttribute(w, name, attribute));
  }
  if (node.domain) text(writer, 7, node.domain);
}

function encodeIdentity(writer: BinaryWriter, from: string, to: string): void {
  text(writer, 1, from);
  text(writer, 2, to);
  text(writer, 4, "Identity");
}

function encodeAttribute(writer: BinaryWriter, name: string, attribute: Attribute): void {
  text(writer, 1, name);
  if (typeof attribute === "number") {
    writer.tag(3, VARINT).int64(attribute).tag(20, VARINT).int32(ATTRIBUTE.int);
  } else if (typeof attribute === "string") {
    text(writer, 4, attribute);
    writer.tag(20, VARINT).int32(ATTRIBUTE.string);
  } else if ("float" in attribute) {
    writer.tag(2, FLOAT).float(attribute.float).tag(20, VARINT).int32(ATTRIBUTE.float);
  } else {
    for (const n of attribute) writer.tag(8, VARINT).int64(n);
    writer.tag(20, VARINT).int32(ATTRIBUTE.ints);
  }
}

function isLarge(value: Value): boolean {
  return value.elements!.length === 1 && sizeOf(value.shape) > MAX_WRITTEN;
}

function constantOfShape(writer: BinaryWriter, value: Value, name: string): void {
  text(writer, 1, `${name}.shape`);
  text(writer, 2, name);
  text(writer, 4, "ConstantOfShape");
  message(writer, 5, (w) => {
    text(w, 1, "value");
    message(w, 5, (t) => tensor(t, "", [1], value.elements!, value));
    w.tag(20, VARINT).int32(ATTRIBUTE.tensor);
  });
}

export function tensor(
  writer: BinaryWriter,
  name: string,
  shape: readonly number[],
  elements: Elements,
  value: Pick<Value, "dtype">,
): void {
  const size = sizeOf(shape);
  let full = elements;
  if (elements.length !== size) {
    full = elements.constructor === BigInt64Array
      ? new BigInt64Array(size).fill(BigInt(elements[0]))
      : new (elements.constructor as Float32ArrayConstructor)(size).fill(Number(elements[0]));
  }
  for (const n of shape) writer.tag(1, VARINT).int64(n);
  writer.tag(2, VARINT).int32(ONNX_TYPE[value.dtype]);
  text(writer, 8, name);
  writer.tag(9, BYTES).bytes(new Uint8Array(full.buffer, full.byteOffset, full.byteLength));
}

function integers(writer: BinaryWriter, name: string, values: readonly number[]): void {
  const elements = BigInt64Array.from(values, BigInt);
  writer.tag(1, VARINT).int64(values.length).tag(2, VARINT).int32(ONNX_TYPE.int64);
  text(writer, 8, name);
  writer.tag(9, BYTES).bytes(new Uint8Array(elements.buffer));
}

/** @param openSize The name of a size that is left open, for a size that stands for one. */
export function valueInfo(
  writer: BinaryWriter,
  name: string,
  { shape, dtype }: Pick<Value, "shape" | "dtype">,
  openSize: (n: number, axis: number) => string | undefined = () => undefined,
): void {
  text(writer, 1, name);
  message(writer, 2, (type) =>
    message(type, 1, (tensorType) => {
      tensorType.tag(1, VARINT).int32(ONNX_TYPE[dtype]);
      message(tensorType, 2, (dims) => {
        shape.forEach((n, axis) => {
          const open = openSize(n, axis);
          message(dims, 1, (dim) => open === undefined ? dim.tag(1, VARINT).int64(n) : text(dim, 2, open));
        });
      });
    }));
}
