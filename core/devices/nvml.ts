import type { Sighting } from "./gpu.ts";

/** The part of NVIDIA's management library (nvml.h) that names GPUs. */
const SYMBOLS = {
  nvmlInit_v2: { parameters: [], result: "i32" },
  nvmlShutdown: { parameters: [], result: "i32" },
  nvmlSystemGetDriverVersion: { parameters: ["buffer", "u32"], result: "i32" },
  nvmlDeviceGetCount_v2: { parameters: ["buffer"], result: "i32" },
  nvmlDeviceGetHandleByIndex_v2: { parameters: ["u32", "buffer"], result: "i32" },
  nvmlDeviceGetName: { parameters: ["pointer", "buffer", "u32"], result: "i32" },
  nvmlDeviceGetMemoryInfo: { parameters: ["pointer", "buffer"], result: "i32" },
  nvmlDeviceGetPciInfo_v3: { parameters: ["pointer", "buffer"], result: "i32", optional: true },
} as const satisfies Deno.ForeignLibraryInterface;

type Nvml = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

const SUCCESS = 0;

/** The most GPUs that are asked for. */
const MAX_GPUS = 64;

/** The longest string of the library, with its end. */
const STRING_BYTES = 96;

/** `nvmlPciInfo_t`, and where its device's and vendor's numbers lie, 16 bits each. */
const PCI_INFO_BYTES = 68;
const PCI_ID_OFFSET = 28;

/** The library as the driver installs it. */
function libraryName(): string {
  return Deno.build.os === "windows" ? "nvml.dll" : "libnvidia-ml.so.1";
}

/**
 * NVIDIA's GPUs as the driver's library names them.
 *
 * @param path The library.
 * @returns None where the library is not there or does not answer.
 */
export function nvmlSightings(path = libraryName()): Sighting[] {
  let library: Deno.DynamicLibrary<typeof SYMBOLS>;
  try {
    library = Deno.dlopen(path, SYMBOLS);
  } catch {
    return [];
  }
  const { symbols } = library;
  try {
    if (symbols.nvmlInit_v2() !== SUCCESS) return [];
    try {
      return sightings(symbols);
    } finally {
      symbols.nvmlShutdown();
    }
  } finally {
    library.close();
  }
}

function sightings(nvml: Nvml): Sighting[] {
  const driver = textOf((buffer) => nvml.nvmlSystemGetDriverVersion(buffer, STRING_BYTES));
  const count = new Uint32Array(1);
  if (nvml.nvmlDeviceGetCount_v2(count) !== SUCCESS) return [];
  const found: Sighting[] = [];
  for (let i = 0; i < Math.min(count[0], MAX_GPUS); i++) {
    const handle = new BigUint64Array(1);
    if (nvml.nvmlDeviceGetHandleByIndex_v2(i, handle) !== SUCCESS) continue;
    const device = Deno.UnsafePointer.create(handle[0]);
    const name = textOf((buffer) => nvml.nvmlDeviceGetName(device, buffer, STRING_BYTES));
    const memory = new BigUint64Array(3);
    const hasMemory = nvml.nvmlDeviceGetMemoryInfo(device, memory) === SUCCESS;
    const pci = new DataView(new ArrayBuffer(PCI_INFO_BYTES));
    const hasPci = nvml.nvmlDeviceGetPciInfo_v3?.(device, new Uint8Array(pci.buffer)) === SUCCESS;
    found.push({
      ...(name ? { name } : {}),
      vendor: "NVIDIA",
      ...(hasMemory ? { memoryBytes: Number(memory[0]), freeBytes: Number(memory[1]) } : {}),
      ...(hasPci
        ? { pci: { vendor: pci.getUint16(PCI_ID_OFFSET, true), device: pci.getUint16(PCI_ID_OFFSET + 2, true) } }
        : {}),
      ...(driver ? { driver } : {}),
      apis: ["cuda"],
    });
  }
  return found;
}

/** The string that a function writes to a buffer, if it does. */
function textOf(write: (buffer: Uint8Array<ArrayBuffer>) => number): string | undefined {
  const bytes = new Uint8Array(STRING_BYTES);
  if (write(bytes) !== SUCCESS) return undefined;
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(bytes.subarray(0, end < 0 ? bytes.length : end));
}
