/**
 * Several processes that compute one thing together, started by MPI's `mpirun` or Slurm's `srun`. A process that is
 * started alone loads no library.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import { outcomeOf } from "../cli/errors.ts";
import { mainOfMany, type TaskOption } from "../cli/mod.ts";
import { UserError } from "../errors.ts";
import { type Place, placeIn } from "./environment.ts";
import { type Mpi, startMpi } from "./library.ts";
import { mpiRanks, oneRank, type Ranks } from "./ranks.ts";

export { type Place, placeIn, withoutPlace } from "./environment.ts";
export { MpiError } from "./library.ts";
export { mostRows, oneRank, ownRows, type Ranks, type Rows } from "./ranks.ts";

/** Options of a task that several processes may share. */
export const mpiOption = {
  mpiLibrary: {
    optional: "string",
    placeholder: "file",
    help: "MPI's library, where mpirun starts several processes (default: the system's).",
  },
} as const satisfies Record<string, TaskOption>;

/** What a summary says of the ranks, where there are several. */
export function ranksRecord({ size, library }: Ranks): { readonly ranks?: number; readonly mpi?: string } {
  return size === 1 ? {} : { ranks: size, ...(library === undefined ? {} : { mpi: library }) };
}

/** How long a rank other than the first waits with its error, which the first may have too. */
const PATIENCE_MS = 1000;

/** Runs a task as {@linkcode mainOfMany} does, on all ranks of the job that this process belongs to. */
export function mainOnRanks(task: (ranks: Ranks) => Promise<void>): Promise<void> {
  return mainOfMany(() => withRanks(libraryIn(Deno.args), task));
}

/** The library that a command line names. It is needed before the rest is read, so that all ranks can share an error. */
function libraryIn(args: readonly string[]): string | undefined {
  const at = args.findLastIndex((arg) => /^--mpi[-_]library(=|$)/.test(arg));
  if (at < 0) return undefined;
  return args[at].includes("=") ? args[at].slice(args[at].indexOf("=") + 1) : args[at + 1];
}

/**
 * Runs a task on all ranks of the job that this process belongs to; on one where it belongs to none.
 *
 * An error that every rank has at the same point ({@linkcode UserError.everywhere}), and help, are the first one's to tell,
 * once what it has to save is saved. Any other error ends the whole job: a rank that has it says so, and the library ends
 * all processes.
 *
 * @param library The file of MPI's library; the system's if undefined.
 * @throws {MpiError} When there is none.
 */
async function withRanks(library: string | undefined, task: (ranks: Ranks) => Promise<void>): Promise<void> {
  const place = placeIn(Deno.env.toObject());
  if (!place) return await task(oneRank());
  const mpi = await started(place, library);
  try {
    await task(mpiRanks(mpi));
  } catch (error) {
    return await end(mpi, error);
  }
  await mpi.finalize();
}

async function started(place: Place, library: string | undefined): Promise<Mpi> {
  try {
    return startMpi(place, library);
  } catch (error) {
    if (place.rank > 0) await delay(PATIENCE_MS);
    throw error;
  }
}

async function end(mpi: Mpi, error: unknown): Promise<void> {
  const { code, text } = outcomeOf(error);
  if (code === 0 || error instanceof UserError && error.everywhere) {
    await mpi.finalize();
    if (mpi.rank === 0) throw error;
    Deno.exit(code);
  }
  if (mpi.rank > 0) await delay(PATIENCE_MS);
  console.error(mpi.rank === 0 ? text.trimEnd() : `rank ${mpi.rank} of ${mpi.size}: ${text.trimEnd()}`);
  mpi.abort(code);
  Deno.exit(code);
}
