import { UserError } from "../errors/user_error.ts";
import { beyondBounds } from "./bounded_json.ts";
import { isLfsPointer, LFS_ADVICE } from "./lfs_pointer.ts";

/** A safetensors file that cannot be read or written. The message names the file. */
export class SafetensorsError extends UserError {}

/** The dtypes that are read, with the bytes of one element. */
export const ELEMENT_BYTES = { F32: 4, F64: 8, F16: 2, BF16: 2, I32: 4, I64: 8, U8: 1 } as const;

/** A dtype as the format spells it. */
export type Dtype = keyof typeof ELEMENT_BYTES;

/** Where a tensor lies in the data that follows the header. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** First byte, counted from the end of the header. */
  readonly begin: number;
  /** One past the last byte. */
  readonly end: number;
}

/** A checked header: the entries lie end to end and cover the data exactly. */
export interface Header {
  readonly entries: readonly TensorEntry[];
  readonly metadata: Record<string, string>;
}

/** The reference implementation's limit on the header's length, in bytes. */
export const MAX_HEADER_BYTES = 100_000_000;

/** What a header may hold: far more tensors than any model has, and no deeper than the reference implementation reads. */
const HEADER_BOUNDS = { bytes: MAX_HEADER_BYTES, depth: 128, values: 1_000_000 };

/** Bytes of the header's length, a little-endian unsigned integer, at the start of a file. */
export const LENGTH_BYTES = 8;

const FETCH_AGAIN = "The file is damaged or of another format; write or download it again.";

/** The error for a file that breaks the format. */
export function damaged(source: string, what: string): SafetensorsError {
  return new SafetensorsError(`${source}: ${what}. ${FETCH_AGAIN}`);
}

/**
 * The length of the header, from a file's first eight bytes.
 *
 * @param bytes The start of the file, from which a pointer of Git LFS is told too.
 * @param fileBytes The size of the whole file.
 * @throws SafetensorsError if the file cannot hold such a header.
 */
export function headerLength(bytes: Uint8Array, fileBytes: number, source: string): number {
  if (isLfsPointer(bytes)) throw new SafetensorsError(`${source} ${LFS_ADVICE}.`);
  if (fileBytes < LENGTH_BYTES || bytes.length < LENGTH_BYTES) {
    throw damaged(source, `it has ${fileBytes} bytes, but a safetensors file has at least ${LENGTH_BYTES}`);
  }
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw damaged(source, `its header claims ${length} bytes, but at most ${MAX_HEADER_BYTES} are allowed`);
  }
  if (Number(length) > fileBytes - LENGTH_BYTES) {
    throw damaged(source, `its header claims ${length} bytes, but only ${fileBytes - LENGTH_BYTES} follow`);
  }
  return Number(length);
}

/**
 * Reads and checks a header.
 *
 * @param bytes The header, without the length before it.
 * @param dataBytes The size of what follows the header.
 * @param source The file's name for messages.
 * @throws SafetensorsError if anything is not as the format has it, or a dtype is not supported.
 */
export function parseHeader(bytes: Uint8Array, dataBytes: number, source: string): Header {
  const json = parseJson(bytes, source);
  const entries: TensorEntry[] = [];
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(json)) {
    if (name === "__metadata__") metadata = parseMetadata(value, source);
    else entries.push(parseEntry(name, value, dataBytes, source));
  }
  checkCoverage(entries, dataBytes, source);
  return { entries, metadata };
}

function parseJson(bytes: Uint8Array, source: string): Record<string, unknown> {
  // Before it is text, which nonsense of many megabytes would multiply.
  const beyond = beyondBounds(bytes, HEADER_BOUNDS);
  if (beyond !== undefined) throw damaged(source, `its header ${beyond}`);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw damaged(source, "its header is not valid UTF-8");
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw damaged(source, "its header is not valid JSON");
  }
  if (!text.startsWith("{") || !isRecord(json)) throw damaged(source, "its header is not a JSON object");
  const repeated = repeatedKey(text);
  if (repeated !== undefined) throw damaged(source, `its header has the key ${quote(repeated)} twice`);
  return json;
}

