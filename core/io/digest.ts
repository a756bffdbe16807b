import { createHash } from "node:crypto";

/**
 * A file's digest: `md5:`, `sha1:`, `sha256:` or `sha512:` and its hexadecimal digits, or `git:` and the name that git
 * gives to a file's contents.
 */
export type Digest = `${"md5" | "sha1" | "sha256" | "sha512" | "git"}:${string}`;

const CHUNK_BYTES = 1 << 20;

/**
 * Reads an open file from its start and computes its digest.
 *
 * @param kind What stands before the colon of a {@link Digest}.
 */
export async function digestOf(file: Deno.FsFile, kind: string): Promise<Digest> {
  const hash = createHash(kind === "git" ? "sha1" : kind);
  if (kind === "git") hash.update(`blob ${(await file.stat()).size}\0`);
  await file.seek(0, Deno.SeekMode.Start);
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (let count = await file.read(chunk); count !== null; count = await file.read(chunk)) {
    hash.update(chunk.subarray(0, count));
  }
  return `${kind}:${hash.digest("hex")}` as Digest;
}
