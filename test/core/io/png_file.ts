import { crc32, deflateSync } from "node:zlib";

/** How a picture of bytes is stored as PNG. */
export interface PngForm {
  /** Bits of a sample, or of an index into a palette. */
  readonly depth: 1 | 2 | 4 | 8 | 16;
  readonly kind: "grey" | "grey alpha" | "rgb" | "rgba" | "palette";
  /** As EXIF has it, 1 to 8. */
  readonly orientation?: number;
}

const COLOUR_TYPES = { grey: 0, "rgb": 2, palette: 3, "grey alpha": 4, rgba: 6 } as const;

/**
 * A PNG file of a picture of any depth, written bit by bit: grey ones of fewer bits hold the values that have so many.
 *
 * @param pixels `[height, width, channels]` of 1 or 3 channels, from 0 to 255.
 * @param alpha Of every pixel, where the kind has one.
 */
export function pngFile(
  pixels: readonly number[],
  { width, height, channels }: { readonly width: number; readonly height: number; readonly channels: 1 | 3 },
  { depth, kind, orientation }: PngForm,
  alpha: readonly number[] = [],
): Uint8Array<ArrayBuffer> {
  const palette: string[] = [], most = 2 ** depth - 1;
  const rows = Array.from({ length: height }, (_, y) => {
    let bits = "";
    for (let x = 0; x < width; x++) {
      const at = y * width + x, own = pixels.slice(at * channels, (at + 1) * channels);
      const colour = channels === 1 && kind !== "grey" && kind !== "grey alpha" ? [own[0], own[0], own[0]] : own;
      const samples = kind === "palette" ? [place(palette, colour)] : colour.map((v) => v * most / 255);
      if (kind === "grey alpha" || kind === "rgba") samples.push((alpha[at] ?? 255) * most / 255);
      for (const sample of samples) bits += sample.toString(2).padStart(depth, "0");
    }
    return [0, ...bits.padEnd(Math.ceil(bits.length / 8) * 8, "0").match(/.{8}/g)!.map((byte) => parseInt(byte, 2))];
  });
  const chunks = [
    chunk("IHDR", [...uint32(width), ...uint32(height), depth, COLOUR_TYPES[kind], 0, 0, 0]),
    ...(kind === "palette" ? [chunk("PLTE", palette.flatMap((colour) => colour.split(",").map(Number)))] : []),
    ...(orientation === undefined ? [] : [chunk("eXIf", exif(orientation))]),
    chunk("IDAT", [...deflateSync(Uint8Array.from(rows.flat()))]),
    chunk("IEND", []),
  ];
  return Uint8Array.from([0x89, ...[..."PNG\r\n\x1a\n"].map((c) => c.charCodeAt(0)), ...chunks.flat()]);
}

function place(palette: string[], colour: readonly number[]): number {
  const text = colour.join(), found = palette.indexOf(text);
  return found >= 0 ? found : palette.push(text) - 1;
}

function chunk(type: string, data: readonly number[]): number[] {
  const body = [...[...type].map((c) => c.charCodeAt(0)), ...data];
  return [...uint32(data.length), ...body, ...uint32(crc32(Uint8Array.from(body)))];
}

function uint32(n: number): number[] {
  return [n >>> 24, n >>> 16 & 255, n >>> 8 & 255, n & 255];
}

/** EXIF data of nothing but an orientation: a directory of one short number, little-endian. */
function exif(orientation: number): number[] {
  return [0x49, 0x49, 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0];
}
