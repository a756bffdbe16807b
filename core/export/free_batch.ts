import { type DataType, type Elements, Graph, type Node, reachableNodes, type Value } from "../engine/graph.ts";
import { materialise, splitName } from "../engine/recording.ts";
import { sizeOf } from "../data/tensors.ts";
import { ExportError } from "./errors.ts";

/** Constants that are the same everywhere are written out up to this size, and expanded when the model runs above it. */
const MAX_WRITTEN = 4096;

/** What a graph is rewritten for. */
export interface GraphInputs {
  /** The shapes of the program's inputs and of its state, under names that are all different. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  /** The input whose first size is the batch. */
  readonly batched: string;
  /**
   * The batch that was recorded, if the rewritten graph shall take any: a prime that divides no other size, so that every
   * size that it divides is a multiple of the batch.
   */
  readonly marker?: number;
}

/**
 * Rewrites a recorded graph so that it stands alone: each input once, in its own shape, and sizes that are multiples of
 * the batch computed from the batch that the model is given.
 *
 * @param output The value that the program ends in.
 * @returns Its value in the new graph, in which every node comes after those that it depends on.
 * @throws {ExportError} When an operation needs the batch's size in a way that cannot be computed.
 */
export function freeBatch(output: Value, { shapes, batched, marker }: GraphInputs): Value {
  const graph = new Graph();
  const inputs = new Map(Object.entries(shapes).map(([name, shape]) => [name, graph.input(name, shape)]));
  const isOpen = (n: number) => marker !== undefined && n !== 0 && n % marker === 0;
  const emit = (op: string, from: readonly Value[], shape: readonly number[], dtype: DataType, attributes = {}) =>
    graph.emit(op, from, [{ shape, dtype }], attributes)[0];

  const size = (n: number): Value => {
    if (marker === undefined || !isOpen(n)) return graph.integers([n]);
    const batch = emit("Shape", [inputs.get(batched)!], [1], "int64", { start: 0, end: 1 });
    return n === marker ? batch : emit("Mul", [batch, graph.integers([n / marker])], [1], "int64");
  };
  const sizes = (shape: readonly number[]): Value =>
    shape.some(isOpen) ? emit("Concat", shape.map(size), [shape.length], "int64", { axis: 0 }) : graph.integers(shape);
  const reshaped = (x: Value, shape: readonly number[]): Value => {
    const open = shape.map((n) => isOpen(n) ? -1 : n);
    return emit(
      "Reshape",
      [x, open.filter((n) => n < 0).length > 1 ? sizes(shape) : graph.integers(open)],
      shape,
      x.dtype,
    );
  };

  const inputPart = ({ input, shape }: Value): Value => {
    const whole = inputs.get(splitName(input!.name)[1])!;
    if (whole.shape.join() === shape.join()) return whole;
    const [count, all] = [sizeOf(shape), sizeOf(whole.shape)];
    if (count === all) return reshaped(whole, shape);
    const flat = whole.shape.length === 1 ? whole : reshaped(whole, [all]);
    const [start, end] = [input!.offset, input!.offset + count];
    const part = emit("Slice", [flat, graph.integers([start]), graph.integers([end])], [count], flat.dtype);
    return shape.length === 1 ? part : reshaped(part, shape);
  };
  const constant = ({ elements, shape, dtype }: { elements: Elements; shape: readonly number[]; dtype: DataType }) => {
    const isUniform = elements.length === 1;
    if (!shape.some(isOpen) && !(isUniform && sizeOf(shape) > MAX_WRITTEN)) {
      return graph.constant(elements, shape, dtype);
    }
    if (!isUniform) throw needsBatch("a constant");
    return emit("Expand", [graph.constant(elements, [], dtype), sizes(shape)], shape, dtype);
  };

  const made = new Map<Value, Value>();
  const current = (value: Value): Value => {
    let known = made.get(value);
    if (!known) {
      known = value.input ? inputPart(value) : constant({ ...value, elements: value.elements! });
      made.set(value, known);
    }
    return known;
  };
  /** Operands that are sizes, such as the shape of a reshape, hold multiples of the batch as numbers. */
  const operand = (node: Node, value: Value): Value => {
    if (value.dtype !== "int64" || !value.elements) return current(value);
    const numbers = Array.from(materialise(value), Number);
    if (!numbers.some(isOpen)) return current(value);
    const [x] = node.inputs;
    if (node.op === "Expand") {
      // Sizes that are there already need not be said.
      const lead = numbers.length - x.shape.length;
      return sizes(numbers.map((n, axis) => n === x.shape[axis - lead] ? 1 : n));
    }
    throw needsBatch(`an operation ${node.op}`);
  };

  for (const node of reachableNodes([output])) {
    if (node.op === "Reshape") {
      made.set(node.outputs[0], reshaped(current(node.inputs[0]), node.outputs[0].shape));
      continue;
    }
    const outputs = graph.emit(
      node.op,
      node.inputs.map((value) => operand(node, value)),
      node.outputs,
      node.attributes,
      node.domain,
    );
    node.outputs.forEach((value, i) => made.set(value, outputs[i]));
  }
  const end = current(output);
  // An output is what a node computes.
  return end.node ? end : emit("Identity", [end], end.shape, end.dtype);
}

function needsBatch(what: string): ExportError {
  return new ExportError(
    `The denoiser has ${what} that depends on the size of the batch, so that its model cannot take any. ` +
      "Fix the size: --batch 1, for example.",
  );
}
