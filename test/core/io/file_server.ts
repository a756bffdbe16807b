/** A request as the server saw it. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
}

/** A server on this machine. */
export interface FileServer extends AsyncDisposable {
  /** Its address, without a slash at the end. */
  readonly url: string;
  /** All requests so far. */
  readonly seen: readonly Seen[];
}

/** Starts a server that answers as `answer` does. */
export function serve(answer: (request: Request, n: number) => Response | Promise<Response>): FileServer {
  const seen: Seen[] = [];
  // Answers that break off on purpose are no errors to print.
  const onError = () => new Response(null, { status: 500 });
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {}, onError }, (request) => {
    const { pathname, search } = new URL(request.url);
    seen.push({ method: request.method, path: pathname + search, headers: request.headers });
    return answer(request, seen.length);
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    seen,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** How a file is served. */
export interface Serving {
  readonly etag?: string;
  /** After how many bytes the connection breaks. */
  readonly breakAfter?: number;
  /** What each piece of `pieceBytes` waits for, by the bytes sent before it. */
  readonly onPiece?: (sent: number) => Promise<void> | undefined;
  readonly pieceBytes?: number;
  /** Whether the size is left open. */
  readonly chunked?: boolean;
  readonly ignoreRange?: boolean;
  readonly ignoreIfRange?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Serves bytes as a good server does, with ranges and If-Range, or with the faults asked for. */
export function sendFile(request: Request, bytes: Uint8Array<ArrayBuffer>, serving: Serving = {}): Response {
  const { etag, ignoreRange = false, ignoreIfRange = false, chunked = false } = serving;
  const headers = new Headers({ "content-type": "application/octet-stream", ...serving.headers });
  if (etag) headers.set("etag", etag);
  const range = /^bytes=(\d+)-$/.exec(request.headers.get("range") ?? "");
  const ifRange = ignoreIfRange ? null : request.headers.get("if-range");
  let body = bytes, status = 200;
  if (range && !ignoreRange && (ifRange === null || ifRange === etag)) {
    const begin = Number(range[1]);
    if (begin >= bytes.length) return new Response(null, { status: 416 });
    headers.set("content-range", `bytes ${begin}-${bytes.length - 1}/${bytes.length}`);
    [body, status] = [bytes.subarray(begin), 206];
  }
  if (!chunked) headers.set("content-length", String(body.length));
  if (request.method === "HEAD") return new Response(null, { status, headers });
  return new Response(streamOf(body, serving), { status, headers });
}

function streamOf(bytes: Uint8Array<ArrayBuffer>, serving: Serving): ReadableStream<Uint8Array<ArrayBuffer>> {
  const { breakAfter = Infinity, onPiece, pieceBytes = 1 << 16 } = serving;
  let sent = 0;
  return new ReadableStream({
    async pull(controller) {
      await onPiece?.(sent);
      // What was sent arrives, and then the connection ends before all is there.
      if (sent >= breakAfter) return controller.close();
      const end = Math.min(sent + pieceBytes, breakAfter, bytes.length);
      if (end > sent) controller.enqueue(bytes.subarray(sent, end));
      sent = end;
      if (sent === bytes.length) controller.close();
    },
  });
}

/** Bytes that differ everywhere, the same each time. */
export function someBytes(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let i = 0; i < length; i++) bytes[i] = state = (state * 48271) % 2147483647;
  return bytes;
}
