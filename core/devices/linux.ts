import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Sighting, vendorOf } from "./gpu.ts";

/**
 * NVIDIA's GPUs as the kernel's module names them. Where only this tells of them, what reaches them is missing.
 *
 * @param root The module's folder.
 */
export function nvidiaModuleSightings(root = "/proc/driver/nvidia"): Sighting[] {
  const driver = textOf(join(root, "version"))?.match(/Kernel Module\D*([\d.]+)/)?.[1];
  return namesIn(join(root, "gpus")).map((bus) => {
    const name = textOf(join(root, "gpus", bus, "information"))?.match(/^Model:\s*(.+?)\s*$/m)?.[1];
    return { ...(name ? { name } : {}), vendor: "NVIDIA", ...(driver ? { driver } : {}) };
  });
}

/**
 * The GPUs that the kernel has a driver for, by their vendors. Display chips of servers and of virtual machines, which
 * do not compute, are left out.
 *
 * @param root The folder of the kernel's graphics devices.
 */
export function sysfsSightings(root = "/sys/class/drm"): Sighting[] {
  const found: Sighting[] = [];
  // The others are a card's outputs.
  for (const card of namesIn(root).filter((name) => /^card\d+$/.test(name))) {
    const number = (file: string) => {
      const value = Number(textOf(join(root, card, "device", file))?.trim() || NaN);
      return Number.isSafeInteger(value) ? value : undefined;
    };
    const [vendor, device] = [number("vendor"), number("device")];
    const name = vendor === undefined ? undefined : vendorOf(vendor);
    if (vendor === undefined || name === undefined) continue;
    const [memory, used] = [number("mem_info_vram_total"), number("mem_info_vram_used")];
    const product = textOf(join(root, card, "device", "product_name"))?.trim();
    found.push({
      ...(product ? { name: product } : {}),
      vendor: name,
      ...(device === undefined ? {} : { pci: { vendor, device } }),
      ...(memory === undefined ? {} : { memoryBytes: memory }),
      ...(memory === undefined || used === undefined ? {} : { freeBytes: Math.max(0, memory - used) }),
    });
  }
  return found;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
