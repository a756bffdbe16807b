import { cudaGpus } from "../../../core/devices/mod.ts";
import type { Backend, Precision } from "../../../core/engine/mod.ts";
import { messageOf } from "../../../core/errors/user_error.ts";
import type { TrainResult } from "../../bench/cases.ts";
import type { TimeLine } from "./benchmark.ts";

/** Times a step of a case of `deno task bench`, in a process of its own, whose memory is its own. */
const [name, backend, threads, precision, steps, folder] = Deno.args;
const machine = { backend: backend as Backend, threads: Number(threads), precision: precision as Precision };

const cases: Readonly<Record<string, () => Promise<TrainResult & { readonly compile_s?: number }>>> = {
  "train-2d": async () => (await import("../../bench/cases.ts")).train2d(machine, Number(steps)),
  "unet-tiny": async () => (await import("../../bench/unet_cases.ts")).unetTiny(machine, Number(steps)),
  "unet-small": async () => (await import("../../bench/unet_cases.ts")).unetSmall(machine, Number(steps)),
  "unet-train": async () => (await import("../../bench/unet_cases.ts")).unetTrain(machine, Number(steps)),
  "unet-eval": async () => {
    const { unetEval, writeRandomUnet } = await import("../../bench/unet_cases.ts");
    await writeRandomUnet(folder);
    return unetEval(machine, Number(steps), folder);
  },
};

/** Bytes that are free on NVIDIA's GPUs, all together: which of them is used is not known here. */
function freeBytes(): number | undefined {
  const free = cudaGpus().map((gpu) => gpu.freeBytes);
  return free.length === 0 || free.includes(undefined) ? undefined : free.reduce((sum, bytes) => sum! + bytes!, 0);
}

const before = freeBytes();
try {
  const { ms_per_step, compile_s, peak_mb } = await cases[name]();
  const after = freeBytes();
  const taken = before === undefined || after === undefined ? 0 : before - after;
  print({
    kind: "time",
    ms_per_step,
    ...(compile_s === undefined ? {} : { compile_s }),
    peak_mb,
    ...(taken > 0 && backend !== "onnx-cpu" ? { device_mb: Math.round(taken / 1e6) } : {}),
  });
} catch (error) {
  print({ kind: "failed", reason: messageOf(error).trim().replaceAll(/\s*\n\s*/g, " ") });
}
Deno.exit(0);

function print(line: TimeLine): void {
  console.log(JSON.stringify(line));
}
