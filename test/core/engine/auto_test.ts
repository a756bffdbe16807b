import { deepEqual, equal, match } from "assert";
import type { Gpu } from "../../../core/devices/mod.ts";
import { chooseBackend, type Probes } from "../../../core/engine/auto.ts";

const nvidia: Gpu = { name: "NVIDIA T4", vendor: "NVIDIA", apis: ["cuda"], software: false };
const amd: Gpu = { name: "AMD Radeon RX 6800", vendor: "AMD", apis: ["webgpu"], software: false };
const software: Gpu = { name: "llvmpipe", apis: ["webgpu"], software: true };

function probes({ cuda, adapter, provider }: { cuda?: Gpu; adapter?: Gpu; provider?: true }): Probes {
  return {
    cudaGpus: () => cuda ? [cuda] : [],
    webgpuGpu: () => Promise.resolve(adapter),
    cudaProvider: () => provider && "provider.so",
  };
}

const forImages = (machine: Parameters<typeof probes>[0]) => chooseBackend({ points: false }, probes(machine));

Deno.test("points are trained on the processor, and nothing is probed", async () => {
  const probed = () => {
    throw new Error("probed");
  };
  const { backend, reason } = await chooseBackend(
    { points: true },
    { cudaGpus: probed, webgpuGpu: probed, cudaProvider: probed },
  );
  equal(backend, "onnx-cpu");
  match(reason, /too little work/);
});

Deno.test("images are trained by CUDA where the GPU and the provider are there, without asking WebGPU", async () => {
  deepEqual(
    await chooseBackend({ points: false }, {
      ...probes({ cuda: nvidia, provider: true }),
      webgpuGpu: () => Promise.reject(new Error("asked")),
    }),
    { backend: "onnx-cuda", reason: "NVIDIA T4" },
  );
});

Deno.test("otherwise by WebGPU where its adapter is a GPU; NVIDIA's says what CUDA lacks", async () => {
  deepEqual(await forImages({ adapter: amd, provider: true }), {
    backend: "onnx-webgpu",
    reason: "AMD Radeon RX 6800",
  });
  const { backend, reason } = await forImages({ cuda: nvidia, adapter: { ...nvidia, apis: ["webgpu"] } });
  equal(backend, "onnx-webgpu");
  match(reason, /^NVIDIA T4; ONNX Runtime's CUDA provider is not installed \(deno task install:onnx-cuda/);
});

Deno.test("otherwise on the processor, and the reason says what is missing", async () => {
  deepEqual(await forImages({}), { backend: "onnx-cpu", reason: "no GPU found" });
  deepEqual(await forImages({ adapter: software }), {
    backend: "onnx-cpu",
    reason: "no GPU found, only llvmpipe, which is software",
  });
  const { backend, reason } = await forImages({ cuda: nvidia });
  equal(backend, "onnx-cpu");
  match(reason, /^NVIDIA T4 is there, but .*deno task install:onnx-cuda.*, and WebGPU has no adapter$/);
  match(
    (await forImages({ cuda: nvidia, adapter: software })).reason,
    /and WebGPU has only llvmpipe, which is software$/,
  );
});
