import * as tf from "@tensorflow/tfjs";
import * as ort from "onnxruntime-node";
import { type HostTensors, sizeOf } from "../tensors.ts";
import { fuse } from "./fuse.ts";
import { encodeModel } from "./onnx.ts";
import { checkInput, type CompiledProgram, type Engine, EngineError, type Program, type State } from "./program.ts";
import { record } from "./recording.ts";

/**
 * The compiled engine: a program is traced once, backward pass included, and run as one ONNX graph by ONNX Runtime on
 * the CPU.
 *
 * @param threads Threads that one operation is split over.
 */
export function createOnnxEngine(threads: number): Engine {
  const states = new WeakMap<State, OnnxState>();
  return {
    backend: "onnx-cpu",
    threads,
    versions: { "onnxruntime-node": ort.env.versions.node ?? ort.env.versions.common, tfjs: tf.version_core },
    createState(initial) {
      const state = new OnnxState(initial);
      states.set(state, state);
      return state;
    },
    compile(program, state, inputs) {
      const own = states.get(state);
      if (!own) throw new EngineError("The state belongs to another engine; make it with this engine's createState.");
      return compile(program, own, inputs, threads);
    },
    dispose() {},
  };
}

type HostTensor = ort.TypedTensor<"float32">;

/** Each entry has two buffers: a run reads one and writes the other, so that the previous values stay whole. */
class OnnxState implements State {
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  #current: Record<string, HostTensor>;
  #other: Record<string, HostTensor> = {};
  #changed: readonly string[] = [];

  constructor(initial: HostTensors) {
    this.shapes = Object.fromEntries(Object.entries(initial).map(([name, t]) => [name, [...t.shape]]));
    this.#current = Object.fromEntries(
      Object.entries(initial).map(([name, t]) => [name, tensorOf(Float32Array.from(t.data), t.shape)]),
    );
  }

  current(name: string): HostTensor {
    return this.#current[name];
  }

  /** Where a run writes an entry's next value. */
  next(name: string): HostTensor {
    return this.#other[name] ??= emptyTensor(this.shapes[name]);
  }

  advance(names: readonly string[]): void {
    for (const name of names) [this.#current[name], this.#other[name]] = [this.next(name), this.#current[name]];
    this.#changed = names;
  }

  undo(): void {
    const names = this.#changed;
    this.#changed = [];
    for (const name of names) [this.#current[name], this.#other[name]] = [this.#other[name], this.#current[name]];
  }

  read(): Promise<HostTensors> {
    return Promise.resolve(Object.fromEntries(
      Object.entries(this.#current).map(([name, t]) => [name, { shape: [...t.dims], data: t.data.slice() }]),
    ));
  }

  write(tensors: HostTensors): void {
    for (const [name, { data }] of Object.entries(tensors)) {
      if (!(name in this.shapes)) throw new EngineError(`The state has no entry "${name}".`);
      this.#current[name].data.set(checkInput(name, data, sizeOf(this.shapes[name])));
    }
  }

  dispose(): void {
    this.#current = {};
    this.#other = {};
  }
}

async function compile(
  program: Program,
  state: OnnxState,
  inputShapes: Readonly<Record<string, readonly number[]>>,
  threads: number,
): Promise<CompiledProgram> {
  const recording = record(program, state.shapes, inputShapes);
  const outputNames = Object.keys(recording.outputs);
  const changed = Object.keys(recording.state);
  for (const name of changed) {
    const got = recording.state[name].shape;
    if (!(name in state.shapes)) throw new EngineError(`The program changes "${name}", which its state does not have.`);
    if (got.join() !== state.shapes[name].join()) {
      throw new EngineError(`The program changes "${name}" of shape [${state.shapes[name]}] to shape [${got}].`);
    }
  }
  const values = fuse(recording.graph, [...Object.values(recording.outputs), ...Object.values(recording.state)]);
  const names = [...outputNames.map((n) => `output.${n}`), ...changed.map((n) => `next.${n}`)];
  const model = encodeModel(recording.graph.inputs, values.map((value, i) => ({ name: names[i], value })));
  const session = await ort.InferenceSession.create(model.bytes, {
    executionProviders: ["cpu"],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    graphOptimizationLevel: "all",
    // Adam's second moments decay into denormals, on which arithmetic is many times slower.
    extra: { session: { set_denormal_as_zero: "1" } },
  });

  const inputs = Object.fromEntries(
    Object.entries(inputShapes).map(([name, shape]) => [name, emptyTensor(shape)]),
  );
  const outputs = Object.fromEntries(
    outputNames.map((name) => [name, emptyTensor(recording.outputs[name].shape)]),
  );
  const present = new Set(model.inputs);
  const feeds: Record<string, HostTensor> = {};
  for (const [name, tensor] of Object.entries(inputs)) {
    if (present.has(`input.${name}`)) feeds[`input.${name}`] = tensor;
  }
  const fetches: Record<string, HostTensor> = {};
  for (const name of outputNames) fetches[`output.${name}`] = outputs[name];
  const results = Object.fromEntries(outputNames.map((name) => [name, outputs[name].data]));
  const read = Object.keys(state.shapes).filter((name) => present.has(`state.${name}`));

  return {
    async run(given) {
      for (const [name, tensor] of Object.entries(inputs)) {
        tensor.data.set(checkInput(name, given[name], tensor.data.length));
      }
      for (const name of read) feeds[`state.${name}`] = state.current(name);
      for (const name of changed) fetches[`next.${name}`] = state.next(name);
      await session.run(feeds, fetches);
      if (changed.length > 0) state.advance(changed);
      return results;
    },
    async dispose() {
      await session.release();
    },
  };
}

function emptyTensor(shape: readonly number[]): HostTensor {
  return tensorOf(new Float32Array(sizeOf(shape)), shape);
}

function tensorOf(data: Float32Array, shape: readonly number[]): HostTensor {
  return new ort.Tensor("float32", data, shape);
}
