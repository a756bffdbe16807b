import assert from "assert";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { UserError } from "../../../core/errors/user_error.ts";
import type { Digest } from "../../../core/io/digest.ts";
import { download, DownloadError, HttpError, NetworkError } from "../../../core/io/download.ts";
import { inFolder, namesIn } from "../../folders.ts";
import { untilNames } from "../../wait.ts";
import { sendFile, serve, someBytes } from "./file_server.ts";

/** Tried again at once, and patient with a machine that is busy. */
const FAST = { pause: 1, timeout: 3_600_000 };
const BYTES = someBytes(300_000);
const ETAG = '"v1"';

function digestOf(bytes: Uint8Array, kind: "md5" | "sha1" | "sha256" = "sha256"): Digest {
  return `${kind}:${createHash(kind).update(bytes).digest("hex")}`;
}

/** Whether an error is of a class and one line that matches, without what must stay secret. */
function isError(type: abstract new (...args: never[]) => UserError, pattern: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof type, String(error));
    assert.match(error.message, pattern);
    assert.doesNotMatch(error.message, /\n|secret/);
    return true;
  };
}

Deno.test("a file is downloaded with its progress, and not again", () =>
  inFolder(async (folder) => {
    await using server = serve((request) => sendFile(request, BYTES, { etag: ETAG }));
    const path = `${folder}/a/b/file`, progress: number[] = [];
    const options = {
      size: BYTES.length,
      digest: digestOf(BYTES),
      onProgress: ({ done, total }: { done: number; total: number | undefined }) => {
        assert.equal(total, BYTES.length);
        progress.push(done);
      },
    };
    await download(`${server.url}/file`, path, options);
    assert.deepEqual(await Deno.readFile(path), BYTES);
    assert.deepEqual([progress[0], progress.at(-1)], [0, BYTES.length]);
    assert.deepEqual(progress, progress.toSorted((a, b) => a - b));
    await download(`${server.url}/file`, path, options);
    assert.equal(server.seen.length, 1);
    assert.deepEqual(await namesIn(`${folder}/a/b`), ["file"]);

    // One of another size is no such file.
    await Deno.writeFile(path, BYTES.subarray(1));
    await download(`${server.url}/file`, path, options);
    assert.deepEqual(await Deno.readFile(path), BYTES);
  }));

Deno.test("each kind of digest is checked, and one of several is enough", () =>
  inFolder(async (folder) => {
    await using server = serve((request) => sendFile(request, BYTES));
    const git: Digest = `git:${createHash("sha1").update(`blob ${BYTES.length}\0`).update(BYTES).digest("hex")}`;
    const sha1 = digestOf(BYTES, "sha1");
    const right = [digestOf(BYTES, "md5"), sha1, git, [git, "sha1:00"], ["git:00", sha1]] as (Digest | Digest[])[];
    for (const [i, digest] of right.entries()) await download(server.url, `${folder}/${i}`, { digest });
    const count = (await namesIn(folder)).length;
    for (const digest of ["md5:00", ["git:00", "sha1:00"]] as (Digest | Digest[])[]) {
      const wrong = download(`${server.url}/x?key=secret`, `${folder}/wrong`, { digest, ...FAST });
      await assert.rejects(wrong, isError(DownloadError, /\/x: what came has the digest .*, expected (md5|git):00/));
      assert.equal((await namesIn(folder)).length, count);
    }
  }));

Deno.test("a download that breaks goes on where it was, if the file is the same", () =>
  inFolder(async (folder) => {
    await using server = serve((request, n) =>
      sendFile(request, BYTES, { etag: ETAG, ...(n < 3 && { breakAfter: 1e5 }) })
    );
    await download(server.url, `${folder}/file`, FAST);
    assert.deepEqual(await Deno.readFile(`${folder}/file`), BYTES);
    assert.deepEqual(server.seen.map(({ headers }) => headers.get("range")), [null, "bytes=100000-", "bytes=200000-"]);
    assert.deepEqual(server.seen.map(({ headers }) => headers.get("if-range")), [null, ETAG, ETAG]);
  }));

