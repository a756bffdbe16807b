import { messageOf, UserError } from "../errors/user_error.ts";
import type { HostTensor, HostTensors } from "../data/tensors.ts";
import { sizeOf } from "../data/tensors.ts";
import type { DataArray } from "./data_array.ts";
import { LFS_BYTES } from "./lfs_pointer.ts";
import { aligned, type NumberType, toFloat32Array } from "./numbers.ts";
import {
  damaged,
  type Dtype,
  ELEMENT_BYTES,
  type Header,
  headerLength,
  LENGTH_BYTES,
  MAX_HEADER_BYTES,
  parseHeader,
  SafetensorsError,
  type TensorEntry,
} from "./safetensors_header.ts";
import { numberRows, readAll, type StoredRows } from "./stored_rows.ts";

export { type Dtype, SafetensorsError } from "./safetensors_header.ts";

/**
 * Values of a stored tensor. The array's class is its dtype: F32, F64, I32, I64 or U8. F16 and BF16 are read as F32, which
 * holds all their values.
 */
export type TensorData = Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array;

/** A tensor of a safetensors file, row-major. Every `HostTensor` is one. */
export interface StoredTensor {
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** What a safetensors file holds. Names are own properties, whatever they are. */
export interface SafetensorsFile {
  readonly tensors: Record<string, StoredTensor>;
  readonly metadata: Record<string, string>;
}

const NUMBERS: Readonly<Record<Dtype, NumberType>> = {
  F32: "f4",
  F64: "f8",
  F16: "f2",
  BF16: "bf2",
  I32: "i4",
  I64: "i8",
  U8: "u1",
};

/** The reference implementation stores tensors in this order of their dtypes, then by name. */
const STORAGE_ORDER: readonly Dtype[] = ["I64", "F64", "F32", "I32", "U8"];

/**
 * Reads a file in the safetensors format. Its header is checked against the file's size before the data is read.
 *
 * @throws SafetensorsError naming the file, if it cannot be read or is not valid.
 */
export function readSafetensors(path: string): Promise<SafetensorsFile> {
  return withHeader(path, async (header, file, dataBytes) => {
    return tensorsOf(header, await readExactly(file, dataBytes, path));
  });
}

/**
 * The names of a file's tensors, in the order of its header.
 *
 * @throws SafetensorsError naming the file, if it cannot be read or is not valid.
 */
export function tensorNames(path: string): Promise<string[]> {
  return withHeader(path, ({ entries }) => Promise.resolve(entries.map(({ name }) => name)));
}

/**
 * Reads one tensor of a file as data: bytes for U8, float32 for all else.
 *
 * @param source The tensor's name for messages.
 * @throws SafetensorsError naming the file, if it cannot be read, is not valid or has no such tensor.
 */
export async function readTensor(path: string, name: string, source: string): Promise<DataArray> {
  using rows = await openTensor(path, name, source);
  return readAll(rows, source);
}

/** Opens a file to read the rows of one of its tensors on demand, as {@linkcode readTensor} reads all. */
export function openTensor(path: string, name: string, source: string): Promise<StoredRows> {
  return openHeader(path, ({ entries }, file, dataBegin) => {
    const entry = entries.find((each) => each.name === name);
    if (!entry) {
      const names = entries.map(({ name }) => name).join(", ");
      throw new SafetensorsError(`${path} has no tensor ${JSON.stringify(name)}. It has: ${names || "none"}.`);
    }
    const { begin, dtype, shape } = entry;
    return Promise.resolve(numberRows(file, { type: NUMBERS[dtype], shape, begin: dataBegin + begin }, source));
  });
}

function withHeader<T>(
  path: string,
  read: (header: Header, file: Deno.FsFile, dataBytes: number) => Promise<T>,
): Promise<T> {
  return openHeader(path, async (header, file, _, dataBytes) => {
    using _file = file;
    return await read(header, file, dataBytes);
  });
}

/** Opens a file and gives its header and the place of its data to `take`, whose result has to close it. */
async function openHeader<T>(
  path: string,
  take: (header: Header, file: Deno.FsFile, dataBegin: number, dataBytes: number) => Promise<T>,
): Promise<T> {
  let file: Deno.FsFile | undefined;
  try {
    file = await Deno.open(path);
    const { size, isFile } = await file.stat();
    if (!isFile) throw new SafetensorsError(`${path} is not a file. Name a .safetensors file.`);
    const length = headerLength(await readExactly(file, Math.min(size, LFS_BYTES), path), size, path);
    const begin = LENGTH_BYTES + length, dataBytes = size - begin;
    await file.seek(LENGTH_BYTES, Deno.SeekMode.Start);
    return await take(parseHeader(await readExactly(file, length, path), dataBytes, path), file, begin, dataBytes);
  } catch (error) {
    file?.[Symbol.dispose]();
    throw error instanceof UserError ? error : unreadable(path, error);
  }
}

/**
 * Parses the bytes of a safetensors file. Tensors are views of `bytes` where their alignment allows it, copies
 * otherwise.
 *
 * @param source The file's name for messages.
 * @throws SafetensorsError if the bytes are not valid.
 */
export function parseSafetensors(bytes: Uint8Array, source: string): SafetensorsFile {
  const start = LENGTH_BYTES + headerLength(bytes, bytes.length, source);
  const header = parseHeader(bytes.subarray(LENGTH_BYTES, start), bytes.length - start, source);
  return tensorsOf(header, bytes.subarray(start));
}

/**
 * The bytes of a safetensors file, equal to the reference implementation's: tensors by dtype and then name, the header
 * padded with spaces to a multiple of eight bytes. The same input gives the same bytes, in whatever order it is listed.
 *
 * @throws SafetensorsError if a shape does not fit its data, or a name cannot be stored.
 */
export function encodeSafetensors(
  tensors: Readonly<Record<string, StoredTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const parts = safetensorsParts(tensors, metadata);
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

/** The bytes of {@linkcode encodeSafetensors} as its header and the tensors where they lie, without a copy of them. */
export function safetensorsParts(
  tensors: Readonly<Record<string, StoredTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array[] {
  const stored = Object.entries(tensors).map(([name, { shape, data }]) => {
    checkName(name);
    if (sizeOf(shape) !== data.length) {
      throw new SafetensorsError(
        `Tensor "${name}" has the shape [${shape}] but ${data.length} values. Give it ${sizeOf(shape)} values.`,
      );
    }
    return { name, shape, data, dtype: dtypeOf(data) };
  });
  stored.sort((a, b) => STORAGE_ORDER.indexOf(a.dtype) - STORAGE_ORDER.indexOf(b.dtype) || compareText(a.name, b.name));

  const parts: string[] = [];
  const keys = Object.keys(metadata).sort(compareText);
  if (keys.length > 0) {
    const texts = keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(metadata[key])}`);
    parts.push(`"__metadata__":{${texts.join(",")}}`);
  }
  let dataBytes = 0;
  for (const { name, dtype, shape, data } of stored) {
    const end = dataBytes + data.byteLength;
    parts.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [dataBytes, end] })}`);
    dataBytes = end;
  }
  const json = new TextEncoder().encode(`{${parts.join(",")}}`);
  const length = Math.ceil(json.length / 8) * 8;
  if (length > MAX_HEADER_BYTES) {
    throw new SafetensorsError(`The header would take ${length} bytes, but at most ${MAX_HEADER_BYTES} are allowed.`);
  }

  const header = new Uint8Array(LENGTH_BYTES + length);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(json, LENGTH_BYTES);
  header.fill(0x20, LENGTH_BYTES + json.length);
  return [header, ...stored.map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength))];
}

