/** A valid file from which damaged ones are made. */
export interface Seed {
  /** The part of it that is changed: all of it, or what a checksum, a length or a compression stands over. */
  readonly bytes: Uint8Array;
  /** Makes the file of the part. */
  readonly wrap?: (part: Uint8Array) => Uint8Array | Promise<Uint8Array>;
  /** The ending of its name. */
  readonly ending: string;
  /** Where its lengths, counts and types lie, as the first byte and the one after the last; all of it if left out. */
  readonly head?: readonly [number, number];
}

/** What is read: the files of one format. */
export interface Target {
  seeds(): Promise<readonly Seed[]>;
  /** Reads all that a file has. */
  read(path: string, bytes: Uint8Array): Promise<void>;
}

/** Bytes end to end. */
export function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** The bytes of a text of characters up to 255. */
export function latin1(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** An unsigned integer of two or four bytes, or eight of a little-endian one. */
export function integer(value: number, size: 2 | 4 | 8, bigEndian = false): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size), view = new DataView(bytes.buffer);
  if (size === 2) view.setUint16(0, value, !bigEndian);
  else view.setUint32(0, value, !bigEndian);
  return bytes;
}
