import * as tf from "@tensorflow/tfjs";
import { sizeOf } from "../data/tensors.ts";
import { divided, kernelTable, type Setup } from "./division.ts";
import { bytesOfInputs, requireMemory } from "./graph_memory.ts";
import { addTo, laneOf, laneShapes, type Shapes, takeMean } from "./lanes.ts";
import { encodeModel } from "./onnx.ts";
import { OnnxState } from "./onnx_state.ts";
import { openProcessor, type Places, type Processor } from "./processor_session.ts";
import { checkInput, type CompiledProgram, type Engine, EngineError, type Program, type State } from "./program.ts";
import { splitName } from "./recording.ts";
import { VECTOR_BYTES } from "./simd.ts";

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

/** A program for all of a batch, turn by turn. */
async function compile(
  program: Program,
  state: OnnxState,
  inputShapes: Shapes,
  setup: Setup,
): Promise<CompiledProgram> {
  const division = divided(program, state, inputShapes, setup), { turns, changed, outputs } = division;
  const turn = await compileTurn(state, laneShapes(inputShapes, turns), setup.processor, division);
  if (turns === 1) return turn;
  const results = Object.fromEntries(
    outputs.map(([name, { shape }]) => [name, new Float32Array(turns * division.lanes * sizeOf(shape))]),
  );
  const entries = changed.map((name) => state.entry(name)),
    sums = entries.map(({ length }) => new Float32Array(length));
  return {
    async run(given) {
      const rows = Object.entries(inputShapes).map(([name, shape]) =>
        [name, checkInput(name, given[name], sizeOf(shape))] as const
      );
      for (let i = 0; i < turns; i++) {
        const part = await turn.run(Object.fromEntries(rows.map(([name, data]) => [name, laneOf(data, i, turns)])));
        for (const [name, data] of Object.entries(results)) laneOf(data, i, turns).set(part[name]);
        // The last one's are added where they lie.
        if (i === 0) sums.forEach((sum, k) => sum.set(entries[k]));
        else if (i < turns - 1) sums.forEach((sum, k) => addTo(sum, entries[k]));
      }
      entries.forEach((entry, k) => takeMean(entry, [sums[k]], turns));
      return results;
    },
    dispose: () => turn.dispose(),
  };
}

/** A program for the inputs of one turn. */
async function compileTurn(
  state: OnnxState,
  inputShapes: Shapes,
  processor: Processor,
  { graph, changed, outputs, parts, ends, peak, lanes, threadsEach, isLarge }: ReturnType<typeof divided>,
): Promise<CompiledProgram> {
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
