import { messageOf, UserError } from "../errors/user_error.ts";
import { isLfsPointer, LFS_ADVICE } from "./lfs_pointer.ts";
import { parsePythonJson } from "./python_json.ts";

/** A file of JSON that cannot be read. The message names it and says what to do. */
export class JsonFileError extends UserError {}

/** What a JSON text may be: of one that is larger, parsing may take many times its size. */
export interface JsonBounds {
  readonly bytes: number;
  /** How deep objects and lists may lie in each other. */
  readonly depth: number;
  /** Objects, lists and the values in them. */
  readonly values: number;
  /** Whether Infinity, -Infinity and NaN are numbers in it, as Python writes them. */
  readonly infinite?: boolean;
}

/** Descriptions of models and schedules are small and shallow. */
export const DESCRIPTION_BOUNDS: JsonBounds = { bytes: 1_000_000, depth: 10, values: 50_000 };

/** The same of what Python's programs write. */
export const PYTHON_BOUNDS: JsonBounds = { ...DESCRIPTION_BOUNDS, infinite: true };

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/**
 * What a text goes beyond, as a clause that follows its name, or nothing. It is looked at without being parsed, and need
 * not be valid.
 */
export function beyondBounds(bytes: Uint8Array, bounds: JsonBounds): string | undefined {
  if (bytes.length > bounds.bytes) {
    return `has ${bytes.length} bytes, too many for what it is, of which at most ${bounds.bytes} are read`;
  }
  let depth = 0, values = 0;
  for (let i = 0; i < bytes.length; i++) {
    switch (bytes[i]) {
      case QUOTE:
        for (i++; i < bytes.length && bytes[i] !== QUOTE; i++) if (bytes[i] === BACKSLASH) i++;
        break;
      case OPEN_LIST:
      case OPEN_OBJECT:
        values++;
        if (++depth > bounds.depth) {
          return `nests more deeply than any valid one, which has at most ${bounds.depth} levels`;
        }
        break;
      case CLOSE_LIST:
      case CLOSE_OBJECT:
        depth--;
        break;
      case COMMA:
        values++;
    }
    if (values > bounds.values) return `holds more than the ${bounds.values} values that are read`;
  }
  return undefined;
}

/**
 * Parses JSON of a kind that is bounded.
 *
 * @param source What the text is, for messages.
 * @throws {JsonFileError} When it is beyond the bounds, no JSON, or a pointer of Git LFS.
 */
export function parseBoundedJson(bytes: Uint8Array, bounds: JsonBounds, source: string): unknown {
  if (isLfsPointer(bytes)) throw new JsonFileError(`${source} ${LFS_ADVICE}.`);
  const beyond = beyondBounds(bytes, bounds);
  if (beyond !== undefined) throw new JsonFileError(`Cannot read ${source}: it ${beyond}. Check its path.`);
  try {
    const text = new TextDecoder().decode(bytes);
    return bounds.infinite ? parsePythonJson(text) : JSON.parse(text);
  } catch (error) {
    throw new JsonFileError(`Cannot read ${source}: it is not valid JSON. Check its path, or write it again.`, {
      cause: error,
    });
  }
}

/**
 * Reads a file of JSON whose size is bounded before it is read.
 *
 * @throws {JsonFileError} When there is none, it cannot be read, and what {@linkcode parseBoundedJson} throws.
 */
export async function readBoundedJson(path: string, bounds: JsonBounds): Promise<unknown> {
  let bytes: Uint8Array;
  try {
    const { size } = await Deno.stat(path);
    if (size > bounds.bytes) {
      throw new JsonFileError(`${path} has ${size} bytes, too many for a description. Check its path.`);
    }
    bytes = await Deno.readFile(path);
  } catch (error) {
    if (error instanceof UserError) throw error;
    const what = error instanceof Deno.errors.NotFound ? "there is no such file" : messageOf(error);
    throw new JsonFileError(`Cannot read ${path}: ${what}. Check its path.`, { cause: error });
  }
  return parseBoundedJson(bytes, bounds, path);
}
