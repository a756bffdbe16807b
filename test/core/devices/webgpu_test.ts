import { deepEqual, equal } from "assert";
import { webgpuSighting } from "../../../core/devices/webgpu.ts";

const VARIABLE = "DENO_WEBGPU_BACKEND";

/** A WebGPU whose adapter says this of itself. */
function gpuOf(info: Partial<GPUAdapterInfo> | undefined, onRequest: () => void = () => {}) {
  return {
    requestAdapter() {
      onRequest();
      return Promise.resolve((info ? { info } : null) as GPUAdapter | null);
    },
  };
}

Deno.test("an adapter's name, vendor and numbers", async () => {
  const info = { description: "NVIDIA GeForce RTX 3080", vendor: "4318", device: "8710", isFallbackAdapter: false };
  deepEqual(await webgpuSighting(gpuOf(info)), {
    name: "NVIDIA GeForce RTX 3080",
    vendor: "NVIDIA",
    pci: { vendor: 0x10de, device: 0x2206 },
    apis: ["webgpu"],
    software: false,
  });
});

Deno.test("SwiftShader and llvmpipe are software", async () => {
  const software = async (description: string, isFallbackAdapter: boolean) =>
    (await webgpuSighting(gpuOf({ description, vendor: "65541", device: "0", isFallbackAdapter })))?.software;
  equal(await software("llvmpipe (LLVM 15.0.6, 256 bits)", true), true);
  equal(await software("SwiftShader Device (Subzero)", false), true);
  equal(await software("Microsoft Basic Render Driver", false), true);
  equal(await software("AMD Radeon RX 6800 (RADV NAVI21)", false), false);
});

Deno.test("Apple's GPU shares the system's memory", async () => {
  const sighting = await webgpuSighting(gpuOf({ description: "Apple M2", vendor: "0", device: "0" }));
  deepEqual(sighting, {
    name: "Apple M2",
    vendor: "Apple",
    memoryBytes: Deno.systemMemoryInfo().total,
    sharesMemory: true,
    apis: ["webgpu"],
    software: false,
  });
});

Deno.test("no adapter, no WebGPU and a driver that fails are nothing", async () => {
  equal(await webgpuSighting(gpuOf(undefined)), undefined);
  equal(await webgpuSighting({ requestAdapter: () => Promise.reject(new Error("lost")) }), undefined);
});

Deno.test("the driver interface is named for the request alone, and never against the user", async () => {
  const before = Deno.env.get(VARIABLE);
  try {
    Deno.env.delete(VARIABLE);
    let during: string | undefined;
    const look = () => during = Deno.env.get(VARIABLE);
    await webgpuSighting(gpuOf(undefined, look));
    equal(during, { linux: "vulkan", darwin: "metal", windows: "dx12" }[Deno.build.os as string]);
    equal(Deno.env.get(VARIABLE), undefined);
    Deno.env.set(VARIABLE, "gl");
    await webgpuSighting(gpuOf(undefined, look));
    equal(during, "gl");
    equal(Deno.env.get(VARIABLE), "gl");
  } finally {
    if (before === undefined) Deno.env.delete(VARIABLE);
    else Deno.env.set(VARIABLE, before);
  }
});
