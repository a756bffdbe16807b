import type { Metadata } from "sharp";
import { messageOf, UserError } from "../errors/user_error.ts";
import { DataFileError } from "./data_array.ts";

/** The most bytes that a picture may unpack to, far more than any that a model is trained on. */
export const MAX_BYTES = 1 << 28;

/** A picture, channels last, without an alpha channel. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** 1 for grey, 3 for colour. */
  readonly channels: 1 | 3;
  readonly pixels: Uint8Array | Uint16Array;
  /** Whether it had an alpha channel, which was opaque everywhere. */
  readonly hadAlpha: boolean;
  /** Whether its EXIF data says to turn it, which is not done. */
  readonly isTurned: boolean;
}

/**
 * Decodes a PNG, JPEG or WebP file: values as they are stored, without colour profiles, gamma or rotation. Palettes are
 * expanded; 16-bit pictures keep their values.
 *
 * @throws {DataFileError} If it is damaged, of another kind, animated, CMYK, larger than 256 MB, or transparent
 * anywhere.
 */
export async function decodePicture(bytes: Uint8Array, source: string): Promise<Picture> {
  requireKind(bytes, source);
  const { default: sharp } = await import("sharp");
  // Every picture is decoded once.
  sharp.cache(false);
  const image = sharp(bytes, { ignoreIcc: true, limitInputPixels: MAX_BYTES, failOn: "warning" });
  try {
    const metadata = await image.metadata(), { space } = requireReadable(metadata, bytes, source);
    const { data, info } = await image.toColourspace(space).raw({ depth: metadata.depth as "uchar" | "ushort" })
      .toBuffer({ resolveWithObject: true });
    const { width, height } = info, count = width * height * info.channels;
    const values = metadata.depth === "ushort"
      ? new Uint16Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength))
      : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const channels = metadata.space === "b-w" || metadata.space === "grey16" ? 1 : 3;
    if (values.length !== count || info.channels < channels + (metadata.hasAlpha ? 1 : 0)) {
      throw new DataFileError(`${source} has ${info.channels} channels. Save it as a grey or RGB picture.`);
    }
    return {
      width,
      height,
      channels,
      pixels: metadata.hasAlpha ? withoutAlpha(values, channels, info, source) : values,
      hadAlpha: metadata.hasAlpha,
      isTurned: (metadata.orientation ?? 1) !== 1,
    };
  } catch (error) {
    if (error instanceof UserError) throw error;
    const why = messageOf(error).split("\n")[0].trim().replace(/\.$/, "").slice(0, 120);
    throw new DataFileError(`${source} cannot be decoded (${why}). Write or download it again.`, { cause: error });
  }
}

/** Checks that bytes start as one of the formats does, so that no other decoder is tried. */
export function requireKind(bytes: Uint8Array, source: string): void {
  const start = String.fromCharCode(...bytes.subarray(0, 12));
  const isWebp = start.startsWith("RIFF") && start.endsWith("WEBP");
  if (isWebp || start.startsWith("\x89PNG\r\n\x1a\n") || start.startsWith("\xff\xd8\xff")) return;
  throw new DataFileError(`${source} is no PNG, JPEG or WebP picture, whatever its name says. Convert it to PNG.`);
}

/** Checks what the file says of itself before it is unpacked. */
export function requireReadable(
  { width, height, channels, depth, space, hasAlpha, pages = 1 }: Metadata,
  bytes: Uint8Array,
  source: string,
): { readonly space: string } {
  if (pages > 1 || isAnimatedPng(bytes)) {
    throw new DataFileError(`${source} is animated, expected one picture. Save its frames as pictures.`);
  }
  if (depth !== "uchar" && depth !== "ushort") {
    throw new DataFileError(`${source} has values of the type ${depth}, expected 8 or 16 bits. Convert it to PNG.`);
  }
  const size = width * height * channels * (depth === "ushort" ? 2 : 1);
  if (!(size <= MAX_BYTES)) {
    throw new DataFileError(
      `${source} claims ${width} x ${height} pixels, more than ${MAX_BYTES} bytes. Shrink it.`,
    );
  }
  // The library drops the alpha channel of bytes of grey, and keeps that of colour.
  const known = space === "b-w" && hasAlpha
    ? "srgb"
    : ["b-w", "grey16", "srgb", "rgb16"].find((each) => each === space);
  if (known === undefined) {
    throw new DataFileError(`${source} has the colour space ${space}, expected grey or RGB. Convert it to RGB.`);
  }
  return { space: known };
}

/** Whether a PNG file has more than one frame, which the library does not tell. */
function isAnimatedPng(bytes: Uint8Array): boolean {
  if (bytes[0] !== 0x89) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 8; at + 12 <= bytes.length; at += 12 + view.getUint32(at)) {
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (type === "acTL") return true;
    if (type === "IDAT") return false;
  }
  return false;
}

/** The first channels of a picture, whose last has to be opaque. */
function withoutAlpha(
  values: Uint8Array | Uint16Array,
  channels: number,
  { width, height, channels: stored }: { readonly width: number; readonly height: number; readonly channels: number },
  source: string,
): Uint8Array | Uint16Array {
  const opaque = values instanceof Uint8Array ? 255 : 65535, pixels = width * height;
  const out = values instanceof Uint8Array ? new Uint8Array(pixels * channels) : new Uint16Array(pixels * channels);
  for (let i = 0; i < pixels; i++) {
    if (values[i * stored + stored - 1] !== opaque) {
      throw new DataFileError(
        `${source} is transparent at row ${Math.floor(i / width)}, column ${i % width} (from 0), expected opaque ` +
          "pictures. Flatten it onto a background.",
      );
    }
    for (let c = 0; c < channels; c++) out[i * channels + c] = values[i * stored + c];
  }
  return out;
}
