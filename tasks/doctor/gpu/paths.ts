import type { Gpu } from "../../../core/devices/mod.ts";
import type { Backend } from "../../../core/engine/mod.ts";
import { type BackendRecord, reportOf } from "../backends.ts";
import { type ChildLimits, runChild } from "../child.ts";
import type { GpuSearch } from "../machine.ts";
import type { Card, PathRecord, Size } from "./record.ts";
import { type Trial, tried } from "./trial.ts";

/** The backends that compute on a GPU. */
export const GPU_BACKENDS = ["onnx-webgpu", "onnx-cuda", "tfjs-webgpu", "tfjs-node-gpu"] as const satisfies Backend[];

/** The GPU that a backend takes. */
export function cardOf(backend: Backend, search: GpuSearch): Card | undefined {
  if ("problem" in search) return undefined;
  const api = backend.endsWith("webgpu") ? "webgpu" : "cuda";
  const gpu = search.gpus.find(({ apis }) => apis.includes(api));
  return gpu && describeCard(gpu);
}

/** A GPU as the file has it. */
export function describeCard({ name, vendor, driver, memoryBytes, freeBytes, sharesMemory, software }: Gpu): Card {
  return {
    name,
    ...(vendor === undefined ? {} : { vendor }),
    ...(driver === undefined ? {} : { driver }),
    ...(memoryBytes === undefined ? {} : { memory_bytes: memoryBytes }),
    ...(freeBytes === undefined ? {} : { free_bytes: freeBytes }),
    ...(sharesMemory === undefined ? {} : { shares_memory: sharesMemory }),
    software,
  };
}

/** What a path is given to do: much only where it is known that a card does it. */
export function sizeOf(card: Card | undefined): Size {
  return card && !card.software ? "full" : "small";
}

/** Tries to start a backend, and checks its values as `doctor` does. One that starts and dies is there, and failed. */
export async function findPath(
  backend: Backend,
  search: GpuSearch,
  trial: Trial,
  limits: ChildLimits,
): Promise<Omit<PathRecord, "faults" | "complete">> {
  const result = await tried(
    trial,
    "check",
    () => runChild<BackendRecord>("./check_backend.ts", [backend, String(trial.threads)], limits),
  );
  const { backend: _, ...check } = reportOf(backend, result);
  const absent = result.records.find((record) => record.kind === "absent");
  if (absent) return { backend, absent: absent.reason };
  const card = cardOf(backend, search);
  return { backend, ...(card ? { card } : {}), size: sizeOf(card), check };
}

/** That there is no path, in one line: what was looked for, and what to do. */
export function nothingFound(search: GpuSearch, absent: readonly Pick<PathRecord, "backend" | "absent">[]): string {
  const seen = "problem" in search
    ? `the search for GPUs failed, since ${search.problem}`
    : search.gpus.length === 0
    ? "the system names no GPU"
    : `the system names ${search.gpus.map(({ name }) => name).join(", ")}, which none of them reaches`;
  const why = absent.map(({ backend, absent }) => `${backend}: ${absent}`).join(" ");
  return `No GPU can be computed on here: ${seen}. Install a GPU's driver (Vulkan on Linux) or what a backend lacks, ` +
    `and run again. ${why}`;
}
