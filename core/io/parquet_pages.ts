import { crc32 } from "node:zlib";
import { readThrift, ThriftError, type ThriftStruct } from "./thrift.ts";

/** What is known of the values of a column chunk before its pages are looked at. */
export interface ChunkFacts {
  /** Its rows. */
  readonly rows: number;
  /** Bytes of one value, of texts those of its length; an eighth of true and false. */
  readonly width: number;
  /** Whether values may be missing. */
  readonly nullable: boolean;
  /** Bytes that a page may unpack to. */
  readonly maxPageBytes: number;
  /** Unpacks a page to as many bytes; left out where pages are not packed. */
  readonly unpack?: ((packed: Uint8Array, bytes: number) => Uint8Array) | undefined;
}

// parquet.thrift's numbers of encodings and types of pages.
const PLAIN = 0, PLAIN_DICTIONARY = 2, RLE = 3, DELTA_BINARY_PACKED = 5, DELTA_LENGTH_BYTE_ARRAY = 6;
const RLE_DICTIONARY = 8, BYTE_STREAM_SPLIT = 9;
const DATA_PAGE = 0, DICTIONARY_PAGE = 2, DATA_PAGE_V2 = 3;

/** Values of a block of differences; writers use 128. */
const MAX_DELTA_BLOCK = 1 << 16;

/**
 * Goes through the pages of a column chunk and checks what hyparquet takes on trust: every count and length against the
 * bytes that there are, checksums, and each index against the dictionary.
 *
 * @param chunk The chunk's bytes.
 * @returns The unpacked contents of its pages, by the first byte of what was packed.
 * @throws {ThriftError} If something is not as it has to be.
 */
export function checkedPages(chunk: Uint8Array, facts: ChunkFacts): Map<number, Uint8Array> {
  const unpacked = new Map<number, Uint8Array>();
  let at = 0, seen = 0, dictionary: number | undefined, total = 0;
  while (seen < facts.rows) {
    const { fields, end } = readThrift(chunk, at);
    const type = fields.get(1), size = sizeAt(fields, 3), fullSize = sizeAt(fields, 2), crc = fields.get(4);
    if (size > chunk.length - end) throw new ThriftError("a page ends after its column");
    const page = chunk.subarray(end, end + size);
    if (typeof crc === "number" && crc32(page) !== crc >>> 0) throw new ThriftError("the checksum of a page is wrong");
    at = end + size;
    total += fullSize;
    if (total > facts.maxPageBytes) throw new ThriftError("its pages claim more bytes than there can be");
    const contents = (packed: Uint8Array, bytes: number, isPacked = true) => {
      if (!facts.unpack || !isPacked || bytes === 0) return packed;
      const out = facts.unpack(packed, bytes);
      if (out.length !== bytes) throw new ThriftError("a page unpacks to another size than it claims");
      unpacked.set(packed.byteOffset, out);
      return out;
    };
    if (type === DICTIONARY_PAGE) {
      const head = structAt(fields, 7), count = sizeAt(head, 1), values = contents(page, fullSize);
      if (![PLAIN, PLAIN_DICTIONARY].includes(sizeAt(head, 2))) throw new ThriftError("its dictionary is encoded");
      requireBytes(values, count * facts.width);
      dictionary = count;
    } else if (type === DATA_PAGE) {
      const head = structAt(fields, 5), count = sizeAt(head, 1), values = contents(page, fullSize);
      requireCount(count, facts.rows - seen);
      const encoding = sizeAt(head, 2);
      if (!facts.nullable) checkValues(values, encoding, count, dictionary, facts.width);
      else {
        if (sizeAt(head, 3) !== RLE) throw new ThriftError("its marks of missing values have an old encoding");
        requireBytes(values, 4);
        const length = new DataView(values.buffer, values.byteOffset).getUint32(0, true);
        requireBytes(values, 4 + length);
        const present = countPresent(values.subarray(4, 4 + length), count);
        checkValues(values.subarray(4 + length), encoding, present, dictionary, facts.width);
      }
      seen += count;
    } else if (type === DATA_PAGE_V2) {
      const head = structAt(fields, 8), count = sizeAt(head, 1), nulls = sizeAt(head, 2), levels = sizeAt(head, 5);
      requireCount(count, facts.rows - seen);
      if (sizeAt(head, 3) !== count || sizeAt(head, 6) !== 0) throw new ThriftError("a page of it has lists");
      if (levels > page.length || levels > fullSize) throw new ThriftError("a page of it is too short");
      const present = facts.nullable ? countPresent(page.subarray(0, levels), count) : count;
      if (present !== count - nulls) throw new ThriftError("a page of it claims another number of missing values");
      const values = contents(page.subarray(levels), fullSize - levels, head.get(7) !== false);
      checkValues(values, sizeAt(head, 4), present, dictionary, facts.width);
      seen += count;
    } else throw new ThriftError(`it has a page of the type ${type}`);
  }
  return unpacked;
}

