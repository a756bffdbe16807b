import process from "node:process";

/** The process's largest resident memory so far in MB. */
export function peakMemory(): number {
  return Math.round(process.resourceUsage().maxRSS / 1024);
}
