import { basename, dirname, join } from "node:path";
import { messageOf, UserError } from "../errors/user_error.ts";

/** A file or folder that cannot be written. The message names it, the cause, and what to do. */
export class StorageError extends UserError {}

/** A file's contents: bytes, a text, or parts that follow each other. */
export type Contents = Uint8Array | string | readonly Uint8Array[];

const TEMPORARY = /^\.tmp-\d+-[0-9a-f]{12}$/;

/** Whether a file name is one that an atomic write gives to unfinished files and folders. */
export function isTemporaryName(name: string): boolean {
  return TEMPORARY.test(name);
}

/**
 * Writes a file so that at any moment, even if the process is killed, the path holds either what it held before or all
 * of the new contents. Missing folders are made. A symbolic link stays; its target is replaced.
 *
 * @throws StorageError if the file cannot be written. The path is then as it was.
 */
export async function writeFileAtomic(path: string, contents: Contents): Promise<void> {
  let temporary: string | undefined;
  try {
    const target = await fileToReplace(path);
    await Deno.mkdir(dirname(target), { recursive: true });
    temporary = temporaryBeside(target);
    await writeSynced(temporary, contents);
    await Deno.rename(temporary, target);
    temporary = undefined;
    await syncFolder(dirname(target));
  } catch (error) {
    throw storageError(path, error);
  } finally {
    if (temporary !== undefined) await removeQuietly(temporary);
  }
}

/**
 * Writes a folder of files, which appears under its name only once all of them are on the disk. Missing parent folders
 * are made.
 *
 * @param path A folder that does not exist yet.
 * @param files Contents by file name.
 * @throws StorageError if the folder exists or cannot be written. Nothing is left behind.
 */
export async function writeFolderAtomic(
  path: string,
  files: Readonly<Record<string, Contents>>,
): Promise<void> {
  let temporary: string | undefined;
  try {
    if (await exists(path)) throw new StorageError(`Cannot write ${path}: it exists already. Remove it first.`);
    await Deno.mkdir(dirname(path), { recursive: true });
    temporary = temporaryBeside(path);
    await Deno.mkdir(temporary);
    for (const [name, contents] of Object.entries(files)) {
      if (basename(name) !== name || name === "." || name === "..") throw new TypeError(`${name} is not a file name.`);
      await writeSynced(join(temporary, name), contents);
    }
    await syncFolder(temporary);
    await Deno.rename(temporary, path);
    temporary = undefined;
    await syncFolder(dirname(path));
  } catch (error) {
    throw storageError(path, error);
  } finally {
    if (temporary !== undefined) await removeQuietly(temporary);
  }
}

/** The StorageError for a failed write to `path`, or the error itself where it is not the system's. */
export function storageError(path: string, error: unknown): Error {
  const [cause, advice] = causeOf(error);
  if (cause === undefined) return error instanceof Error ? error : new Error(messageOf(error));
  return new StorageError(`Cannot write ${path}: ${cause}. ${advice}`, { cause: error });
}

const FREE_SPACE = "Free some space or choose another folder, then run again.";
const OTHER_FOLDER = "Choose another folder, or change its permissions.";
const OTHER_PATH = "Choose another path.";

const CAUSES: Readonly<Record<string, readonly [string, string]>> = {
  ENOSPC: ["the disk is full", FREE_SPACE],
  EDQUOT: ["the disk quota is used up", FREE_SPACE],
  EFBIG: [
    "the file is larger than the system allows",
    "Choose a folder on another file system, or raise the limit (ulimit -f), then run again.",
  ],
  EACCES: ["permission denied", OTHER_FOLDER],
  EPERM: ["permission denied", OTHER_FOLDER],
  EROFS: ["the file system is read-only", "Choose another folder."],
  EISDIR: ["it is a folder", OTHER_PATH],
  ENOTDIR: ["a part of the path is a file, not a folder", OTHER_PATH],
  EEXIST: ["it or a part of its path exists already, and is not a folder", OTHER_PATH],
  ENOTEMPTY: ["it exists already", "Remove it first."],
  ENAMETOOLONG: ["the name is too long", "Choose a shorter one."],
  ELOOP: ["its symbolic links go in a circle", OTHER_PATH],
  EMFILE: ["too many files are open", "Close some programs, then run again."],
  EIO: ["the disk reports an error", "Check the disk, and choose another one."],
};

/** The cause in words and what to do about it; nothing for an error that is not the system's. */
function causeOf(error: unknown): readonly [string, string] | readonly [undefined, ""] {
  if (error instanceof Deno.errors.NotCapable) {
    return [
      "Deno was not given permission to write there",
      "Run it with --allow-read and --allow-write for that path.",
    ];
  }
  const code = codeOf(error);
  if (code === undefined) return [undefined, ""];
  return CAUSES[code] ?? [`the system says "${messageOf(error)}"`, OTHER_PATH];
}

/** Errors of which Deno gives no code but Linux's number. */
const NUMBERED: Readonly<Record<string, string>> = { 27: "EFBIG", 122: "EDQUOT" };

/** The system's code of an error; nothing for an error that is not the system's. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if ("code" in error && typeof error.code === "string") return error.code;
  const number = / \(os error (\d+)\)/.exec(error.message)?.[1];
  return number === undefined ? undefined : NUMBERED[number] ?? number;
}

/** The file behind `path`. Refuses what a rename would destroy: a folder, a device, a pipe. */
async function fileToReplace(path: string): Promise<string> {
  if (!await exists(path)) return path;
  const target = await Deno.realPath(path);
  const { isFile, isDirectory } = await Deno.stat(target);
  if (isFile) return target;
  const what = isDirectory ? "it is a folder" : "it is not a regular file";
  throw new StorageError(`Cannot write ${path}: ${what}. ${OTHER_PATH}`);
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Beside the target, because a rename is atomic only within one file system. Its length does not depend on the target's. */
function temporaryBeside(path: string): string {
  return join(dirname(path), `.tmp-${Deno.pid}-${crypto.randomUUID().slice(-12)}`);
}

async function writeSynced(path: string, contents: Contents): Promise<void> {
  const whole = typeof contents === "string" ? new TextEncoder().encode(contents) : contents;
  using file = await Deno.open(path, { write: true, createNew: true });
  for (const bytes of whole instanceof Uint8Array ? [whole] : whole) {
    for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
  }
  await file.sync();
}

/** Puts a rename on the disk. Systems whose folders cannot be opened as files do so by themselves. */
async function syncFolder(path: string): Promise<void> {
  try {
    using folder = await Deno.open(path);
    await folder.sync();
  } catch {
    // The contents are safe either way; only the moment at which the new name survives a power cut is not.
  }
}

async function removeQuietly(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch {
    // The error that led here matters more; a later save removes what stays.
  }
}
