import { createGunzip } from "node:zlib";
import { Readable } from "node:stream";
import { messageOf, UserError } from "../errors/user_error.ts";
import { DataFileError } from "./data_array.ts";

/** Gzip packs no more than about this many bytes into one. */
export const MAX_GZIP_RATIO = 1032;

/** Whether bytes start as gzip's do. */
export function isGzip(start: Uint8Array): boolean {
  return start[0] === 0x1f && start[1] === 0x8b;
}

/**
 * The unpacked bytes of an open file, from where it stands to its end, in parts.
 *
 * @throws {DataFileError} If it is damaged.
 */
export async function* gunzipped(file: Deno.FsFile, source: string): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  async function* packed(): AsyncGenerator<Uint8Array> {
    const part = new Uint8Array(1 << 16);
    for (let count; (count = await file.read(part)) !== null;) yield part.slice(0, count);
  }
  const input = Readable.from(packed()), output = createGunzip();
  input.on("error", (error) => output.destroy(error));
  try {
    for await (const part of input.pipe(output)) yield part as Uint8Array<ArrayBuffer>;
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new DataFileError(
      `${source} is not whole gzip: ${messageOf(error).split("\n")[0]}. Write or download it again.`,
      { cause: error },
    );
  } finally {
    input.destroy();
    output.destroy();
  }
}
