import * as tf from "@tensorflow/tfjs";
import { setImmediate } from "node:timers/promises";
import { type HostTensors, sizeOf } from "../data/tensors.ts";
import { runError, startError } from "./backend_errors.ts";
import { fuse } from "./fuse.ts";
import { Graph } from "./graph.ts";
import { emitOne, type Kernel } from "./kernels/kernel.ts";
import { deviceKernels, webgpuKernels } from "./kernels/device.ts";
import { mixedPrecision } from "./mixed_precision.ts";
import { encodeModel } from "./onnx.ts";
import { cudaProviderPath, LIBRARY_VARIABLE } from "./onnxruntime_api.ts";
import {
  type DeviceSession,
  type DeviceTensor,
  loadOnnxRuntime,
  type OnnxRuntime,
  OnnxRuntimeError,
  type Provider,
} from "./onnxruntime_library.ts";
import {
  BackendError,
  checkInput,
  type CompiledProgram,
  type Engine,
  EngineError,
  type InitialEntry,
  initialValues,
  type Precision,
  PRECISIONS,
  type Program,
  type State,
} from "./program.ts";
import { recompute } from "./recompute.ts";
import { checkChanges, record, splitName } from "./recording.ts";

/** A backend whose state is in a device's memory. */
export type DeviceBackend = "onnx-webgpu" | "onnx-cuda";

interface Setup {
  readonly provider: Provider;
  readonly options: Readonly<Record<string, string>>;
  /** How programs are recorded for it. */
  readonly kernels: Readonly<Record<string, Kernel>>;
}

/** How ONNX Runtime is set up for each device. */
const SETUPS: Readonly<Record<DeviceBackend, Setup>> = {
  "onnx-webgpu": {
    provider: "webgpu",
    options: { "ep.webgpuexecutionprovider.powerPreference": "high-performance" },
    kernels: webgpuKernels,
  },
  // TF32 keeps 10 of the 23 bits of a float32 factor.
  "onnx-cuda": {
    provider: "cuda",
    options: { use_tf32: "0", cudnn_conv_algo_search: "HEURISTIC" },
    kernels: deviceKernels,
  },
};

export interface DeviceSettings {
  /** Threads of what the device leaves to the processor. */
  readonly threads: number;
  readonly runtime?: OnnxRuntime;
  /** Another setup than the backend's own, for tests. */
  readonly setup?: Setup;
}

/**
 * The compiled engine on a GPU: programs are traced and run as ONNX graphs, as on the processor, and the state stays in
 * the device's memory. Inputs go there and outputs come back at each run; the state is copied only to be read.
 *
 * @throws {BackendError} When ONNX Runtime, the provider or the device is not there.
 */
export function createDeviceEngine(
  backend: DeviceBackend,
  { threads, runtime = loadOnnxRuntime(), setup = SETUPS[backend] }: DeviceSettings,
): Engine {
  if (setup.provider === "cuda" && !cudaProviderPath()) {
    throw new BackendError(
      "ONNX Runtime's CUDA provider is not installed. Run deno task install:onnx-cuda, " +
        `or name the folder of a build that has it in ${LIBRARY_VARIABLE}.`,
    );
  }
  const device = new Device(backend, runtime, setup, threads);
  const states = new WeakMap<State, DeviceState>();
  return {
    backend,
    threads,
    precisions: PRECISIONS,
    checkpoints: true,
    versions: { "onnxruntime-node": runtime.version, tfjs: tf.version_core },
    createState(initial) {
      const state = new DeviceState(device, initial);
      states.set(state, state);
      return state;
    },
    compile(program, state, inputs, precision, checkpointing) {
      const own = states.get(state);
      if (!own) throw new EngineError("The state belongs to another engine; make it with this engine's createState.");
      if (precision === "f16") device.requireHalf();
      return Promise.resolve(compile(program, own, inputs, device, precision, checkpointing));
    },
    dispose() {
      device.dispose();
    },
  };
}

/** By ONNX Runtime's names: what is computed twice so as not to be kept would be kept. */
const ENTRIES = { "optimization.disable_specified_optimizers": "CommonSubexpressionElimination" } as const;

