import { join } from "node:path";
import { isTemporaryName } from "./atomic.ts";

/**
 * Removes the temporary files and folders that killed processes left in a folder.
 *
 * @param idle Milliseconds for which nothing was written to them at least. Those of a process that is at work are
 * younger than a minute; where there can be none it is left out.
 */
export async function removeLeftovers(folder: string, idle = 0): Promise<void> {
  const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name).catch(() => []);
  for (const name of names.filter(isTemporaryName)) {
    const path = join(folder, name);
    try {
      const { mtime } = await Deno.lstat(path);
      if (Date.now() - (mtime?.getTime() ?? 0) >= idle) await Deno.remove(path, { recursive: true });
    } catch {
      // What cannot be removed is in nobody's way.
    }
  }
}
