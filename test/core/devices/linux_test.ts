import { deepEqual } from "assert";
import { join } from "node:path";
import { nvidiaModuleSightings, sysfsSightings } from "../../../core/devices/linux.ts";
import { inFolder } from "../../folders.ts";

/** Writes files by their paths within a folder. */
async function write(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await Deno.mkdir(join(folder, path, ".."), { recursive: true });
    await Deno.writeTextFile(join(folder, path), text);
  }
}

Deno.test("the kernel's module names NVIDIA's GPUs and its version", () =>
  inFolder(async (root) => {
    await write(root, {
      "version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\nGCC 12\n",
      "gpus/0000:01:00.0/information": "Model: \t\t NVIDIA GeForce RTX 3080\nIRQ:   \t\t 34\nVideo BIOS: \t 94.02\n",
      "gpus/0000:02:00.0/information": "IRQ: 35\n",
    });
    deepEqual(nvidiaModuleSightings(root), [
      { name: "NVIDIA GeForce RTX 3080", vendor: "NVIDIA", driver: "535.104.05" },
      { vendor: "NVIDIA", driver: "535.104.05" },
    ]);
    deepEqual(nvidiaModuleSightings(join(root, "none")), []);
  }));

Deno.test("the kernel's cards are GPUs with their vendors and, of AMD's, the memory; outputs and display chips are not", () =>
  inFolder(async (root) => {
    await write(root, {
      "card0/device/vendor": "0x1a03\n", // The display of a server's management chip.
      "card1/device/vendor": "0x1002\n",
      "card1/device/device": "0x73bf\n",
      "card1/device/mem_info_vram_total": "17163091968\n",
      "card1/device/mem_info_vram_used": "163091968\n",
      "card1-DP-1/device/vendor": "0x1002\n",
      "card2/device/vendor": "0x8086\n",
      "card2/device/device": "0x9a49\n",
      "card3/name": "no device\n",
      "renderD128/device/vendor": "0x1002\n",
    });
    deepEqual(sysfsSightings(root), [
      { vendor: "AMD", pci: { vendor: 0x1002, device: 0x73bf }, memoryBytes: 17163091968, freeBytes: 17e9 },
      { vendor: "Intel", pci: { vendor: 0x8086, device: 0x9a49 } },
    ]);
    deepEqual(sysfsSightings(join(root, "none")), []);
  }));

Deno.test("files that do not hold what they should tell of nothing", () =>
  inFolder(async (root) => {
    await write(root, {
      "card0/device/vendor": "",
      "card1/device/vendor": "garbage\0\n",
      "card2/device/vendor": "0x1002",
      "card2/device/device": "1e400",
      "card2/device/mem_info_vram_total": "much",
    });
    deepEqual(sysfsSightings(root), [{ vendor: "AMD" }]);
  }));
