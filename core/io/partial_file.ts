import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { StorageError } from "./atomic.ts";
import { isSameFile } from "./same_file.ts";
import { isLink } from "./within.ts";

/** Milliseconds between two looks at a file that another process is writing. */
const LOOK_INTERVAL = 200;

/** A file that is being made under another name, and that no other process writes at the same time. */
export interface PartialFile extends Disposable {
  readonly file: Deno.FsFile;
  /** Gives the file its name. */
  finish(): Promise<void>;
  /** Removes the file. */
  remove(): Promise<void>;
}

/** How a partial file is opened. */
export interface ClaimOptions {
  /** Whether the finished file is there, so that there is nothing to do. */
  readonly isDone: () => Promise<boolean>;
  /** Called now and then while another process writes the file, with the bytes that it has. */
  readonly onWait?: (bytes: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens `<path>.partial` and locks it; missing folders are made. Where another process has it, waits until that one has
 * finished or died. The system ends the lock of a process that dies, so that what it left can be gone on with.
 *
 * @returns Nothing if the finished file is there.
 * @throws {StorageError} Where a symbolic link has the partial file's name.
 */
export async function claimPartial(path: string, options: ClaimOptions): Promise<PartialFile | undefined> {
  const { isDone, onWait, signal } = options;
  const name = `${path}.partial`;
  if (await isDone()) return undefined;
  await Deno.mkdir(dirname(path), { recursive: true });
  for (;;) {
    await requireNoLink(name);
    const file = await Deno.open(name, { read: true, write: true, create: true });
    try {
      while (!await file.tryLock(true)) {
        onWait?.((await file.stat()).size);
        await delay(LOOK_INTERVAL, undefined, signal ? { signal } : {});
      }
      // Whoever had the lock has renamed or removed the file since it was opened, unless the name still leads to it.
      if (await isSameFile(file, name)) {
        const partial: PartialFile = {
          file,
          finish: () => Deno.rename(name, path),
          remove: () => Deno.remove(name),
          [Symbol.dispose]: () => file.close(),
        };
        if (!await isDone()) return partial;
        await partial.remove();
      }
    } catch (error) {
      file.close();
      throw error;
    }
    file.close();
    if (await isDone()) return undefined;
  }
}

/** The name is known before, so that a link may have been put there, which leads to a file that nobody named. */
async function requireNoLink(name: string): Promise<void> {
  if (!await isLink(name)) return;
  throw new StorageError(`Cannot write ${name}: it is a symbolic link. Remove it, and run again.`);
}
