import { type Entry, Uint8ArrayReader, ZipReader } from "@zip.js/zip.js";
import { messageOf, UserError } from "../errors/user_error.ts";
import { readInto, withFile } from "./data_array.ts";
import { aligned, NUMBER_BYTES, type NumberType, swapBytes, toFloat32Array } from "./numbers.ts";
import { PickleGlobal, readPickle } from "./pickle.ts";
import type { StoredTensor, TensorData } from "./safetensors.ts";

/** A PyTorch file that cannot be read. The message names the file and what to do. */
export class TorchFileError extends UserError {}

/** Entries of an archive: far more than a state dict has tensors. */
const MAX_ENTRIES = 100_000;

/** Bytes of the pickle that describes the tensors, some hundreds a tensor. */
const MAX_PICKLE_BYTES = 16 << 20;

/** The storages that are read. Booleans are, so that a tensor of them can be named that is refused. */
const STORAGES: Readonly<Record<string, NumberType | "bool">> = {
  FloatStorage: "f4",
  DoubleStorage: "f8",
  HalfStorage: "f2",
  BFloat16Storage: "bf2",
  IntStorage: "i4",
  LongStorage: "i8",
  ShortStorage: "i2",
  CharStorage: "i1",
  ByteStorage: "u1",
  BoolStorage: "bool",
};

/** Values that several tensors may share. */
interface Storage {
  readonly type: NumberType | "bool";
  readonly values: TensorData;
}