/**
 * The tensors of a file, all of which must be float32.
 *
 * @param source The file's name for messages.
 * @throws SafetensorsError naming the first tensor of another dtype.
 */
export function hostTensors(file: SafetensorsFile, source: string): HostTensors {
  const named = Object.entries(file.tensors).map(([name, { shape, data }]): [string, HostTensor] => {
    if (!(data instanceof Float32Array)) {
      throw new SafetensorsError(
        `${source}: tensor "${name}" is ${dtypeOf(data)}, but F32 is needed. Convert the file to F32 first.`,
      );
    }
    return [name, { shape, data }];
  });
  return Object.fromEntries(named);
}

function tensorsOf({ entries, metadata }: Header, data: Uint8Array): SafetensorsFile {
  const named = entries.map((entry): [string, StoredTensor] => [
    entry.name,
    { shape: entry.shape, data: valuesOf(entry, data) },
  ]);
  return { tensors: Object.fromEntries(named), metadata };
}

/** Typed arrays have the machine's byte order. Every platform of Deno is little-endian, as the format is. */
function valuesOf({ dtype, begin, end }: TensorEntry, data: Uint8Array): TensorData {
  const bytes = aligned(data.subarray(begin, end), ELEMENT_BYTES[dtype]);
  const length = (end - begin) / ELEMENT_BYTES[dtype];
  switch (dtype) {
    case "F32":
    case "F16":
    case "BF16":
      return toFloat32Array(bytes, NUMBERS[dtype]);
    case "F64":
      return new Float64Array(bytes.buffer, bytes.byteOffset, length);
    case "I32":
      return new Int32Array(bytes.buffer, bytes.byteOffset, length);
    case "I64":
      return new BigInt64Array(bytes.buffer, bytes.byteOffset, length);
    case "U8":
      return bytes;
  }
}

function dtypeOf(data: TensorData): Dtype {
  if (data instanceof Float32Array) return "F32";
  if (data instanceof Float64Array) return "F64";
  if (data instanceof Int32Array) return "I32";
  return data instanceof BigInt64Array ? "I64" : "U8";
}

function checkName(name: string): void {
  if (name === "__metadata__" || !name.isWellFormed()) {
    throw new SafetensorsError(`No tensor can be named ${JSON.stringify(name)} in a safetensors file. Rename it.`);
  }
}

/** Order by UTF-16 code units, the same on every machine and in every locale. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

async function readExactly(file: Deno.FsFile, length: number, path: string): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  for (let filled = 0; filled < length;) {
    const count = await file.read(bytes.subarray(filled));
    if (count === null) throw damaged(path, `it ended after ${filled} of ${length} bytes while it was read`);
    filled += count;
  }
  return bytes;
}

function unreadable(path: string, error: unknown): SafetensorsError {
  const what = error instanceof Deno.errors.NotFound ? "there is no such file" : messageOf(error);
  return new SafetensorsError(`Cannot read ${path}: ${what}. Check the path and its permissions.`, { cause: error });
}
