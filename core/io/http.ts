import { setTimeout as delay } from "node:timers/promises";
import { messageOf, UserError } from "../errors/user_error.ts";

/** A server that cannot be reached, or that stops answering. Another try may succeed. */
export class NetworkError extends UserError {}

/** A server's answer that says why it has nothing to give. */
export class HttpError extends UserError {
  constructor(
    message: string,
    /** The HTTP status. */
    readonly status: number,
    /** The answer's headers. */
    readonly headers: Headers,
  ) {
    super(message);
  }
}

/** How a request is made. */
export interface RequestOptions {
  readonly method?: "GET" | "HEAD";
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether the answer may be a redirect. Otherwise it is followed, without authorisation to another host. */
  readonly redirect?: "follow" | "manual";
  /** Milliseconds until the answer begins, 30,000 if left out. */
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How often something is tried. */
export interface RetryOptions {
  /** How often in all, 4 if left out. */
  readonly tries?: number;
  /** Milliseconds before the second try, 1,000 if left out. Each further one waits twice as long. */
  readonly pause?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Milliseconds for which a server may stay silent. */
const SILENCE = 30_000;

/** The longest wait that a server may ask for, in milliseconds. */
const LONGEST_PAUSE = 30_000;

/** A URL for messages, without what may be secret: credentials, query and fragment. */
export function printableUrl(url: string | URL): string {
  if (!URL.canParse(String(url))) return "the URL";
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}

/**
 * Sends one request. The body comes as it is stored, never compressed for the way.
 *
 * @returns The answer, whatever its status.
 * @throws NetworkError if there is none.
 */
export async function request(url: string | URL, options: RequestOptions = {}): Promise<Response> {
  const { method = "GET", headers = {}, redirect = "follow", timeout = SILENCE, signal } = options;
  const { protocol, host } = parseUrl(url);
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(), timeout);
  try {
    const response = await fetch(url, {
      method,
      redirect,
      headers: { "accept-encoding": "identity", ...headers },
      signal: signal ? AbortSignal.any([signal, silence.signal]) : silence.signal,
    });
    if (protocol === "https:" && response.url.startsWith("http:")) {
      await response.body?.cancel();
      throw new UserError(`${host} redirects to an address without encryption. Use another source.`);
    }
    return response;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof UserError) throw error;
    if (error instanceof Deno.errors.NotCapable) {
      throw new UserError(`Deno was not given permission to reach ${host}. Run it with --allow-net.`, { cause: error });
    }
    const why = silence.signal.aborted ? `it does not answer within ${timeout / 1000} s` : causeOf(error);
    throw new NetworkError(`Cannot reach ${host}: ${why}. Check the network, and HTTPS_PROXY if there is a proxy.`);
  } finally {
    clearTimeout(timer);
  }
}

/** Drops an answer that is no success, and throws an {@link HttpError} for it. */
export async function requireSuccess(response: Response, url: string | URL): Promise<void> {
  if (response.ok) return;
  const { status, headers } = response;
  await response.body?.cancel();
  const advice = status >= 500 || status === 429 ? "Try again later." : "Check the address.";
  throw new HttpError(`${printableUrl(url)}: the server answers with status ${status}. ${advice}`, status, headers);
}

/** How slow an answer may be. */
export interface Patience {
  /** Bytes a second that it has to bring on average over `window` milliseconds of waiting for it. */
  readonly bytesPerSecond: number;
  /** In milliseconds; infinite where nothing is too slow. */
  readonly window: number;
  /** A clock, in milliseconds. */
  readonly now?: () => number;
}

/** The variable that says for how many seconds an answer may be slow, 0 for any number. */
const PATIENCE_VARIABLE = "ITDIFFUSION_DOWNLOAD_TIMEOUT";

const LEAST_BYTES_PER_SECOND = 1000;

/**
 * The patience that the user asks for: less than 1,000 bytes a second for a minute, or for the seconds of
 * ITDIFFUSION_DOWNLOAD_TIMEOUT, are too slow; 0 waits for as long as anything comes.
 *
 * @throws UserError if the variable is no number of seconds.
 */
