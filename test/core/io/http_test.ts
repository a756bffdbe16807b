import { deepEqual, equal, match, ok, rejects, throws } from "assert";
import { UserError } from "../../../core/errors/user_error.ts";
import { download } from "../../../core/io/download.ts";
import { askedPatience, bodyOf, NetworkError, type Patience } from "../../../core/io/http.ts";
import { inFolder, namesIn } from "../../folders.ts";
import { sendFile, serve, someBytes } from "./file_server.ts";

/** A clock on which every wait for a piece takes so long, whatever the machine does. */
function clock(milliseconds: number): () => number {
  let time = 0;
  return () => time += milliseconds;
}

/** An answer that comes in pieces of so many bytes, and would never end. */
function endless(pieceBytes: number): Response {
  return new Response(new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(pieceBytes)) }));
}

/** How many bytes come before the answer is given up, of a hundred thousand at most. */
async function bytesOf(response: Response, patience: Patience): Promise<{ bytes: number; error?: NetworkError }> {
  let bytes = 0;
  try {
    for await (const part of bodyOf(response, (why) => new NetworkError(`It ${why}.`), { patience })) {
      bytes += part.length;
      if (bytes >= 1e5) break;
    }
    return { bytes };
  } catch (error) {
    ok(error instanceof NetworkError, String(error));
    return { bytes, error };
  }
}

Deno.test("an answer that trickles is given up after the time that it may be slow, and no other", async () => {
  const patience = (now: () => number) => ({ ...askedPatience(undefined), now });
  // One byte every half second, for a minute.
  const { bytes, error } = await bytesOf(endless(1), patience(clock(500)));
  equal(bytes, 119);
  equal(
    error!.message,
    "It brought less than 1000 bytes a second for 60 s (ITDIFFUSION_DOWNLOAD_TIMEOUT sets for how long it may).",
  );
  deepEqual(await bytesOf(endless(500), patience(clock(500))), { bytes: 1e5 });
  equal((await bytesOf(endless(499), patience(clock(500)))).bytes, 119 * 499);
  deepEqual(await bytesOf(endless(1), { ...askedPatience("0"), now: clock(500) }), { bytes: 1e5 });
  equal((await bytesOf(endless(1), { ...askedPatience("5"), now: clock(500) })).bytes, 9);
});

Deno.test("the patience is the user's, in seconds", () => {
  deepEqual(askedPatience(""), { bytesPerSecond: 1000, window: 60_000 });
  deepEqual(askedPatience("2.5"), { bytesPerSecond: 1000, window: 2500 });
  equal(askedPatience("0").window, Infinity);
  for (const text of ["-1", "long", "NaN", "Infinity"]) {
    throws(() => askedPatience(text), (error) => {
      ok(error instanceof UserError);
      match(error.message, /^ITDIFFUSION_DOWNLOAD_TIMEOUT is .*, expected a number of seconds, or 0 for no limit/);
      return true;
    });
  }
});

Deno.test("a download that is too slow is tried again, and is then one line", () =>
  inFolder(async (folder) => {
    const bytes = someBytes(3000);
    await using server = serve((request) => sendFile(request, bytes, { pieceBytes: 100 }));
    // Each piece takes a minute, however they come.
    const patience = { bytesPerSecond: 1000, window: 60_000, now: clock(60_000) };
    const attempt = download(`${server.url}/file`, `${folder}/file`, { patience, tries: 2, pause: 1 });
    await rejects(attempt, (error) => {
      ok(error instanceof NetworkError, String(error));
      match(
        error.message,
        /the connection brought less than 1000 bytes a second for 60 s .* of 3000 bytes\. Run again\./,
      );
      return !error.message.includes("\n");
    });
    equal(server.seen.length, 2);
    deepEqual(await namesIn(folder), []);
  }));
