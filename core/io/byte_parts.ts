import { messageOf, UserError } from "../errors/user_error.ts";
import { DataFileError, openFile } from "./data_array.ts";
import { type TextEncoding, textOf } from "./text.ts";

/** Bytes of a text that are taken at a time. */
const PART = 1 << 19;

/** Some bytes of a text. */
export interface BytePart {
  /** What was left of the part before, and what follows it. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Whether nothing follows. */
  readonly isLast: boolean;
}

/**
 * Goes through a text file in parts of about half a megabyte. What is not taken of one comes again at the beginning of the
 * next.
 *
 * @param take Says how many bytes it took of a part, from its first, and whether it may take more of them.
 * @throws {DataFileError} If the file cannot be read.
 */
export async function* partsOf<T extends { readonly end: number; readonly isFull: boolean }>(
  path: string,
  take: (part: BytePart) => T,
): AsyncGenerator<T> {
  using file = await openFile(path, (file) => Promise.resolve(file));
  try {
    let rest: Uint8Array<ArrayBuffer> = new Uint8Array(), waiting: Uint8Array[] = [], size = 0;
    const joined = () => {
      const bytes = new Uint8Array(rest.length + size);
      bytes.set(rest);
      let at = rest.length;
      for (const each of waiting) {
        bytes.set(each, at);
        at += each.length;
      }
      [waiting, size] = [[], 0];
      return bytes;
    };
    const all = function* (bytes: Uint8Array<ArrayBuffer>, isLast: boolean): Generator<T, Uint8Array<ArrayBuffer>> {
      for (;;) {
        const block = take({ bytes, isLast });
        yield block;
        bytes = bytes.subarray(block.end);
        if (!block.isFull) return bytes.slice();
      }
    };
    for await (const chunk of (await textOf(file, path)).bytes) {
      // A packed text comes in small pieces, and a chunk is overwritten by the next.
      const isEnough = size + chunk.length >= PART;
      waiting.push(isEnough ? chunk : chunk.slice());
      size += chunk.length;
      if (!isEnough) continue;
      rest = yield* all(joined(), false);
    }
    yield* all(joined(), true);
  } catch (error) {
    if (error instanceof UserError || !isOfSystem(error)) throw error;
    throw new DataFileError(`Cannot read ${path}: ${messageOf(error)}. Check the disk that it is on.`, {
      cause: error,
    });
  }
}

/** Whether an error is one of reading, and none of the program. */
function isOfSystem(error: unknown): boolean {
  return error instanceof Error && ("code" in error || /\(os error \d+\)/.test(error.message));
}

/** The beginning of a text, and what is known of how it is stored. */
export interface TextHead {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Whether it is all of the text. */
  readonly isWhole: boolean;
  readonly notes: readonly string[];
  readonly isPacked: boolean;
  readonly hasMark: boolean;
  readonly encoding: TextEncoding;
}

/**
 * Reads a text's beginning.
 *
 * @param isEnough Whether no more is needed.
 */
export async function headOf(path: string, isEnough: (bytes: Uint8Array) => boolean): Promise<TextHead> {
  return await openFile(path, async (open) => {
    using file = open;
    const { bytes: parts, ...facts } = await textOf(file, path);
    let bytes: Uint8Array<ArrayBuffer> = new Uint8Array(), isWhole = true;
    for await (const part of parts) {
      const both = new Uint8Array(bytes.length + part.length);
      both.set(bytes);
      both.set(part, bytes.length);
      bytes = both;
      if (isEnough(bytes)) {
        isWhole = false;
        break;
      }
    }
    return { bytes, isWhole, ...facts };
  });
}
