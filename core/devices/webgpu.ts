import { type Sighting, vendorOf } from "./gpu.ts";

/** Names the driver interface of Deno's WebGPU, which reads it at the first request of a process. */
const VARIABLE = "DENO_WEBGPU_BACKEND";

/** Has Deno use the system's own interface, unless the user chose one or it is too late. */
export function chooseWebgpuInterface(): void {
  const name = INTERFACES[Deno.build.os];
  if (name !== undefined && Deno.env.get(VARIABLE) === undefined) Deno.env.set(VARIABLE, name);
}

/** One interface alone is quicker to ask than all, and the others complain on stderr where they are not set up. */
const INTERFACES: Readonly<Partial<Record<typeof Deno.build.os, string>>> = {
  linux: "vulkan",
  darwin: "metal",
  windows: "dx12",
};

const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|software|basic render/i;

/**
 * The GPU that WebGPU prefers, or the software that stands in for one.
 *
 * @param gpu Deno's WebGPU.
 * @returns Nothing where there is none, or its driver fails.
 */
export async function webgpuSighting(
  gpu: Pick<GPU, "requestAdapter"> | undefined = navigator.gpu,
): Promise<Sighting | undefined> {
  let info: GPUAdapterInfo | undefined;
  try {
    info = (await withInterface(() => gpu?.requestAdapter({ powerPreference: "high-performance" })))?.info;
  } catch {
    return undefined;
  }
  if (!info) return undefined;
  const { description, isFallbackAdapter } = info;
  const [pciVendor, device] = [Number(info.vendor), Number(info.device)];
  const vendor = vendorOf(pciVendor) ?? (description.startsWith("Apple") ? "Apple" : undefined);
  return {
    ...(description ? { name: description } : {}),
    ...(vendor === undefined ? {} : { vendor }),
    ...(vendorOf(pciVendor) !== undefined && device > 0 ? { pci: { vendor: pciVendor, device } } : {}),
    ...(vendor === "Apple" ? { memoryBytes: Deno.systemMemoryInfo().total, sharesMemory: true } : {}),
    apis: ["webgpu"],
    software: isFallbackAdapter === true || SOFTWARE.test(description),
  };
}

/** Requests an adapter with the system's interface, unless the user chose one. */
async function withInterface<T>(request: () => Promise<T> | undefined): Promise<T | undefined> {
  const name = INTERFACES[Deno.build.os];
  if (name === undefined || Deno.env.get(VARIABLE) !== undefined) return await request();
  Deno.env.set(VARIABLE, name);
  try {
    return await request();
  } finally {
    Deno.env.delete(VARIABLE);
  }
}