/** The first key that an object of a valid JSON text repeats. JSON.parse silently keeps the last of them. */
function repeatedKey(json: string): string | undefined {
  const keys: Set<string>[] = [];
  let last = "";
  for (const token of tokensOf(json)) {
    if (token === "{") keys.push(new Set());
    else if (token === "}") keys.pop();
    else if (token === ":") {
      const key: string = JSON.parse(last);
      const seen = keys[keys.length - 1];
      if (seen.has(key)) return key;
      seen.add(key);
    } else last = token;
  }
  return undefined;
}

/** The strings, brackets and colons of a JSON text. A regular expression would overflow on strings of many megabytes. */
function* tokensOf(json: string): Generator<string> {
  for (let i = 0; i < json.length; i++) {
    const character = json[i];
    if (character === '"') {
      const start = i++;
      while (i < json.length && json[i] !== '"') i += json[i] === "\\" ? 2 : 1;
      yield json.slice(start, i + 1);
    } else if ("{}[]:".includes(character)) yield character;
  }
}

function parseMetadata(value: unknown, source: string): Record<string, string> {
  if (!isRecord(value)) throw damaged(source, "its __metadata__ is not an object");
  const entries: [string, string][] = [];
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") throw damaged(source, `its __metadata__ entry ${quote(key)} is not a string`);
    entries.push([key, text]);
  }
  // fromEntries defines own properties, so that a key `__proto__` stays a key.
  return Object.fromEntries(entries);
}

function parseEntry(name: string, value: unknown, dataBytes: number, source: string): TensorEntry {
  const tensor = `tensor ${quote(name)}`;
  if (!isRecord(value)) throw damaged(source, `${tensor} is not described by an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== "string") throw damaged(source, `${tensor} has no dtype`);
  if (!isDtype(dtype)) {
    const known = Object.keys(ELEMENT_BYTES).join(", ");
    throw new SafetensorsError(
      `${source}: ${tensor} has the dtype ${quote(dtype)}, but only ${known} are read. Convert the file to F32 first.`,
    );
  }
  if (!isSizes(shape)) throw damaged(source, `the shape of ${tensor} is not a list of whole numbers`);
  if (!isSizes(offsets) || offsets.length !== 2) {
    throw damaged(source, `the data_offsets of ${tensor} are not two whole numbers`);
  }
  const [begin, end] = offsets;
  if (begin > end) throw damaged(source, `${tensor} begins at byte ${begin}, after its end at byte ${end}`);
  if (end > dataBytes) throw damaged(source, `${tensor} ends at byte ${end}, but the data has ${dataBytes} bytes`);
  let bytes: number = ELEMENT_BYTES[dtype];
  for (const size of shape) {
    bytes *= size;
    if (!Number.isSafeInteger(bytes)) throw damaged(source, `the shape of ${tensor} overflows`);
  }
  if (bytes !== end - begin) {
    throw damaged(source, `${tensor} has ${end - begin} bytes, but ${dtype} of shape [${shape}] takes ${bytes}`);
  }
  return { name, dtype, shape, begin, end };
}

/** The format wants the tensors end to end, from the data's first byte to its last. */
function checkCoverage(entries: readonly TensorEntry[], dataBytes: number, source: string): void {
  let covered = 0;
  for (const { name, begin, end } of entries.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== covered) {
      const what = begin < covered ? "overlaps the tensor before it" : "leaves a hole before it";
      throw damaged(source, `tensor ${quote(name)} begins at byte ${begin} and ${what}, which ends at byte ${covered}`);
    }
    covered = end;
  }
  if (covered !== dataBytes) {
    throw damaged(source, `its tensors take ${covered} bytes, but the data has ${dataBytes}`);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isDtype(text: string): text is Dtype {
  return Object.hasOwn(ELEMENT_BYTES, text);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

/** A name from the file for a message: quoted, escaped, and not longer than a line. */
function quote(name: string): string {
  return JSON.stringify(name.length > 80 ? name.slice(0, 80) + "…" : name);
}
