import { createHash } from "node:crypto";
import { type FileServer, sendFile, serve, type Serving } from "../io/file_server.ts";

/** A model that a server has. */
export interface ServedModel {
  readonly commit: string;
  readonly files: Readonly<Record<string, Uint8Array<ArrayBuffer>>>;
}

/** How a hub answers. */
export interface HubFaults {
  /** Answers a request in its own way where it gives an answer. */
  readonly answer?: (request: Request, path: string) => Response | undefined;
  /** How large files come from the store; the number counts its requests. */
  readonly store?: (n: number) => Serving;
  /** What the store has in place of a large file. */
  readonly contents?: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;
}

/** A hub, and the store that it sends for large files, on another port. */
export interface HubServer extends AsyncDisposable {
  readonly url: string;
  readonly hub: FileServer;
  readonly store: FileServer;
}

/** The store serves files of this size on, as Git LFS does. */
const LARGE = 10_000;

/** Starts a hub that has models by their names and revisions, `name@revision`, and speaks the real one's routes. */
export function serveHub(models: Readonly<Record<string, ServedModel>>, faults: HubFaults = {}): HubServer {
  const { answer, store: serving = () => ({}), contents = (bytes) => bytes } = faults;
  const large = new Map<string, Uint8Array<ArrayBuffer>>();
  const store = serve((request, n) => {
    const bytes = large.get(new URL(request.url).pathname.slice(1));
    if (!bytes) return new Response(null, { status: 404 });
    return sendFile(request, contents(bytes), { etag: '"of the store"', ...serving(n) });
  });
  const find = (id: string, revision: string) =>
    models[`${id}@${revision}`] ??
      Object.entries(models).find(([name, { commit }]) => name.startsWith(`${id}@`) && commit === revision)?.[1];
  const fail = (status: number, code: string) => new Response(null, { status, headers: { "x-error-code": code } });
  const missing = (id: string) =>
    Object.keys(models).some((name) => name.startsWith(`${id}@`))
      ? fail(404, "RevisionNotFound")
      : fail(401, "RepoNotFound");

  const hub = serve((request) => {
    const path = decodeURIComponent(new URL(request.url).pathname);
    const special = answer?.(request, path);
    if (special) return special;
    const [, api, apiRevision] = /^\/api\/models\/(.+?)\/revision\/(.+)$/.exec(path) ?? [];
    if (api) {
      const model = find(api, apiRevision);
      if (!model) return missing(api);
      const siblings = Object.keys(model.files).map((rfilename) => ({ rfilename }));
      return Response.json({
        _id: "1",
        id: api,
        sha: model.commit,
        siblings,
        lastModified: "2024-01-01T00:00:00.000Z",
      });
    }
    const [, id, revision, file] = /^\/(.+?)\/resolve\/([^/]+)\/(.+)$/.exec(path) ?? [];
    if (!id) return new Response(null, { status: 404 });
    const model = find(id, revision), bytes = model?.files[file];
    if (!model) return missing(id);
    if (!bytes) return fail(404, "EntryNotFound");
    if (bytes.length < LARGE) {
      const name = createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
      return sendFile(request, bytes, { etag: `"${name}"`, headers: { "x-repo-commit": model.commit } });
    }
    const name = createHash("sha256").update(bytes).digest("hex");
    large.set(name, bytes);
    return new Response(null, {
      status: 302,
      headers: {
        location: `${store.url}/${name}?signature=secret`,
        "x-repo-commit": model.commit,
        "x-linked-etag": `"${name}"`,
        "x-linked-size": String(bytes.length),
      },
    });
  });
  return {
    url: hub.url,
    hub,
    store,
    async [Symbol.asyncDispose]() {
      await hub[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}
