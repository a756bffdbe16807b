import * as tf from "@tensorflow/tfjs";
import { type HostTensors, sizeOf } from "../data/tensors.ts";
import { channelBlock } from "./channel_block.ts";
import { fuse } from "./fuse.ts";
import type { Value } from "./graph.ts";
import { bytesOfInputs, peakBytes, requireMemory } from "./graph_memory.ts";
import { blockedConvolutions } from "./kernels/blocked_convolution.ts";
import type { Kernel } from "./kernels/kernel.ts";
import { kernels } from "./kernels/mod.ts";
import { encodeModel } from "./onnx.ts";
import { openProcessor, type Place, type Processor } from "./processor_session.ts";
import {
  checkInput,
  type CompiledProgram,
  type Engine,
  EngineError,
  type InitialEntry,
  type Program,
  type State,
} from "./program.ts";
import { recompute } from "./recompute.ts";
import { checkChanges, record, splitName } from "./recording.ts";
import { createSimdMemory, MAX_MEMORY_BYTES, type SimdKernels, VECTOR_BYTES } from "./simd.ts";

/**
 * The compiled engine: a program is traced once, backward pass included, and run as one ONNX graph by ONNX Runtime on
 * the CPU. Parameters are read and gradients written where they lie in the state.
 *
 * @param threads Threads that one operation is split over.
 */
export async function createOnnxEngine(threads: number): Promise<Engine> {
  const processor = await openProcessor();
  const states = new WeakMap<State, OnnxState>();
  let table: Promise<Readonly<Record<string, Kernel>>> | undefined;
  return {
    backend: "onnx-cpu",
    threads,
    precisions: ["f32"],
    checkpoints: true,
    versions: { "onnxruntime-node": processor.version, tfjs: tf.version_core },
    createState(initial) {
      const state = new OnnxState(initial);
      states.set(state, state);
      return state;
    },
    async compile(program, state, inputs, _precision, checkpointing = false) {
      const own = states.get(state);
      if (!own) throw new EngineError("The state belongs to another engine; make it with this engine's createState.");
      return compileKernel(program, own) ??
        await compile(program, own, inputs, {
          ...{ processor, threads, checkpointing },
          table: await (table ??= kernelTable(processor)),
        });
    },
    dispose() {},
  };
}

/** What a program takes from which on its memory counts more than the time that it takes to ask for some. */
const LARGE_BYTES = 1 << 26;

/** How kernels are recorded for this processor. */
async function kernelTable(processor: Processor): Promise<Readonly<Record<string, Kernel>>> {
  const block = await channelBlock(processor);
  return block === undefined ? kernels : { ...kernels, ...blockedConvolutions(block) };
}

/** What programs are compiled for. */
interface Setup {
  readonly processor: Processor;
  readonly threads: number;
  readonly checkpointing: boolean;
  readonly table: Readonly<Record<string, Kernel>>;
}

/**
 * All entries lie in one WebAssembly memory, so that kernels can work on them in place. Where they are too large for
 * that, each has memory of its own, and there are no kernels.
 */
class OnnxState implements State {
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly kernels: SimdKernels | undefined;
  readonly #entries: Record<string, Float32Array> = {};

