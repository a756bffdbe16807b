import { modelInfo } from "@huggingface/hub";
import { UserError } from "../errors/user_error.ts";
import { beyondBounds, type JsonBounds } from "../io/bounded_json.ts";
import type { Digest } from "../io/digest.ts";
import { bodyOf, NetworkError, request, requireSuccess, retrying } from "../io/http.ts";
import { type Asked, explainHubError, HubError } from "./hub_error.ts";
import type { ModelId } from "./model_id.ts";
import type { HubSettings } from "./settings.ts";

/** What a model consists of at a revision. */
export interface ModelListing {
  /** The commit that the revision stands for. */
  readonly commit: string;
  /** The paths of its files. */
  readonly paths: readonly string[];
}

/** What the hub says of a file without sending it. */
export interface HubFile {
  readonly url: string;
  /** Names the contents in the cache. */
  readonly etag: string;
  readonly size: number | undefined;
  /** Digests, of which one must be right; none if the ETag is not a digest. */
  readonly digest: readonly Digest[];
}

/** What a description of a model may be: a file takes some hundred bytes of it, so that there may be ten thousands. */
const LISTING_BOUNDS: JsonBounds = { bytes: 5_000_000, depth: 32, values: 500_000 };

const MAX_REDIRECTS = 5;

/** The headers that tell the hub who asks. */
export function authorisation(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

/**
 * Asks the hub for a model's commit and files.
 *
 * @throws HubError if there is no such model, or it may not be seen.
 * @throws NetworkError if the hub cannot be reached.
 */
export async function listModel(model: ModelId, settings: HubSettings): Promise<ModelListing> {
  const { endpoint, token, retry } = settings, asked = { ...model, endpoint, token };
  const get = (input: RequestInfo | URL) => {
    const url = input instanceof Request ? input.url : input;
    return retrying(async () => {
      const response = await request(url, { headers: authorisation(token), signal: retry.signal });
      await requireSuccess(response, url);
      return await readWhole(response, asked, retry.signal);
    }, retry);
  };
  let commit: unknown, paths: unknown;
  try {
    const { id: name, revision } = model;
    const info = await modelInfo({
      name,
      revision,
      hubUrl: endpoint,
      fetch: get,
      additionalFields: ["sha", "filePaths"],
    });
    ({ sha: commit, filePaths: paths } = info);
  } catch (error) {
    retry.signal?.throwIfAborted();
    if (error instanceof NetworkError) {
      throw new NetworkError(`${error.message} Or set HF_HUB_OFFLINE=1 to use what is in the cache.`, { cause: error });
    }
    throw error instanceof UserError ? explainHubError(error, asked) : notAHub(endpoint, error);
  }
  if (typeof commit !== "string" || !/^\w{1,64}$/.test(commit) || !Array.isArray(paths)) throw notAHub(endpoint);
  return { commit, paths: paths.filter((path) => typeof path === "string") };
}

/**
 * Asks the hub for a file's size and digest.
 *
 * @throws HubError if there is no such file, or it may not be seen.
 * @throws NetworkError if the hub cannot be reached.
 */
export async function describeFile(model: ModelId, path: string, settings: HubSettings): Promise<HubFile> {
  const { endpoint, token, retry } = settings;
  const url = `${endpoint}/${model.id}/resolve/${encodeURIComponent(model.revision)}/${path}`;
  try {
    const headers = await retrying(() => headersOf(url, settings), retry);
    const etag = (headers.get("x-linked-etag") ?? headers.get("etag") ?? "").replace(/^W\//, "").replaceAll('"', "");
    if (!/^[\w-][\w.-]{0,127}$/.test(etag)) throw notAHub(endpoint);
    const size = headers.get("x-linked-size") ?? headers.get("content-length") ?? "";
    return { url, etag, size: /^\d{1,15}$/.test(size) ? Number(size) : undefined, digest: digestsOf(etag) };
  } catch (error) {
    retry.signal?.throwIfAborted();
    throw explainHubError(error, { ...model, endpoint, token }, path);
  }
}

/**
 * The headers of the answer that describes a file. Redirects within the hub are followed, as for a model that has
 * moved; one to a store is the answer, since the store does not know the hub's ETag.
 */
async function headersOf(url: string, { endpoint, token, retry }: HubSettings): Promise<Headers> {
  const { origin } = new URL(endpoint);
  let at = new URL(url);
  for (let n = 0; n <= MAX_REDIRECTS; n++) {
    const options = { method: "HEAD", redirect: "manual", headers: authorisation(token) } as const;
    const response = await request(at, { ...options, signal: retry.signal });
    const { status } = response, headers = new Headers(response.headers), location = headers.get("location");
    await response.body?.cancel();
    if (status < 300 || status > 399 || location === null) {
      await requireSuccess(response, url);
      return headers;
    }
    if (!URL.canParse(location, at)) break;
    at = new URL(location, at);
    // The length of a redirect is not that of the file.
    headers.delete("content-length");
    if (at.origin !== origin) return headers;
  }
  throw notAHub(endpoint);
}

/**
 * The digests that an ETag may be: the SHA-256 of a large file, git's name of a small one, for which some mirrors give
 * the SHA-1.
 */
function digestsOf(etag: string): Digest[] {
  if (/^[0-9a-f]{64}$/.test(etag)) return [`sha256:${etag}`];
  return /^[0-9a-f]{40}$/.test(etag) ? [`git:${etag}`, `sha1:${etag}`] : [];
}

/** The same answer with a body that is in memory, and within the bounds of a description. */
async function readWhole(response: Response, { id, endpoint }: Asked, signal: AbortSignal | undefined) {
  const parts: Uint8Array<ArrayBuffer>[] = [], { host } = new URL(endpoint);
  const broken = (why: string) => new NetworkError(`The connection to ${host} ${why}. Try again.`);
  const tooMuch = (what: string) =>
    new HubError(`${host}'s description of ${id} ${what}. Check HF_ENDPOINT, or name a folder with the model.`);
  let bytes = 0;
  for await (const part of bodyOf(response, broken, { signal })) {
    bytes += part.length;
    if (bytes > LISTING_BOUNDS.bytes) throw tooMuch(`has more than the ${LISTING_BOUNDS.bytes} bytes that are read`);
    parts.push(part);
  }
  const whole = new Uint8Array(await new Blob(parts).arrayBuffer());
  // Parsing what nests deeply takes a hundred times its size.
  const beyond = beyondBounds(whole, LISTING_BOUNDS);
  if (beyond !== undefined) throw tooMuch(beyond);
  return new Response(whole, { status: response.status, headers: response.headers });
}

function notAHub(endpoint: string, cause?: unknown): HubError {
  const { host } = new URL(endpoint);
  return new HubError(
    `${host} does not answer as a Hugging Face hub does. Check HF_ENDPOINT, and whether the network asks you to log in.`,
    { cause },
  );
}
