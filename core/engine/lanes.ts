import { bytesOfInputs } from "./graph_memory.ts";

/**
 * A batch is divided into lanes, which run beside one another with a part of the threads each: operations that one thread
 * does, and the waits at the end of each that several do, take a sixth of a step otherwise.
 */

type Shapes = Readonly<Record<string, readonly number[]>>;

/** Rows that a lane has at least, of which fewer take no less time, and what all inputs take where it is worth it. */
const MIN_ROWS = 4, MIN_INPUT_BYTES = 1 << 17;

/** What lanes' own state changes may take, as a part of what all lanes hold at once: they lie where that was. */
const MAX_CHANGES = 0.5;

/** In how many lanes inputs can be run on so many threads, from the most down to one. */
export function laneCounts(inputs: Shapes, threads: number): number[] {
  const rows = [...new Set(Object.values(inputs).map(([rows]) => rows ?? 1))];
  if (rows.length !== 1 || bytesOfInputs(inputs) < MIN_INPUT_BYTES) return [1];
  const most = Math.max(1, Math.min(threads, Math.floor(rows[0] / MIN_ROWS)));
  return Array.from({ length: most }, (_, i) => most - i).filter((count) => rows[0] % count === 0);
}

/** The shapes of a lane's inputs. */
export function laneShapes(inputs: Shapes, lanes: number): Shapes {
  if (lanes === 1) return inputs;
  return Object.fromEntries(Object.entries(inputs).map(([name, [rows, ...rest]]) => [name, [rows / lanes, ...rest]]));
}

/** Whether what the lanes change of the state fits in beside what else they hold, in bytes. */
export function fitsChanges(lanes: number, changes: number, held: number): boolean {
  return (lanes - 1) * changes <= MAX_CHANGES * lanes * held;
}

/** A lane's part of an array of all rows. */
export function laneOf<T extends Float32Array>(rows: T, lane: number, lanes: number): T {
  const size = rows.length / lanes;
  return rows.subarray(lane * size, (lane + 1) * size) as T;
}

/** Takes the mean of a lane's values and the others' of them, in their place. */
export function takeMean(own: Float32Array, others: readonly Float32Array[]): void {
  const share = 1 / (1 + others.length);
  for (const other of others.slice(1)) for (let i = 0; i < own.length; i++) own[i] += other[i];
  const [first] = others;
  for (let i = 0; i < own.length; i++) own[i] = share * (own[i] + first[i]);
}
