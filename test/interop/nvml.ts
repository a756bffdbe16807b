import { deepEqual } from "assert";
import { join } from "node:path";
import { nvmlSightings } from "../../core/devices/nvml.ts";
import { inFolder } from "../folders.ts";

/** NVIDIA's management library with two GPUs, of which the second does not tell its memory. */
const SOURCE = `
#include <string.h>
#include <stdint.h>
typedef int nvmlReturn_t;
typedef struct { int index; } *nvmlDevice_t;
typedef struct { unsigned long long total, free, used; } nvmlMemory_t;
typedef struct {
  char busIdLegacy[16];
  unsigned int domain, bus, device, pciDeviceId, pciSubSystemId;
  char busId[32];
} nvmlPciInfo_t;
static struct { int index; } devices[2] = {{0}, {1}};
static int started;
nvmlReturn_t nvmlInit_v2(void) { started = 1; return INIT; }
nvmlReturn_t nvmlShutdown(void) { started = 0; return 0; }
nvmlReturn_t nvmlSystemGetDriverVersion(char *v, unsigned n) { strncpy(v, "535.104.05", n); return started ? 0 : 1; }
nvmlReturn_t nvmlDeviceGetCount_v2(unsigned *n) { *n = COUNT; return started ? 0 : 1; }
nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned i, nvmlDevice_t *d) {
  if (i >= 2) return 2;
  *d = (nvmlDevice_t) &devices[i];
  return 0;
}
nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t d, char *name, unsigned n) {
  strncpy(name, d->index == 0 ? "NVIDIA H100 80GB HBM3" : "NVIDIA T4", n);
  return 0;
}
nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t d, nvmlMemory_t *m) {
  if (d->index) return 3;
  m->total = 85520809984ULL;
  m->free = 85000000000ULL;
  m->used = m->total - m->free;
  return 0;
}
#ifdef PCI
nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t d, nvmlPciInfo_t *p) {
  memset(p, 0, sizeof *p);
  p->pciDeviceId = d->index == 0 ? 0x233010de : 0x1eb810de;
  return 0;
}
#endif
`;

const H100 = { name: "NVIDIA H100 80GB HBM3", memoryBytes: 85520809984, freeBytes: 85000000000 };
const T4 = { name: "NVIDIA T4" };
const both = { vendor: "NVIDIA", driver: "535.104.05", apis: ["cuda"] };

/** The sightings of a library that is compiled with these definitions. */
async function sightingsWith(definitions: readonly string[]) {
  let sightings: unknown;
  await inFolder(async (folder) => {
    const [source, library] = [join(folder, "nvml.c"), join(folder, "libnvml.so")];
    await Deno.writeTextFile(source, SOURCE);
    const args = ["-shared", "-fPIC", ...definitions.map((d) => `-D${d}`), "-o", library, source];
    const { success, stderr } = await new Deno.Command("cc", { args }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    sightings = nvmlSightings(library);
  });
  return sightings;
}

async function hasCompiler(): Promise<boolean> {
  try {
    return (await new Deno.Command("cc", { args: ["--version"], stdout: "null", stderr: "null" }).output()).success;
  } catch {
    return false;
  }
}

const ignore = Deno.build.os === "windows" || !await hasCompiler();
if (ignore) {
  console.warn("NOT TRIED: NVIDIA's management library, since there is no C compiler (cc) to make a fake of.");
}

Deno.test({
  name: "NVIDIA's library names GPUs, their memory, driver and numbers",
  ignore,
  async fn() {
    deepEqual(await sightingsWith(["INIT=0", "COUNT=2", "PCI"]), [
      { ...H100, ...both, pci: { vendor: 0x10de, device: 0x2330 } },
      { ...T4, ...both, pci: { vendor: 0x10de, device: 0x1eb8 } },
    ]);
  },
});

Deno.test({
  name: "an old library without a function, and one that counts too many",
  ignore,
  async fn() {
    deepEqual(await sightingsWith(["INIT=0", "COUNT=4000000000"]), [{ ...H100, ...both }, { ...T4, ...both }]);
  },
});

Deno.test({
  name: "a library that does not start, that is none, or that is not there",
  ignore,
  async fn() {
    deepEqual(await sightingsWith(["INIT=9", "COUNT=2"]), []);
    deepEqual(nvmlSightings("no-such-library.so"), []);
    await inFolder(async (folder) => {
      await Deno.writeTextFile(join(folder, "text.so"), "not a library");
      deepEqual(nvmlSightings(join(folder, "text.so")), []);
    });
  },
});