/** Checks that as many values are in a page. */
function checkValues(
  bytes: Uint8Array,
  encoding: number,
  count: number,
  dictionary: number | undefined,
  width: number,
): void {
  if (count === 0) return;
  if (encoding === PLAIN || encoding === BYTE_STREAM_SPLIT) return requireBytes(bytes, count * width);
  if (encoding === PLAIN_DICTIONARY || encoding === RLE_DICTIONARY) {
    if (dictionary === undefined) throw new ThriftError("it lacks its dictionary");
    requireBytes(bytes, 1);
    return forEachRun(bytes.subarray(1), bytes[0], count, (value) => {
      if (value >= dictionary) throw new ThriftError("it refers to a value that its dictionary does not have");
    });
  }
  if (encoding === RLE && width < 1) {
    requireBytes(bytes, 4);
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
    requireBytes(bytes, 4 + length);
    return forEachRun(bytes.subarray(4, 4 + length), 1, count, () => {});
  }
  if (encoding === DELTA_BINARY_PACKED || encoding === DELTA_LENGTH_BYTE_ARRAY) {
    const [block, parts, claimed] = varints(bytes, 3);
    const isWhole = block > 0 && block <= MAX_DELTA_BLOCK && parts > 0 && block % parts === 0;
    if (!isWhole || claimed !== count) throw new ThriftError("its differences are not as many as claimed");
    return;
  }
  throw new ThriftError(`it has the encoding ${encoding}, which is not read`);
}

/** The values that are there, of as many that may be missing. */
function countPresent(levels: Uint8Array, count: number): number {
  let present = 0;
  forEachRun(levels, 1, count, (value, times) => {
    if (value > 1) throw new ThriftError("its marks of missing values are neither 0 nor 1");
    if (value === 1) present += times;
  });
  return present;
}

/** Goes through runs of equal numbers and numbers of some bits, of which as many as `count` matter. */
function forEachRun(
  bytes: Uint8Array,
  width: number,
  count: number,
  visit: (value: number, times: number) => void,
): void {
  if (width > 32) throw new ThriftError(`its numbers have ${width} bits`);
  const byteWidth = Math.ceil(width / 8);
  for (let at = 0, seen = 0; seen < count;) {
    const [head] = varints(bytes.subarray(at), 1);
    while (bytes[at++] >= 128);
    if (head % 2 === 0) {
      const times = head / 2;
      requireCount(times, count - seen);
      requireBytes(bytes, at + byteWidth);
      let value = 0;
      for (let i = 0; i < byteWidth; i++) value += bytes[at + i] * 256 ** i;
      at += byteWidth;
      if (times > 0) visit(value, times);
      seen += times;
      continue;
    }
    const packed = 8 * Math.floor(head / 2), used = Math.min(packed, count - seen);
    // The last run is rounded up to 8 numbers; some writers leave out the bytes of those that do not matter.
    requireCount(packed, 8 * Math.ceil((count - seen) / 8));
    requireBytes(bytes, at + Math.ceil(used * width / 8));
    for (let i = 0, bit = 0; i < used; i++) {
      let value = 0;
      for (let k = 0; k < width; k++, bit++) if (bytes[at + (bit >> 3)] >> (bit & 7) & 1) value += 2 ** k;
      visit(value, 1);
    }
    at += Math.min(packed * width / 8, bytes.length - at);
    seen += used;
  }
}

/** The first unsigned integers of seven bits a byte. */
function varints(bytes: Uint8Array, count: number): number[] {
  const values: number[] = [];
  for (let at = 0; values.length < count;) {
    let value = 0;
    for (let shift = 0;; shift++) {
      if (at >= bytes.length || shift > 5) throw new ThriftError("a page of it is too short");
      const byte = bytes[at++];
      value += (byte & 127) * 128 ** shift;
      if (byte < 128) break;
    }
    values.push(value);
  }
  return values;
}

function requireBytes(bytes: Uint8Array, length: number): void {
  if (!(length <= bytes.length)) throw new ThriftError("a page of it is too short");
}

function requireCount(count: number, most: number): void {
  if (count > most) throw new ThriftError("its pages claim more values than it has rows");
}

function structAt(fields: ThriftStruct, id: number): ThriftStruct {
  const value = fields.get(id);
  if (value instanceof Map) return value;
  throw new ThriftError("a page of it has no header");
}

function sizeAt(fields: ThriftStruct, id: number): number {
  const value = fields.get(id);
  if (typeof value === "number" && value >= 0) return value;
  throw new ThriftError("the header of a page lacks a number");
}