Deno.test("a download begins again where the server ignores the range, or has another file by now", () =>
  inFolder(async (folder) => {
    const other = someBytes(250_000, 7);
    await using ignoring = serve((request, n) =>
      sendFile(request, BYTES, { etag: ETAG, ignoreRange: true, ...(n === 1 && { breakAfter: 1e5 }) })
    );
    await download(ignoring.url, `${folder}/ignoring`, FAST);
    assert.deepEqual(await Deno.readFile(`${folder}/ignoring`), BYTES);

    await using changing = serve((request, n) =>
      n === 1 ? sendFile(request, BYTES, { etag: ETAG, breakAfter: 1e5 }) : sendFile(request, other, { etag: '"v2"' })
    );
    await download(changing.url, `${folder}/changing`, FAST);
    assert.deepEqual(await Deno.readFile(`${folder}/changing`), other);

    // Without an ETag or a digest nothing shows whether the parts fit.
    await using nameless = serve((request, n) =>
      n === 1 ? sendFile(request, BYTES, { breakAfter: 1e5 }) : sendFile(request, other)
    );
    await download(nameless.url, `${folder}/nameless`, FAST);
    assert.deepEqual(await Deno.readFile(`${folder}/nameless`), other);

    // A server that takes no notice of If-Range.
    await using sloppy = serve((request, n) =>
      n === 1
        ? sendFile(request, BYTES, { etag: ETAG, breakAfter: 1e5 })
        : sendFile(request, other, { etag: '"v2"', ignoreIfRange: true })
    );
    await download(sloppy.url, `${folder}/sloppy`, FAST);
    assert.deepEqual(await Deno.readFile(`${folder}/sloppy`), other);
    assert.deepEqual(await namesIn(folder), ["changing", "ignoring", "nameless", "sloppy"]);
  }));

Deno.test("what an earlier process left is gone on with where a digest can tell that it fits", () =>
  inFolder(async (folder) => {
    await using server = serve((request) => sendFile(request, BYTES, { etag: ETAG }));
    const path = `${folder}/file`, options = { size: BYTES.length, digest: digestOf(BYTES), ...FAST };
    await Deno.writeFile(`${path}.partial`, BYTES.subarray(0, 250_000));
    await download(server.url, path, options);
    assert.equal(server.seen[0].headers.get("range"), "bytes=250000-");
    assert.deepEqual(await Deno.readFile(path), BYTES);

    // It is of another version: all of it is fetched again.
    await Deno.remove(path);
    await Deno.writeFile(`${path}.partial`, new Uint8Array(250_000));
    await download(server.url, path, options);
    assert.deepEqual(await Deno.readFile(path), BYTES);
    assert.equal(server.seen.length, 3);

    // It is whole already, longer than whole, or nothing can tell.
    for (
      const [left, requests, digest] of [[BYTES, 0, true], [someBytes(400_000), 1, true], [
        BYTES.subarray(9),
        1,
        false,
      ]] as const
    ) {
      await Deno.remove(path);
      await Deno.writeFile(`${path}.partial`, left);
      const before = server.seen.length;
      await download(server.url, path, digest ? options : FAST);
      assert.equal(server.seen.length - before, requests);
      assert.deepEqual(await Deno.readFile(path), BYTES);
    }

    // It is whole, but the size is not known.
    await Deno.remove(path);
    await Deno.writeFile(`${path}.partial`, BYTES);
    await download(server.url, path, { digest: digestOf(BYTES), ...FAST });
    assert.deepEqual(await namesIn(folder), ["file"]);
  }));

