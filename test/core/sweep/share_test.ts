import { deepEqual, equal, throws } from "assert";
import { commandsOf } from "../../../core/sweep/run_share.ts";
import { shareIn } from "../../../core/sweep/share.ts";
import { parseSweep } from "../../../core/sweep/template.ts";

const array = (id: number, first: number, count: number, step?: number) => ({
  SLURM_ARRAY_TASK_ID: String(id),
  SLURM_ARRAY_TASK_MIN: String(first),
  SLURM_ARRAY_TASK_COUNT: String(count),
  ...(step === undefined ? {} : { SLURM_ARRAY_TASK_STEP: String(step) }),
});

Deno.test("a process that is alone has all runs; a batch script of Slurm is alone", () => {
  const alone = { index: 0, count: 1, onHost: 1, isRank: false };
  deepEqual(shareIn({}), alone);
  deepEqual(shareIn({ SLURM_JOB_ID: "7", SLURM_PROCID: "0", SLURM_NTASKS: "4" }), alone);
  deepEqual(shareIn({ OMPI_COMM_WORLD_RANK: "0", OMPI_COMM_WORLD_SIZE: "1", SLURM_PROCID: "3" }), alone);
});

Deno.test("ranks of mpirun and of srun have a share each", () => {
  const openMpi = { OMPI_COMM_WORLD_RANK: "2", OMPI_COMM_WORLD_SIZE: "4", OMPI_COMM_WORLD_LOCAL_SIZE: "2" };
  deepEqual(shareIn(openMpi), { index: 2, count: 4, onHost: 2, isRank: true });
  deepEqual(shareIn({ PMI_RANK: "1", PMI_SIZE: "3" }), { index: 1, count: 3, onHost: 1, isRank: true });
  const srun = { SLURM_PROCID: "5", SLURM_STEP_NUM_TASKS: "6", SLURM_STEP_TASKS_PER_NODE: "3" };
  deepEqual(shareIn(srun), { index: 5, count: 6, onHost: 3, isRank: true });
  // One process of mpirun in a step of two.
  const inStep = { OMPI_COMM_WORLD_RANK: "0", OMPI_COMM_WORLD_SIZE: "1", SLURM_PROCID: "1", SLURM_STEP_NUM_TASKS: "2" };
  equal(shareIn(inStep).count, 1);
});

Deno.test("tasks of a job array have a share each, wherever it begins and whatever its step", () => {
  const shares = (ids: number[], step?: number) =>
    ids.map((id) => shareIn(array(id, ids[0], ids.length, step))).map(({ index, count }) => [index, count]);
  deepEqual(shares([0, 1, 2]), [[0, 3], [1, 3], [2, 3]]);
  deepEqual(shares([4, 6, 8], 2), [[0, 3], [1, 3], [2, 3]]);
  deepEqual(shareIn({ ...array(1, 0, 2), PMI_RANK: "2", PMI_SIZE: "3" }), {
    index: 5,
    count: 6,
    onHost: 1,
    isRank: true,
  });
  throws(() => shareIn(array(7, 1, 3)), /task 7 of a job array of 3 from 1 on.*--array=0-2/);
  throws(() => shareIn(array(2, 1, 3, 2)), /no place/);
});

Deno.test("shares are all of the runs, and no run is in two", () => {
  const { commands } = parseSweep("train:2d moons --seed {1..7}");
  for (const count of [1, 2, 3, 7, 9]) {
    const parts = Array.from(
      { length: count },
      (_, index) => commandsOf(commands, { index, count, onHost: 1, isRank: false }),
    );
    deepEqual(parts.flat().map(({ name }) => name).sort(), commands.map(({ name }) => name));
  }
});
