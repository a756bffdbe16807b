/** Where a process stands among those of its job. */
export interface Place {
  /** From 0 on. */
  readonly rank: number;
  /** The number of processes. */
  readonly size: number;
  /** The processes of the job on this host, where the launcher says. */
  readonly onHost: number | undefined;
  /** The MPI that launched them. */
  readonly family: "openmpi" | "mpich";
}

type Environment = Readonly<Record<string, string>>;

/** What launchers tell a process in variables of these names; a child that is no part of the job must not see them. */
const PREFIXES = ["OMPI_", "PMIX_", "PMI_", "MPI_LOCAL", "HYDI_", "HYDRA_", "PRTE_", "ORTE_", "OPAL_"];

/** What Slurm tells the task of a step about its place; it says more that a child may know. */
const SLURM_PLACE = ["SLURM_PROCID", "SLURM_LOCALID", "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS", "SLURM_NPROCS"];

/**
 * Where a process stands, as its launcher says: Open MPI's `mpirun`, that of MPICH (and of Intel and Microsoft, which are
 * of its kind), or Slurm's `srun` with PMIx or PMI-2. Nothing for one that is alone, or started by none of them: that it
 * runs within a Slurm job is not enough.
 */
export function placeIn(env: Environment): Place | undefined {
  const first = (...names: string[]) => {
    const text = names.map((name) => env[name]).find((value) => value !== undefined);
    return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
  };
  const family = env.PMI_RANK !== undefined && env.OMPI_COMM_WORLD_RANK === undefined ? "mpich" : "openmpi";
  const rank = first("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK");
  const size = first("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS");
  if (rank === undefined || size === undefined || size < 2 || rank >= size) return undefined;
  const onHost = first("OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "SLURM_STEP_TASKS_PER_NODE");
  return { rank, size, onHost, family };
}

/** The environment without what says that a process is one of several. */
export function withoutPlace(env: Environment): Record<string, string> {
  const isPlace = (name: string) => PREFIXES.some((p) => name.startsWith(p)) || SLURM_PLACE.includes(name);
  return Object.fromEntries(Object.entries(env).filter(([name]) => !isPlace(name)));
}
