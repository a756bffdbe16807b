import { InterruptedError } from "../errors/interrupted_error.ts";
import { UsageError } from "../errors/usage_error.ts";
import type { Mpi } from "./library.ts";
import { SIGNS, Watch } from "./watch.ts";

/** Whole rows from one to another. */
export interface Rows {
  readonly begin: number;
  readonly end: number;
}

/**
 * The processes that compute one thing together. All of them take the same steps, with the same random numbers, and each
 * does its part of the work where there is much. A process on its own is the only rank.
 */
export interface Ranks {
  /** From 0 on; rank 0 alone writes. */
  readonly rank: number;
  readonly size: number;
  /** What they talk by; nothing where there is one. */
  readonly library?: string;
  /** Adds up over the ranks, in place. Every rank calls it at the same point, with as many values. */
  sum(values: Float32Array | Float64Array): Promise<void>;
  /**
   * Adds up many values, in place, piece by piece.
   *
   * @param onPiece Is called when values are complete, while the next ones are on their way.
   */
  sumInPieces(values: Float32Array, onPiece: (values: Rows) => Promise<void> | void): Promise<void>;
  /** Asks all ranks to stop; they know of it after the next `sum`, all at the same point. */
  requestStop(): void;
  /** Aborted once all ranks know that one asked to stop; its reason is an {@linkcode InterruptedError}. */
  readonly stop: AbortSignal;
}

/** A process on its own: what it asks for is known at once, and nothing has to be added. */
export function oneRank(): Ranks {
  const stop = new AbortController();
  return {
    ...{ rank: 0, size: 1, stop: stop.signal },
    sum: () => Promise.resolve(),
    async sumInPieces(values, onPiece) {
      await onPiece({ begin: 0, end: values.length });
    },
    requestStop: () => stop.abort(new InterruptedError()),
  };
}

/** Values of a piece: 4 MiB, of which adding takes many times longer than starting to. A multiple of a SIMD vector. */
const PIECE = 2 ** 20;

/** The variable that says after how many seconds a line tells of ranks that do not answer, 0 for never. */
const PATIENCE_VARIABLE = "ITDIFFUSION_RANK_PATIENCE";

/** The patience that the user asks for, in milliseconds: a minute, if none is said. @throws {UsageError} */
export function askedPatience(text = Deno.env.get(PATIENCE_VARIABLE)): number {
  const seconds = text === undefined || text.trim() === "" ? 60 : Number(text);
  if (Number.isFinite(seconds) && seconds >= 0) return seconds === 0 ? Infinity : 1000 * seconds;
  throw new UsageError(
    `${PATIENCE_VARIABLE} is ${text}, expected a number of seconds, or 0 for no line. Set it anew.`,
  );
}

/** Milliseconds between looks at whether other ranks ask or answer, at most, and how many there are in a patience. */
const LOOK_MS = 2000;
const LOOKS = 30;

/** How ranks that do not answer are told of. */
export interface RankWatch {
  /** Milliseconds that they are waited for. */
  readonly patience: number;
  readonly tell: (line: string) => void;
}

/** The ranks of a job of several processes. */
export interface JobRanks extends Ranks {
  /** Tells of ranks that do not answer, from now on. */
  watch(how: RankWatch): void;
  /** Leaves the job in good order; waits until all ranks do. */
  leave(): Promise<void>;
}

/** The ranks of an MPI job. */
export function mpiRanks(mpi: Mpi): JobRanks {
  const stop = new AbortController();
  let stopRequested = false, watch: Watch | undefined, looks: ReturnType<typeof setInterval> | undefined;
  const sum: Mpi["sum"] = async (values) => {
    watch?.begin(performance.now());
    await mpi.sum(values);
    watch?.end();
  };
  return {
    ...{ rank: mpi.rank, size: mpi.size, library: mpi.version, stop: stop.signal },
    async sum(values) {
      const all = values instanceof Float32Array
        ? new Float32Array(values.length + 1)
        : new Float64Array(values.length + 1);
      all.set(values);
      all[values.length] = stopRequested ? 1 : 0;
      await sum(all);
      values.set(all.subarray(0, values.length));
      if (all[values.length] > 0) stop.abort(new InterruptedError());
    },
    async sumInPieces(values, onPiece) {
      let complete: Rows | undefined;
      for (let begin = 0; begin < values.length; begin += PIECE) {
        const piece = { begin, end: Math.min(values.length, begin + PIECE) };
        const summed = sum(values.subarray(piece.begin, piece.end));
        if (complete) await onPiece(complete);
        await summed;
        complete = piece;
      }
      if (complete) await onPiece(complete);
    },
    requestStop() {
      stopRequested = true;
    },
    watch({ patience, tell }) {
      watch = new Watch(mpi, patience, tell);
      looks = setInterval(() => watch!.look(performance.now()), Math.min(LOOK_MS, patience / LOOKS));
      Deno.unrefTimer(looks);
    },
    async leave() {
      // All have come here, so that nobody asks any more; what was asked is taken, as MPI wants it before its end.
      await sum(new Float64Array(1));
      clearInterval(looks);
      for (const sign of SIGNS) mpi.signs?.received(sign);
      await mpi.finalize();
    },
  };
}

/** The part of `count` rows that a rank takes: as even as can be, in order. */
export function ownRows({ rank, size }: Pick<Ranks, "rank" | "size">, count: number): Rows {
  return { begin: Math.floor(count * rank / size), end: Math.floor(count * (rank + 1) / size) };
}

/** The most rows that a rank has of `count`. */
export function mostRows({ size }: Pick<Ranks, "size">, count: number): number {
  return Math.ceil(count / size);
}