Deno.test("a server that keeps stopping half-way leaves a part, no file, and one line", () =>
  inFolder(async (folder) => {
    await using server = serve((request) => sendFile(request, BYTES, { breakAfter: 50_000, ignoreRange: true }));
    const failed = download(`${server.url}/file?token=secret`, `${folder}/file`, {
      digest: digestOf(BYTES),
      tries: 3,
      ...FAST,
    });
    await assert.rejects(failed, isError(NetworkError, /the connection broke after 50000 of 300000 bytes\. Run again/));
    assert.deepEqual(await namesIn(folder), ["file.partial"]);
    assert.equal(server.seen.length, 3);

    // A body without a length that ends too early looks whole to HTTP.
    await using short = serve((request) => sendFile(request, BYTES.subarray(0, 9), { chunked: true }));
    const options = { size: 10, tries: 2, ...FAST };
    await assert.rejects(download(short.url, `${folder}/short`, options), isError(NetworkError, /after 9 of 10 bytes/));
  }));

Deno.test("a server that sends too much is stopped, and nothing of it is kept", () =>
  inFolder(async (folder) => {
    const path = `${folder}/file`;
    await using server = serve((request) => sendFile(request, BYTES, { chunked: request.url.endsWith("chunked") }));
    const fails = (query: string, options: object, pattern: RegExp) =>
      assert.rejects(
        download(`${server.url}/${query}`, path, { ...options, ...FAST }),
        isError(DownloadError, pattern),
      );
    await fails("", { size: 1000 }, /the server has 300000 bytes, expected 1000/);
    await fails("", { size: 400_000 }, /the server has 300000 bytes, expected 400000/);
    await fails("", { maxBytes: 1000 }, /sends more than the 1000 bytes/);
    await fails("chunked", { size: 1000 }, /sends more than the 1000 bytes/);
    await fails("chunked", { maxBytes: 1000 }, /sends more than the 1000 bytes/);
    assert.equal(server.seen.length, 5);

    let sent = 0;
    const endless = () =>
      new ReadableStream({
        pull: (controller) => {
          sent += 1 << 16;
          controller.enqueue(new Uint8Array(1 << 16));
        },
      });
    await using flood = serve(() => new Response(endless()));
    await assert.rejects(download(flood.url, path, { maxBytes: 1e6, ...FAST }), DownloadError);
    assert.ok(sent < 5e7, `${sent} bytes were taken`);
    assert.deepEqual(await namesIn(folder), []);
  }));

Deno.test("a web page, a part and a compressed body are refused where a file is expected", () =>
  inFolder(async (folder) => {
    const page = new TextEncoder().encode("\n<!DOCTYPE html><html>Log in</html>");
    await using server = serve((request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/typed") {
        return sendFile(request, page, { headers: { "content-type": "text/html; charset=utf-8" } });
      }
      if (pathname === "/untyped") return sendFile(request, page);
      if (pathname === "/part") return new Response("x", { status: 206, headers: { "content-range": "bytes 5-5/9" } });
      return sendFile(request, BYTES, { headers: { "content-encoding": "gzip" } });
    });
    const fails = (path: string, pattern: RegExp) =>
      assert.rejects(download(server.url + path, `${folder}/file`, FAST), isError(DownloadError, pattern));
    await fails("/typed", /\/typed: a web page came instead of the file/);
    await fails("/untyped", /\/untyped: a web page came instead of the file/);
    await fails("/part", /a part of the file only/);
    await fails("/gzip", /compressed/);
    assert.deepEqual(await namesIn(folder), []);
  }));

