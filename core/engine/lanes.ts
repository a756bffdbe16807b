import { bytesOfInputs } from "./graph_memory.ts";

/**
 * A batch is divided into lanes, which run beside one another with a part of the threads each: operations that one thread
 * does, and the waits at the end of each that several do, take a sixth of a step otherwise. Where it is large, its lanes
 * take their rows in turns, a few at a time, whose values stay near the processor.
 */

/** Of inputs, by name. */
export type Shapes = Readonly<Record<string, readonly number[]>>;

/** Rows that a lane has at least, of which fewer take no less time, and what all inputs take where it is worth it. */
const MIN_ROWS = 4, MIN_INPUT_BYTES = 1 << 17;

/** Rows that a lane takes in one turn: the gradients of filters are fast for as many as a block of channels. */
const TURN_ROWS = 16;

/** What a lane holds at once in a turn, at least: where it is less, starting the turn takes longer than it saves. */
const MIN_TURN_BYTES = 1 << 21;

/** What lanes' own state changes may take, as a part of what all lanes hold at once: they lie where that was. */
const MAX_CHANGES = 0.5;

/** In how many lanes inputs can be run on so many threads, from the most down to one. */
export function laneCounts(inputs: Shapes, threads: number): number[] {
  const rows = dividedRows(inputs);
  if (rows === undefined) return [1];
  return divisors(rows, Math.min(threads, Math.floor(rows / MIN_ROWS)));
}

/** In how many turns so many lanes can take the inputs, from the most down to one. @param held By a lane, of them all, in bytes. */
export function turnCounts(inputs: Shapes, lanes: number, held: number): number[] {
  const rows = dividedRows(inputs);
  if (rows === undefined || rows % (lanes * TURN_ROWS) !== 0) return [1];
  return divisors(rows / lanes / TURN_ROWS, Math.floor(held / MIN_TURN_BYTES));
}

/** The rows of a batch that is worth dividing, where all inputs are of rows. */
function dividedRows(inputs: Shapes): number | undefined {
  const rows = [...new Set(Object.values(inputs).map(([rows]) => rows ?? 1))];
  return rows.length === 1 && bytesOfInputs(inputs) >= MIN_INPUT_BYTES ? rows[0] : undefined;
}

/** Those of a number that are at most so large, the largest first; one is always among them. */
function divisors(n: number, most: number): number[] {
  const count = Math.max(1, Math.min(n, most));
  return Array.from({ length: count }, (_, i) => count - i).filter((divisor) => n % divisor === 0);
}

/** The shapes of a lane's or a turn's inputs. */
export function laneShapes(inputs: Shapes, lanes: number): Shapes {
  if (lanes === 1) return inputs;
  return Object.fromEntries(Object.entries(inputs).map(([name, [rows, ...rest]]) => [name, [rows / lanes, ...rest]]));
}

/** Whether what the lanes change of the state, and the sum of the turns, fit in beside what else they hold, in bytes. */
export function fitsChanges(lanes: number, turns: number, changes: number, held: number): boolean {
  return (lanes - 1 + (turns > 1 ? 1 : 0)) * changes <= MAX_CHANGES * lanes * held;
}

/** A lane's or a turn's part of an array of all rows. */
export function laneOf<T extends Float32Array>(rows: T, lane: number, lanes: number): T {
  const size = rows.length / lanes;
  return rows.subarray(lane * size, (lane + 1) * size) as T;
}

/** Adds values to a sum, in its place. */
export function addTo(sum: Float32Array, values: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i] += values[i];
}

/** Takes the mean of a lane's or a turn's values and the others' of them, in their place. @param count Of all that are summed. */
export function takeMean(own: Float32Array, others: readonly Float32Array[], count = 1 + others.length): void {
  const share = 1 / count;
  for (const other of others.slice(1)) addTo(own, other);
  const [first] = others;
  for (let i = 0; i < own.length; i++) own[i] = share * (own[i] + first[i]);
}
