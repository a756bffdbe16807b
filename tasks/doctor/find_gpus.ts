import { listGpus } from "../../core/devices/mod.ts";
import { chooseBackend } from "../../core/engine/auto.ts";
import type { GpuRecord } from "./machine.ts";

/** Looks for GPUs and prints what is found. It has a process of its own, since a driver may end the process. */
const record: GpuRecord = {
  kind: "gpus",
  gpus: await listGpus(),
  auto: { points: await chooseBackend({ points: true }), images: await chooseBackend({ points: false }) },
};
console.log(JSON.stringify(record));