Deno.test("errors of the server and the network are one line each, and those that may pass are tried again", () =>
  inFolder(async (folder) => {
    await using server = serve((request, n) => {
      const status = Number(new URL(request.url).pathname.slice(1));
      return status === 0
        ? n % 3 === 0 ? sendFile(request, BYTES) : new Response("", { status: 503 })
        : new Response("secret", { status });
    });
    const fetched = (path: string) => download(`${server.url}${path}?token=secret`, `${folder}/file`, FAST);
    await fetched("/0");
    assert.equal(server.seen.length, 3);
    await Deno.remove(`${folder}/file`);
    for (const [status, tries] of [[404, 1], [403, 1], [500, 4], [429, 4]]) {
      const before = server.seen.length;
      await assert.rejects(fetched(`/${status}`), isError(HttpError, new RegExp(`answers with status ${status}`)));
      assert.equal(server.seen.length - before, tries);
    }
    const free = Deno.listen({ port: 0, hostname: "127.0.0.1" });
    const { port } = free.addr;
    free.close();
    const refused = download(`http://user:secret@127.0.0.1:${port}/f?a=secret`, `${folder}/file`, {
      ...FAST,
      tries: 2,
    });
    await assert.rejects(refused, isError(NetworkError, /^Cannot reach 127\.0\.0\.1:\d+: it refuses the connection\./));
    for (const url of ["no address?secret", "ftp://user:secret@host/file", "file:///etc/passwd"]) {
      await assert.rejects(
        download(url, `${folder}/file`, FAST),
        isError(UserError, /not an address that can be fetched/),
      );
    }
    assert.deepEqual(await namesIn(folder), []);
  }));

Deno.test("a silent server is left, before the answer and in it", () =>
  inFolder(async (folder) => {
    const stop = new AbortController();
    const silent = (sent: number) =>
      sent < 5000 ? undefined : new Promise<void>((resolve) => stop.signal.addEventListener("abort", () => resolve()));
    await using server = serve(async (request) => {
      if (request.url.endsWith("/slow")) return sendFile(request, BYTES, { pieceBytes: 1000, onPiece: silent });
      await new Promise((resolve) => stop.signal.addEventListener("abort", resolve));
      return new Response();
    });
    const options = { timeout: 100, tries: 1 };
    // A busy machine may take longer to begin its answer; then it is given twice the time.
    const slow = (timeout: number): Promise<void> =>
      download(`${server.url}/slow`, `${folder}/a`, { ...options, timeout }).catch((error) =>
        /does not answer/.test(String(error)) ? slow(2 * timeout) : Promise.reject(error)
      );
    await assert.rejects(slow(options.timeout), isError(NetworkError, /broke after \d+ of/));
    await assert.rejects(
      download(server.url, `${folder}/b`, options),
      isError(NetworkError, /does not answer within 0\.1 s/),
    );
    stop.abort();
  }));

Deno.test("a download that is called off keeps its part", () =>
  inFolder(async (folder) => {
    // The first answer goes no further until it is called off.
    const stop = new AbortController();
    const calledOff = new Promise<void>((resolve) => stop.signal.addEventListener("abort", () => resolve()));
    const onPiece = (sent: number) => sent < 60_000 ? undefined : calledOff;
    await using server = serve((request) => sendFile(request, BYTES, { etag: ETAG, pieceBytes: 10_000, onPiece }));
    const options = { digest: digestOf(BYTES), ...FAST };
    const onProgress = ({ done }: { done: number }) => done > 50_000 && stop.abort(new Error("called off"));
    await assert.rejects(
      download(server.url, `${folder}/file`, { ...options, onProgress, signal: stop.signal }),
      /called off/,
    );
    assert.deepEqual(await namesIn(folder), ["file.partial"]);
    await download(server.url, `${folder}/file`, options);
    assert.deepEqual(await Deno.readFile(`${folder}/file`), BYTES);
    assert.match(server.seen[1].headers.get("range") ?? "", /^bytes=\d{5,}-$/);

    // So does one that is called off between two tries.
    const later = new AbortController();
    await using failing = serve(() => {
      later.abort(new Error("called off later"));
      return new Response("", { status: 503 });
    });
    await Deno.writeFile(`${folder}/later.partial`, BYTES.subarray(0, 1000));
    const trying = download(failing.url, `${folder}/later`, { ...options, pause: 3_600_000, signal: later.signal });
    await assert.rejects(trying, /called off later/);
    assert.equal((await Deno.stat(`${folder}/later.partial`)).size, 1000);
  }));

