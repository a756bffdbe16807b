import type { Metadata, Sharp } from "sharp";
import { messageOf, UserError } from "../errors/user_error.ts";
import { DataFileError } from "./data_array.ts";

/** The most bytes that a picture may unpack to, far more than any that a model is trained on. */
export const MAX_BYTES = 1 << 28;

/** A colour of 8 bits. */
export type Colour = readonly [red: number, green: number, blue: number];

/** A picture, channels last, without an alpha channel. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** 1 for grey, 3 for colour. */
  readonly channels: 1 | 3;
  readonly pixels: Uint8Array | Uint16Array;
  /** Whether it had an alpha channel, and whether that was not opaque somewhere, so that it is laid over a background. */
  readonly alpha: "none" | "opaque" | "transparent";
  /** Whether its EXIF data says to turn or mirror it, which is done. */
  readonly isTurned: boolean;
}

/** A picture of which no more than its header is read. */
export interface UndecodedPicture {
  /** The bytes that it unpacks to. */
  readonly bytes: number;
  /** @param background What it is laid over where it is transparent; without one such a picture is refused. */
  decode(background?: Colour): Promise<Picture>;
}

/**
 * Opens a PNG, JPEG or WebP file: values as they are stored, without colour profiles or gamma, upright as its EXIF data says.
 * Palettes are expanded, those of greys to grey; 16-bit pictures keep their values.
 *
 * @throws {DataFileError} If it is damaged, of another kind, animated, CMYK or larger than 256 MB; when it is decoded, if it is
 * transparent anywhere and there is no background.
 */
export async function openPicture(bytes: Uint8Array, source: string): Promise<UndecodedPicture> {
  requireKind(bytes, source);
  const { default: sharp } = await import("sharp");
  // Every picture is decoded once.
  sharp.cache(false);
  const image = sharp(bytes, { ignoreIcc: true, limitInputPixels: MAX_BYTES, failOn: "warning" });
  const metadata = await decoding(source, () => image.metadata());
  const { space, size } = requireReadable(metadata, bytes, source);
  return {
    bytes: size,
    decode: (background) => decoding(source, () => decode(image, metadata, space, background, source)),
  };
}

/** What a library makes of a picture. @throws {DataFileError} Where it fails. */
async function decoding<T>(source: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof UserError) throw error;
    const why = messageOf(error).split("\n")[0].trim().replace(/\.$/, "").slice(0, 120);
    throw new DataFileError(`${source} cannot be decoded (${why}). Write or download it again.`, { cause: error });
  }
}

async function decode(
  image: Sharp,
  { depth, space: stored, hasAlpha, orientation = 1, isPalette }: Metadata,
  space: string,
  background: Colour | undefined,
  source: string,
): Promise<Picture> {
  const { data, info } = await image.autoOrient().toColourspace(space).raw({ depth: depth as "uchar" | "ushort" })
    .toBuffer({ resolveWithObject: true });
  const { width, height } = info, count = width * height * info.channels;
  const values = depth === "ushort"
    ? new Uint16Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength))
    : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const own = stored === "b-w" || stored === "grey16" ? 1 : 3;
  if (values.length !== count || info.channels < own + (hasAlpha ? 1 : 0)) {
    throw new DataFileError(`${source} has ${info.channels} channels. Save it as a grey or RGB picture.`);
  }
  const isOpaque = !hasAlpha || isOpaqueAt(values, info.channels);
  const behind = isOpaque ? undefined : requireBackground(background, values, info, source);
  // A grey picture over a colour is one of colour.
  const channels = behind && (behind[0] !== behind[1] || behind[0] !== behind[2]) ? 3 : own;
  const coloured = hasAlpha ? withoutAlpha(values, channels, info, behind) : values;
  // A palette is a way to store a picture, and that of a grey one has greys.
  const isGrey = channels === 3 && isPalette === true && isGreyEverywhere(coloured);
  return {
    width,
    height,
    channels: isGrey ? 1 : channels,
    pixels: isGrey ? coloured.filter((_, i) => i % 3 === 0) : coloured,
    alpha: !hasAlpha ? "none" : isOpaque ? "opaque" : "transparent",
    isTurned: orientation > 1 && orientation <= 8,
  };
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
): { readonly space: string; readonly size: number } {
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
  return { space: known, size };
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

type Pixels = Uint8Array | Uint16Array;

function mostOf(values: Pixels): number {
  return values instanceof Uint8Array ? 255 : 65535;
}

/** Whether the last of so many channels is opaque everywhere. */
function isOpaqueAt(values: Pixels, channels: number): boolean {
  const most = mostOf(values);
  for (let i = channels - 1; i < values.length; i += channels) if (values[i] !== most) return false;
  return true;
}

function requireBackground(
  background: Colour | undefined,
  values: Pixels,
  { width, channels }: { readonly width: number; readonly channels: number },
  source: string,
): Colour {
  if (background) return background;
  let i = 0;
  while (values[i * channels + channels - 1] === mostOf(values)) i++;
  throw new DataFileError(
    `${source} is transparent at row ${Math.floor(i / width)}, column ${i % width} (from 0), expected opaque ` +
      "pictures. Say what it is to be laid over, as --background white.",
  );
}

/** The first channels of a picture, over a background where the last one is not opaque. */
function withoutAlpha(
  values: Pixels,
  channels: number,
  { width, height, channels: stored }: { readonly width: number; readonly height: number; readonly channels: number },
  background: Colour = [0, 0, 0],
): Pixels {
  const count = width * height, most = mostOf(values), unit = most / 255;
  const out = values instanceof Uint8Array ? new Uint8Array(count * channels) : new Uint16Array(count * channels);
  for (let i = 0; i < count; i++) {
    const share = values[(i + 1) * stored - 1] / most;
    for (let c = 0; c < channels; c++) {
      const value = values[i * stored + (stored > 3 ? c : 0)];
      out[i * channels + c] = Math.round(share * value + (1 - share) * background[c] * unit);
    }
  }
  return out;
}

/** Whether the three channels of a picture are equal everywhere. */
function isGreyEverywhere(values: Pixels): boolean {
  for (let i = 0; i < values.length; i += 3) {
    if (values[i] !== values[i + 1] || values[i] !== values[i + 2]) return false;
  }
  return true;
}
