import { type Entry, Reader, ZipReader } from "@zip.js/zip.js";
import { messageOf, UserError } from "../errors/user_error.ts";
import { allocate, DataFileError } from "./data_array.ts";

/** Deflate packs no more than about this many bytes into one; a member that claims more is not there. */
const MAX_RATIO = 1032;

/** Members of an archive: far more than one of arrays has. */
const MAX_MEMBERS = 100_000;

/** Bytes of a member's header before its name. */
const LOCAL_HEADER = 30;

/** A member of an archive, as the archive's directory has it. */
export interface ZipMember {
  readonly name: string;
  /** Its bytes once unpacked, no more than what is in the file can unpack to. */
  readonly size: number;
  /** Where its bytes lie in the file, if they are stored as they are. */
  begin(): Promise<number | undefined>;
  /**
   * Checks its bytes against their checksum, and returns them.
   *
   * @throws {DataFileError} If they are damaged.
   */
  unpack(): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Checks its bytes against their checksum, without keeping them.
   *
   * @throws {DataFileError} If they are damaged.
   */
  check(): Promise<void>;
}

/**
 * The members of a zip archive, folders left out.
 *
 * @param file The archive, which stays open.
 * @throws {DataFileError} If it is no zip archive, is damaged, or has members that are encrypted or repeated.
 */
export function zipMembers(file: Deno.FsFile, size: number, source: string): Promise<ZipMember[]> {
  return attempt(source, async () => {
    const reader = new ZipReader(new FileReader(file, size), { checkSignature: true, useWebWorkers: false });
    const members = new Map<string, ZipMember>();
    for await (const entry of reader.getEntriesGenerator()) {
      if (entry.directory) continue;
      if (members.size >= MAX_MEMBERS || members.has(entry.filename)) {
        throw damaged(
          source,
          `it has ${members.has(entry.filename) ? "members of the same name" : "too many members"}`,
        );
      }
      members.set(entry.filename, memberOf(entry, file, size, source));
    }
    return [...members.values()];
  });
}

function memberOf(
  entry: Exclude<Entry, { directory: true }>,
  file: Deno.FsFile,
  fileBytes: number,
  source: string,
): ZipMember {
  const { filename: name, uncompressedSize: size, compressedSize, compressionMethod, encrypted, offset } = entry;
  const problem = (what: string) => damaged(source, `its member ${JSON.stringify(name.slice(0, 80))} ${what}`);
  const STORED = 0, DEFLATED = 8;
  if (encrypted || (compressionMethod !== STORED && compressionMethod !== DEFLATED)) {
    throw problem("is encrypted or compressed in another way than deflate");
  }
  if (
    !isSize(size) || !isSize(compressedSize) || !isSize(offset) || offset + LOCAL_HEADER + compressedSize > fileBytes ||
    (compressionMethod === STORED ? size !== compressedSize : size > compressedSize * MAX_RATIO)
  ) {
    throw problem(`claims ${size} bytes, more than are in the file`);
  }
  /** Gives the bytes to `take` as they are unpacked, never more than claimed. */
  const forEachChunk = (take: (chunk: Uint8Array, at: number) => void) =>
    attempt(source, async () => {
      let filled = 0;
      await entry.getData(
        new WritableStream<Uint8Array>({
          write(chunk) {
            if (filled + chunk.length > size) throw problem(`unpacks to more than the ${size} bytes that it claims`);
            take(chunk, filled);
            filled += chunk.length;
          },
        }),
      );
      if (filled !== size) throw problem(`unpacks to ${filled} bytes, but claims ${size}`);
    });
  return {
    name,
    size,
    async begin() {
      if (compressionMethod !== STORED) return undefined;
      const header = await new FileReader(file, fileBytes).readUint8Array(offset, LOCAL_HEADER);
      const view = new DataView(header.buffer);
      const begin = offset + LOCAL_HEADER + view.getUint16(26, true) + view.getUint16(28, true);
      if (begin + size > fileBytes) throw problem("ends after the end of the file");
      return begin;
    },
    async unpack() {
      const bytes = allocate("u1", size, source) as Uint8Array<ArrayBuffer>;
      await forEachChunk((chunk, at) => bytes.set(chunk, at));
      return bytes;
    },
    check: () => forEachChunk(() => {}),
  };
}

/** Parts of an open file. The library asks for several at once, which take turns. */
class FileReader extends Reader<Deno.FsFile> {
  #last: Promise<unknown> = Promise.resolve();

  constructor(readonly file: Deno.FsFile, size: number) {
    super(file);
    this.size = size;
  }

  override readUint8Array(index: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const read = this.#last.then(() => this.#read(index, length));
    this.#last = read.catch(() => {});
    return read;
  }

  async #read(index: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    if (index < 0 || index > this.size) throw new Error("it refers to bytes out of the file");
    const bytes = new Uint8Array(Math.min(length, this.size - index));
    await this.file.seek(index, Deno.SeekMode.Start);
    for (let filled = 0; filled < bytes.length;) {
      const count = await this.file.read(bytes.subarray(filled));
      if (count === null) throw new Error("it ended while it was read");
      filled += count;
    }
    return bytes;
  }
}

async function attempt<T>(source: string, use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (error) {
    if (error instanceof UserError) throw error;
    const why = messageOf(error).split("\n")[0].replace(/\.$/, "").slice(0, 120);
    throw new DataFileError(`${source} is not a readable zip archive (${why}). Write or download it again.`, {
      cause: error,
    });
  }
}

function damaged(source: string, what: string): DataFileError {
  return new DataFileError(`${source}: ${what}. The file is damaged or of another kind; write or download it again.`);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
