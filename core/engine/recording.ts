import * as tf from "@tensorflow/tfjs";
import { sizeOf } from "../data/tensors.ts";
import { type DataType, type Elements, Graph, type Value } from "./graph.ts";
import type { Kernel } from "./kernels/kernel.ts";
import { kernels } from "./kernels/mod.ts";
import { registerLayerGradients } from "./layer_gradients.ts";
import { EngineError, type Program, type Tensors } from "./program.ts";

/**
 * A tfjs backend whose kernels add nodes to a graph instead of computing. tfjs's own automatic differentiation runs
 * through the same kernels, so the backward pass is recorded with the forward pass.
 */

/** tfjs splits its registry's keys on underscores, so the name has none. */
const BACKEND = "recording";

/** Larger constant results are computed when the graph runs, so that the model stays small. */
const MAX_FOLDED = 1 << 16;

class RecordingBackend extends tf.KernelBackend {
  graph = new Graph();
  kernels = kernels;
  #values = new WeakMap<object, Value>();

  lookup(tensor: tf.TensorInfo): Value {
    const value = this.#values.get(tensor.dataId);
    if (!value) throw new EngineError("A tensor of another program was used; a program sees only its own tensors.");
    return value;
  }

  tensorInfo(value: Value): tf.TensorInfo {
    const dataId = {};
    this.#values.set(dataId, value);
    return { dataId, shape: [...value.shape], dtype: tfjsType(value.dtype) };
  }

  /** Called by tfjs for every constant of the program, and for tensors that live on another backend. */
  override write(data: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType): object {
    const dataId = {};
    this.#values.set(dataId, this.graph.constant(elementsOf(data, dtype), [...shape], dataTypeOf(dtype)));
    return dataId;
  }

  override move(dataId: object, data: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType): void {
    this.#values.set(dataId, this.graph.constant(elementsOf(data, dtype), [...shape], dataTypeOf(dtype)));
  }

  override readSync(dataId: object): tf.backend_util.BackendValues {
    const value = this.#values.get(dataId);
    if (value?.elements && value.dtype !== "int64") return materialise(value) as Float32Array | Int32Array | Uint8Array;
    throw new EngineError(
      `A tensor's values were read${callSite()}, but a compiled program has none until it runs. ` +
        "Keep the computation in tfjs operations (tf.where instead of if, for example).",
    );
  }

  override read(dataId: object): Promise<tf.backend_util.BackendValues> {
    return Promise.resolve(this.readSync(dataId));
  }

  override disposeData(): boolean {
    return true;
  }
  override incRef(): void {}
  decRef(): void {}
  override refCount(): number {
    return 1;
  }
  override numDataIds(): number {
    return 0;
  }
  override memory() {
    return { unreliable: true, numTensors: 0, numDataBuffers: 0, numBytes: 0, reasons: [] };
  }
  override floatPrecision(): 16 | 32 {
    return 32;
  }
  override epsilon(): number {
    return 1e-7;
  }
  override timerAvailable(): boolean {
    return false;
  }
  override dispose(): void {}
}

/** A recorded program: the graph and, by name, the values that it ends in. */
export interface Recording {
  readonly graph: Graph;
  readonly outputs: Readonly<Record<string, Value>>;
  readonly state: Readonly<Record<string, Value>>;
}

/** Checks that a program changes only what its state has. @throws {EngineError} Naming the entry. */
export function checkChanges(recording: Recording, shapes: Readonly<Record<string, readonly number[]>>): void {
  for (const [name, { shape: got }] of Object.entries(recording.state)) {
    if (!(name in shapes)) throw new EngineError(`The program changes "${name}", which its state does not have.`);
    if (got.join() !== shapes[name].join()) {
      throw new EngineError(`The program changes "${name}" of shape [${shapes[name]}] to shape [${got}].`);
    }
  }
}

/** Says, where a program is recorded, that a forward pass begins which its backward pass follows. */
export function beginForward(): void {
  recorded()?.beginForward();
}

/** Says, where a program is recorded, that its backward pass begins. */
export function endForward(): void {
  recorded()?.endForward();
}

