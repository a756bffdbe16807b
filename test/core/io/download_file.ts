/** Downloads a URL to a path with a digest, its three arguments. The tests kill it in the middle. */
import type { Digest } from "../../../core/io/digest.ts";
import { download } from "../../../core/io/download.ts";

const [url, path, digest] = Deno.args;
await download(url, path, { digest: digest as Digest, pause: 1 });
