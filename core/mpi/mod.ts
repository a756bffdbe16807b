/**
 * Several processes that compute one thing together, started by MPI's `mpirun` or Slurm's `srun`.
 *
 * @module
 */
import type { Ranks } from "./ranks.ts";

export { type Place, placeIn, withoutPlace } from "./environment.ts";
export { MpiError } from "./library.ts";
export { mostRows, oneRank, ownRows, type Ranks, type Rows } from "./ranks.ts";

/** What a summary says of the ranks, where there are several. */
export function ranksRecord({ size, library }: Ranks): { readonly ranks?: number; readonly mpi?: string } {
  return size === 1 ? {} : { ranks: size, ...(library === undefined ? {} : { mpi: library }) };
}
