/**
 * What every task runs in: its errors become one line, Ctrl-C a request to stop, and the processes that MPI's `mpirun` or
 * Slurm's `srun` started become its ranks. A process that is started alone loads no MPI library.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import { setTimeout as delay } from "node:timers/promises";
import { InterruptedError } from "../errors/interrupted_error.ts";
import { UserError } from "../errors/user_error.ts";
import { type Place, placeIn } from "../mpi/environment.ts";
import { type Mpi, startMpi } from "../mpi/library.ts";
import { askedPatience, type JobRanks, mpiRanks, oneRank, type Ranks } from "../mpi/ranks.ts";
import { outcomeOf } from "./errors.ts";
import { UsageError } from "../errors/usage_error.ts";
import { takeInterrupt } from "./interrupt.ts";
import type { TaskOption } from "../options/values.ts";
import { writeIfRead } from "./terminal.ts";

/** Where `main` writes and how it ends the process; tests give their own. */
export interface ProcessEnds {
  stdout(text: string): void;
  stderr(text: string): void;
  /** @param code None for the one that the task has set, or 0. */
  exit(code?: number): void;
}

const DENO: ProcessEnds = {
  stdout: (text) => writeIfRead(Deno.stdout, text),
  stderr: (text) => writeIfRead(Deno.stderr, text),
  exit: (code) => Deno.exit(code),
};

/** A task. It ends soon after `stop` is aborted, by throwing its reason or an {@linkcode InterruptedError} that says more. */
export type Task = (stop: AbortSignal) => Promise<void>;

/**
 * Runs a task. A `UserError` becomes one line on stderr and exit code 2, `--help` its text on stdout and 0, anything
 * else a short line with the stack and 1. Ctrl-C, from the first moment to the last, becomes one line and 130. The process
 * ends with its task, by the exit code that the task has set.
 *
 * Of several processes that an MPI launcher started each would do the same, and write the same files. They are refused.
 */
export function main(task: Task, process: ProcessEnds = DENO): Promise<void> {
  const place = placeIn(Deno.env.toObject());
  if (!place) return mainOfMany(task, process);
  return mainOfMany(() => {
    if (place.rank > 0) process.exit(2);
    throw new UsageError(`This task is for one process, but ${place.size} were started. Start it without a launcher.`);
  }, process);
}

/** The same for a task that several processes share. */
export function mainOfMany(task: Task, process: ProcessEnds = DENO): Promise<void> {
  const stop = new AbortController();
  return run(() => task(stop.signal), () => stop.abort(new InterruptedError()), process);
}

/** The same on all ranks of the job that this process belongs to. Its ranks are asked to stop, all at the same point. */
export async function mainOnRanks(task: (ranks: Ranks) => Promise<void>, process: ProcessEnds = DENO): Promise<void> {
  const place = placeIn(Deno.env.toObject());
  let ranks = oneRank();
  await run(
    () => place ? withMpi(place, libraryIn(Deno.args), (all) => task(ranks = all), process) : task(ranks),
    () => ranks.requestStop(),
    process,
    (place?.rank ?? 0) === 0,
  );
}

async function run(
  task: () => Promise<void>,
  requestStop: () => void,
  process: ProcessEnds,
  tells = true,
): Promise<void> {
  using interrupt = takeInterrupt();
  interrupt.onRequest(requestStop, tells);
  // What a terminal shows of the request makes way for the last line.
  const clear = () => interrupt.requested && Deno.stderr.isTerminal() ? "\r\x1b[2K" : "";
  try {
    if (interrupt.requested) throw new InterruptedError("Stopped before anything was begun.");
    await task();
    // A signal that came while the task computed its last is heard in the next turn.
    await new Promise((resolve) => setImmediate(resolve));
    if (interrupt.requested && tells) process.stderr(`${clear()}Stopped, but everything was finished.\n`);
    // At once: while a process ends by itself, Deno hears no more, and a signal would kill it.
    process.exit(interrupt.requested ? 130 : undefined);
  } catch (error) {
    const { code, text } = outcomeOf(error);
    if (code === 0) process.stdout(text);
    else process.stderr(clear() + text);
    process.exit(code);
  }
}

/** Options of a task that several processes may share. */
export const mpiOption = {
  mpiLibrary: {
    optional: "string",
    placeholder: "file",
    help: "MPI's library, where mpirun starts several processes (default: the system's).",
  },
} as const satisfies Record<string, TaskOption>;

/** How long a rank other than the first waits with its error, which the first may have too. */
const PATIENCE_MS = 5000;

/** The library that a command line names. It is needed before the rest is read, so that all ranks can share an error. */
function libraryIn(args: readonly string[]): string | undefined {
  const at = args.findLastIndex((arg) => /^--mpi[-_]library(=|$)/.test(arg));
  if (at < 0) return undefined;
  return args[at].includes("=") ? args[at].slice(args[at].indexOf("=") + 1) : args[at + 1];
}

/**
 * Runs a task on all ranks of an MPI job.
 *
 * An error that every rank has at the same point ({@linkcode UserError.everywhere}), and help, are the first one's to tell,
 * once what it has to save is saved. Any other error ends the whole job: a rank that has it says so and ends, and MPI's
 * launcher ends the others.
 *
 * @param library The file of MPI's library; the system's if undefined.
 * @throws {MpiError} When there is none.
 */
async function withMpi(
  place: Place,
  library: string | undefined,
  task: (ranks: Ranks) => Promise<void>,
  process: ProcessEnds,
): Promise<void> {
  const mpi = await started(place, library);
  // What a terminal shows of progress makes way for the line, and comes again below it.
  const clear = Deno.stderr.isTerminal() ? "\r\x1b[2K" : "";
  const ranks = mpiRanks(mpi);
  try {
    ranks.watch({ patience: askedPatience(), tell: (line) => process.stderr(`${clear}${line}\n`) });
    await task(ranks);
  } catch (error) {
    return await end(ranks, error);
  }
  await ranks.leave();
}

async function started(place: Place, library: string | undefined): Promise<Mpi> {
  try {
    return startMpi(place, library);
  } catch (error) {
    if (place.rank > 0) await delay(PATIENCE_MS);
    throw error;
  }
}

async function end(ranks: JobRanks, error: unknown): Promise<void> {
  const { code, text } = outcomeOf(error), { rank, size } = ranks;
  if (code === 0 || error instanceof UserError && error.everywhere) {
    await ranks.leave();
    if (rank === 0) throw error;
    Deno.exit(code);
  }
  if (rank > 0) await delay(PATIENCE_MS);
  console.error(rank === 0 ? text.trimEnd() : `rank ${rank} of ${size}: ${text.trimEnd()}`);
  // A process that ends without MPI's own end takes the job with it, after its launcher has read what it wrote; of one that
  // aborts MPICH's launcher may lose that.
  Deno.exit(code);
}
