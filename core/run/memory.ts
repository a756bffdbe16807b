/** The process's largest resident memory so far in MB, or the present one where the system does not tell. */
export function peakMemory(): number {
  try {
    const peak = Deno.readTextFileSync("/proc/self/status").match(/VmHWM:\s+(\d+) kB/);
    if (peak) return Math.round(Number(peak[1]) / 1024);
  } catch {
    // Not a Linux system.
  }
  return Math.round(Deno.memoryUsage().rss / 2 ** 20);
}