  constructor(initial: Readonly<Record<string, InitialEntry>>) {
    this.shapes = Object.fromEntries(Object.entries(initial).map(([name, t]) => [name, [...t.shape]]));
    const padded = (shape: readonly number[]) => Math.ceil(4 * sizeOf(shape) / VECTOR_BYTES) * VECTOR_BYTES;
    const bytes = Object.values(initial).reduce((sum, { shape }) => sum + padded(shape), 0);
    const memory = bytes <= MAX_MEMORY_BYTES ? createSimdMemory(bytes) : undefined;
    this.kernels = memory?.kernels;
    let offset = 0;
    for (const [name, { shape, data, fill }] of Object.entries(initial)) {
      const size = sizeOf(shape);
      this.#entries[name] = memory ? new Float32Array(memory.buffer, offset, size) : new Float32Array(size);
      if (fill) fill(this.#entries[name]);
      else if (data) this.#entries[name].set(checkInput(name, data, size));
      offset += padded(shape);
    }
  }

  /** An entry where it lies. */
  entry(name: string): Float32Array {
    return this.#entries[name];
  }

  read(names = Object.keys(this.#entries)): Promise<HostTensors> {
    return Promise.resolve(Object.fromEntries(
      names.map((name) => [name, { shape: this.shapes[name], data: this.#entries[name] }]),
    ));
  }

  write(tensors: HostTensors): void {
    for (const [name, { data }] of Object.entries(tensors)) {
      if (!(name in this.shapes)) throw new EngineError(`The state has no entry "${name}".`);
      const entry = this.#entries[name];
      if (data !== entry) entry.set(checkInput(name, data, sizeOf(this.shapes[name])));
    }
  }

  dispose(): void {
    for (const name of Object.keys(this.#entries)) delete this.#entries[name];
  }
}

/** A program that a kernel does, if the state's memory has kernels. */
function compileKernel({ kernel }: Program, state: OnnxState): CompiledProgram | undefined {
  const run = kernel && state.kernels?.[kernel.name];
  if (!run) return undefined;
  const entries = kernel.entries.map((name) => state.entry(name));
  const size = entries[0].length;
  if (entries.some((entry) => entry.length !== size)) {
    throw new EngineError(`The entries ${kernel.entries.join(", ")} are of different sizes.`);
  }
  const runPlaces: CompiledProgram["runPlaces"] = (given, begin, end) => {
    const pointers = entries.map((entry) => entry.byteOffset + 4 * begin);
    const bytes = Math.ceil(4 * (end - begin) / VECTOR_BYTES) * VECTOR_BYTES;
    run(...pointers, bytes, ...kernel.constants, ...kernel.inputs.map((name) => checkInput(name, given[name], 1)[0]));
  };
  return {
    run(given) {
      runPlaces(given, 0, size);
      return Promise.resolve({});
    },
    runPlaces,
    dispose: () => Promise.resolve(),
  };
}

async function compile(
  program: Program,
  state: OnnxState,
  inputShapes: Readonly<Record<string, readonly number[]>>,
  { processor, threads, checkpointing, table }: Setup,
): Promise<CompiledProgram> {
  const recording = record(program, state.shapes, inputShapes, { table });
  checkChanges(recording, state.shapes);
  const changed = Object.keys(recording.state);
  const outputs = Object.entries(recording.outputs);
  const parts = changed.map((name) => partsOf(recording.state[name]));
  const fused = fuse(recording.graph, [...outputs.map(([, value]) => value), ...parts.flat()]);
  const ends = recompute(recording.graph, fused, checkpointing);
  const peak = peakBytes(ends), isLarge = peak >= LARGE_BYTES;
  requireMemory(peak + bytesOfInputs(inputShapes), "A run of the denoiser");
  // A value that ends in several places is computed once and copied.
  const model = encodeModel(
    recording.graph.inputs,
    ends.flatMap((value, i) => ends.indexOf(value) === i ? { name: `end${i}`, value } : []),
    undefined,
    isLarge ? ({ input }) => splitName(input!.name)[0] === "input" : undefined,
  );
  const inputs = Object.fromEntries(
    Object.entries(inputShapes).map(([name, shape]) => [name, new Float32Array(sizeOf(shape))]),
  );
  const feeds: Record<string, Place> = {};
  const read = new Set<string>();
  for (const { name, value } of model.inputs) {
    const [kind, entry] = splitName(value.input!.name);
    if (kind === "state") read.add(entry);
    const source = kind === "state" ? state.entry(entry) : inputs[entry];
    const { offset } = value.input!;
    feeds[name] = { data: source.subarray(offset, offset + sizeOf(value.shape)), shape: value.shape };
  }
  const results = Object.fromEntries(outputs.map(([name, value]) => [name, new Float32Array(sizeOf(value.shape))]));
  // What a run reads it must not write; such entries are written after it.
  const late = changed.filter((name) => read.has(name))
    .map((name) => ({ name, data: new Float32Array(sizeOf(state.shapes[name])) }));
  const places = [
    ...outputs.map(([name]) => results[name]),
    ...changed.flatMap((name, i) => {
      const target = late.find((l) => l.name === name)?.data ?? state.entry(name);
      let offset = 0;
      return parts[i].map(({ shape }) => target.subarray(offset, offset += sizeOf(shape)));
    }),
  ];
  const fetches: Record<string, Place> = {};
  const copies: { from: Float32Array; to: Float32Array }[] = [];
  ends.forEach((value, i) => {
    const first = ends.indexOf(value);
    if (first === i) fetches[`end${i}`] = { data: places[i], shape: value.shape };
    else copies.push({ from: places[first], to: places[i] });
  });

  const session = await processor.createSession(model.bytes, feeds, fetches, threads, isLarge ? peak : 0);
  return {
    async run(given) {
      for (const [name, data] of Object.entries(inputs)) data.set(checkInput(name, given[name], data.length));
      await session.run();
      for (const { from, to } of copies) to.set(from);
      for (const { name, data } of late) state.entry(name).set(data);
      return results;
    },
    dispose: () => session.dispose(),
  };
}

/** A vector that is put together of parts is written part by part, where each belongs. */
function partsOf(value: Value): readonly Value[] {
  if (value.node?.op !== "Concat" || value.shape.length !== 1) return [value];
  return value.node.inputs.map((part) => part.node?.op === "Reshape" ? part.node.inputs[0] : part);
}
