import { join } from "node:path";
import { encode } from "fast-png";
import type { ImageShape, Picture } from "../figures/pictures.ts";
import { writeFileAtomic } from "../io/atomic.ts";
import { encodeSafetensors } from "../io/safetensors.ts";

/** What a folder of filled images has before its summary. */
export const FILLED_FILES = ["filled.safetensors", "images", "mean", "stddev", "grid.png", "grid.svg"];

/** How the values that a model sees become those of a file, and the other way round. */
export interface Units {
  /** The file's values that are −1 and 1 to the model; where it is left out they are the same. */
  readonly range: readonly [number, number] | undefined;
  /** Whether a file's values are whole numbers. */
  readonly isWhole: boolean;
}

/**
 * Filled samples in the units of their file: what is known as the file has it, to the bit.
 *
 * @param filled In the values that the model sees, `[rows, d]`.
 * @param known The file's own values of the sample, `[d]`.
 * @param isKnown 1 where they are kept, `[d]`.
 */
export function inFileUnits(
  filled: Float32Array,
  known: Float32Array,
  isKnown: Uint8Array,
  { range, isWhole }: Units,
): Float32Array {
  const d = known.length, out = new Float32Array(filled.length);
  for (let i = 0; i < filled.length; i++) {
    if (isKnown[i % d]) {
      out[i] = known[i % d];
      continue;
    }
    const [low, high] = range ?? [-1, 1], value = range ? low + (filled[i] + 1) / 2 * (high - low) : filled[i];
    const within = range ? Math.min(high, Math.max(low, value)) : value;
    out[i] = isWhole ? Math.round(within) : within;
  }
  return out;
}

/** The mean and the standard deviation, over draws, of each value: `[d]` of `[draws, d]`. */
export function overDraws(filled: Float32Array, d: number): { readonly mean: Float32Array; readonly sd: Float32Array } {
  const draws = filled.length / d, mean = new Float64Array(d), squares = new Float64Array(d);
  for (let i = 0; i < filled.length; i++) {
    const k = i % d, difference = filled[i] - mean[k];
    mean[k] += difference / (Math.floor(i / d) + 1);
    squares[k] += difference * (filled[i] - mean[k]);
  }
  const sd = Float32Array.from(squares, (sum) => draws > 1 ? Math.sqrt(Math.max(0, sum) / (draws - 1)) : 0);
  return { mean: Float32Array.from(mean), sd };
}

/**
 * A sample in a file's units as PNG: as it is where the file has pictures, of 8 bits or of 16, otherwise with the range's
 * ends as black and white.
 *
 * @param values `[channels, height, width]`.
 * @param range The values that are black and white.
 */
export function filledPng(values: Float32Array, shape: ImageShape, range: readonly [number, number]): Uint8Array {
  const { width, height, channels } = shape, is16 = isDeep(range), top = is16 ? 65535 : 255;
  const data = is16 ? new Uint16Array(values.length) : new Uint8Array(values.length), pixels = width * height;
  const [low, high] = range;
  for (let i = 0; i < values.length; i++) {
    // A picture's own values come out as they are, without rounding.
    const value = high - low === top ? values[i] - low : top * (values[i] - low) / (high - low);
    data[i % pixels * channels + Math.floor(i / pixels)] = Math.max(0, Math.min(top, Math.round(value)));
  }
  return encode({ width, height, channels, depth: is16 ? 16 : 8, data });
}

/** The same in 8 bits for a grid. */
export function gridPicture(values: Float32Array, shape: ImageShape, [low, high]: readonly [number, number]): Picture {
  const { width, height, channels } = shape, pixels = width * height, data = new Uint8ClampedArray(values.length);
  for (let i = 0; i < values.length; i++) {
    data[i % pixels * channels + Math.floor(i / pixels)] = 255 * (values[i] - low) / (high - low);
  }
  return { width, height, channels, data: new Uint8Array(data.buffer) };
}

/** Whether pictures of a range have 16 bits. */
function isDeep([low, high]: readonly [number, number]): boolean {
  return low === 0 && high === 65535;
}

/** Writes a PNG file in a folder of many; returns nothing. */
export async function writePicture(folder: string, name: string, png: Uint8Array): Promise<void> {
  await writeFileAtomic(join(folder, name), png);
}

/** Writes tensors as filled.safetensors. */
export async function writeFilled(
  folder: string,
  tensors: Readonly<Record<string, { readonly shape: readonly number[]; readonly data: Float32Array }>>,
): Promise<void> {
  await writeFileAtomic(join(folder, "filled.safetensors"), encodeSafetensors(tensors));
}