Deno.test("authorisation is not sent on to another host", () =>
  inFolder(async (folder) => {
    await using store = serve((request) => sendFile(request, BYTES));
    await using hub = serve(() => Response.redirect(`${store.url}/file?signature=secret`, 302));
    await download(hub.url, `${folder}/file`, { headers: { authorization: "Bearer secret" } });
    assert.equal(hub.seen[0].headers.get("authorization"), "Bearer secret");
    assert.equal(store.seen[0].headers.get("authorization"), null);
  }));

Deno.test("downloads of one file at the same time share one transfer", () =>
  inFolder(async (folder) => {
    await using server = serve((request) => sendFile(request, BYTES, { pieceBytes: 30_000 }));
    const all = Array.from({ length: 4 }, () => download(server.url, `${folder}/file`, FAST));
    await Promise.all(all);
    assert.equal(server.seen.length, 1);
    assert.deepEqual(await Deno.readFile(`${folder}/file`), BYTES);
    assert.deepEqual(await namesIn(folder), ["file"]);
  }));

Deno.test("the next takes over where the first fails", () =>
  inFolder(async (folder) => {
    await using server = serve((request, n) =>
      n === 1 ? sendFile(request, BYTES, { breakAfter: 100_000 }) : sendFile(request, BYTES, { ignoreRange: n > 2 })
    );
    const options = { digest: digestOf(BYTES), ...FAST, tries: 1 };
    const [first, second] = await Promise.allSettled([
      download(server.url, `${folder}/file`, options),
      download(server.url, `${folder}/file`, options),
    ]);
    assert.deepEqual([first.status, second.status].toSorted(), ["fulfilled", "rejected"]);
    assert.equal(server.seen[1].headers.get("range"), "bytes=100000-");
    assert.deepEqual(await Deno.readFile(`${folder}/file`), BYTES);
  }));

/** Starts a process that downloads a file. */
function startProcess(url: string, path: string): Deno.ChildProcess {
  const script = fileURLToPath(new URL("download_file.ts", import.meta.url));
  const args = ["run", "--no-lock", "--allow-net", "--allow-read", "--allow-write", script, url, path, digestOf(BYTES)];
  return new Deno.Command(Deno.execPath(), { args, stdin: "null", stdout: "null", stderr: "null" }).spawn();
}

Deno.test("a process that is killed leaves a part that the one that waits goes on with", () =>
  inFolder(async (folder) => {
    // The first answer stops halfway for good.
    const stop = new AbortController();
    const halfway = (sent: number) =>
      sent < 150_000
        ? undefined
        : new Promise<void>((resolve) => stop.signal.addEventListener("abort", () => resolve()));
    await using server = serve((request, n) =>
      sendFile(request, BYTES, { etag: ETAG, pieceBytes: 10_000, ...(n === 1 && { onPiece: halfway }) })
    );
    const path = `${folder}/file`;
    const first = startProcess(server.url, path);
    const sizeOf = () => Deno.statSync(`${path}.partial`).size;
    await untilNames(folder, (names) => names.includes("file.partial") && sizeOf() >= 150_000, first);
    // Whether it comes to wait for the first one, or finds it gone, it goes on from what is there.
    const second = startProcess(server.url, path);
    first.kill("SIGKILL");
    await first.status;
    stop.abort();
    assert.ok((await second.status).success);
    assert.deepEqual(await Deno.readFile(path), BYTES);
    assert.deepEqual(await namesIn(folder), ["file"]);
    assert.equal(server.seen.length, 2);
    assert.ok(Number(/^bytes=(\d+)-$/.exec(server.seen[1].headers.get("range") ?? "")?.[1]) >= 150_000);
  }));

Deno.test("a folder that cannot be written to is one line", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/file`, "");
    await assert.rejects(
      download("http://127.0.0.1/", `${folder}/file/x`, FAST),
      isError(UserError, /^Cannot write .*file\/x: /),
    );
  }));
