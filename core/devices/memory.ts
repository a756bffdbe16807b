import process from "node:process";

/**
 * Bytes of memory that are free: the machine's, and no more than its container may have in all. Infinite where the system
 * does not say, or Deno was not given the permission to ask.
 */
export function freeMemory(): number {
  try {
    const { available, swapFree } = Deno.systemMemoryInfo(), most = process.constrainedMemory();
    return Math.min(available > 0 ? available + swapFree : Infinity, most > 0 ? most : Infinity);
  } catch {
    return Infinity;
  }
}

/** Bytes in words, as "3.4 GB". */
export function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toLocaleString("en", { maximumFractionDigits: 1, minimumFractionDigits: 1 })} GB`;
}
