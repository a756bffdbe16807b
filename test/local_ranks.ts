import type { Ranks } from "../core/mpi/mod.ts";
import { mpiRanks } from "../core/mpi/ranks.ts";

/**
 * Ranks within one process, which add up as those of an MPI job do: each waits until all have called. They have to run
 * at the same time, each with an engine of its own.
 */
export function localRanks(size: number): Ranks[] {
  let waiting: { values: Float32Array | Float64Array; resolve: () => void }[] = [];
  const sum = (values: Float32Array | Float64Array) =>
    new Promise<void>((resolve) => {
      waiting.push({ values, resolve });
      if (waiting.length < size) return;
      const all = waiting;
      waiting = [];
      const lengths = new Set(all.map(({ values }) => values.length));
      if (lengths.size > 1) throw new Error(`The ranks add ${[...lengths].join(" and ")} values.`);
      const total = values.map((_, i) => all.reduce((sum, { values }) => sum + values[i], 0));
      for (const { values, resolve } of all) {
        values.set(total);
        resolve();
      }
    });
  const [version, finalize] = ["local", () => Promise.resolve()];
  return Array.from({ length: size }, (_, rank) => mpiRanks({ rank, size, version, sum, finalize }));
}
