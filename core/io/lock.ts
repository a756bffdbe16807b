import { mkdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { UserError } from "../errors/user_error.ts";
import { StorageError, storageError } from "./atomic.ts";
import { isSameFile } from "./same_file.ts";
import { isLink } from "./within.ts";

/** Milliseconds from one try for a lock to the next. */
const PAUSE = 50;

/** How often a folder is made anew that goes as soon as it is there. */
const TRIES = 10;

/** What no other process can have at the same time. The system gives it back when the process ends, however it does. */
export interface Lock extends Disposable {
  /** Gives it back, but leaves its file as a process does that is killed: a sign that what is there is not whole. */
  leave(): void;
}

/** What another process is at work on. */
export class TakenError extends UserError {}

/** The name of a folder's lock in it. */
export const FOLDER_LOCK = ".lock";

/**
 * Locks a file, until it is closed or the process ends. The file stays.
 *
 * @param path A file, which is made if it is missing.
 * @param patience Milliseconds that a lock of another process is waited for.
 * @returns Nothing if another process has it. On file systems that have no locks nobody has.
 */
export async function lockFile(path: string, patience = 0): Promise<Deno.FsFile | undefined> {
  const file = await Deno.open(path, { read: true, write: true, create: true });
  for (let waited = 0;; waited += PAUSE) {
    if (await file.tryLock(true).catch(() => true)) return file;
    if (waited >= patience) break;
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
  file.close();
  return undefined;
}

/**
 * Locks a folder that a process writes to, by a file in it that is gone when the process has ended by itself. A process
 * that is killed leaves the file, which is then nobody's.
 *
 * @param folder It is made if it is missing, and removed again if it is still empty when the lock is given back.
 * @param advice What else the user can do where another process has it, as the end of a sentence.
 * @throws {TakenError} When another process has it.
 * @throws {StorageError} When the folder cannot be written.
 */
export function lockFolder(folder: string, advice = ""): Promise<Lock> {
  return takeOrRefuse(join(folder, FOLDER_LOCK), folder, advice);
}

/** Locks a file that is yet to be written, as {@linkcode lockFolder} does a folder. @throws {TakenError | StorageError} */
export function lockOutput(path: string, advice = ""): Promise<Lock> {
  // Names of files are no longer than 255 bytes, of which a long one leaves none.
  return takeOrRefuse(join(dirname(path), `.${basename(path).slice(-40)}.lock`), path, advice);
}

/** Whether a process is at work in a folder. */
export async function isFolderLocked(folder: string): Promise<boolean> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(join(folder, FOLDER_LOCK), { read: true, write: true });
  } catch {
    return false;
  }
  const isFree = await file.tryLock(true).catch(() => true);
  file.close();
  return !isFree;
}

async function takeOrRefuse(path: string, what: string, advice: string): Promise<Lock> {
  try {
    const lock = await take(path);
    if (lock) return lock;
  } catch (error) {
    throw storageError(what, error);
  }
  const holder = await Deno.readTextFile(path).catch(() => "");
  const who = /^\d+$/.test(holder) ? `Another process (${holder})` : "Another process";
  throw new TakenError(`${who} is at work on ${what}. Wait until it has ended, or stop it${advice}.`);
}

async function take(path: string): Promise<Lock | undefined> {
  for (let tries = 1;; tries++) {
    const made = mkdirSync(dirname(path), { recursive: true });
    // The name is known before, so that a link may have been put there, which leads to a file that nobody named.
    if (await isLink(path)) {
      throw new StorageError(`Cannot write ${path}: it is a symbolic link. Remove it, and run again.`);
    }
    let file: Deno.FsFile | undefined;
    try {
      // Who only looks whether a folder is locked has it for a moment.
      file = await lockFile(path, PAUSE);
    } catch (error) {
      // Another process gave back its lock meanwhile, and removed the folder that it had made for it.
      if (error instanceof Deno.errors.NotFound && tries < TRIES) continue;
      throw error;
    }
    if (!file) return undefined;
    if (await isSameFile(file, path)) return held(file, path, made);
    file.close();
  }
}

/** @param made The first of the folders that were made for the lock, if any. */
function held(file: Deno.FsFile, path: string, made: string | undefined): Lock {
  try {
    file.truncateSync();
    file.writeSync(new TextEncoder().encode(String(Deno.pid)));
  } catch {
    // On a full disk the lock holds all the same.
  }
  let isHeld = true;
  const giveBack = (isWhole: boolean) => {
    if (!isHeld) return;
    isHeld = false;
    globalThis.removeEventListener("unload", release);
    // Before the lock is given back, so that nobody has a lock on a file without a name.
    if (isWhole) removeIfPossible(path);
    file.close();
    if (!isWhole || made === undefined) return;
    for (let folder = dirname(path); removeIfPossible(folder) && folder !== made;) folder = dirname(folder);
  };
  const release = () => giveBack(true);
  globalThis.addEventListener("unload", release);
  return { leave: () => giveBack(false), [Symbol.dispose]: release };
}

/** Removes a file, or a folder that is empty. */
function removeIfPossible(path: string): boolean {
  try {
    Deno.removeSync(path);
    return true;
  } catch {
    return false;
  }
}
