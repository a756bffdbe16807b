import { fileURLToPath } from "node:url";
import { Progress } from "../../core/cli/mod.ts";
import { TASK_PERMISSIONS } from "../doctor/child.ts";
import { fastest, lines } from "./case_figures.ts";
import { output } from "./output.ts";
import type { MeasureOptions } from "./processes.ts";
import type { RanksResult } from "./ranks.ts";
import { faster, scalingTable, stepModel } from "./scaling.ts";

/** Samples of a step, and of the smaller one that tells what a step costs by itself. */
const RANKS_BATCH = 16;
const RANKS_SMALL_BATCH = 4;
const RANKS_STEPS = 3;
const RANKS_ROUNDS = 2;

/** How much faster than this machine the second node is that is reckoned with. */
const FAST_NODE = 32;

/** One rank with all threads beside one rank a thread, and what that lets expect of many nodes. */
export async function compareRanks(
  options: MeasureOptions & { readonly mpirun: string; readonly json: boolean },
): Promise<void> {
  using progress = new Progress({ quiet: options.json });
  const script = fileURLToPath(new URL("./run_case.ts", import.meta.url));
  const command = (threads: number, batch: number) => [
    ...["run", ...TASK_PERMISSIONS, script],
    ...["ranks", options.backend, threads, RANKS_STEPS, batch].map(String),
  ];
  const alone = async (batch: number): Promise<RanksResult> =>
    JSON.parse(await output(Deno.execPath(), command(options.threads, batch), options.signal));
  const together = async (): Promise<RanksResult> =>
    JSON.parse(
      await output(
        options.mpirun,
        ["-n", `${options.threads}`, Deno.execPath(), ...command(1, RANKS_BATCH)],
        options.signal,
      ),
    );
  const [one, many]: RanksResult[][] = [[], []];
  const total = 2 * RANKS_ROUNDS + 1;
  for (let round = 0; round < RANKS_ROUNDS; round++) {
    progress.update({ label: "ranks", done: 2 * round, total });
    one.push(await alone(RANKS_BATCH));
    progress.update({ label: "ranks", done: 2 * round + 1, total });
    many.push(await together());
  }
  const small = await alone(RANKS_SMALL_BATCH);
  progress.finish();
  const [a, b] = [fastest(one), fastest(many)];
  const model = stepModel(a, small, a.parameters);
  const result = {
    ...b,
    one_rank_ms_per_step: a.ms_per_step,
    throughput_ratio: a.ms_per_step / b.ms_per_step,
    ms_per_sample: 1000 * model.secondsPerSample,
    ms_fixed: 1000 * model.fixedSeconds,
    gradient_mb: model.gradientBytes / 1e6,
  };
  if (options.json) return console.log(JSON.stringify(result));
  console.log(lines(result));
  for (const [nodes, speed] of [["as fast as this machine", 1], [`${FAST_NODE} times as fast`, FAST_NODE]] as const) {
    console.log(
      `\nEfficiency with ${RANKS_BATCH} samples on each of some nodes ${nodes}, and (the samples on each from which ` +
        `on communication takes a tenth of a step):\n${scalingTable(faster(model, speed), RANKS_BATCH)}`,
    );
  }
}
