/** Texts that are kept, and the bytes of the longest of them. */
const SLOTS = 4096, LONGEST = 64;

/** Makes strings of bytes. Short ones that come again and again, as the classes of a column, are made once. */
export class TextCache {
  readonly #texts: string[] = new Array(SLOTS).fill("");
  readonly #decoder: TextDecoder;

  /** @param encoding Of bytes beyond ASCII. */
  constructor(encoding: "utf-8" | "latin1") {
    this.#decoder = new TextDecoder(encoding, { ignoreBOM: true });
  }

  /** The string of some bytes. */
  read(bytes: Uint8Array, begin: number, end: number): string {
    const length = end - begin;
    if (length === 0) return "";
    if (length > LONGEST) return this.#decoder.decode(bytes.subarray(begin, end));
    let hash = 0x811c9dc5;
    for (let at = begin; at < end; at++) hash = Math.imul(hash ^ bytes[at], 0x01000193);
    const slot = (hash ^ hash >>> 15) & SLOTS - 1, known = this.#texts[slot];
    if (isAscii(known, bytes, begin, length)) return known;
    return this.#texts[slot] = this.#decoder.decode(bytes.subarray(begin, end));
  }
}

/** Whether a text is that of some bytes, all of ASCII. */
function isAscii(text: string, bytes: Uint8Array, begin: number, length: number): boolean {
  if (text.length !== length) return false;
  for (let i = 0; i < length; i++) {
    const byte = bytes[begin + i];
    if (byte > 127 || text.charCodeAt(i) !== byte) return false;
  }
  return true;
}
