import { StorageError, storageError } from "./atomic.ts";
import { type Digest, digestOf } from "./digest.ts";
import { printableUrl } from "./http.ts";
import { claimPartial } from "./partial_file.ts";
import { DownloadError, type DownloadOptions, fetchWhole } from "./transfer.ts";

export { HttpError, NetworkError } from "./http.ts";
export { DownloadError, type DownloadOptions, type DownloadProgress } from "./transfer.ts";

/**
 * Downloads a file, unless it is there with the right size; its folders are made. The path holds the whole, checked
 * file or nothing. What comes is kept in `<path>.partial`, so that a download that broke, even by `kill -9`, goes on
 * where it was; across processes only if there is a digest, which shows whether the parts fit. Several processes may
 * download the same file: one does, the others wait for it.
 *
 * @param url An address that starts with http:// or https://.
 * @throws DownloadError if what comes is not what was asked for. Nothing of it is kept.
 * @throws NetworkError if the server cannot be reached or stops in the middle, several times.
 * @throws HttpError if the server answers with an error.
 * @throws StorageError if the file cannot be written. Nothing is kept on a disk that is full.
 */
export async function download(url: string, path: string, options: DownloadOptions = {}): Promise<void> {
  const { size, onProgress, signal } = options;
  const digests = [options.digest ?? []].flat();
  const isDone = () => hasFile(path, size);
  const onWait = (bytes: number) => onProgress?.({ done: bytes, total: size });
  let claimed;
  try {
    claimed = await claimPartial(path, { isDone, onWait, signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw storageError(path, error);
  }
  if (!claimed) return;
  using partial = claimed;
  try {
    const kept = digests.length > 0 ? (await partial.file.stat()).size : 0;
    await fetchWhole(url, partial.file, kept, options);
    let wrong = await mismatch(partial.file, digests);
    if (wrong !== undefined && kept > 0) {
      // The part from before may be of another version of the file.
      await fetchWhole(url, partial.file, 0, options);
      wrong = await mismatch(partial.file, digests);
    }
    if (wrong !== undefined) throw wrongDigest(url, wrong, digests);
    await partial.file.sync();
    await partial.finish();
  } catch (error) {
    const failure = signal?.aborted ? signal.reason : storageError(path, error);
    const canGoOn = digests.length > 0 && (await partial.file.stat()).size > 0;
    const isFault = failure instanceof DownloadError || failure instanceof StorageError;
    if (!canGoOn || isFault) await removeQuietly(partial);
    throw failure;
  }
}

/** The file's digest if it is none of those given. */
async function mismatch(file: Deno.FsFile, digests: readonly Digest[]): Promise<Digest | undefined> {
  let found: Digest | undefined;
  for (const digest of digests) {
    found = await digestOf(file, digest.slice(0, digest.indexOf(":")));
    if (found === digest.toLowerCase()) return undefined;
  }
  return found;
}

function wrongDigest(url: string, found: Digest, [expected]: readonly Digest[]): DownloadError {
  return new DownloadError(
    `${printableUrl(url)}: what came has the digest ${found}, expected ${expected}. ` +
      "It was damaged on the way or has changed; try again, or use another source.",
  );
}

async function hasFile(path: string, size: number | undefined): Promise<boolean> {
  try {
    const info = await Deno.stat(path);
    return info.isFile && (size === undefined || info.size === size);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function removeQuietly(partial: { remove(): Promise<void> }): Promise<void> {
  try {
    await partial.remove();
  } catch {
    // The error that led here matters more; the next download begins by looking at what stays.
  }
}