function recorded(): Graph | undefined {
  return tf.getBackend() === BACKEND ? instance?.graph : undefined;
}

type InputKind = "state" | "input";

/** The kind and the own name of an input of a recorded graph. */
export function splitName(name: string): [InputKind, string] {
  const dot = name.indexOf(".");
  return [name.slice(0, dot) as InputKind, name.slice(dot + 1)];
}

/**
 * Runs a program once on symbolic tensors.
 *
 * @param program The program.
 * @param state The shape of every entry of the state.
 * @param inputs The shape of every input.
 * @param options `table` says how each tfjs kernel is recorded, `viewsInputs` whether parts of an input may be inputs.
 * @throws {EngineError} When the program uses an operation that cannot be recorded or reads a tensor's values.
 */
export function record(
  program: Program,
  state: Readonly<Record<string, readonly number[]>>,
  inputs: Readonly<Record<string, readonly number[]>>,
  { table = kernels, viewsInputs = true }: {
    readonly table?: Readonly<Record<string, Kernel>>;
    readonly viewsInputs?: boolean;
  } = {},
): Recording {
  const backend = recordingBackend();
  const previous = tf.getBackend();
  backend.graph = new Graph({ viewsInputs });
  backend.kernels = table;
  const symbols = (shapes: Readonly<Record<string, readonly number[]>>, kind: InputKind): Tensors =>
    Object.fromEntries(
      Object.entries(shapes).map(([name, shape]) => [
        name,
        tf.engine().makeTensorFromTensorInfo(backend.tensorInfo(backend.graph.input(`${kind}.${name}`, shape))),
      ]),
    );
  switchTo(BACKEND);
  tf.engine().startScope("record");
  try {
    const result = program(symbols(state, "state"), symbols(inputs, "input"));
    const valuesOf = (tensors: Tensors = {}) =>
      Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, backend.lookup(tensor)]));
    return { graph: backend.graph, outputs: valuesOf(result.outputs), state: valuesOf(result.state) };
  } finally {
    tf.engine().endScope();
    if (previous) switchTo(previous);
    backend.graph = new Graph();
  }
}

/** tfjs switches at once when a backend starts without waiting; only the promise's value comes later. */
function switchTo(name: string): void {
  void tf.setBackend(name);
  if (tf.getBackend() !== name) throw new EngineError(`The tfjs backend "${name}" did not start.`);
}

let instance: RecordingBackend | undefined;

/** tfjs keeps one registry of backends and kernels for the process, so this one is registered once. */
function recordingBackend(): RecordingBackend {
  if (instance) return instance;
  const backend = instance = new RecordingBackend();
  tf.enableProdMode(); // Keeps tfjs's banner off the user's screen.
  tf.registerBackend(BACKEND, () => backend, 0);
  registerLayerGradients();
  const names = new Set([...tf.getKernelsForBackend("cpu").map((k) => k.kernelName), ...Object.keys(kernels)]);
  for (const kernelName of names) {
    tf.registerKernel({
      kernelName,
      backendName: BACKEND,
      kernelFunc: ({ inputs, attrs }) => {
        const tensors = Object.entries(inputs).map(([name, t]) => [name, backend.lookup(t as tf.TensorInfo)] as const);
        const folded = fold(backend, kernelName, inputs, attrs, tensors.map(([, value]) => value));
        if (folded) return folded;
        const kernel = backend.kernels[kernelName];
        if (!kernel) throw new EngineError(unsupported(kernelName));
        const result = kernel({ graph: backend.graph, inputs: Object.fromEntries(tensors), attributes: attrs ?? {} });
        return Array.isArray(result)
          ? result.map((value) => backend.tensorInfo(value))
          : backend.tensorInfo(result as Value);
      },
    });
  }
  return backend;
}

