import type { Gpu, Sighting } from "./gpu.ts";

/**
 * The GPUs that several sources tell of, each once. Within a source every sighting is another GPU, so that two equal
 * cards stay two.
 *
 * @param sources Where two tell the same, the earlier one is believed.
 */
export function mergeSightings(sources: readonly (readonly Sighting[])[]): Gpu[] {
  const merged: Sighting[] = [];
  for (const source of sources) {
    const free = new Set(merged.keys());
    for (const sighting of source) {
      const same = [...free].find((i) => isSame(merged[i], sighting));
      if (same === undefined) merged.push(sighting);
      else {
        free.delete(same);
        const before = merged[same];
        merged[same] = {
          ...sighting,
          ...before,
          apis: [...new Set([...before.apis ?? [], ...sighting.apis ?? []])],
        };
      }
    }
  }
  return merged.map(({ pci: _, name, apis = [], software = false, ...rest }) => ({
    name: name ?? `${rest.vendor ?? "unknown"} GPU`,
    ...rest,
    apis,
    software,
  }));
}

/** Whether two sources mean one GPU. Software is never a GPU that another source tells of. */
function isSame(a: Sighting, b: Sighting): boolean {
  if (a.software || b.software || a.vendor === undefined || a.vendor !== b.vendor) return false;
  return a.pci === undefined || b.pci === undefined ||
    (a.pci.vendor === b.pci.vendor && a.pci.device === b.pci.device);
}
