import { join } from "node:path";
import { isSameFile } from "./same_file.ts";

const NAME = /^\.tmp-\d+-[0-9a-f]{12}$/;

/** Where a file system has no locks, what was not written to for so many milliseconds is nobody's. */
const IDLE = 60_000;

/** Whether a file name is one that an atomic write gives to unfinished files and folders. */
export function isTemporaryName(name: string): boolean {
  return NAME.test(name);
}

/**
 * A file or folder that is not finished, beside the place that it will have: a rename is atomic only within one file
 * system. It is locked until it has that place, so that it can be told from what a killed process left. Where it is
 * disposed of without, it is removed.
 */
export class Temporary implements AsyncDisposable {
  #isPlaced = false;

  private constructor(readonly path: string, readonly file: Deno.FsFile | undefined) {}

  /** A new file. */
  static async file(folder: string): Promise<Temporary & { readonly file: Deno.FsFile }> {
    for (;;) {
      const path = nameIn(folder), file = await Deno.open(path, { write: true, createNew: true });
      if (await isLocked(file, path)) return new Temporary(path, file) as Temporary & { readonly file: Deno.FsFile };
    }
  }

  /** A new folder. */
  static async folder(folder: string): Promise<Temporary> {
    for (;;) {
      const path = nameIn(folder);
      await Deno.mkdir(path);
      let file: Deno.FsFile | undefined;
      try {
        file = await Deno.open(path);
      } catch (error) {
        // Somebody took it for left before it was locked, and removed it.
        if (error instanceof Deno.errors.NotFound) continue;
        // Systems whose folders cannot be opened as files have no locks on them either.
      }
      if (!file || await isLocked(file, path)) return new Temporary(path, file);
    }
  }

  /** Gives it its place. */
  async moveTo(path: string): Promise<void> {
    await Deno.rename(this.path, path);
    this.#isPlaced = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The error that led here matters more; a later write removes what stays.
    if (!this.#isPlaced) await Deno.remove(this.path, { recursive: true }).catch(() => {});
    this.file?.close();
  }
}

/** Removes the temporary files and folders in a folder that no process is writing: those that killed ones left. */
export async function removeLeftovers(folder: string): Promise<void> {
  const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name).catch(() => []);
  for (const name of names.filter(isTemporaryName)) {
    // What cannot be removed is in nobody's way.
    await removeIfLeft(join(folder, name)).catch(() => {});
  }
}

async function removeIfLeft(path: string): Promise<void> {
  const { isFile, isDirectory, mtime } = await Deno.lstat(path);
  if (!isFile && !isDirectory) return;
  using file = await Deno.open(path, isFile ? { read: true, write: true } : { read: true });
  const isLeft = await file.tryLock(true).catch(() => Date.now() - (mtime?.getTime() ?? 0) >= IDLE);
  if (isLeft) await Deno.remove(path, { recursive: true });
}

/** Its length does not depend on the name of what it will be. */
function nameIn(folder: string): string {
  return join(folder, `.tmp-${Deno.pid}-${crypto.randomUUID().slice(-12)}`);
}

/** Locks what was just made, unless somebody took it for left before it was locked, and removed it; then it is closed. */
async function isLocked(file: Deno.FsFile, path: string): Promise<boolean> {
  if (await file.tryLock(true).catch(() => true) && await isSameFile(file, path)) return true;
  file.close();
  return false;
}
