/** Bytes that are not what they have to be; the message says what is wrong, and not with which file. */
export class ThriftError extends Error {}

/** Values of Thrift's compact protocol; a structure is its fields by their numbers. */
export type ThriftValue = boolean | number | bigint | Uint8Array | readonly ThriftValue[] | ThriftStruct;

/** The fields of a structure by their numbers. */
export type ThriftStruct = ReadonlyMap<number, ThriftValue>;

/** Structures within structures: more than any format of Thrift's has. */
const MAX_DEPTH = 32;

/** Values of one structure and all in it, each of which may take one byte of the file and far more memory. */
const MAX_VALUES = 1 << 22;

/**
 * Reads a structure of Thrift's compact protocol, whose lengths and counts are checked against the bytes that follow.
 *
 * @param begin Its first byte.
 * @returns Its fields and the byte after it.
 * @throws {ThriftError} If it is damaged.
 */
export function readThrift(bytes: Uint8Array, begin: number): { readonly fields: ThriftStruct; readonly end: number } {
  const reader = new ThriftReader(bytes, begin);
  return { fields: reader.struct(0), end: reader.at };
}

// The compact protocol's numbers of types.
const TRUE = 1, FALSE = 2, BYTE = 3, I16 = 4, I32 = 5, I64 = 6, DOUBLE = 7, BINARY = 8, LIST = 9, SET = 10, STRUCT = 12;

class ThriftReader {
  #values = 0;

  constructor(readonly bytes: Uint8Array, public at: number) {}

  struct(depth: number): ThriftStruct {
    if (depth > MAX_DEPTH) throw new ThriftError("its structures nest too deeply");
    const fields = new Map<number, ThriftValue>();
    for (let id = 0;;) {
      const byte = this.#byte(), type = byte & 15;
      if (type === 0) return fields;
      id = byte >> 4 ? id + (byte >> 4) : Number(this.#zigzag());
      fields.set(id, this.#value(type, depth));
    }
  }

  #value(type: number, depth: number): ThriftValue {
    if (++this.#values > MAX_VALUES) throw new ThriftError("its structures have too many values");
    switch (type) {
      case TRUE:
        return true;
      case FALSE:
        return false;
      case BYTE:
        return this.#byte() << 24 >> 24;
      case I16:
      case I32:
        return Number(this.#zigzag());
      case I64:
        return this.#zigzag();
      case DOUBLE: {
        const at = this.#skip(8);
        return new DataView(this.bytes.buffer, this.bytes.byteOffset + at, 8).getFloat64(0, true);
      }
      case BINARY: {
        const length = this.#length(), begin = this.#skip(length);
        return this.bytes.subarray(begin, begin + length);
      }
      case LIST:
      case SET: {
        const head = this.#byte(), element = head & 15, length = head >> 4 === 15 ? this.#length() : head >> 4;
        // Every element takes a byte at least.
        if (length > this.bytes.length - this.at) throw new ThriftError("a list in it is longer than what follows");
        const values: ThriftValue[] = [];
        for (let i = 0; i < length; i++) {
          values.push(element === TRUE || element === FALSE ? this.#byte() === 1 : this.#value(element, depth + 1));
        }
        return values;
      }
      case STRUCT:
        return this.struct(depth + 1);
      default:
        throw new ThriftError(`it has a value of the unknown type ${type}`);
    }
  }

  #skip(length: number): number {
    const begin = this.at;
    if (length > this.bytes.length - begin) throw new ThriftError("it ends too early");
    this.at += length;
    return begin;
  }

  #byte(): number {
    return this.bytes[this.#skip(1)];
  }

  #varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
    throw new ThriftError("an integer in it never ends");
  }

  #length(): number {
    return Number(this.#varint());
  }

  #zigzag(): bigint {
    const value = this.#varint();
    return value & 1n ? -(value >> 1n) - 1n : value >> 1n;
  }
}
