import { UserError } from "../errors/user_error.ts";
import type { Digest } from "./digest.ts";
import { bodyOf, NetworkError, type Patience, printableUrl, request, requireSuccess, retrying } from "./http.ts";

/** A download that gave something else than was asked for. */
export class DownloadError extends UserError {}

/** How far a download is, in bytes. */
export interface DownloadProgress {
  /** Bytes there. It falls where a download has to begin again. */
  readonly done: number;
  /** Bytes in all, once that is known. */
  readonly total: number | undefined;
}

/** What is known of a file before it is downloaded, and how that is done. */
export interface DownloadOptions {
  /** Its bytes. */
  readonly size?: number | undefined;
  /** Its digest, or several, of which one must be right. */
  readonly digest?: Digest | readonly Digest[];
  /** The most bytes that it may have. */
  readonly maxBytes?: number;
  /** Headers of the request. Authorisation is not sent on to another host. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Stops the download, which a later one goes on with. */
  readonly signal?: AbortSignal | undefined;
  /** How often it is tried in all, and the milliseconds before the second try: 4 and 1,000 if left out. */
  readonly tries?: number;
  readonly pause?: number;
  /** Milliseconds for which the server may be silent, 30,000 if left out. */
  readonly timeout?: number;
  /** How slow it may be, what the user asks for if left out. */
  readonly patience?: Patience;
}

/** A download under way. */
interface Transfer {
  readonly url: string;
  readonly file: Deno.FsFile;
  readonly options: DownloadOptions;
  /** Bytes that the file has. */
  done: number;
  /** Marks the version that they are of, where the server names one. */
  etag: string | undefined;
}

/**
 * Brings an open file to its full size. Its digest is left to the caller.
 *
 * @param kept How many bytes it has of the download.
 * @throws DownloadError, NetworkError or HttpError as `download` does.
 */
export async function fetchWhole(
  url: string,
  file: Deno.FsFile,
  kept: number,
  options: DownloadOptions,
): Promise<void> {
  const { size, maxBytes = Infinity } = options;
  const transfer: Transfer = { url, file, options, done: kept, etag: undefined };
  if (kept > (size ?? maxBytes)) transfer.done = 0;
  await truncate(transfer, transfer.done);
  if (transfer.done > 0 && transfer.done === size) return;
  await retrying(() => fetchRest(transfer), options);
}

/** Makes one request for what is missing and writes it. */
async function fetchRest(transfer: Transfer): Promise<void> {
  const { url, options } = transfer, { headers, timeout, signal } = options;
  // Without an ETag or a digest nothing would show whether the parts fit.
  if (transfer.etag === undefined && options.digest === undefined) await truncate(transfer, 0);
  const response = await request(url, { headers: { ...headers, ...rangeOf(transfer) }, timeout, signal });
  const isRest = response.status === 206 && isContinuation(response, transfer);
  if (response.status === 416 || response.status === 206 && !isRest) {
    await response.body?.cancel();
    if (transfer.done === 0) {
      throw new DownloadError(`${printableUrl(url)}: the server sends a part of the file only. Use another source.`);
    }
    await truncate(transfer, 0);
    return await fetchRest(transfer);
  }
  await requireSuccess(response, url);
  if (!isRest) await truncate(transfer, 0);
  transfer.etag = strongEtag(response);
  let total;
  try {
    total = promisedSize(response, transfer);
  } catch (error) {
    await response.body?.cancel();
    throw error;
  }
  await writeBody(response, transfer, total);
}

function rangeOf({ done, etag }: Transfer): Record<string, string> {
  if (done === 0) return {};
  return { range: `bytes=${done}-`, ...(etag === undefined ? {} : { "if-range": etag }) };
}

/** Whether a partial answer begins where the file ends and is of the same version. */
function isContinuation(response: Response, { done, etag }: Transfer): boolean {
  const [, first] = contentRange(response), now = strongEtag(response);
  return done > 0 && Number(first) === done && (etag === undefined || now === undefined || now === etag);
}

function contentRange(response: Response): string[] {
  return /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get("content-range") ?? "") ?? [];
}

function strongEtag(response: Response): string | undefined {
  const etag = response.headers.get("etag") ?? "";
  return etag.startsWith('"') ? etag : undefined;
}

/** The size of the whole file, as far as known. Throws a {@link DownloadError} for one that is not right. */
function promisedSize(response: Response, { url, options, done }: Transfer): number | undefined {
  const { headers, status } = response, { size, maxBytes = Infinity } = options;
  const what = printableUrl(url);
  if (/^text\/html\b/i.test(headers.get("content-type") ?? "")) throw webPage(url);
  if (options.digest === undefined && (headers.get("content-encoding") ?? "identity") !== "identity") {
    throw new DownloadError(`${what}: the server sends it compressed, though asked not to. Use another source.`);
  }
  const length = headers.get("content-length");
  const [, , total] = status === 206 ? contentRange(response) : [];
  let promised = length === null ? size : done + Number(length);
  if (total !== undefined && total !== "*") promised = Number(total);
  if (size !== undefined && promised !== size) {
    throw new DownloadError(`${what}: the server has ${promised} bytes, expected ${size}. Use another source.`);
  }
  if (promised !== undefined && promised > maxBytes) throw tooLarge(url, maxBytes);
  return promised;
}

async function writeBody(response: Response, transfer: Transfer, total: number | undefined): Promise<void> {
  const { url, file, options } = transfer, { maxBytes = Infinity, onProgress } = options;
  const limit = total ?? maxBytes;
  onProgress?.({ done: transfer.done, total });
  for await (const chunk of bodyOf(response, (why) => broken(transfer, total, why), options)) {
    if (transfer.done === 0 && startsAsPage(chunk)) throw webPage(url);
    if (transfer.done + chunk.length > limit) throw tooLarge(url, limit);
    for (let written = 0; written < chunk.length;) {
      const count = await file.write(chunk.subarray(written));
      written += count;
      transfer.done += count;
    }
    onProgress?.({ done: transfer.done, total });
  }
  if (total !== undefined && transfer.done < total) throw broken(transfer, total);
}

function broken({ url, done, options }: Transfer, total: number | undefined, why = "broke"): NetworkError {
  const of = total === undefined ? "" : ` of ${total}`;
  const advice = options.digest === undefined ? "Run again." : "Run again to go on from there.";
  return new NetworkError(`${printableUrl(url)}: the connection ${why} after ${done}${of} bytes. ${advice}`);
}

function tooLarge(url: string, limit: number): DownloadError {
  return new DownloadError(
    `${printableUrl(url)}: the server sends more than the ${limit} bytes expected. Use another source.`,
  );
}

function webPage(url: string): DownloadError {
  return new DownloadError(
    `${printableUrl(url)}: a web page came instead of the file. ` +
      "Check the address, and whether the network asks you to log in.",
  );
}

/** Whether bytes begin as a web page does. No file of data that is downloaded here begins so. */
function startsAsPage(chunk: Uint8Array): boolean {
  const start = new TextDecoder().decode(chunk.subarray(0, 256)).trimStart().toLowerCase();
  return start.startsWith("<!doctype html") || start.startsWith("<html");
}

async function truncate(transfer: Transfer, size: number): Promise<void> {
  await transfer.file.truncate(size);
  await transfer.file.seek(size, Deno.SeekMode.Start);
  transfer.done = size;
  if (size === 0) transfer.etag = undefined;
}