export function askedPatience(text = variable(PATIENCE_VARIABLE)): Patience {
  const seconds = text === undefined || text.trim() === "" ? 60 : Number(text);
  if (!(Number.isFinite(seconds) && seconds >= 0)) {
    throw new UserError(
      `${PATIENCE_VARIABLE} is ${text}, expected a number of seconds, or 0 for no limit. Set it anew.`,
    );
  }
  return { bytesPerSecond: LEAST_BYTES_PER_SECOND, window: seconds === 0 ? Infinity : 1000 * seconds };
}

/** A variable of the environment; none for a program that may not read it. */
function variable(name: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  return state === "granted" ? Deno.env.get(name) : undefined;
}

/**
 * The bytes of an answer as they come. The rest is dropped where the caller does not want them all.
 *
 * @param broken Makes the error for a connection that breaks, stays silent or is too slow, from a clause that follows "the
 * connection".
 */
export async function* bodyOf(
  response: Response,
  broken: (why: string) => NetworkError,
  { timeout = SILENCE, signal, patience = askedPatience() }: Pick<RequestOptions, "timeout" | "signal"> & {
    readonly patience?: Patience | undefined;
  },
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const reader = response.body?.getReader();
  if (!reader) return;
  const pace = new Pace(patience);
  try {
    for (;;) {
      const { done, value } = await pace.waitFor(() => withinTime(reader.read(), timeout));
      if (done) return;
      if (pace.isTooSlow(value.length)) {
        const { bytesPerSecond, window } = patience;
        throw broken(
          `brought less than ${bytesPerSecond} bytes a second for ${window / 1000} s ` +
            `(${PATIENCE_VARIABLE} sets for how long it may)`,
        );
      }
      yield value;
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof NetworkError ? error : broken("broke");
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** Tells a slow answer. What the program does between two reads is not the server's time. */
class Pace {
  #waited = 0;
  #bytes = 0;
  readonly #now: () => number;

  constructor(readonly patience: Patience) {
    this.#now = patience.now ?? (() => performance.now());
  }

  async waitFor<T>(read: () => Promise<T>): Promise<T> {
    const begun = this.#now();
    const result = await read();
    this.#waited += this.#now() - begun;
    return result;
  }

  /** Counts bytes that came, and judges once a window is over. */
  isTooSlow(bytes: number): boolean {
    const { bytesPerSecond, window } = this.patience;
    this.#bytes += bytes;
    if (this.#waited < window) return false;
    const isSlow = this.#bytes < bytesPerSecond * this.#waited / 1000;
    this.#waited = this.#bytes = 0;
    return isSlow;
  }
}

async function withinTime<T>(promise: Promise<T>, milliseconds: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("Too late.")), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Does something that needs the network, and again where it failed for a reason that may pass. */
export async function retrying<T>(attempt: () => Promise<T>, options: RetryOptions = {}): Promise<T> {
  const { tries = 4, pause = 1000, signal } = options;
  for (let n = 1;; n++) {
    try {
      return await attempt();
    } catch (error) {
      if (n >= tries || !mayPass(error)) throw error;
      const asked = error instanceof HttpError ? 1000 * Number(error.headers.get("retry-after") ?? 0) : 0;
      const wait = Math.max(pause * 2 ** (n - 1), asked || 0);
      await delay(Math.min(wait, LONGEST_PAUSE), undefined, signal ? { signal } : {});
    }
  }
}

function mayPass(error: unknown): boolean {
  if (error instanceof HttpError) return error.status >= 500 || error.status === 429 || error.status === 408;
  return error instanceof NetworkError;
}

function parseUrl(url: string | URL): URL {
  const parsed = URL.canParse(String(url)) ? new URL(url) : undefined;
  if (parsed && /^https?:$/.test(parsed.protocol)) return parsed;
  throw new UserError(
    `${printableUrl(url)} is not an address that can be fetched. Give one that starts with https://.`,
  );
}

/** Why a fetch failed, in words. Deno's own text has the whole URL in it, which may hold a secret. */
function causeOf(error: unknown): string {
  const text = `${messageOf(error)} ${error instanceof Error ? messageOf(error.cause) : ""}`.toLowerCase();
  if (/dns|lookup/.test(text)) return "no such host is known";
  if (text.includes("refused")) return "it refuses the connection";
  if (/certificate|tls|ssl/.test(text)) return "its certificate is not trusted";
  if (/unreachable/.test(text)) return "the network is unreachable";
  if (text.includes("redirect")) return "it redirects too often";
  return "the connection failed";
}
