import { sizeOf } from "../data/tensors.ts";
import { channelBlock } from "./channel_block.ts";
import { fuse } from "./fuse.ts";
import type { Value } from "./graph.ts";
import { peakBytes } from "./graph_memory.ts";
import { blockedConvolutions } from "./kernels/blocked_convolution.ts";
import type { Kernel } from "./kernels/kernel.ts";
import { kernels } from "./kernels/mod.ts";
import { affineOnOneThread, groupNormalisations, groupNormOnOneThread } from "./kernels/normalisation.ts";
import { fitsChanges, laneCounts, laneShapes, type Shapes, turnCounts } from "./lanes.ts";
import type { OnnxState } from "./onnx_state.ts";
import type { Processor } from "./processor_session.ts";
import type { Program } from "./program.ts";
import { recompute } from "./recompute.ts";
import { checkChanges, record } from "./recording.ts";

/** What a program takes from which on its memory counts more than the time that it takes to ask for some. */
const LARGE_BYTES = 1 << 26;

/** From how many threads on two passes over memory that have them all are faster than one that a single thread makes. */
const MANY_THREADS = 3;

/** How kernels are recorded for this processor, for operations of so many threads. */
export async function kernelTable(
  processor: Processor,
): Promise<(threads: number) => Readonly<Record<string, Kernel>>> {
  const block = await channelBlock(processor);
  const many = block === undefined ? kernels : { ...kernels, ...blockedConvolutions(block) };
  const few = { ...many, ...groupNormalisations(affineOnOneThread, groupNormOnOneThread) };
  return (threads) => threads < MANY_THREADS ? few : many;
}

/** What programs are compiled for. */
export interface Setup {
  readonly processor: Processor;
  readonly threads: number;
  readonly checkpointing: boolean;
  readonly table: Awaited<ReturnType<typeof kernelTable>>;
}

/** How a batch is divided: its turns, and the lanes of each. */
interface Division {
  readonly turns: number;
  readonly lanes: number;
}

/** A program as a graph, for a lane's inputs of one turn. */
function traced(
  program: Program,
  state: OnnxState,
  inputShapes: Shapes,
  { table, threads, checkpointing }: Setup,
  { turns, lanes }: Division,
) {
  const threadsEach = Math.floor(threads / lanes), shapes = laneShapes(inputShapes, turns * lanes);
  const recording = record(program, state.shapes, shapes, { table: table(threadsEach) });
  checkChanges(recording, state.shapes);
  const changed = Object.keys(recording.state);
  const outputs = Object.entries(recording.outputs);
  const parts = changed.map((name) => partsOf(recording.state[name]));
  const fused = fuse(recording.graph, [...outputs.map(([, value]) => value), ...parts.flat()]);
  const ends = recompute(recording.graph, fused, checkpointing);
  const changes = changed.reduce((sum, name) => sum + 4 * sizeOf(state.shapes[name]), 0);
  return { graph: recording.graph, changed, changes, outputs, parts, ends, peak: peakBytes(ends), threadsEach };
}

/** A program's graph, and how the inputs are divided for it. */
export function divided(
  program: Program,
  state: OnnxState,
  inputShapes: Shapes,
  setup: Setup,
): ReturnType<typeof traced> & Division & { readonly isLarge: boolean } {
  const trace = (division: Division) => ({ ...traced(program, state, inputShapes, setup, division), ...division });
  const counts = program.separable && setup.processor.createSideSession ? laneCounts(inputShapes, setup.threads) : [1];
  for (const lanes of counts) {
    const whole = trace({ turns: 1, lanes }), isLarge = lanes * whole.peak >= LARGE_BYTES;
    if (lanes > 1 && !(isLarge && fitsChanges(lanes, 1, whole.changes, whole.peak))) continue;
    for (
      const turns of program.separable && isLarge ? turnCounts(inputShapes, lanes, whole.peak) : []
    ) {
      const turn = turns === 1 ? whole : trace({ turns, lanes });
      if (fitsChanges(lanes, turns, turn.changes, turn.peak)) return { ...turn, isLarge };
    }
    return { ...whole, isLarge };
  }
  throw new RangeError("There is always one lane.");
}

/** A vector that is put together of parts is written part by part, where each belongs. */
function partsOf(value: Value): readonly Value[] {
  if (value.node?.op !== "Concat" || value.shape.length !== 1) return [value];
  return value.node.inputs.map((part) => part.node?.op === "Reshape" ? part.node.inputs[0] : part);
}
