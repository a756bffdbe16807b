import type { Gpu } from "./gpu.ts";
import { nvidiaModuleSightings, sysfsSightings } from "./linux.ts";
import { mergeSightings } from "./merge.ts";
import { nvmlSightings } from "./nvml.ts";
import { webgpuSighting } from "./webgpu.ts";

export type { Gpu, GpuApi } from "./gpu.ts";

/**
 * The GPUs that this machine has, and the software that WebGPU has in place of one, each once. Those on Linux that no
 * driver reaches are told of only to a process with all permissions, since Deno guards /proc and /sys.
 */
export async function listGpus(): Promise<Gpu[]> {
  const nvidia = nvmlSightings();
  const adapter = await webgpuSighting();
  return mergeSightings([
    nvidia.length > 0 ? nvidia : nvidiaModuleSightings(),
    sysfsSightings(),
    adapter ? [adapter] : [],
  ]);
}

/** NVIDIA's GPUs that CUDA reaches. */
export function cudaGpus(): Gpu[] {
  return mergeSightings([nvmlSightings()]);
}

/** The GPU that WebGPU prefers, or the software that stands in for one. */
export async function webgpuGpu(): Promise<Gpu | undefined> {
  const adapter = await webgpuSighting();
  return adapter && mergeSightings([[adapter]])[0];
}
