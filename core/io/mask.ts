import { messageOf, UserError } from "../errors/user_error.ts";
import { DataFileError, openFile, readInto } from "./data_array.ts";
import { MAX_BYTES, requireKind, requireReadable } from "./picture.ts";

/** Which pixels of a picture are to be filled in. */
export interface Mask {
  readonly width: number;
  readonly height: number;
  /** 1 where a pixel is to be filled in, 0 where it is kept: `[height, width]`. */
  readonly isMissing: Uint8Array;
  /** How many are to be filled in. */
  readonly missing: number;
  /** How it was taken, in one line. */
  readonly description: string;
}

/**
 * Reads a picture as a mask: what is white, or of no opacity, is to be filled in, and what is black is kept. Greys go to
 * the nearer of both, which `description` says.
 *
 * @param path A PNG, JPEG or WebP file.
 * @throws {DataFileError} If it cannot be read, or keeps or fills in all of its pixels.
 */
export async function readMask(path: string): Promise<Mask> {
  const bytes = await openFile(path, async (file, size) => {
    using _ = file;
    if (size > MAX_BYTES) {
      throw new DataFileError(`${path} has ${size} bytes, expected a picture of at most ${MAX_BYTES}.`);
    }
    const all = new Uint8Array(size);
    await readInto(file, all, path);
    return all;
  });
  requireKind(bytes, path);
  const { default: sharp } = await import("sharp");
  try {
    const image = sharp(bytes, { ignoreIcc: true, limitInputPixels: MAX_BYTES, failOn: "warning" });
    requireReadable(await image.metadata(), bytes, path);
    const { data, info } = await image.autoOrient().toColourspace("srgb").ensureAlpha().raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    return maskOf(data, info, path);
  } catch (error) {
    if (error instanceof UserError) throw error;
    const why = messageOf(error).split("\n")[0].trim().replace(/\.$/, "").slice(0, 120);
    throw new DataFileError(`${path} cannot be decoded (${why}). Write or download it again.`, { cause: error });
  }
}

function maskOf(
  data: Uint8Array,
  { width, height, channels }: { readonly width: number; readonly height: number; readonly channels: number },
  path: string,
): Mask {
  const pixels = width * height, isMissing = new Uint8Array(pixels);
  let missing = 0, between = 0;
  for (let i = 0; i < pixels; i++) {
    const [r, g, b, alpha] = data.subarray(i * channels, i * channels + 4), grey = (r + g + b) / 3;
    const share = Math.max(grey / 255, 1 - alpha / 255);
    isMissing[i] = share >= 0.5 ? 1 : 0;
    missing += isMissing[i];
    if (share > 0.05 && share < 0.95) between++;
  }
  if (missing === 0 || missing === pixels) {
    throw new DataFileError(
      `The mask ${path} ${
        missing === 0 ? "is black: nothing is" : "is white: all is"
      } to be filled in, expected white ` +
        "where a picture is to be filled in and black where it is kept.",
    );
  }
  const grey = between > 0 ? `; ${between} pixels of neither taken to the nearer` : "";
  return {
    ...{ width, height, isMissing, missing },
    description: `${missing} of ${width} x ${height} pixels to be filled in, where it is white or transparent${grey}`,
  };
}
