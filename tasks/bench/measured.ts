import type { DensityResult, RunResult } from "./cases.ts";
import type { Figures } from "./case_figures.ts";
import { about, type MeasureOptions, type PeerResult, runCase, runPeer, runTask } from "./processes.ts";
import { measuredSteps, STEP_CASES } from "./step_cases.ts";
import { trainedTruth, TRUTHS } from "./truths.ts";

/** Training steps before a density is timed, and those that the peer's step is timed over there. */
const STEPS = 400;

/** The epochs of the run that `run-2d` times, and the grids that the seed evaluates in one. */
const RUN_EPOCHS = 160;
const STEPS_PER_EPOCH = 56;
const GRID_POINTS = 1600;

/** A case's figures, and with the peer beside it the peer's and their ratio. */
export async function measured(
  name: string,
  options: MeasureOptions,
  progress: (done: number, total: number) => void,
): Promise<Figures> {
  if (name in STEP_CASES) return await measuredSteps(name, options, progress);
  if (name === "truths") return await measuredTruths(options, progress);
  progress(0, 1);
  const peer = options.vsTorch
    ? await runPeer(options, STEPS, ["torch_2d.py", "--grid", "40", "--repeats", "20"])
    : undefined;
  if (name === "density-2d") {
    const targets = [options.stderr, ...(peer ? [peer.stderr!] : [])];
    const result = await runCase<DensityResult>(name, options, STEPS, targets);
    return { ...result, ...(peer ? comparedDensities(result, peer) : {}) };
  }
  const result = await timeRun(options);
  return { ...result, ...(peer ? comparedRuns(result, peer) : {}) };
}

/** The whole of `deno task train:2d moons`, figures included, as a user starts it. */
async function timeRun(options: MeasureOptions): Promise<RunResult> {
  const folder = await Deno.makeTempDir({ prefix: "bench-" });
  try {
    const begun = performance.now();
    const { ms_per_step, peak_mb, backend } = await runTask<RunResult>(
      "train_2d.ts",
      ["moons", "--out", `${folder}/run`],
      options,
    );
    const seconds = (performance.now() - begun) / 1000;
    return { case: "run-2d", seconds, ms_per_step, peak_mb, backend, threads: options.threads };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What a model that is trained for a short while lacks of the truth, for each distribution whose entropy is known. */
async function measuredTruths(
  options: MeasureOptions,
  progress: (done: number, total: number) => void,
): Promise<Figures> {
  const names = Object.keys(TRUTHS) as (keyof typeof TRUTHS)[];
  const figures: Record<string, number | string> = { case: "truths" };
  for (const [i, name] of names.entries()) {
    progress(i, names.length);
    const folder = await Deno.makeTempDir({ prefix: "bench-" });
    try {
      const truth = await trainedTruth(name, folder, (script, args) => runTask(script, args, options));
      for (const [key, value] of Object.entries(truth)) figures[`${name}_${key}`] = value;
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }
  return { ...figures, backend: options.backend, threads: options.threads };
}

/** Our speed over the peer's at no larger error than the peer's. */
function comparedDensities(ours: DensityResult, peer: PeerResult): Figures {
  return {
    ...about(peer),
    peer_points_per_s: peer.points_per_s!,
    peer_stderr: peer.stderr!,
    speed_ratio: ours.points_per_s_at_peer_stderr! / peer.points_per_s!,
  };
}

/** The seed draws one grid an epoch. Nobody waits for that here: a step and a grid are timed, and multiplied. */
function comparedRuns(ours: RunResult, peer: PeerResult): Figures {
  const seconds = RUN_EPOCHS * (STEPS_PER_EPOCH * peer.ms_per_step / 1000 + GRID_POINTS / peer.points_per_s!);
  return { ...about(peer), peer_seconds_extrapolated: seconds, time_ratio: ours.seconds / seconds };
}
