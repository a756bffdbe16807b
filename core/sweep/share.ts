import { placeIn } from "../mpi/environment.ts";
import { SweepError } from "./errors.ts";

/** Which of a sweep's runs are this process's: every `count`-th from `index` on. */
export interface Share {
  /** From 0 on. */
  readonly index: number;
  readonly count: number;
  /** The processes on this host that run at the same time, as far as the launcher says. */
  readonly onHost: number;
  /** Whether its launcher may end the others when it ends by an error. */
  readonly isRank: boolean;
}

type Environment = Readonly<Record<string, string>>;

/**
 * The share of a process among those of `mpirun` or `srun`, or of a Slurm job array, or of an array of such jobs. One that
 * is alone has all.
 *
 * @throws {SweepError} When the numbers of a job array have no common step.
 */
export function shareIn(env: Environment): Share {
  const { rank, size, onHost = 1 } = placeIn(env) ?? stepOf(env) ?? { rank: 0, size: 1 };
  const { index, count } = arrayOf(env);
  return { index: index * size + rank, count: count * size, onHost, isRank: size > 1 };
}

/** The place in a step of `srun`, which need not know of MPI. */
function stepOf(env: Environment): { rank: number; size: number; onHost?: number } | undefined {
  const [rank, size] = [numberIn(env, "SLURM_PROCID"), numberIn(env, "SLURM_STEP_NUM_TASKS")];
  const isLaunched = ["OMPI_COMM_WORLD_RANK", "PMI_RANK"].some((name) => name in env);
  if (isLaunched || rank === undefined || size === undefined || rank >= size) return undefined;
  const onHost = numberIn(env, "SLURM_STEP_TASKS_PER_NODE");
  return { rank, size, ...(onHost === undefined ? {} : { onHost }) };
}

function arrayOf(env: Environment): { index: number; count: number } {
  const id = numberIn(env, "SLURM_ARRAY_TASK_ID");
  if (id === undefined) return { index: 0, count: 1 };
  const count = numberIn(env, "SLURM_ARRAY_TASK_COUNT") ?? 1;
  const first = numberIn(env, "SLURM_ARRAY_TASK_MIN") ?? id;
  const index = (id - first) / (numberIn(env, "SLURM_ARRAY_TASK_STEP") || 1);
  if (Number.isInteger(index) && index >= 0 && index < count) return { index, count };
  throw new SweepError(
    `This is task ${id} of a job array of ${count} from ${first} on, which gives it no place. ` +
      `Number the tasks without gaps: --array=0-${Math.max(0, count - 1)}.`,
  );
}

function numberIn(env: Environment, name: string): number | undefined {
  return /^\d{1,9}$/.test(env[name] ?? "") ? Number(env[name]) : undefined;
}
