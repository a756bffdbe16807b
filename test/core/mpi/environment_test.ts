import { deepEqual, equal } from "assert";
import { placeIn, withoutPlace } from "../../../core/mpi/mod.ts";
import { Random } from "../../../core/random/random.ts";

/** What launchers put into the environment of the second of four processes on two hosts. */
const LAUNCHERS = {
  "Open MPI's mpirun": {
    OMPI_COMM_WORLD_RANK: "1",
    OMPI_COMM_WORLD_SIZE: "4",
    OMPI_COMM_WORLD_LOCAL_SIZE: "2",
    PMIX_RANK: "1",
    PMIX_NAMESPACE: "1485766657",
  },
  "MPICH's mpiexec": { PMI_RANK: "1", PMI_SIZE: "4", MPI_LOCALNRANKS: "2", MPI_LOCALRANKID: "1", PMI_FD: "6" },
  "srun --mpi=pmix": { PMIX_RANK: "1", SLURM_STEP_NUM_TASKS: "4", SLURM_PROCID: "1" },
  "srun --mpi=pmi2": { PMI_RANK: "1", PMI_SIZE: "4", SLURM_PROCID: "1", SLURM_STEP_NUM_TASKS: "4" },
};

Deno.test("a process finds its place by what each launcher says", () => {
  for (const [launcher, env] of Object.entries(LAUNCHERS)) {
    const place = placeIn({ ...env, HOME: "/home/x" });
    deepEqual([place?.rank, place?.size], [1, 4], launcher);
    equal(place!.family, "PMI_RANK" in env ? "mpich" : "openmpi", launcher);
    deepEqual(withoutPlace({ ...env, HOME: "/home/x" }), { HOME: "/home/x" }, launcher);
  }
  equal(placeIn(LAUNCHERS["Open MPI's mpirun"])!.onHost, 2);
  equal(placeIn(LAUNCHERS["MPICH's mpiexec"])!.onHost, 2);
});

Deno.test("a process alone has no place: without a launcher, as the only rank, in a batch script of Slurm's", () => {
  equal(placeIn({}), undefined);
  equal(placeIn({ OMPI_COMM_WORLD_RANK: "0", OMPI_COMM_WORLD_SIZE: "1" }), undefined);
  equal(placeIn({ SLURM_JOB_ID: "7", SLURM_PROCID: "0", SLURM_NTASKS: "4", SLURM_STEP_NUM_TASKS: "1" }), undefined);
});

Deno.test("whatever the environment holds, a place is a whole one or none", () => {
  const random = Random.fromSeed(0);
  const texts = ["", "0", "1", "-1", "3", "1e3", "x", " 2", "99999999999", "4"];
  const names = [...new Set(Object.values(LAUNCHERS).flatMap((env) => Object.keys(env)))];
  for (let i = 0; i < 2000; i++) {
    const env: Record<string, string> = {};
    for (const name of names) if (random.integer(2)) env[name] = texts[random.integer(texts.length)];
    const place = placeIn(env);
    if (place) {
      equal(Number.isInteger(place.rank) && place.rank >= 0 && place.rank < place.size && place.size > 1, true);
    }
  }
});
