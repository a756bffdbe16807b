import { cudaGpus, type Gpu, webgpuGpu } from "../devices/mod.ts";
import type { Backend } from "./mod.ts";
import { cudaProviderPath } from "./onnxruntime_api.ts";

/** A backend, and why it was chosen: a clause without a full stop. */
export interface BackendDecision {
  readonly backend: Backend;
  readonly reason: string;
}

/** What the choice looks at. */
export interface Probes {
  /** NVIDIA's GPUs. */
  cudaGpus(): readonly Gpu[];
  /** What WebGPU would use. */
  webgpuGpu(): Promise<Gpu | undefined>;
  /** ONNX Runtime's CUDA provider, where it is installed. */
  cudaProvider(): string | undefined;
}

const NO_PROVIDER = "ONNX Runtime's CUDA provider is not installed (deno task install:onnx-cuda, on Linux x86-64)";

const PROBES: Probes = { cudaGpus, webgpuGpu, cudaProvider: cudaProviderPath };

/**
 * The backend that suits the machine and the work.
 *
 * @param work.points Whether samples are vectors; for these nothing is probed.
 */
export async function chooseBackend(
  { points }: { readonly points: boolean },
  { cudaGpus, webgpuGpu, cudaProvider }: Probes = PROBES,
): Promise<BackendDecision> {
  if (points) {
    return { backend: "onnx-cpu", reason: "a step on points is too little work to pay for a GPU's launches" };
  }
  const [nvidia] = cudaGpus();
  if (nvidia && cudaProvider() !== undefined) return { backend: "onnx-cuda", reason: nvidia.name };

  const adapter = await webgpuGpu();
  if (adapter && !adapter.software) {
    const lack = nvidia && adapter.vendor === "NVIDIA" ? `; ${NO_PROVIDER}` : "";
    return { backend: "onnx-webgpu", reason: `${adapter.name}${lack}` };
  }
  const instead = adapter ? `only ${adapter.name}, which is software` : undefined;
  const reason = nvidia
    ? `${nvidia.name} is there, but ${NO_PROVIDER}, and WebGPU has ${instead ?? "no adapter"}`
    : ["no GPU found", ...(instead ? [instead] : [])].join(", ");
  return { backend: "onnx-cpu", reason };
}