/** One device of ONNX Runtime, and the copies to it and from it. */
class Device {
  /** By rank, models that give what they are given: the way in and out of the device's memory. */
  readonly #copies = new Map<number, { readonly session: DeviceSession; readonly input: string }>();

  constructor(
    readonly backend: DeviceBackend,
    readonly runtime: OnnxRuntime,
    readonly setup: Setup,
    readonly threads: number,
  ) {
    // Tells at once when the device is not there.
    this.#copyOf(1);
  }

  createSession(model: Uint8Array<ArrayBuffer>): DeviceSession {
    try {
      return this.runtime.createSession(model, { ...this.setup, threads: this.threads, entries: ENTRIES });
    } catch (error) {
      throw error instanceof OnnxRuntimeError ? startError(this.backend, error.message) : error;
    }
  }

  /** Runs a session. @throws {BackendError} When the device fails. */
  run(session: DeviceSession, ...given: Parameters<DeviceSession["run"]>): DeviceTensor[] {
    try {
      return session.run(...given);
    } catch (error) {
      throw error instanceof OnnxRuntimeError ? runError(this.backend, error.message) : error;
    }
  }

  upload(data: Float32Array<ArrayBuffer>, shape: readonly number[]): DeviceTensor {
    const host = this.runtime.hostTensor(data, shape);
    const { session, input } = this.#copyOf(shape.length);
    const [tensor] = this.run(session, { [input]: host }, {}, ["y"]);
    host.dispose();
    return tensor;
  }

  download(tensor: DeviceTensor, shape: readonly number[]): Float32Array {
    const data = new Float32Array(sizeOf(shape));
    const host = this.runtime.hostTensor(data, shape);
    const { session, input } = this.#copyOf(shape.length);
    this.run(session, { [input]: tensor }, { y: host }, []);
    host.dispose();
    return data;
  }

  /** Checks that the device has float16. @throws {BackendError} */
  requireHalf(): void {
    const graph = new Graph({ viewsInputs: false });
    const x = graph.input("x", [1, 1]);
    const [y] = mixedPrecision(graph, [emitOne(graph, "MatMul", [x, x], [1, 1])]);
    const model = encodeModel(graph.inputs, [{ name: "y", value: y }]);
    const [one, result] = [Float32Array.of(1), new Float32Array(1)];
    const tensors = [one, result].map((data) => this.runtime.hostTensor(data, [1, 1]));
    try {
      const session = this.createSession(model.bytes);
      this.run(session, { [model.inputs[0].name]: tensors[0] }, { y: tensors[1] }, []);
      session.dispose();
    } catch (error) {
      if (!(error instanceof BackendError)) throw error;
    }
    for (const tensor of tensors) tensor.dispose();
    if (result[0] === 1) return;
    throw new BackendError(`The GPU has no float16 (${this.backend}). Leave --precision at f32.`);
  }

  dispose(): void {
    for (const { session } of this.#copies.values()) session.dispose();
    this.#copies.clear();
  }

  #copyOf(rank: number) {
    const known = this.#copies.get(rank);
    if (known) return known;
    const graph = new Graph();
    // Negative sizes stand for any.
    const shape = Array.from({ length: rank }, (_, i) => -1 - i);
    const x = graph.input("x", shape);
    const y = emitOne(graph, "Mul", [x, graph.splat(1)], shape);
    const model = encodeModel([x], [{ name: "y", value: y }], (n) => n < 0 ? `size${-n}` : undefined);
    const copy = { session: this.createSession(model.bytes), input: model.inputs[0].name };
    this.#copies.set(rank, copy);
    return copy;
  }
}

/** Entries live on the device, each as the tensor that the last program made. */
class DeviceState implements State {
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly #device: Device;
  readonly #entries = new Map<string, DeviceTensor>();

