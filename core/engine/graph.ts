import { sizeOf } from "../data/tensors.ts";

/** Element types of a graph. `int64` only appears in shapes and axes, `float16` only in mixed precision. */
export type DataType = "float32" | "float16" | "int32" | "bool" | "int64";

/** A constant's elements; a single element stands for a tensor that is the same everywhere. */
export type Elements = Float32Array | Int32Array | Uint8Array | BigInt64Array;

export type Attribute = number | string | readonly number[] | { readonly float: number };

/** One tensor of the graph: an input, a constant, or an output of a node. */
export interface Value {
  readonly id: number;
  readonly shape: readonly number[];
  readonly dtype: DataType;
  /** The node that computes it; inputs and constants have none. */
  readonly node?: Node;
  readonly elements?: Elements;
  /** The program's input that it is, or is a part of. */
  readonly input?: InputView;
}

/** A contiguous part of an input, of any shape: it is read where it lies. */
export interface InputView {
  readonly name: string;
  /** Its first element within the input. */
  readonly offset: number;
}

/** One ONNX operation. */
export interface Node {
  readonly op: string;
  readonly inputs: readonly Value[];
  readonly attributes: Readonly<Record<string, Attribute>>;
  readonly outputs: Value[];
  readonly domain?: string;
  /** Where it comes in the program as recorded; a node that stands for another has that one's. */
  readonly order: number;
}

/** The shape and type of one output of a node. */
export interface ValueType {
  readonly shape: readonly number[];
  readonly dtype: DataType;
}

/**
 * A graph that is simplified as it is built: equal nodes are one node, equal constants one constant. A constant that
 * is the same everywhere is held as one element however large its shape.
 */
export class Graph {
  readonly inputs: Value[] = [];
  /** Whether parts of an input may be inputs of their own, read where they lie. */
  readonly viewsInputs: boolean;
  readonly #views = new Map<string, Value>();
  readonly #known = new Map<string, Node>();
  #isDifferentiated = false;
  #forwardNodes: number | undefined;
  readonly #constants = new Map<string, Value>();
  #nextId = 0;

  constructor({ viewsInputs = true }: { readonly viewsInputs?: boolean } = {}) {
    this.viewsInputs = viewsInputs;
  }

  input(name: string, shape: readonly number[]): Value {
    return this.view({ name, offset: 0 }, shape);
  }

  /** A contiguous part of an input as a value of its own. */
  view(input: InputView, shape: readonly number[]): Value {
    const key = `${input.name}@${input.offset}[${shape}]`;
    const known = this.#views.get(key);
    if (known) return known;
    const value = { id: this.#nextId++, shape, dtype: "float32" as const, input };
    this.#views.set(key, value);
    this.inputs.push(value);
    return value;
  }

  constant(elements: Elements, shape: readonly number[], dtype: DataType): Value {
    const uniform = isUniform(elements) ? elements.slice(0, 1) : elements;
    if (uniform.length !== 1 && uniform.length !== sizeOf(shape)) {
      throw new RangeError(`Got ${uniform.length} elements for a constant of shape [${shape}].`);
    }
    const key = uniform.length <= 4096 ? `${dtype}[${shape}]${uniform.join()}` : undefined;
    const known = key && this.#constants.get(key);
    if (known) return known;
    const value = { id: this.#nextId++, shape, dtype, elements: uniform };
    if (key) this.#constants.set(key, value);
    return value;
  }

  /** A float32 constant, the same everywhere. */
  splat(x: number, shape: readonly number[] = []): Value {
    return this.constant(Float32Array.of(x), shape, "float32");
  }

  /** A vector of integers, as ONNX takes shapes and axes. */
  integers(values: readonly number[]): Value {
    return this.constant(BigInt64Array.from(values, BigInt), [values.length], "int64");
  }

  /**
   * Adds a node, or finds the one that computes the same.
   *
   * @param order The place of a node that this one stands for; the end of the program if left out.
   */
  emit(
    op: string,
    inputs: readonly Value[],
    types: readonly ValueType[],
    attributes: Readonly<Record<string, Attribute>> = {},
    domain?: string,
    order = this.#known.size,
  ): Value[] {
    const key = `${domain ?? ""}.${op}(${inputs.map((v) => v.id)})${JSON.stringify(attributes)}${types.length}`;
    const known = this.#known.get(key);
    if (known) return known.outputs;
    const outputs: Value[] = [];
    const node: Node = { op, inputs, attributes, outputs, order, ...(domain === undefined ? {} : { domain }) };
    for (const type of types) outputs.push({ id: this.#nextId++, shape: type.shape, dtype: type.dtype, node });
    this.#known.set(key, node);
    return outputs;
  }

  /** Adds a node that computes again what another does, of other inputs that have the same values. */
  copy({ op, attributes, outputs, domain }: Node, inputs: readonly Value[], order: number): Value[] {
    const made: Value[] = [];
    const node: Node = { op, inputs, attributes, outputs: made, order, ...(domain === undefined ? {} : { domain }) };
    for (const { shape, dtype } of outputs) made.push({ id: this.#nextId++, shape, dtype, node });
    return made;
  }

  /** Says that what comes now is a forward pass which a backward pass follows. */
  beginForward(): void {
    this.#isDifferentiated = true;
  }

  /** Whether what is recorded has a gradient taken of it. */
  get isDifferentiated(): boolean {
    return this.#isDifferentiated;
  }

  /** Says that what comes now is the backward pass. */
  endForward(): void {
    this.#forwardNodes ??= this.#known.size;
  }

  /** Whether a node is of the forward pass of a program that has a backward pass too. */
  isForward({ order }: Node): boolean {
    return order < (this.#forwardNodes ?? 0);
  }

  /** The outputs of a node with these inputs and no attributes, when the graph already has one. */
  find(op: string, inputs: readonly Value[]): Value | undefined {
    return this.#known.get(`.${op}(${inputs.map((v) => v.id)}){}1`)?.outputs[0];
  }
}

function isUniform(elements: Elements): boolean {
  if (elements.length === 0) return false;
  for (let i = 1; i < elements.length; i++) if (!Object.is(elements[i], elements[0])) return false;
  return true;
}

/** Whether a value is a float constant that is `x` everywhere. */
export function isSplat(value: Value, x?: number): boolean {
  return value.elements?.length === 1 && value.dtype === "float32" && (x === undefined || value.elements[0] === x);
}

/** The nodes that the given values depend on, each after those that it depends on, otherwise in the program's order. */
export function reachableNodes(outputs: readonly Value[]): Node[] {
  const found = new Set<Node>();
  const open = outputs.flatMap((value) => value.node ?? []);
  for (let node = open.pop(); node; node = open.pop()) {
    if (found.has(node)) continue;
    found.add(node);
    for (const input of node.inputs) if (input.node) open.push(input.node);
  }
  const sorted = new Set<Node>();
  const place = (node: Node) => {
    if (sorted.has(node)) return;
    // A node that stands for another takes its place, but may need one that was recorded later.
    for (const input of node.inputs) if (input.node) place(input.node);
    sorted.add(node);
  };
  for (const node of [...found].sort((a, b) => a.order - b.order)) place(node);
  return [...sorted];
}
