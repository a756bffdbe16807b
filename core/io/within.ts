import { join, relative, sep } from "node:path";
import { StorageError, storageError } from "./atomic.ts";

/**
 * Refuses to write where a symbolic link inside a folder leads out of it. A folder that someone else made is data, and
 * where its links lead is no place that the user named. The folder itself may be reached by links: the user named it.
 *
 * @param folder The folder that is written to.
 * @param path What is to be written, in it. It need not exist.
 * @throws {StorageError} For a link that leads out of the folder, or to nothing.
 */
export async function requireWithin(folder: string, path: string): Promise<void> {
  const names = relative(folder, path).split(sep);
  if (names[0] === "..") throw new TypeError(`${path} is not in ${folder}.`);
  let root: string | undefined, place = folder;
  for (const name of names) {
    place = join(place, name);
    try {
      if (!(await Deno.lstat(place)).isSymlink) continue;
      root ??= await Deno.realPath(folder);
      const target = await realPathOf(place);
      if (target !== undefined && (target === root || target.startsWith(root.replace(/[\\/]?$/, sep)))) continue;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      throw storageError(path, error);
    }
    throw new StorageError(
      `Cannot write ${path}: ${place} is a symbolic link that leads out of ${folder}. Remove the link, and run again.`,
    );
  }
}

/** Where a link leads; nothing where that is not there. */
async function realPathOf(path: string): Promise<string | undefined> {
  try {
    return await Deno.realPath(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || errorCode(error) === "ELOOP") return undefined;
    throw error;
  }
}

function errorCode(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

/** Whether a path is a symbolic link, wherever that leads. */
export async function isLink(path: string): Promise<boolean> {
  try {
    return (await Deno.lstat(path)).isSymlink;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw storageError(path, error);
  }
}