/** A tensor as the pickle describes it: a view of a storage, sizes and strides in elements. */
export class TorchTensor {
  constructor(
    readonly storage: Storage,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

/**
 * Reads a state dict that `torch.save` wrote: a zip archive of a pickle and raw numbers. Nothing in it is executed and
 * nothing is unpacked. Tensors are views of the file's bytes where they lie there row by row; float16 and bfloat16 come
 * as float32.
 *
 * @returns The tensors by name.
 * @throws {TorchFileError | PickleError} If the file cannot be read, is damaged, or holds anything but tensors.
 */
export async function readTorchFile(path: string): Promise<Record<string, StoredTensor>> {
  return await parseTorchFile(await readBytes(path), path);
}

/**
 * Reads whatever `torch.save` wrote, with a {@linkcode TorchTensor} for each tensor in it, dictionaries as `Map` and
 * lists and tuples as arrays.
 *
 * @param take Gets it and the file's bytes.
 * @throws {TorchFileError | PickleError} If the file cannot be read, is damaged, or asks for anything but tensors.
 */
export async function readTorchObject<T>(path: string, take: (object: unknown, fileBytes: number) => T): Promise<T> {
  const bytes = await readBytes(path);
  return take(await parseObject(bytes, path), bytes.length);
}

function readBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
  return withFile(path, async (file, size) => {
    const bytes = new Uint8Array(size);
    await readInto(file, bytes, path);
    return bytes;
  });
}

/**
 * Parses the bytes of a PyTorch file, as {@linkcode readTorchFile} reads it.
 *
 * @param source The file's name for messages.
 */
export async function parseTorchFile(
  bytes: Uint8Array<ArrayBuffer>,
  source: string,
): Promise<Record<string, StoredTensor>> {
  return tensorsOf(await parseObject(bytes, source), bytes.length, source);
}

async function parseObject(bytes: Uint8Array<ArrayBuffer>, source: string): Promise<unknown> {
  const entries = await entriesOf(bytes, source);
  const pickles = [...entries.keys()].filter((name) => /^[^/]*\/data\.pkl$/.test(name));
  if (pickles.length !== 1) throw damaged(source, `it has ${pickles.length} data.pkl, expected one`);
  const folder = pickles[0].slice(0, -"data.pkl".length);
  const order = new TextDecoder().decode(entries.get(`${folder}byteorder`) ?? new Uint8Array()) || "little";
  if (order !== "little" && order !== "big") throw damaged(source, `its byte order is ${JSON.stringify(order)}`);
  const pickle = entries.get(pickles[0])!;
  if (pickle.length > MAX_PICKLE_BYTES) {
    throw damaged(source, `its data.pkl has ${pickle.length} bytes, but at most ${MAX_PICKLE_BYTES} are read`);
  }
  const storages = new Map<string, Storage>();

  const persistent = (id: unknown): Storage => {
    const [kind, global, key, , count] = Array.isArray(id) ? id : [];
    const type = global instanceof PickleGlobal ? STORAGES[global.name.replace(/^torch\./, "")] : undefined;
    if (kind !== "storage" || type === undefined || typeof key !== "string" || !isSize(count)) {
      throw damaged(source, "its pickle refers to something that is no storage of numbers");
    }
    const data = entries.get(`${folder}data/${key}`);
    if (!data) throw damaged(source, `it lacks the storage data/${key}`);
    const stored = type === "bool" ? "u1" : type, length = count * NUMBER_BYTES[stored];
    if (length > data.length) {
      throw damaged(source, `its storage data/${key} has ${data.length} bytes, but ${length} are needed`);
    }
    const name = `${type} ${key}`, known = storages.get(name);
    if (known) return known;
    const whole = data.length - data.length % NUMBER_BYTES[stored];
    const storage = { type, values: valuesOf(data.subarray(0, whole), stored, order === "big") };
    storages.set(name, storage);
    return storage;
  };

  const rebuild = (args: readonly unknown[]): TorchTensor => {
    const [storage, offset, shape, strides] = args;
    if (!isStorage(storage) || !isSize(offset) || !isSizes(shape) || !isSizes(strides)) {
      throw damaged(source, "its pickle describes a tensor without storage, offset, sizes and strides");
    }
    return new TorchTensor(storage, offset, shape, strides);
  };

  return readPickle(pickle, {
    globals: {
      "collections.OrderedDict": () => new Map(),
      "torch._utils._rebuild_tensor_v2": rebuild,
      "torch._utils._rebuild_parameter": ([tensor]) => tensor,
      ...Object.fromEntries(Object.keys(STORAGES).map((name) => [`torch.${name}`, null])),
    },
    persistent,
  }, source);
}

/** The tensors of a dictionary, none of them so often repeated that memory would run out. */
function tensorsOf(dict: unknown, fileBytes: number, source: string): Record<string, StoredTensor> {
  if (!(dict instanceof Map)) {
    throw new TorchFileError(`${source} holds no dictionary of tensors. Save the model's state_dict().`);
  }
  let copied = 0;
  const named = [...dict].map(([name, tensor]): [string, StoredTensor] => {
    if (typeof name !== "string" || !(tensor instanceof TorchTensor)) {
      const what = tensor instanceof Map ? "a dictionary" : Array.isArray(tensor) ? "a list" : "no tensor";
      throw new TorchFileError(
        `${source} holds ${JSON.stringify(String(name).slice(0, 80))}, which is ${what}; expected tensors by name. ` +
          "Save the model's state_dict() alone.",
      );
    }
    const stored = tensorOf(tensor, name, fileBytes - copied, source);
    if (stored.data.buffer !== tensor.storage.values.buffer) copied += stored.data.length;
    return [name, stored];
  });
  // fromEntries defines own properties, so that a name `__proto__` stays a name.
  return Object.fromEntries(named);
}

/**
 * The values of a tensor, a view of its storage where they lie there row by row.
 *
 * @param mostCopied The most values that are copied otherwise.
 * @throws {TorchFileError} If it reaches out of its storage, repeats it too often, or holds booleans.
 */
export function tensorOf(
  { storage: { type, values }, offset, shape, strides }: TorchTensor,
  name: string,
  mostCopied: number,
  source: string,
): StoredTensor {
  const what = name === "" ? "its tensor" : `tensor ${JSON.stringify(name.slice(0, 80))}`;
  const problem = (how: string) => damaged(source, `${what} ${how}`);
  if (type === "bool") {
    throw new TorchFileError(`${source}: ${what} holds booleans, expected numbers. Convert it with .to(torch.uint8).`);
  }
  if (shape.length !== strides.length) throw problem(`has ${shape.length} sizes, but ${strides.length} strides`);
  const count = shape.reduce((product, n) => product * n, 1);
  const last = shape.reduce((index, n, axis) => index + (n - 1) * strides[axis], offset);
  if (!Number.isSafeInteger(count)) throw problem(`has the shape [${shape}], which overflows`);
  if (count > 0 && last >= values.length) {
    throw problem(`ends at element ${last} of its storage, which has ${values.length}`);
  }
  const part = count === 0 ? [0, 0] : [offset, offset + count];
  if (isContiguous(shape, strides)) return { shape, data: values.subarray(...part) };
  if (count > mostCopied) throw problem("repeats the values of its storage more often than memory is meant for");
  return { shape, data: gather(values, offset, shape, strides, count) };
}

function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return shape.includes(0);
    expected *= shape[axis];
  }
  return true;
}

