import { existsSync } from "node:fs";
import { join } from "node:path";
import { isTemporaryName } from "./atomic.ts";

/** Whether a name is that of an atomic write which was not finished, and whose process has ended. */
export function isLeftover(name: string): boolean {
  if (!isTemporaryName(name)) return false;
  const [, pid] = /^\.tmp-(\d+)-/.exec(name)!;
  // Where processes are numbered anew, as in a container, this one may have the number of the one that ended.
  return Number(pid) === Deno.pid || !existsSync(`/proc/${pid}`);
}

/**
 * Removes the temporary files and folders that killed processes left in a folder. Those of processes that are at work
 * stay.
 */
export async function removeLeftovers(folder: string): Promise<void> {
  const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name).catch(() => []);
  for (const name of names.filter(isLeftover)) {
    // What cannot be removed is in nobody's way.
    await Deno.remove(join(folder, name), { recursive: true }).catch(() => {});
  }
}
