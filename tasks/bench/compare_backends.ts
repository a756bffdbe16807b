import { Progress, UsageError } from "../../core/cli/mod.ts";
import { BACKEND_CASES, backendTable, timeBackends } from "./backends.ts";
import type { TrainResult } from "./cases.ts";
import { type MeasureOptions, runCase, runPeer } from "./processes.ts";

/** The channels of the small U-Net. */
const UNET_SMALL = "32,64,64";

/** Every backend's times beside the compiled engine's, and beside PyTorch's where it is asked for. */
export async function compareBackends(options: MeasureOptions & { readonly json: boolean }): Promise<void> {
  using progress = new Progress({ quiet: options.json });
  const rows = await timeBackends(
    async (name, backend, steps) => {
      try {
        return (await runCase<TrainResult>(name, { ...options, backend }, steps, [])).ms_per_step;
      } catch (error) {
        throw error instanceof UsageError ? new Error(error.message.replace(/^.*? failed: (error: )?/, "")) : error;
      }
    },
    (label, done, total) => progress.update({ label, done, total }),
  );
  if (options.vsTorch) {
    const step = async (steps: number, ...peer: string[]) => (await runPeer(options, steps, peer)).ms_per_step;
    rows.push({
      backend: "PyTorch",
      ms_per_step: {
        "train-2d": await step(BACKEND_CASES["train-2d"], "torch_2d.py"),
        "unet-small": await step(BACKEND_CASES["unet-small"], "torch_unet.py", "--channels", UNET_SMALL),
      },
    });
  }
  progress.finish();
  console.log(options.json ? rows.map((row) => JSON.stringify(row)).join("\n") : backendTable(rows));
}
