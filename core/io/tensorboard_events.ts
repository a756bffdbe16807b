import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import crc32c from "crc-32/crc32c.js";

// Field numbers and constants of tensorflow/core/util/event.proto and tensorflow/core/framework/summary.proto.
const SESSION_START = 1;
const DATA_CLASS_TENSOR = 2;
const DT_STRING = 7;
const RGBA = 4;

/** When an event happened. */
export interface EventTime {
  /** The training step, a whole number of 0 or more. */
  readonly step: number;
  /** Seconds since 1970. */
  readonly wallTime: number;
}

function message(write: (writer: BinaryWriter) => void): Uint8Array {
  const writer = new BinaryWriter();
  write(writer);
  return writer.finish();
}

function nested(writer: BinaryWriter, field: number, write: (writer: BinaryWriter) => void): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  write(writer);
  writer.join();
}

function event(time: EventTime, write: (writer: BinaryWriter) => void): Uint8Array {
  return message((w) => {
    w.tag(1, WireType.Bit64).double(time.wallTime);
    if (time.step !== 0) w.tag(2, WireType.Varint).int64(time.step);
    write(w);
  });
}

function summary(tag: string, time: EventTime, write: (value: BinaryWriter) => void): Uint8Array {
  return event(time, (w) =>
    nested(w, 5, (body) =>
      nested(body, 1, (value) => {
        value.tag(1, WireType.LengthDelimited).string(tag);
        write(value);
      })));
}

/** The event that opens every file and names its format. */
export function versionEvent(wallTime: number): Uint8Array {
  return event({ step: 0, wallTime }, (w) => w.tag(3, WireType.LengthDelimited).string("brain.Event:2"));
}

/** The event that makes a reader forget what earlier files say of `time.step` and of later steps. */
export function restartEvent(time: EventTime): Uint8Array {
  return event(time, (w) => nested(w, 7, (log) => log.tag(1, WireType.Varint).int32(SESSION_START)));
}

/** A number, which the file keeps in single precision. */
export function scalarEvent(tag: string, value: number, time: EventTime): Uint8Array {
  return summary(tag, time, (w) => w.tag(2, WireType.Bit32).float(Math.fround(value)));
}

/** A picture, as the bytes of a PNG file, of the given size in pixels. */
export function imageEvent(tag: string, png: Uint8Array, width: number, height: number, time: EventTime): Uint8Array {
  return summary(tag, time, (w) =>
    nested(w, 4, (image) => {
      image.tag(1, WireType.Varint).int32(height);
      image.tag(2, WireType.Varint).int32(width);
      image.tag(3, WireType.Varint).int32(RGBA);
      image.tag(4, WireType.LengthDelimited).bytes(png);
    }));
}

/** A text in Markdown. */
export function textEvent(tag: string, markdown: string, time: EventTime): Uint8Array {
  return summary(tag, time, (w) => {
    nested(w, 8, (tensor) => {
      tensor.tag(1, WireType.Varint).int32(DT_STRING);
      nested(tensor, 2, (shape) => nested(shape, 2, (dimension) => dimension.tag(1, WireType.Varint).int64(1)));
      tensor.tag(8, WireType.LengthDelimited).bytes(new TextEncoder().encode(markdown));
    });
    nested(w, 9, (metadata) => {
      nested(metadata, 1, (plugin) => plugin.tag(1, WireType.LengthDelimited).string("text"));
      metadata.tag(4, WireType.Varint).int32(DATA_CLASS_TENSOR);
    });
  });
}

/** CRC-32C, rotated and shifted as TFRecord files want it, so that a checksum of checksums stays useful. */
function maskedCrc(data: Uint8Array): number {
  const crc = crc32c.buf(data) >>> 0;
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/**
 * Frames an event as a TFRecord: its length in 8 bytes, their checksum, the event, its checksum; little-endian.
 *
 * Source: tensorflow/core/lib/io/record_writer.h.
 */
export function frameRecord(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(12 + data.length + 4);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc(record.subarray(0, 8)), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc(data), true);
  return record;
}
