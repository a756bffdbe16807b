import { Uint8ArrayReader, Uint8ArrayWriter, ZipReader, ZipWriter } from "@zip.js/zip.js";
import { crc32, deflateSync, gzipSync } from "node:zlib";
import { integer, joined, latin1 } from "./seed.ts";

/** A gzipped file. */
export function gzipped(part: Uint8Array): Uint8Array {
  return Uint8Array.from(gzipSync(part, { level: 1 }));
}

/** A text in UTF-16 with its mark. */
export function utf16(part: Uint8Array): Uint8Array {
  const text = new TextDecoder("latin1").decode(part), bytes = new Uint8Array(2 + 2 * text.length);
  bytes.set([0xff, 0xfe]);
  for (let i = 0; i < text.length; i++) bytes.set(integer(text.charCodeAt(i), 2), 2 + 2 * i);
  return bytes;
}

/** A zip archive of a changed member and others. */
export async function zipped(
  name: string,
  part: Uint8Array,
  others: Readonly<Record<string, Uint8Array>> = {},
  level = 0,
): Promise<Uint8Array> {
  const zip = new ZipWriter(new Uint8ArrayWriter(), { level, useWebWorkers: false });
  for (const [each, bytes] of [[name, part] as const, ...Object.entries(others)]) {
    await zip.add(each, new Uint8ArrayReader(bytes));
  }
  return await zip.close();
}

/** The members of a zip archive. */
export async function unzipped(bytes: Uint8Array): Promise<Record<string, Uint8Array>> {
  const members: Record<string, Uint8Array> = {};
  for (const entry of await new ZipReader(new Uint8ArrayReader(bytes), { useWebWorkers: false }).getEntries()) {
    if (!entry.directory) members[entry.filename] = await entry.getData(new Uint8ArrayWriter());
  }
  return members;
}

/** A PNG file whose chunks have the checksums of what is in them. */
export function withChecksums(png: Uint8Array): Uint8Array {
  const bytes = png.slice(), view = new DataView(bytes.buffer);
  for (let at = 8; at + 12 <= bytes.length;) {
    const length = view.getUint32(at);
    if (at + 12 + length > bytes.length) break;
    view.setUint32(at + 8 + length, crc32(bytes.subarray(at + 4, at + 8 + length)));
    at += 12 + length;
  }
  return bytes;
}

/** A PNG file of the 13 bytes of its header and its filtered rows. */
export function pngOf(part: Uint8Array): Uint8Array {
  const chunk = (kind: string, data: Uint8Array) => {
    const body = joined(latin1(kind), data);
    return joined(integer(data.length, 4, true), body, integer(crc32(body), 4, true));
  };
  return joined(
    latin1("\x89PNG\r\n\x1a\n"),
    chunk("IHDR", part.subarray(0, 13)),
    chunk("IDAT", Uint8Array.from(deflateSync(part.subarray(13)))),
    chunk("IEND", new Uint8Array()),
  );
}

/** A gzipped archive whose headers have the checksums of what is in them. */
export function tarOf(part: Uint8Array): Uint8Array {
  const bytes = part.slice();
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    const block = bytes.subarray(at, at + 512);
    if (String.fromCharCode(...block.subarray(257, 262)) !== "ustar") continue;
    block.fill(32, 148, 156);
    const sum = block.reduce((sum, byte) => sum + byte, 0);
    block.set(latin1(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
  }
  return gzipped(bytes);
}
