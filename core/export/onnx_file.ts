import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { reachableNodes, type Value } from "../engine/graph.ts";
import { ONNX_TYPE } from "../engine/kernels/elementwise.ts";
import { BYTES, encodeNode, IR_VERSION, message, OPSET, tensor, text, valueInfo, VARINT } from "../engine/onnx.ts";
import type { HostTensor, HostTensors } from "../data/tensors.ts";
import { ExportError } from "./errors.ts";

/** What an ONNX file says and holds. */
export interface OnnxFile {
  /** A value of a graph whose inputs have names that are all different. */
  readonly output: Value;
  readonly outputName: string;
  /** The shapes of the inputs that a caller gives, in order; all others are weights. */
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  readonly weights: HostTensors;
  /** The name of a size that is left open, for a size that stands for one. */
  readonly openSize: (n: number) => string | undefined;
  readonly producer: { readonly name: string; readonly version: string };
  /** What the model is, for people. */
  readonly description: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Protobuf's limit on a message. */
const MAX_BYTES = 2 ** 31 - 1;

/**
 * Encodes a self-contained ONNX model: the weights are initialisers under their own names.
 *
 * @returns The file in parts; the weights' are where they lie, not copied.
 * @throws {ExportError} When it would be larger than ONNX allows.
 */
export function encodeOnnxFile(file: OnnxFile): Uint8Array[] {
  // Before anything of it is encoded: larger tensors cannot be.
  requireSize(Object.values(file.weights).reduce((sum, { data }) => sum + data.byteLength, 0));
  const nodes = reachableNodes([file.output]);
  const used = [...new Set(nodes.flatMap((node) => node.inputs))];
  // A name with a slash is not an input's.
  const nameOf = (value: Value) =>
    value === file.output ? file.outputName : value.input ? value.input.name : `/${value.id}`;

  const graph = new BinaryWriter();
  for (const node of nodes) message(graph, 1, (w) => encodeNode(w, node, nameOf));
  text(graph, 2, "denoiser");
  for (const value of used) {
    if (value.elements) message(graph, 5, (w) => tensor(w, nameOf(value), value.shape, value.elements!, value));
  }
  for (const [name, shape] of Object.entries(file.inputs)) {
    message(graph, 11, (w) => valueInfo(w, name, { shape, dtype: "float32" }, file.openSize));
  }
  message(graph, 12, (w) => valueInfo(w, file.outputName, file.output, file.openSize));
  const parts = [
    graph.finish(),
    ...used.flatMap(({ input }) =>
      input && Object.hasOwn(file.weights, input.name) ? encodeWeights(input.name, file.weights[input.name]) : []
    ),
  ];

  const model = new BinaryWriter();
  model.tag(1, VARINT).int64(IR_VERSION);
  text(model, 2, file.producer.name);
  text(model, 3, file.producer.version);
  text(model, 6, file.description);
  message(model, 8, (w) => {
    text(w, 1, "");
    w.tag(2, VARINT).int64(OPSET);
  });
  for (const [key, value] of Object.entries(file.metadata)) {
    message(model, 14, (w) => {
      text(w, 1, key);
      text(w, 2, value);
    });
  }
  const all = [model.tag(7, BYTES).uint32(lengthOf(parts)).finish(), ...parts];
  requireSize(lengthOf(all));
  return all;
}

function requireSize(bytes: number): void {
  if (bytes <= MAX_BYTES) return;
  throw new ExportError(
    `The model would be a file of ${bytes} bytes, but an ONNX file has at most ${MAX_BYTES}. ` +
      "Export it as diffusers or tfjs.",
  );
}

/** One initialiser of the graph: what comes before its values, and the values. */
function encodeWeights(name: string, { shape, data }: HostTensor): Uint8Array[] {
  const head = new BinaryWriter();
  for (const n of shape) head.tag(1, VARINT).int64(n);
  head.tag(2, VARINT).int32(ONNX_TYPE.float32);
  text(head, 8, name);
  const bytes = head.tag(9, BYTES).uint32(data.byteLength).finish();
  return [
    new BinaryWriter().tag(5, BYTES).uint32(bytes.length + data.byteLength).finish(),
    bytes,
    new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  ];
}

function lengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}
