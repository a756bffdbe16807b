import { Buffer } from "node:buffer";
// @ts-types="npm:@types/tar-stream@^3.1.5"
import { type Headers, pack } from "tar-stream";

/** A member of an archive. */
export interface Member {
  readonly name: string;
  readonly contents?: string | Uint8Array;
  readonly type?: "file" | "directory" | "symlink" | "link";
  readonly linkname?: string;
}

/** A tar archive, whatever its members' names are. */
export async function tarOf(...members: Member[]): Promise<Uint8Array<ArrayBuffer>> {
  const archive = pack();
  for (const { name, contents = "", type = "file", linkname } of members) {
    const header: Headers = { name, type, mtime: new Date(0), ...(linkname === undefined ? {} : { linkname }) };
    if (type === "file") archive.entry(header, Buffer.from(contents));
    else archive.entry(header);
  }
  archive.finalize();
  const chunks = await Array.fromAsync(archive as AsyncIterable<Uint8Array<ArrayBuffer>>);
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

/** Compresses bytes. */
export async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The bytes of a text. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
