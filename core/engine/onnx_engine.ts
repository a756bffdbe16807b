import * as tf from "@tensorflow/tfjs";
import { type HostTensors, sizeOf } from "../data/tensors.ts";
import { channelBlock } from "./channel_block.ts";
import { fuse } from "./fuse.ts";
import type { Value } from "./graph.ts";
import { bytesOfInputs, peakBytes, requireMemory } from "./graph_memory.ts";
import { blockedConvolutions } from "./kernels/blocked_convolution.ts";
import type { Kernel } from "./kernels/kernel.ts";
import { kernels } from "./kernels/mod.ts";
import { affineOnOneThread, groupNormalisations } from "./kernels/normalisation.ts";
import { encodeModel } from "./onnx.ts";
import { fitsChanges, laneCounts, laneOf, laneShapes, takeMean } from "./lanes.ts";
import { openProcessor, type Places, type Processor } from "./processor_session.ts";
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
  let table: ReturnType<typeof kernelTable> | undefined;
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

/** From how many threads on two passes over memory that have them all are faster than one that a single thread makes. */
const MANY_THREADS = 3;

/** How kernels are recorded for this processor, for operations of so many threads. */
async function kernelTable(processor: Processor): Promise<(threads: number) => Readonly<Record<string, Kernel>>> {
  const block = await channelBlock(processor);
  const many = block === undefined ? kernels : { ...kernels, ...blockedConvolutions(block) };
  const few = { ...many, ...groupNormalisations(affineOnOneThread) };
  return (threads) => threads < MANY_THREADS ? few : many;
}

/** What programs are compiled for. */
interface Setup {
  readonly processor: Processor;
  readonly threads: number;
  readonly checkpointing: boolean;
  readonly table: Awaited<ReturnType<typeof kernelTable>>;
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

/** A program as a graph, for inputs of certain shapes in so many lanes. */
function traced(
  program: Program,
  state: OnnxState,
  inputShapes: Readonly<Record<string, readonly number[]>>,
  { table, threads, checkpointing }: Setup,
  lanes: number,
) {
  const threadsEach = Math.floor(threads / lanes);
  const recording = record(program, state.shapes, laneShapes(inputShapes, lanes), { table: table(threadsEach) });
  checkChanges(recording, state.shapes);
  const changed = Object.keys(recording.state);
  const outputs = Object.entries(recording.outputs);
  const parts = changed.map((name) => partsOf(recording.state[name]));
  const fused = fuse(recording.graph, [...outputs.map(([, value]) => value), ...parts.flat()]);
  const ends = recompute(recording.graph, fused, checkpointing);
  return { graph: recording.graph, changed, outputs, parts, ends, peak: peakBytes(ends), lanes, threadsEach };
}

/** A program's graph, and in how many lanes it is run on the inputs. */
function inLanes(
  program: Program,
  state: OnnxState,
  inputShapes: Readonly<Record<string, readonly number[]>>,
  setup: Setup,
): ReturnType<typeof traced> {
  const counts = program.separable && setup.processor.createSideSession ? laneCounts(inputShapes, setup.threads) : [1];
  for (const lanes of counts) {
    const trace = traced(program, state, inputShapes, setup, lanes);
    const changes = trace.changed.reduce((sum, name) => sum + 4 * sizeOf(state.shapes[name]), 0);
    const isWorthIt = lanes * trace.peak >= LARGE_BYTES && fitsChanges(lanes, changes, trace.peak);
    if (lanes === 1 || isWorthIt) return trace;
  }
  throw new RangeError("There is always one lane.");
}

async function compile(
  program: Program,
  state: OnnxState,
  inputShapes: Readonly<Record<string, readonly number[]>>,
  setup: Setup,
): Promise<CompiledProgram> {
  const { graph, changed, outputs, parts, ends, peak, lanes, threadsEach } = inLanes(
    program,
    state,
    inputShapes,
    setup,
  );
  const { processor } = setup, isLarge = lanes * peak >= LARGE_BYTES;
  requireMemory(lanes * peak + bytesOfInputs(inputShapes), "A run of the denoiser");
  // A value that ends in several places is computed once and copied.
  const model = encodeModel(
    graph.inputs,
    ends.flatMap((value, i) => ends.indexOf(value) === i ? { name: `end${i}`, value } : []),
    undefined,
    isLarge ? ({ input }) => splitName(input!.name)[0] === "input" : undefined,
  );
  const inputs = Object.fromEntries(
    Object.entries(inputShapes).map(([name, shape]) => [name, new Float32Array(sizeOf(shape))]),
  );
  const read = new Set<string>();
  const feedsOf = (lane: number): Places =>
    Object.fromEntries(model.inputs.map(({ name, value }) => {
      const [kind, entry] = splitName(value.input!.name);
      if (kind === "state") read.add(entry);
      const source = kind === "state" ? state.entry(entry) : laneOf(inputs[entry], lane, lanes);
      const { offset } = value.input!;
      return [name, { data: source.subarray(offset, offset + sizeOf(value.shape)), shape: value.shape }];
    }));
  const feeds = feedsOf(0);
  const results = Object.fromEntries(
    outputs.map(([name, value]) => [name, new Float32Array(lanes * sizeOf(value.shape))]),
  );
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
  const isChange = (i: number) => i >= outputs.length;
  const firsts = ends.flatMap((value, i) => ends.indexOf(value) === i ? [{ i, name: `end${i}`, value }] : []);
  const fetchesOf = (lane: number): Places =>
    Object.fromEntries(firsts.flatMap(({ i, name, value }) => {
      if (isChange(i)) return lane === 0 ? [[name, { data: places[i], shape: value.shape }]] : [];
      return [[name, { data: laneOf(places[i], lane, lanes), shape: value.shape }]];
    }));
  const copies = ends.flatMap((value, i) => {
    const first = ends.indexOf(value);
    return first === i ? [] : [{ from: places[first], to: places[i] }];
  });
  const changes = firsts.filter(({ i }) => isChange(i));
  const sizes = Object.fromEntries(changes.map(({ name, value }) => [name, sizeOf(value.shape)]));
  const arenaBytes = isLarge ? lanes * peak : 0;
  const session = await processor.createSession(model.bytes, feeds, fetchesOf(0), threadsEach, arenaBytes);
  const beside = Array.from(
    { length: lanes - 1 },
    (_, k) =>
      processor.createSideSession!(model.bytes, feedsOf(k + 1), fetchesOf(k + 1), sizes, threadsEach, arenaBytes),
  );
  return {
    async run(given) {
      for (const [name, data] of Object.entries(inputs)) data.set(checkInput(name, given[name], data.length));
      const others = beside.map((lane) => lane.run());
      const [own, ...rest] = await Promise.allSettled([session.run(), ...others]);
      try {
        if (own.status === "rejected") throw own.reason;
        const theirs = rest.map((lane) => {
          if (lane.status === "rejected") throw lane.reason;
          return lane.value;
        });
        if (lanes > 1) { for (const { i, name } of changes) takeMean(places[i], theirs.map((values) => values[name])); }
      } finally {
        for (const lane of beside) lane.release();
      }
      for (const { from, to } of copies) to.set(from);
      for (const { name, data } of late) state.entry(name).set(data);
      return results;
    },
    async dispose() {
      for (const lane of beside) lane.dispose();
      await session.dispose();
    },
  };
}

/** A vector that is put together of parts is written part by part, where each belongs. */
function partsOf(value: Value): readonly Value[] {
  if (value.node?.op !== "Concat" || value.shape.length !== 1) return [value];
  return value.node.inputs.map((part) => part.node?.op === "Reshape" ? part.node.inputs[0] : part);
}
