import { NUMBER_BYTES, type NumberType, toFloats } from "./numbers.ts";

/** How the bits of a number lie, as an HDF5 file says it. */
export interface BitLayout {
  readonly isFloat: boolean;
  readonly isSigned: boolean;
  /** Bytes of an element. */
  readonly size: number;
  /** The first bit that counts, and how many do. */
  readonly offset: number;
  readonly precision: number;
  /** Of floats: bits of the exponent and of the mantissa, and the exponent's bias. */
  readonly exponent?: number;
  readonly mantissa?: number;
  readonly bias?: number;
  /** Whether its fields lie where IEEE's do. */
  readonly isInOrder?: boolean;
}

const SIGNATURE = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];

/** Messages of an object header. */
const DATATYPE = 3, CONTINUATION = 16;

/** Classes of datatypes. */
const INTEGER = 0, FLOAT = 1;

/** Bytes and pieces of a header at most; a data set's own takes some hundreds. */
const MAX_HEADER = 1 << 20, MAX_PIECES = 1000;

/** A part of an open file. */
type ReadAt = (position: number, length: number) => Uint8Array;

/**
 * The layout of the bits of a data set's numbers, which the library does not tell: it gives the bits as they lie. It is
 * read from the object's header (HDF5 file format, IV.A.2.d).
 *
 * @param address Of the object's header, as an object reference has it.
 * @returns Nothing where there is no such header, or the type is no number.
 */