  constructor(device: Device, initial: Readonly<Record<string, InitialEntry>>) {
    this.#device = device;
    this.shapes = Object.fromEntries(Object.entries(initial).map(([name, t]) => [name, [...t.shape]]));
    for (const [name, entry] of Object.entries(initial)) {
      const { shape } = entry, size = sizeOf(shape), data = initialValues(entry);
      if (data) checkInput(name, data, size);
      this.set(name, device.upload(data ? Float32Array.from(data) : new Float32Array(size), shape));
    }
  }

  entry(name: string): DeviceTensor {
    return this.#entries.get(name)!;
  }

  set(name: string, tensor: DeviceTensor): void {
    this.#entries.get(name)?.dispose();
    this.#entries.set(name, tensor);
  }

  read(names = [...this.#entries.keys()]): Promise<HostTensors> {
    const read = names.map((name) => {
      const shape = this.shapes[name];
      return [name, { shape, data: this.#device.download(this.entry(name), shape) }] as const;
    });
    return Promise.resolve(Object.fromEntries(read));
  }

  write(tensors: HostTensors): void {
    for (const [name, { data }] of Object.entries(tensors)) {
      const shape = this.shapes[name];
      if (!shape) throw new EngineError(`The state has no entry "${name}".`);
      this.set(name, this.#device.upload(Float32Array.from(checkInput(name, data, sizeOf(shape))), shape));
    }
  }

  dispose(): void {
    for (const tensor of this.#entries.values()) tensor.dispose();
    this.#entries.clear();
  }
}

function compile(
  program: Program,
  state: DeviceState,
  inputShapes: Readonly<Record<string, readonly number[]>>,
  device: Device,
  precision: Precision = "f32",
  checkpointing = false,
): CompiledProgram {
  const { runtime } = device;
  const recording = record(program, state.shapes, inputShapes, { table: device.setup.kernels, viewsInputs: false });
  checkChanges(recording, state.shapes);
  const outputs = Object.entries(recording.outputs);
  const changed = Object.entries(recording.state);
  const whole = fuse(recording.graph, [...outputs, ...changed].map(([, value]) => value));
  const fused = checkpointing ? recompute(recording.graph, whole, true) : whole;
  const ends = precision === "f16" ? mixedPrecision(recording.graph, fused) : fused;
  const model = encodeModel(recording.graph.inputs, ends.map((value, i) => ({ name: `end${i}`, value })));
  const session = device.createSession(model.bytes);

  const results: Record<string, Float32Array<ArrayBuffer>> = {};
  const hostOutputs: Record<string, DeviceTensor> = {};
  outputs.forEach(([name, { shape }], i) => {
    results[name] = new Float32Array(sizeOf(shape));
    hostOutputs[`end${i}`] = runtime.hostTensor(results[name], shape);
  });
  const deviceOutputs = changed.map((_, i) => `end${outputs.length + i}`);

  const given: { input: string; name: string; data: Float32Array<ArrayBuffer>; tensor: DeviceTensor }[] = [];
  const read: { input: string; entry: string }[] = [];
  for (const { name: input, value } of model.inputs) {
    const [kind, name] = splitName(value.input!.name);
    if (kind === "state") read.push({ input, entry: name });
    else {
      const data = new Float32Array(sizeOf(value.shape));
      given.push({ input, name, data, tensor: runtime.hostTensor(data, value.shape) });
    }
  }
  return {
    async run(inputs) {
      for (const [name, shape] of Object.entries(inputShapes)) checkInput(name, inputs[name], sizeOf(shape));
      for (const { name, data } of given) data.set(inputs[name]);
      // Lets signals and timers have their turn between runs.
      await setImmediate();
      const tensors = Object.fromEntries([
        ...given.map(({ input, tensor }) => [input, tensor]),
        ...read.map(({ input, entry }) => [input, state.entry(entry)]),
      ]);
      const next = device.run(session, tensors, hostOutputs, deviceOutputs);
      changed.forEach(([name], i) => state.set(name, next[i]));
      return results;
    },
    dispose() {
      session.dispose();
      for (const { tensor } of given) tensor.dispose();
      for (const tensor of Object.values(hostOutputs)) tensor.dispose();
    },
  };
}
