import { join } from "node:path";
import { encode } from "fast-png";
import { type Samples, toFloat32 } from "../data/samples.ts";
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
function inFileUnits(
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
function overDraws(filled: Float32Array, d: number): { readonly mean: Float32Array; readonly sd: Float32Array } {
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
function filledPng(values: Float32Array, shape: ImageShape, range: readonly [number, number]): Uint8Array {
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
function gridPicture(values: Float32Array, shape: ImageShape, [low, high]: readonly [number, number]): Picture {
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

/** Pictures whose draws the grid shows at most, and draws of one. */
const GRID_ROWS = 16, GRID_DRAWS = 8;

/** What the files of filled images are made of. */
export interface FilledOptions {
  readonly shape: readonly number[];
  readonly images: ImageShape;
  /** The file's own values, `[n, ...shape]`. */
  readonly raw: Samples;
  /** 1 where a value is kept, `[...shape]`. */
  readonly isKnown: Uint8Array;
  readonly units: Units;
  /** The file's values that are black and white. */
  readonly range: readonly [number, number];
  /** Whether the draws themselves are left out. */
  readonly onlyMean: boolean;
}

/** Writes filled images to a folder: pictures as they come, and at the end a tensor of all and a grid. */
export class FilledImages {
  readonly #draws: Float32Array[] = [];
  readonly #means: Float32Array[] = [];
  readonly #deviations: Float32Array[] = [];
  readonly #grid: Picture[] = [];
  #columns = 0;
  #count = 0;

  constructor(readonly folder: string, readonly options: FilledOptions) {}

  /** Images that are written. */
  get count(): number {
    return this.#means.length;
  }

  /** Draws of each. */
  get draws(): number {
    return this.#count;
  }

  /**
   * Writes the next image.
   *
   * @param filled Its draws in the values that the model sees, `[draws, ...shape]`, as many of each image.
   */
  async add(filled: Float32Array): Promise<void> {
    const { images, raw, isKnown, units, range, onlyMean } = this.options, [low, high] = range, i = this.count;
    const d = isKnown.length, count = filled.length / d, half = [0, (high - low) / 2] as const;
    const own = toFloat32(raw, i, i + 1), inUnits = inFileUnits(filled, own, isKnown, units);
    const { mean, sd } = overDraws(inUnits, d), shownMean = inFileUnits(overDraws(filled, d).mean, own, isKnown, units);
    const draws = Array.from({ length: count }, (_, k) => inUnits.subarray(k * d, (k + 1) * d));
    const label = String(i).padStart(6, "0"), digits = String(count).length;
    const write = (name: string, png: Uint8Array) => writeFileAtomic(join(this.folder, name), png);
    for (const [k, draw] of onlyMean ? [] : draws.entries()) {
      await write(
        join("images", `${label}-${String(k + 1).padStart(digits, "0")}.png`),
        filledPng(draw, images, range),
      );
    }
    await write(join("mean", `${label}.png`), filledPng(shownMean, images, range));
    if (count > 1) await write(join("stddev", `${label}.png`), filledPng(sd, images, half));
    this.#count = count;
    this.#means.push(mean);
    this.#deviations.push(sd);
    if (!onlyMean) this.#draws.push(inUnits);
    if (i >= GRID_ROWS) return;
    const row = [
      gridPicture(own.map((x, k) => isKnown[k] ? x : (low + high) / 2), images, range),
      ...(onlyMean ? [] : draws.slice(0, GRID_DRAWS)).map((draw) => gridPicture(draw, images, range)),
      gridPicture(shownMean, images, range),
      ...(count > 1 ? [gridPicture(sd, images, half)] : []),
    ];
    this.#columns = row.length;
    this.#grid.push(...row);
  }

  /** The root mean square of the draws' standard deviation over what was filled in, in the file's units. */
  scatter(): number {
    const { isKnown } = this.options;
    let sum = 0, count = 0;
    for (const sd of this.#deviations) {
      sd.forEach((x, k) => {
        if (isKnown[k]) return;
        sum += x * x;
        count++;
      });
    }
    return Math.sqrt(sum / count);
  }

  /** Writes filled.safetensors and the grid; returns what was written in all. */
  async finish(text: { readonly title: string; readonly subtitle: string }): Promise<string[]> {
    const { shape, onlyMean } = this.options,
      { encodePng, imageGridFigure, pictureGrid, renderSvg } = await import(
        "../figures/mod.ts"
      );
    const tensor = (leading: readonly number[], parts: readonly Float32Array[]) => {
      const data = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
      let at = 0;
      for (const part of parts) {
        data.set(part, at);
        at += part.length;
      }
      return { shape: [...leading, ...shape], data };
    };
    const tensors = {
      ...(onlyMean ? {} : { filled: tensor([this.count, this.#count], this.#draws) }),
      mean: tensor([this.count], this.#means),
      stddev: tensor([this.count], this.#deviations),
    };
    await writeFileAtomic(join(this.folder, "filled.safetensors"), encodeSafetensors(tensors));
    await writeFileAtomic(join(this.folder, "grid.png"), encodePng(pictureGrid(this.#grid, this.#columns)));
    const record = {
      title: text.title,
      subtitle: `${text.subtitle}, each row what is known and draws and mean and scatter`,
    };
    const figure = imageGridFigure(record, this.#grid, {
      columns: this.#columns,
      what: "images with what was filled in",
    });
    await writeFileAtomic(join(this.folder, "grid.svg"), await renderSvg(figure));
    const scattered = this.#count > 1 ? ["stddev"] : [];
    return ["filled.safetensors", ...(onlyMean ? [] : ["images"]), "mean", ...scattered, "grid.png", "grid.svg"];
  }
}
