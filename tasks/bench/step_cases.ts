import type { TrainResult } from "./cases.ts";
import { fastest, type Figures } from "./case_figures.ts";
import { NARROW_UNETS, narrowPeer } from "./narrow_unets.ts";
import { about, type MeasureOptions, type PeerResult, runCase, runPeer } from "./processes.ts";

/** A case that times steps: how many, in how many rounds, and the peer's script with its arguments. */
interface StepCase {
  readonly steps: number;
  /** Rounds alternate with the peer's, so that both see the same machine. */
  readonly rounds: number;
  readonly peer: readonly string[];
}

/** By the names of the cases. */
export const STEP_CASES: Readonly<Record<string, StepCase>> = {
  "train-2d": { steps: 400, rounds: 3, peer: ["torch_2d.py"] },
  "unet-train": { steps: 3, rounds: 3, peer: ["torch_unet.py", "--mode", "train"] },
  "unet-eval": { steps: 3, rounds: 4, peer: ["torch_unet.py", "--mode", "eval"] },
  ...Object.fromEntries(
    Object.keys(NARROW_UNETS).flatMap((unet) =>
      (["train", "eval"] as const).map((
        mode,
      ) => [`${unet}-${mode}`, { steps: 12, rounds: 4, peer: narrowPeer(unet, mode) }])
    ),
  ),
};

/** A case's step, and with the peer beside it the peer's and their ratio. */
export async function measuredSteps(
  name: string,
  options: MeasureOptions,
  progress: (done: number, total: number) => void,
): Promise<Figures> {
  const { steps, rounds, peer } = STEP_CASES[name];
  const folder = await Deno.makeTempDir({ prefix: "bench-" });
  try {
    if (name === "unet-eval") await (await import("./unet_cases.ts")).writeRandomUnet(folder);
    const ours: TrainResult[] = [];
    const peers: PeerResult[] = [];
    for (let round = 0; round < rounds; round++) {
      progress(round, rounds);
      ours.push(await runCase(name, options, steps, [folder]));
      if (options.vsTorch) peers.push(await runPeer(options, steps, peer));
    }
    const result = fastest(ours);
    return { ...result, ...(options.vsTorch ? comparedSteps(result, fastest(peers)) : {}) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function comparedSteps(ours: TrainResult, peer: PeerResult): Figures {
  return { ...about(peer), peer_ms_per_step: peer.ms_per_step, time_ratio: ours.ms_per_step / peer.ms_per_step };
}
