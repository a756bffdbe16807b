import { sizeOf } from "../data/tensors.ts";
import { freeMemory, gigabytes } from "../devices/memory.ts";
import { BackendError } from "./program.ts";
import { type DataType, reachableNodes, type Value } from "./graph.ts";

const BYTES: Readonly<Record<DataType, number>> = { float32: 4, float16: 2, int32: 4, bool: 1, int64: 8 };

/** Operations that give what they are given under another shape, where it lies. */
const VIEWS: ReadonlySet<string> = new Set(["Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity"]);

/**
 * The bytes that a graph has to hold at once at least, besides its inputs: those of what is computed and needed later.
 * A backend that reuses memory less well takes more.
 */
export function peakBytes(ends: readonly Value[]): number {
  const nodes = reachableNodes(ends);
  const lastUse = new Map<Value, number>();
  nodes.forEach((node, i) => node.inputs.forEach((value) => lastUse.set(stored(value), i)));
  for (const value of ends) lastUse.set(stored(value), nodes.length);
  const freedAfter = new Map<number, number>();
  let held = 0, peak = 0;
  nodes.forEach((node, i) => {
    if (!VIEWS.has(node.op)) {
      for (const value of node.outputs) {
        const last = lastUse.get(value);
        if (last === undefined) continue;
        held += bytesOf(value);
        freedAfter.set(last, (freedAfter.get(last) ?? 0) + bytesOf(value));
      }
    }
    // What is used for the last time may be written over.
    held -= freedAfter.get(i) ?? 0;
    peak = Math.max(peak, held);
  });
  return peak;
}

/** The bytes of a program's inputs. */
export function bytesOfInputs(inputs: Readonly<Record<string, readonly number[]>>): number {
  return Object.values(inputs).reduce((sum, shape) => sum + BYTES.float32 * sizeOf(shape), 0);
}

/** The bytes of a value. */
export function bytesOf({ shape, dtype }: Value): number {
  return sizeOf(shape) * BYTES[dtype];
}

/** The value whose memory a value lies in. */
export function stored(value: Value): Value {
  return value.node && VIEWS.has(value.node.op) ? stored(value.node.inputs[0]) : value;
}

/** What to do about a run of a program that is too large. */
const ADVICE = "Lower --batch-size, --micro-batch-size or --eval-batch-size, or take a smaller network.";

/**
 * Refuses what the memory does not suffice for, before it is asked for: a system gives it out all the same, and kills who
 * uses it.
 *
 * @param bytes That are needed at least.
 * @param what Needs them, as the beginning of a sentence.
 * @param advice What to do, as a sentence.
 * @throws {BackendError} That says so.
 */
export function requireMemory(bytes: number, what: string, advice = ADVICE, free = freeMemory()): void {
  if (bytes <= free) return;
  throw new BackendError(
    `${what} takes at least ${gigabytes(bytes)} of memory, but ${gigabytes(free)} are free. ${advice}`,
  );
}
