import { dirname, join, relative } from "node:path";
import { messageOf } from "../errors/user_error.ts";
import { storageError, writeFileAtomic } from "../io/atomic.ts";
import { HubError } from "./hub_error.ts";
import type { ModelId } from "./model_id.ts";

/**
 * The folder of a model in the cache, laid out as by Hugging Face's Python client, so that both use each other's
 * downloads: contents in `blobs` under their ETags, commits of branches in `refs`, and in `snapshots/<commit>` the
 * files as links to the contents.
 */
export function modelFolder(cache: string, { id }: ModelId): string {
  return join(cache, `models--${id.replace("/", "--")}`);
}

/** The folder of the files of one commit. */
export function snapshotFolder(folder: string, commit: string): string {
  return join(folder, "snapshots", commit);
}

/** The commit that a revision last stood for, or the revision itself where it was never looked up by that name. */
export async function readRef(folder: string, revision: string): Promise<string> {
  let commit: string;
  try {
    commit = (await Deno.readTextFile(join(folder, "refs", revision))).trim();
  } catch (error) {
    if (isAbsence(error)) return revision.includes("/") ? "" : revision;
    throw new HubError(`Cannot read the cache ${folder}: ${messageOf(error)}. Check its permissions.`, {
      cause: error,
    });
  }
  return /^\w{1,64}$/.test(commit) ? commit : "";
}

/** Notes the commit that a revision stands for. A commit needs no note. */
export async function writeRef(folder: string, revision: string, commit: string): Promise<void> {
  if (revision !== commit) await writeFileAtomic(join(folder, "refs", revision), commit);
}

/** Whether a file, or what a link leads to, is there. */
export async function isThere(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (isAbsence(error)) return false;
    throw storageError(path, error);
  }
}

/**
 * Puts contents of the cache under a file's name: by a link, or by a copy where links cannot be made.
 *
 * @throws StorageError if neither can be written.
 */
export async function placeBlob(blob: string, path: string): Promise<void> {
  try {
    await Deno.mkdir(dirname(path), { recursive: true });
    const temporary = join(dirname(path), `.tmp-${Deno.pid}-${crypto.randomUUID().slice(-12)}`);
    try {
      await linkOrCopy(blob, temporary, relative(dirname(path), blob));
      await Deno.rename(temporary, path);
    } catch (error) {
      await Deno.remove(temporary).catch(() => {});
      throw error;
    }
  } catch (error) {
    throw storageError(path, error);
  }
}

async function linkOrCopy(blob: string, path: string, target: string): Promise<void> {
  try {
    await Deno.symlink(target, path);
  } catch {
    // Some file systems have no links, and some users of Windows may not make them.
    await Deno.copyFile(blob, path);
  }
}

function isAbsence(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory ||
    error instanceof Deno.errors.IsADirectory;
}