/** Computes a kernel whose inputs are all constants with tfjs's cpu kernel of the same name. */
function fold(
  backend: RecordingBackend,
  kernelName: string,
  inputs: tf.NamedTensorInfoMap | undefined,
  attrs: tf.NamedAttrMap | undefined,
  values: readonly Value[],
): tf.TensorInfo | tf.TensorInfo[] | undefined {
  if (!values.every((v) => v.elements && sizeOf(v.shape) <= MAX_FOLDED)) return undefined;
  if (["Fill", "OnesLike", "ZerosLike", "Identity"].includes(kernelName)) return undefined;
  const kernel = tf.getKernel(kernelName, "cpu");
  if (!kernel) return undefined;
  const cpu = tf.engine().findBackend("cpu");
  const operands: Record<string, tf.TensorInfo> = {};
  for (const [name, tensor] of Object.entries(inputs ?? {})) {
    const value = backend.lookup(tensor as tf.TensorInfo);
    const shape = [...value.shape];
    const dtype = tfjsType(value.dtype);
    const elements = materialise(value) as Float32Array | Int32Array | Uint8Array;
    operands[name] = { dataId: cpu.write(elements, shape, dtype), shape, dtype };
  }
  const list = Array.isArray(inputs) ? Object.values(operands) : operands;
  const result = kernel.kernelFunc({ inputs: list as tf.NamedTensorInfoMap, backend: cpu, attrs: attrs ?? {} });
  const constants = (Array.isArray(result) ? result : [result]).map((info) => {
    const elements = elementsOf(cpu.readSync(info.dataId) as tf.backend_util.BackendValues, info.dtype);
    cpu.disposeData(info.dataId, true);
    return backend.tensorInfo(backend.graph.constant(elements, [...info.shape], dataTypeOf(info.dtype)));
  });
  for (const { dataId } of Object.values(operands)) cpu.disposeData(dataId, true);
  return Array.isArray(result) ? constants : constants[0];
}

function unsupported(kernelName: string): string {
  return `The operation ${kernelName}${callSite()} cannot be compiled. ` +
    "Write it with other tfjs operations, or run with --backend tfjs-cpu.";
}

/** The first frame of the program's own code on the stack, as ", called at FILE:LINE:COLUMN,". */
function callSite(): string {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 100;
  const frames = (new Error().stack ?? "").split("\n").slice(1);
  Error.stackTraceLimit = limit;
  const own = new URL(".", import.meta.url).href;
  const frame = frames.find((f) =>
    f.includes("://") && !f.includes("ext:") && !f.includes(own) && !/\/@tensorflow\/|\/npm\//.test(f)
  );
  const place = frame?.match(/((?:file|https?):\/\/[^\s)]+)/)?.[1];
  return place ? `, called at ${place.startsWith("file:") ? decodeURI(place.slice("file://".length)) : place},` : "";
}

/** A constant's elements in full. */
export function materialise(value: Value): Elements {
  const elements = value.elements!;
  const size = sizeOf(value.shape);
  if (elements.length === size) return elements;
  switch (value.dtype) {
    case "float32":
    case "float16":
      return new Float32Array(size).fill(Number(elements[0]));
    case "int32":
      return new Int32Array(size).fill(Number(elements[0]));
    case "bool":
      return new Uint8Array(size).fill(Number(elements[0]));
    case "int64":
      return new BigInt64Array(size).fill(BigInt(elements[0]));
  }
}

function elementsOf(data: tf.backend_util.BackendValues, dtype: tf.DataType): Elements {
  const numbers = data as ArrayLike<number>;
  switch (dtype) {
    case "float32":
      return Float32Array.from(numbers);
    case "int32":
      return Int32Array.from(numbers);
    case "bool":
      return Uint8Array.from(numbers);
    default:
      throw new EngineError(`Tensors of type ${dtype} cannot be compiled; use float32, int32 or bool.`);
  }
}

function dataTypeOf(dtype: tf.DataType): DataType {
  if (dtype === "float32" || dtype === "int32" || dtype === "bool") return dtype;
  throw new EngineError(`Tensors of type ${dtype} cannot be compiled; use float32, int32 or bool.`);
}

function tfjsType(dtype: DataType): "float32" | "int32" | "bool" {
  return dtype === "int64" ? "int32" : dtype === "float16" ? "float32" : dtype;
}
