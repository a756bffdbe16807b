import assert from "assert";

/** A protobuf message as field number → values: numbers for varints, bytes for everything else. */
export type Fields = Map<number, (number | Uint8Array)[]>;

/** CRC-32C bit by bit, from its definition: the reflected polynomial 0x82f63b78. */
function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

function masked(data: Uint8Array): number {
  const crc = BigInt(crc32c(data));
  return Number((((crc >> 15n) | ((crc << 17n) & 0xffffffffn)) + 0xa282ead8n) & 0xffffffffn);
}

/** The records of a TFRecord file. Every length and checksum is verified. */
export function readRecords(file: Uint8Array): Uint8Array[] {
  const records: Uint8Array[] = [];
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let offset = 0;
  while (offset < file.length) {
    const length = Number(view.getBigUint64(offset, true));
    assert.ok(offset + 16 + length <= file.length, "a record runs past the end of the file");
    assert.equal(view.getUint32(offset + 8, true), masked(file.subarray(offset, offset + 8)), "checksum of the length");
    const data = file.subarray(offset + 12, offset + 12 + length);
    assert.equal(view.getUint32(offset + 12 + length, true), masked(data), "checksum of the record");
    records.push(data);
    offset += 16 + length;
  }
  return records;
}

/** Decodes one protobuf message without knowing its schema. */
export function decode(data: Uint8Array): Fields {
  const fields: Fields = new Map();
  let offset = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n;; shift += 7n) {
      const byte = data[offset++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return Number(value);
    }
  };
  const take = (length: number) => data.subarray(offset, offset += length);
  while (offset < data.length) {
    const key = varint();
    const [field, wire] = [key >>> 3, key & 7];
    const value = wire === 0
      ? varint()
      : wire === 1
      ? take(8)
      : wire === 2
      ? take(varint())
      : wire === 5
      ? take(4)
      : null;
    assert.ok(value !== null, `wire type ${wire}`);
    fields.set(field, [...(fields.get(field) ?? []), value]);
  }
  return fields;
}

/** The only value of a field that holds bytes. */
export function bytes(fields: Fields, field: number): Uint8Array {
  const values = fields.get(field);
  assert.ok(values?.length === 1 && values[0] instanceof Uint8Array, `field ${field} holds one run of bytes`);
  return values[0];
}

/** The only value of a field that holds text. */
export function string(fields: Fields, field: number): string {
  return new TextDecoder().decode(bytes(fields, field));
}

/** The only value of a field that holds a double or a float. */
export function float(fields: Fields, field: number): number {
  const value = bytes(fields, field);
  const view = new DataView(value.buffer, value.byteOffset);
  return value.length === 8 ? view.getFloat64(0, true) : view.getFloat32(0, true);
}
