import { sizeOf } from "../data/tensors.ts";
import { type Graph, type Node, reachableNodes, type Value } from "./graph.ts";
import { sameShape } from "./kernels/kernel.ts";
import { bytesOf } from "./graph_memory.ts";
import { minimumCut } from "./minimum_cut.ts";

/** Operations that take about as long as to read what they are given. */
const LIGHT: ReadonlySet<string> = new Set([
  ...["Concat", "Expand", "Reshape", "Resize", "Slice", "Transpose"],
  ...["Add", "Div", "Mul", "Neg", "Sub"],
  ...["BatchNormalization", "QuickGelu", "Relu", "Sigmoid", "Softmax"],
]);

/** Products of matrices. */
const PRODUCTS: ReadonlySet<string> = new Set(["FusedMatMul", "Gemm", "MatMul"]);

/** The part of all multiplications that products which are computed again may be. */
const MOST_AGAIN = 0.065;

/**
 * Multiplications of a program for each byte that is written again, at least: in a narrow network, which has few, it would
 * take more than a twentieth of the time.
 */
const MULTIPLICATIONS_PER_BYTE = 60;

/** Smaller values are kept. */
const MIN_BYTES = 1 << 18;

/**
 * Lets the backward pass compute again, just before it needs them, values of the forward pass that would take memory in
 * between (T. Chen et al., arXiv 1604.06174): those that others which are kept anyway give by light operations, as
 * normalisations and activations, and by a few products of matrices. They have the same bits.
 *
 * @param graph Where new nodes go.
 * @param ends The values that the program ends in.
 * @param checkpointing Keeps of residual blocks what goes from one to the next alone, and computes the rest again, whatever
 * it takes. A program without sums as theirs is as without it.
 * @returns Values that compute the same, in the order of `ends`.
 */
export function recompute(graph: Graph, ends: readonly Value[], checkpointing = false): Value[] {
  const nodes = reachableNodes(ends), last = new Set(ends);
  const isForward = ({ node }: Value) => node !== undefined && graph.isForward(node);
  const needed = new Set(nodes.flatMap((node) => graph.isForward(node) ? [] : node.inputs.filter(isForward)));
  const isLarge = (value: Value) =>
    isForward(value) && value === value.node!.outputs[0] && bytesOf(value) >= MIN_BYTES && !last.has(value);
  const againIf = (isLight: (node: Node) => boolean) =>
    nodesAgain(needed, leastKept(needed, (value) => isLarge(value) && isLight(value.node!)));
  const sums = new Set(nodes.filter((node) => isLarge(node.outputs[0]) && isResidualSum(node)));
  if (checkpointing && sums.size > 0) return withCopies(graph, nodes, ends, againIf((node) => !sums.has(node)));
  const most = MOST_AGAIN * nodes.reduce((sum, node) => sum + multiplications(node), 0);
  const few = fewProducts(againIf(({ op }) => LIGHT.has(op) || PRODUCTS.has(op)), most);
  const again = againIf((node) => LIGHT.has(node.op) || few.has(node));
  const written = [...again].reduce((sum, node) => sum + (node.op === "Reshape" ? 0 : bytesOf(node.outputs[0])), 0);
  if (written * MULTIPLICATIONS_PER_BYTE > most / MOST_AGAIN) return [...ends];
  return withCopies(graph, nodes, ends, again);
}

/** Whether a node adds what a block computes to what it was given. */
function isResidualSum({ op, inputs, outputs: [sum] }: Node): boolean {
  return op === "Add" && inputs.every((value) => value.node !== undefined && sameShape(value.shape, sum.shape));
}

/** Products of matrices among some nodes that have at most so many multiplications, the least per value first. */
function fewProducts(nodes: ReadonlySet<Node>, most: number): Set<Node> {
  const few = new Set<Node>();
  let left = most;
  for (const node of [...nodes].filter(({ op }) => PRODUCTS.has(op)).sort((a, b) => depth(a) - depth(b))) {
    left -= multiplications(node);
    if (left < 0) break;
    few.add(node);
  }
  return few;
}

/** The nodes that give the values that are needed, of those that are kept. */
function nodesAgain(needed: ReadonlySet<Value>, kept: ReadonlySet<Value>): Set<Node> {
  const again = new Set<Node>(), open = [...needed];
  for (const value of open) {
    if (!value.node || kept.has(value) || again.has(value.node)) continue;
    again.add(value.node);
    open.push(...value.node.inputs);
  }
  return again;
}

function multiplications(node: Node): number {
  const { op, inputs: [x, filter], outputs: [y] } = node;
  if (PRODUCTS.has(op)) return sizeOf(y.shape) * depth(node);
  if (op === "Conv") return sizeOf(y.shape) * sizeOf(filter.shape.slice(1));
  if (op === "ConvTranspose") return sizeOf(x.shape) * sizeOf(filter.shape.slice(1));
  return 0;
}

/** The products that each element of a product of matrices is the sum of. */
function depth({ attributes: { transA }, inputs: [{ shape }] }: Node): number {
  return shape[shape.length - (transA ? 2 : 1)] ?? 1;
}

/** The values to keep, of which all that the backward pass needs can be computed by light operations, that take least. */
function leastKept(needed: ReadonlySet<Value>, isLight: (value: Value) => boolean): Set<Value> {
  const values: Value[] = [...needed], places = new Map(values.map((value, i) => [value, i]));
  const edges: [number, number][] = [], sources: number[] = [];
  for (let i = 0; i < values.length; i++) {
    if (!isLight(values[i])) {
      sources.push(i);
      continue;
    }
    for (const input of values[i].node!.inputs) {
      if (input.node === undefined) continue;
      if (!places.has(input)) places.set(input, values.push(input) - 1);
      edges.push([places.get(input)!, i]);
    }
  }
  const kept = minimumCut(values.map(bytesOf), edges, sources, values.keys().take(needed.size));
  return new Set(values.filter((_, i) => kept.has(i)));
}

/** The program with copies of the nodes whose values the backward pass computes again. */
function withCopies(
  graph: Graph,
  nodes: readonly Node[],
  ends: readonly Value[],
  again: ReadonlySet<Node>,
): Value[] {
  const copies = new Map<Node, readonly Value[]>();
  const copied = (value: Value, order: number): Value => {
    const { node } = value;
    if (!node || !again.has(node) || value !== node.outputs[0]) return value;
    let copy = copies.get(node);
    if (!copy) {
      copy = graph.copy(node, node.inputs.map((input) => copied(input, order)), order);
      copies.set(node, copy);
    }
    return copy[0];
  };
  const replaced = new Map<Value, Value>();
  for (const node of nodes) {
    if (graph.isForward(node)) continue;
    const inputs = node.inputs.map((value) => copied(replaced.get(value) ?? value, node.order));
    if (inputs.every((value, i) => value === node.inputs[i])) continue;
    const rebuilt = graph.emit(node.op, inputs, node.outputs, node.attributes, node.domain, node.order);
    node.outputs.forEach((output, i) => replaced.set(output, rebuilt[i]));
  }
  return ends.map((value) => replaced.get(value) ?? value);
}