/** The values of a tensor in row-major order. */
function gather(
  values: TensorData,
  offset: number,
  shape: readonly number[],
  strides: readonly number[],
  count: number,
): TensorData {
  const data = new (values.constructor as new (length: number) => TensorData)(count);
  const index = new Array<number>(shape.length).fill(0);
  for (let i = 0, at = offset; i < count; i++) {
    data[i] = values[at];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis];
      if (++index[axis] < shape[axis]) break;
      at -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return data;
}

function valuesOf(bytes: Uint8Array<ArrayBuffer>, type: NumberType, bigEndian: boolean): TensorData {
  const size = NUMBER_BYTES[type], own = aligned(bigEndian ? swapBytes(bytes.slice(), size) : bytes, size);
  const { buffer, byteOffset } = own, length = own.length / size;
  if (type === "f8") return new Float64Array(buffer, byteOffset, length);
  if (type === "i4") return new Int32Array(buffer, byteOffset, length);
  if (type === "i8") return new BigInt64Array(buffer, byteOffset, length);
  return type === "u1" ? own : toFloat32Array(own, type);
}

/** The contents of an archive's files by name, as views of its bytes. */
async function entriesOf(
  bytes: Uint8Array<ArrayBuffer>,
  source: string,
): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  if (bytes[0] === 0x80 || bytes[0] === 0x28) {
    throw new TorchFileError(
      `${source} was saved in the format before PyTorch 1.6, which is not read. ` +
        "Convert it in Python: torch.save(torch.load(path, weights_only=True), path).",
    );
  }
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  let total = 0;
  try {
    for await (const entry of new ZipReader(new Uint8ArrayReader(bytes)).getEntriesGenerator()) {
      if (entry.directory) continue;
      if (/^[^/]*\/(constants\.pkl$|code\/)/.test(entry.filename)) {
        throw new TorchFileError(
          `${source} is a TorchScript program, not tensors. Save the tensors, or the model's state_dict().`,
        );
      }
      const data = contentsOf(entry, bytes, source);
      total += data.length;
      if (total > bytes.length || files.size >= MAX_ENTRIES || files.has(entry.filename)) {
        throw damaged(source, "its archive has too many, overlapping or repeated entries");
      }
      files.set(entry.filename, data);
    }
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new TorchFileError(
      `${source} is not a readable zip archive, as torch.save writes it: ${messageOf(error).split("\n")[0]}. ` +
        "Download or save it again.",
      { cause: error },
    );
  }
  return files;
}

/** PyTorch stores without compression, so that an entry's contents are a part of the file. */
function contentsOf(entry: Entry, bytes: Uint8Array<ArrayBuffer>, source: string): Uint8Array<ArrayBuffer> {
  const { filename, offset, compressedSize, uncompressedSize, compressionMethod, encrypted } = entry;
  const problem = (what: string) => damaged(source, `its entry ${JSON.stringify(filename.slice(0, 80))} ${what}`);
  if (compressionMethod !== 0 || encrypted || compressedSize !== uncompressedSize) {
    throw problem("is compressed or encrypted, which torch.save does not do");
  }
  const HEADER = 30;
  if (!isSize(offset) || offset + HEADER > bytes.length) throw problem("lies outside of the file");
  const header = new DataView(bytes.buffer, bytes.byteOffset + offset, HEADER);
  if (header.getUint32(0, true) !== 0x04034b50) throw problem("has no header where the directory says");
  const begin = offset + HEADER + header.getUint16(26, true) + header.getUint16(28, true);
  if (begin + uncompressedSize > bytes.length) throw problem("ends after the end of the file");
  return bytes.subarray(begin, begin + uncompressedSize);
}

function damaged(source: string, what: string): TorchFileError {
  return new TorchFileError(`${source}: ${what}. The file is damaged or no state dict; download or save it again.`);
}

function isStorage(value: unknown): value is Storage {
  return typeof value === "object" && value !== null && "values" in value && ArrayBuffer.isView(value.values);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(isSize);
}
