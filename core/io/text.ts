import { DataFileError, withFile } from "./data_array.ts";
import { gunzipped, isGzip } from "./gunzip.ts";

/** The bytes of a text, in an encoding that has ASCII's characters as single bytes, and what it was stored in. */
export interface TextBytes {
  readonly bytes: AsyncIterable<Uint8Array<ArrayBuffer>>;
  /** What was recognised, for a note; nothing for plain UTF-8. */
  readonly notes: readonly string[];
  /** Whether they are gzipped in the file. */
  readonly isPacked: boolean;
  /** Whether the file has a byte order mark, which is not among the bytes. */
  readonly hasMark: boolean;
  /** What the file is in; UTF-8 stands for other encodings of single bytes too. */
  readonly encoding: TextEncoding;
}

/** Encodings that are told from a text's first bytes. */
export type TextEncoding = "utf-8" | "utf-16le" | "utf-16be";

/** Bytes that are read at a time. */
const CHUNK = 1 << 20;

/**
 * Reads a text file: gzipped or not, in UTF-8 or UTF-16 with or without a byte order mark, as UTF-8 without one. Bytes of
 * other encodings that have ASCII's characters, as Latin-1, stay what they are.
 *
 * @param use Goes through the bytes, which are valid until the next are asked for.
 * @throws {DataFileError} If it cannot be read, or its compression is damaged.
 */
export function withText<T>(path: string, use: (text: TextBytes) => Promise<T>): Promise<T> {
  return withFile(path, async (file) => await use(await textOf(file, path)));
}

/**
 * The text of an open file, as {@linkcode withText} has it. The file has to stay open while its bytes are gone through.
 *
 * @throws {DataFileError} If its compression is damaged.
 */
export async function textOf(file: Deno.FsFile, path: string): Promise<TextBytes> {
  const start = new Uint8Array(4);
  let got = await file.read(start) ?? 0;
  await file.seek(0, Deno.SeekMode.Start);
  const isPacked = isGzip(start);
  let bytes: AsyncIterable<Uint8Array<ArrayBuffer>> = isPacked ? gunzipped(file, path) : chunksOf(file);
  const notes = isPacked ? ["gzip"] : [];
  let first: Uint8Array<ArrayBuffer> | undefined;
  const source = bytes[Symbol.asyncIterator]();
  if (isPacked) {
    first = (await source.next()).value;
    got = Math.min(4, first?.length ?? 0);
    start.set(first?.subarray(0, got) ?? []);
  }
  bytes = prepended(first, { [Symbol.asyncIterator]: () => source });
  const { encoding, mark } = encodingOf(start.subarray(0, got));
  if (encoding !== "utf-8") {
    notes.push(encoding.toUpperCase());
    bytes = asUtf8(bytes, encoding, path);
  } else if (mark > 0) bytes = withoutStart(bytes, mark);
  return { bytes, notes, isPacked, hasMark: mark > 0, encoding };
}

/** A byte order mark says it; without one, ASCII in UTF-16 has a zero beside every character. */
function encodingOf(start: Uint8Array): { encoding: TextEncoding; mark: number } {
  const [a, b, c, d] = start;
  if (a === 0xef && b === 0xbb && c === 0xbf) return { encoding: "utf-8", mark: 3 };
  if (a === 0xff && b === 0xfe) return { encoding: "utf-16le", mark: 2 };
  if (a === 0xfe && b === 0xff) return { encoding: "utf-16be", mark: 2 };
  if (a !== 0 && b === 0 && d === 0) return { encoding: "utf-16le", mark: 0 };
  if (a === 0 && b !== 0 && c === 0) return { encoding: "utf-16be", mark: 0 };
  return { encoding: "utf-8", mark: 0 };
}

async function* chunksOf(file: Deno.FsFile): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const room = new Uint8Array(CHUNK);
  for (let count; (count = await file.read(room)) !== null;) yield room.subarray(0, count);
}

async function* prepended(
  first: Uint8Array<ArrayBuffer> | undefined,
  rest: AsyncIterable<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  if (first) yield first;
  yield* rest;
}

async function* withoutStart(
  bytes: AsyncIterable<Uint8Array<ArrayBuffer>>,
  count: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for await (const chunk of bytes) {
    yield chunk.subarray(Math.min(count, chunk.length));
    count -= Math.min(count, chunk.length);
  }
}

async function* asUtf8(
  bytes: AsyncIterable<Uint8Array<ArrayBuffer>>,
  encoding: string,
  path: string,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const decoder = new TextDecoder(encoding, { fatal: true }), encoder = new TextEncoder();
  try {
    for await (const chunk of bytes) yield encoder.encode(decoder.decode(chunk, { stream: true }));
    yield encoder.encode(decoder.decode());
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new DataFileError(`${path} is no valid ${encoding.toUpperCase()} text. Save it again as UTF-8.`, {
      cause: error,
    });
  }
}
