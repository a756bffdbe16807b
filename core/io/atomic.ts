import { basename, dirname, join } from "node:path";
import { messageOf, UserError } from "../errors/user_error.ts";
import { removeLeftovers, Temporary } from "./temporary.ts";

/** A file or folder that cannot be written. The message names it, the cause, and what to do. */
export class StorageError extends UserError {}

/** A file's contents: bytes, a text, or parts that follow each other. */
export type Contents = Uint8Array | string | readonly Uint8Array[];

/**
 * Writes a file so that at any moment, even if the process is killed, the path holds either what it held before or all
 * of the new contents. Missing folders are made. A symbolic link stays; its target is replaced.
 *
 * @throws StorageError if the file cannot be written. The path is then as it was.
 */
export async function writeFileAtomic(path: string, contents: Contents): Promise<void> {
  try {
    const target = await fileToReplace(path);
    await makeFolder(dirname(target));
    await using temporary = await Temporary.file(dirname(target));
    await writeSynced(temporary.file, contents);
    await temporary.moveTo(target);
    await syncFolder(dirname(target));
  } catch (error) {
    throw storageError(path, error);
  }
}

/**
 * Writes a file as {@linkcode writeFileAtomic} does, of parts that are made as they are written.
 *
 * @throws StorageError if the file cannot be written, and what making the parts throws. The path is then as it was.
 */
export async function writePartsAtomic(path: string, parts: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    const target = await fileToReplace(path);
    await makeFolder(dirname(target));
    await using temporary = await Temporary.file(dirname(target));
    for await (const part of parts) await writeAll(temporary.file, part);
    await temporary.file.sync();
    await temporary.moveTo(target);
    await syncFolder(dirname(target));
  } catch (error) {
    throw storageError(path, error);
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
  try {
    if (await exists(path)) throw new StorageError(`Cannot write ${path}: it exists already. Remove it first.`);
    await makeFolder(dirname(path));
    await using temporary = await Temporary.folder(dirname(path));
    for (const [name, contents] of Object.entries(files)) {
      if (basename(name) !== name || name === "." || name === "..") throw new TypeError(`${name} is not a file name.`);
      using file = await Deno.open(join(temporary.path, name), { write: true, createNew: true });
      await writeSynced(file, contents);
    }
    await syncFolder(temporary.path);
    await temporary.moveTo(path);
    await syncFolder(dirname(path));
  } catch (error) {
    throw storageError(path, error);
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

/** Whether a message, which another process may have told, is of a {@linkcode StorageError} for want of space. */
export function tellsOfFullDisk(message: string): boolean {
  return Object.values(CAUSES).some(([cause, advice]) => advice === FREE_SPACE && message.includes(`: ${cause}. `));
}

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

/** Folders that this process has written to. */
const known = new Set<string>();

/** Makes a folder that is missing. From one that is there, what killed processes left goes before the first write. */
async function makeFolder(path: string): Promise<void> {
  await Deno.mkdir(path, { recursive: true });
  if (!known.has(path)) await removeLeftovers(path);
  known.add(path);
}

async function writeSynced(file: Deno.FsFile, contents: Contents): Promise<void> {
  const whole = typeof contents === "string" ? new TextEncoder().encode(contents) : contents;
  for (const bytes of whole instanceof Uint8Array ? [whole] : whole) await writeAll(file, bytes);
  await file.sync();
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
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
