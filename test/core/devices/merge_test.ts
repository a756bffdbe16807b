import { deepEqual } from "assert";
import { mergeSightings } from "../../../core/devices/merge.ts";
import type { Sighting } from "../../../core/devices/gpu.ts";

const RTX = { vendor: 0x10de, device: 0x2206 };
const nvml: Sighting = {
  name: "NVIDIA GeForce RTX 3080",
  vendor: "NVIDIA",
  memoryBytes: 10e9,
  freeBytes: 9e9,
  driver: "535.104.05",
  pci: RTX,
  apis: ["cuda"],
};

Deno.test("a GPU that three sources tell of is one, and the first is believed", () => {
  const sysfs: Sighting = { vendor: "NVIDIA", pci: RTX, memoryBytes: 1 };
  const webgpu: Sighting = { name: "RTX 3080", vendor: "NVIDIA", pci: RTX, apis: ["webgpu"], software: false };
  const { pci: _, ...rest } = nvml;
  deepEqual(mergeSightings([[nvml], [sysfs], [webgpu]]), [{ ...rest, apis: ["cuda", "webgpu"], software: false }]);
});

Deno.test("equal cards stay two, and a further source tells of the first", () => {
  const webgpu: Sighting = { name: "NVIDIA GeForce RTX 3080", vendor: "NVIDIA", pci: RTX, apis: ["webgpu"] };
  const sysfs = [{ vendor: "NVIDIA", pci: RTX }, { vendor: "NVIDIA", pci: RTX }];
  const merged = mergeSightings([[nvml, nvml], sysfs, [webgpu]]);
  deepEqual(merged.map(({ apis }) => apis), [["cuda", "webgpu"], ["cuda"]]);
});

Deno.test("GPUs of two vendors, and two models of one, are not the same", () => {
  const intel: Sighting = { name: "Intel(R) UHD Graphics", vendor: "Intel", pci: { vendor: 0x8086, device: 1 } };
  const other: Sighting = { ...nvml, name: "NVIDIA T4", pci: { ...RTX, device: 0x1eb8 }, apis: ["webgpu"] };
  deepEqual(
    mergeSightings([[nvml], [intel], [other]]).map(({ name }) => name),
    ["NVIDIA GeForce RTX 3080", "Intel(R) UHD Graphics", "NVIDIA T4"],
  );
});

Deno.test("a GPU without a name has its vendor's, and one by its vendor alone is taken for the same", () => {
  deepEqual(mergeSightings([[{ vendor: "AMD", pci: { vendor: 0x1002, device: 1 }, memoryBytes: 8e9 }]]), [
    { name: "AMD GPU", vendor: "AMD", memoryBytes: 8e9, apis: [], software: false },
  ]);
  deepEqual(
    mergeSightings([[{ name: "NVIDIA T4", vendor: "NVIDIA" }], [{ vendor: "NVIDIA", pci: RTX }]]),
    [{ name: "NVIDIA T4", vendor: "NVIDIA", apis: [], software: false }],
  );
});

Deno.test("software is a GPU of its own", () => {
  const software: Sighting = { name: "llvmpipe", apis: ["webgpu"], software: true };
  deepEqual(mergeSightings([[nvml], [], [software]]).map(({ software }) => software), [false, true]);
});
