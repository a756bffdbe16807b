/** A way to compute on a GPU. */
export type GpuApi = "cuda" | "webgpu";

/** A GPU of this machine, or a program that stands in for one. */
export interface Gpu {
  readonly name: string;
  readonly vendor?: string;
  /** Its own memory, or the system's where `sharesMemory` is set. */
  readonly memoryBytes?: number;
  readonly freeBytes?: number;
  readonly sharesMemory?: boolean;
  /** How it can be reached from here; none where its driver is missing. */
  readonly apis: readonly GpuApi[];
  /** Whether it is computed on the processor, as SwiftShader and llvmpipe are. */
  readonly software: boolean;
  /** The driver's version. */
  readonly driver?: string;
}

/** The numbers that a kind of device has on the PCI bus. */
export interface PciId {
  readonly vendor: number;
  readonly device: number;
}

/** What one source tells of a GPU. */
export interface Sighting extends Partial<Gpu> {
  readonly pci?: PciId;
}

const VENDORS: ReadonlyMap<number, string> = new Map([
  [0x10de, "NVIDIA"],
  [0x1002, "AMD"],
  [0x8086, "Intel"],
  [0x106b, "Apple"],
  [0x13b5, "Arm"],
  [0x5143, "Qualcomm"],
]);

/** The vendor of a GPU by its number on the PCI bus, as far as it is known to make GPUs that compute. */
export function vendorOf(id: number): string | undefined {
  return VENDORS.get(id);
}