export function readBitLayout(file: Deno.FsFile, fileBytes: number, address: number): BitLayout | undefined {
  const read: ReadAt = (position, length) => {
    if (position < 0 || length < 0 || position + length > fileBytes) throw new RangeError("beyond the file");
    const bytes = new Uint8Array(length);
    file.seekSync(position, Deno.SeekMode.Start);
    for (let filled = 0, count; filled < length; filled += count) {
      count = file.readSync(bytes.subarray(filled)) ?? 0;
      if (count === 0) throw new RangeError("beyond the file");
    }
    return bytes;
  };
  try {
    const { base, sizes } = superblock(read, fileBytes);
    const message = datatypeAt(read, base, address, sizes, 0);
    return message && parseDatatype(message);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Where the file's own addresses begin, behind what another program put before it, and the bytes of an address. */
function superblock(read: ReadAt, fileBytes: number): { base: number; sizes: number } {
  for (let base = 0; base + 16 <= fileBytes; base = base === 0 ? 512 : 2 * base) {
    const start = read(base, 16);
    if (!SIGNATURE.every((byte, i) => start[i] === byte)) continue;
    return { base, sizes: start[8] < 2 ? start[13] : start[9] };
  }
  throw new RangeError("no superblock");
}

/** The bytes of an object's datatype message. */
function datatypeAt(read: ReadAt, base: number, address: number, sizes: number, depth: number): Uint8Array | undefined {
  for (const { type, flags, data } of messagesAt(read, base, address, sizes)) {
    if (type !== DATATYPE) continue;
    if ((flags & 2) === 0) return data;
    // A committed type lies in an object of its own.
    const at = data[0] === 1 ? 8 : 2;
    return depth > 0 ? undefined : datatypeAt(read, base, address64(data, at, sizes), sizes, 1);
  }
  return undefined;
}

interface Message {
  readonly type: number;
  readonly flags: number;
  readonly data: Uint8Array;
}

/** The messages of an object's header, of version 1 or 2, through its continuations. */
function* messagesAt(read: ReadAt, base: number, address: number, sizes: number): Generator<Message> {
  const start = read(base + address, 16), view = viewOf(start);
  const isNew = String.fromCharCode(...start.subarray(0, 4)) === "OHDR";
  const flags = start[5];
  let pieces: { begin: number; length: number }[];
  if (isNew) {
    const sizeAt = 6 + (flags & 0x20 ? 16 : 0) + (flags & 0x10 ? 4 : 0), sizeBytes = 1 << (flags & 3);
    const length = address64(read(base + address + sizeAt, sizeBytes), 0, sizeBytes);
    pieces = [{ begin: base + address + sizeAt + sizeBytes, length }];
  } else if (start[0] === 1) pieces = [{ begin: base + address + 16, length: view.getUint32(8, true) }];
  else throw new RangeError("no object header");
  const head = isNew ? 4 + (flags & 4 ? 2 : 0) : 8;
  for (let k = 0, total = 0; k < pieces.length && k < MAX_PIECES; k++) {
    total += pieces[k].length;
    if (total > MAX_HEADER) throw new RangeError("a header too long");
    const bytes = read(pieces[k].begin, pieces[k].length), piece = viewOf(bytes);
    for (let at = 0; at + head <= bytes.length;) {
      const type = isNew ? bytes[at] : piece.getUint16(at, true);
      const length = piece.getUint16(at + (isNew ? 1 : 2), true), own = bytes[at + (isNew ? 3 : 4)];
      const data = bytes.subarray(at + head, at + head + length);
      at += head + length;
      if (type === CONTINUATION && data.length >= 2 * sizes) {
        const begin = base + address64(data, 0, sizes), size = address64(data, sizes, sizes);
        // A continuation of the new form has a signature before and a checksum after it.
        pieces = [...pieces, isNew ? { begin: begin + 4, length: size - 8 } : { begin, length: size }];
      } else yield { type, flags: own, data };
    }
  }
}

function parseDatatype(data: Uint8Array): BitLayout | undefined {
  const view = viewOf(data), kind = data[0] & 15, isFloat = kind === FLOAT;
  if (kind !== INTEGER && !isFloat) return undefined;
  const size = view.getUint32(4, true), offset = view.getUint16(8, true), precision = view.getUint16(10, true);
  if (!isFloat) return { isFloat, isSigned: (data[1] & 8) !== 0, size, offset, precision };
  const [exponentAt, exponent, mantissaAt, mantissa] = data.subarray(12, 16);
  // A mantissa that is normalised with its first bit implied, and a sign in the last bit.
  const isNormal = (data[1] & 0x30) === 0x20 && data[2] === offset + precision - 1;
  const isInOrder = isNormal && mantissaAt === offset && exponentAt === offset + mantissa &&
    1 + exponent + mantissa === precision;
  return {
    isFloat,
    isSigned: true,
    size,
    offset,
    precision,
    exponent,
    mantissa,
    bias: view.getUint32(16, true),
    isInOrder,
  };
}

/** Exponent, mantissa and bias of the floats that are read. */
const FLOATS = { f2: [5, 10, 15], bf2: [8, 7, 127], f4: [8, 23, 127], f8: [11, 52, 1023] } as const;

/** What numbers of a layout are read as, and how many of their bits count; nothing for a layout that is not read. */
export function numberOf({ isFloat, isSigned, size, offset, precision, ...float }: BitLayout): NumberType | undefined {
  if (isFloat) {
    const { exponent, mantissa, bias, isInOrder } = float;
    const found = Object.entries(FLOATS).find(([, [e, m, b]]) => exponent === e && mantissa === m && bias === b);
    const type = found?.[0] as NumberType | undefined;
    return type && isInOrder && offset === 0 && size === NUMBER_BYTES[type] ? type : undefined;
  }
  const type = `${isSigned ? "i" : "u"}${size}`;
  if (!Object.hasOwn(NUMBER_BYTES, type) || precision < 1 || offset + precision > 8 * size) return undefined;
  return type as NumberType;
}

/** A layout in words, for a message. */
export function describeLayout({ isFloat, size, offset, precision, exponent, mantissa }: BitLayout): string {
  if (!isFloat) return `integers of ${precision} bits from bit ${offset} on in ${size} bytes`;
  const name = precision === 80 ? " (long double)" : "";
  return `floats of ${precision} bits${name}, ${exponent} of them the exponent's and ${mantissa} the mantissa's, in ${size} bytes`;
}

/** Whether integers use only some of their bytes' bits. */
export function isPartial({ isFloat, size, offset, precision }: BitLayout): boolean {
  return !isFloat && (offset !== 0 || precision !== 8 * size);
}

/** Integers of which only some bits count, as whole ones of the same size, in place: little-endian. */
export function spreadBits(bytes: Uint8Array, { size, offset, precision, isSigned }: BitLayout): void {
  const bits = 8 * size, view = viewOf(bytes);
  for (let at = 0; at < bytes.length; at += size) {
    let value = 0n;
    for (let k = size - 1; k >= 0; k--) value = value << 8n | BigInt(bytes[at + k]);
    value >>= BigInt(offset);
    value = isSigned ? BigInt.asIntN(precision, value) : BigInt.asUintN(precision, value);
    value = BigInt.asUintN(bits, value);
    for (let k = 0; k < size; k++) view.setUint8(at + k, Number(value >> BigInt(8 * k) & 0xffn));
  }
}

/** Numbers as they are kept, of bytes that a file of the layout has: bytes themselves for unsigned ones. */
export function numbersOf(bytes: Uint8Array, layout: BitLayout, type: NumberType) {
  if (isPartial(layout)) spreadBits(bytes, layout);
  return type === "u1" ? bytes : toFloats(bytes, type);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** An unsigned integer of some bytes, as addresses and lengths are. */
function address64(bytes: Uint8Array, at: number, size: number): number {
  if (at + size > bytes.length) throw new RangeError("beyond the message");
  let value = 0;
  for (let k = size - 1; k >= 0; k--) value = 256 * value + bytes[at + k];
  if (!Number.isSafeInteger(value)) throw new RangeError("no address");
  return value;
}
