import { Readable, type Writable } from "node:stream";
// @ts-types="npm:@types/tar-stream@^3.1.5"
import { extract } from "tar-stream";
import { messageOf, UserError } from "../errors/user_error.ts";

/** An archive that cannot be read, or that holds what no data set does. The message names it. */
export class ArchiveError extends UserError {}

/** A file of an archive. */
export interface ArchivedFile {
  /** Its path in the archive: relative, with slashes, and never out of the archive. */
  readonly path: string;
  /** Its bytes, as its header has it; not checked before it is read. */
  readonly size: number;
  /** Reads it into `target`, which is of its size. A file that is not read is skipped. */
  read(target: Uint8Array): Promise<void>;
}

/**
 * Goes through the files of a .tar.gz archive in the order of the archive. Nothing is written, and no more than a few
 * megabytes are held at a time.
 *
 * @param path The archive's path.
 * @param maxBytes The most bytes that it may unpack to.
 * @throws ArchiveError if it cannot be read, is damaged, or holds links, devices or paths out of it.
 */
export async function* filesOfTarGz(path: string, maxBytes: number): AsyncGenerator<ArchivedFile> {
  const entries = extract(), source = Readable.from(unpacked(path, maxBytes));
  source.on("error", (error) => entries.destroy(error));
  source.pipe(entries as Writable);
  try {
    for await (const entry of entries) {
      const { name, type, size = 0 } = entry.header;
      checkMember(path, name, type ?? "file");
      // The library takes a size that is no number for one, and then waits for ever for the end of the file.
      if (!Number.isSafeInteger(size) || size < 0) {
        throw new ArchiveError(`${path} holds ${quote(name)} of no known size. It is damaged; download it again.`);
      }
      if (type !== "directory") {
        yield {
          path: name.replace(/^(\.\/)+/, ""),
          size,
          read: (target) => readInto(entry, target).catch((error) => Promise.reject(asArchiveError(path, error))),
        };
      }
      entry.resume();
    }
  } catch (error) {
    throw asArchiveError(path, error);
  } finally {
    source.destroy();
  }
}

/** The bytes of the archive inside the compression. */
async function* unpacked(path: string, maxBytes: number): AsyncGenerator<Uint8Array> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path);
  } catch (error) {
    const what = error instanceof Deno.errors.NotFound ? "there is no such file" : messageOf(error);
    throw new ArchiveError(`Cannot read ${path}: ${what}. Check the path and its permissions.`, { cause: error });
  }
  let bytes = 0;
  for await (const chunk of file.readable.pipeThrough(new DecompressionStream("gzip"))) {
    bytes += chunk.length;
    if (bytes > maxBytes) {
      throw new ArchiveError(`${path} unpacks to more than the ${maxBytes} bytes expected. Use another archive.`);
    }
    yield chunk;
  }
}

async function readInto(entry: AsyncIterable<Uint8Array>, target: Uint8Array): Promise<void> {
  let filled = 0;
  for await (const chunk of entry) {
    target.set(chunk, filled);
    filled += chunk.length;
  }
  if (filled !== target.length) throw new Error("it ends in the middle of a file");
}

/** Refuses what would write elsewhere if it were unpacked: whoever made such an archive means no good. */
function checkMember(path: string, name: string, type: string): void {
  if (type !== "file" && type !== "directory") {
    throw new ArchiveError(
      `${path} holds the ${type} ${quote(name)}, but a data set is made of files. Use another archive.`,
    );
  }
  if (/^[/\\]|^[A-Za-z]:|\0/.test(name) || name.split(/[/\\]/).includes("..")) {
    throw new ArchiveError(
      `${path} holds ${quote(name)}, a path out of the folder to unpack to. Use another archive.`,
    );
  }
}

function asArchiveError(path: string, error: unknown): UserError {
  if (error instanceof UserError) return error;
  const why = messageOf(error).replace(/\.$/, "").split("\n")[0];
  return new ArchiveError(`${path} is not a whole .tar.gz archive: ${why}. Download it again.`, { cause: error });
}

/** A name as an error can show it: short, on one line. */
function quote(name: string): string {
  return JSON.stringify(name.slice(0, 80));
}
